//! The audit log as JSON lines or syslog messages, read page by page while it is sent.

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;

use crate::access::Caller;
use crate::audit::{Event, Export, Form, record};
use crate::context::Context;
use crate::error::Error;
use crate::refusal::Refusal;

/// Export the audit log
///
/// The export has all entries as JSON lines, including its own entry, with the host's checkpoints and the line of the
/// head. `landfall audit verify` checks it.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "exportAudit",
    tag = "audit",
    responses(
        (status = 200, description = "the log as JSON lines", content_type = "application/jsonl", body = String),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn export(State(context): State<Context>, caller: Caller) -> Result<Response, Refusal> {
    send(context, &caller, Form::JsonLines).await
}

/// Export the audit log as syslog
///
/// The export has all entries as messages of RFC 5424, one per line, each with the number and hash of its entry. It has
/// no checkpoints: `landfall audit verify` checks the export as JSON lines.
#[utoipa::path(
    get,
    path = "/api/v1/audit/syslog",
    operation_id = "exportAuditAsSyslog",
    tag = "audit",
    responses(
        (status = 200, description = "the log as messages of syslog", content_type = "text/plain", body = String),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn export_syslog(State(context): State<Context>, caller: Caller) -> Result<Response, Refusal> {
    send(context, &caller, Form::Syslog).await
}

async fn send(context: Context, caller: &Caller, form: Form) -> Result<Response, Refusal> {
    let (object, kind, ending) = match form {
        Form::JsonLines => ("audit", "application/jsonl", "jsonl"),
        Form::Syslog => ("audit as syslog", "text/plain; charset=utf-8", "log"),
    };
    let mut write = context.database.write().await?;
    record(&mut write, &caller.author(), Event::done("audit.export", object)).await?;
    write.commit().await?;
    context.sign_audit_soon().await;
    let export = Export::begin(context.database.read()).await?;
    let pages = try_unfold(Some(0), move |after| {
        let context = context.clone();
        async move {
            let Some(after) = after else { return Ok::<_, Error>(None) };
            let (text, next) = export.page(context.database.read(), after, form).await?;
            Ok(Some((text, next)))
        }
    });
    let name = format!("attachment; filename=\"audit-{}.{ending}\"", export.end.number);
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(pages)).into_response())
}
