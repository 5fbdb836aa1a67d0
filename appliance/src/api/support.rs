//! Support bundle: the host collects it, and it passes through here in pieces of bounded size.

use axum::Json;
use axum::body::Body as Sending;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use hyper::body::Bytes;
use landfall_peer::ID_PATTERN;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Body;
use super::changes::{AcceptResult, accept};
use super::checked_request::CheckedRequest;
use super::site::note;
use crate::access::Caller;
use crate::audit::Event;
use crate::context::Context;
use crate::host::{HostError, SupportBundle, SupportPage};
use crate::refusal::Refusal;

/// Request for a support bundle.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SupportWish")]
pub struct SentSupport {
    /// Request ID that the client chooses: 8 to 96 lower-case hexadecimal digits and hyphens. A repeated request is
    /// executed once.
    #[schemars(regex(pattern = ID_PATTERN))]
    request: Option<String>,
    /// Age limit of collected logs, in hours.
    #[schemars(range(min = 1, max = 168))]
    hours: u32,
}

/// Return the current support bundle
///
/// The bundle that the host keeps, if any: until the next one, for at most a day.
#[utoipa::path(
    get,
    path = "/api/v1/support",
    operation_id = "getSupport",
    tag = "support",
    responses(
        (status = 200, description = "the support bundle, if there is one",
            body = ref("#/components/schemas/SupportPage")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn page(State(context): State<Context>) -> Result<Json<SupportPage>, Refusal> {
    Ok(Json(context.site.support().await?))
}

/// Collect a support bundle
///
/// The host collects it, without secrets, and runs the proofs of the release; nothing else is changed. It replaces the
/// previous bundle. Limited to once in a minute.
#[utoipa::path(
    post,
    path = "/api/v1/support",
    operation_id = "collectSupport",
    tag = "support",
    request_body(content = ref("#/components/schemas/SupportWish"), description = "how much of logs",
        content_type = "application/json"),
    responses(
        (status = 202, description = "the host works on it; ask for the request",
            body = ref("#/components/schemas/Request")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn collect(State(context): State<Context>, caller: Caller, Body(sent): Body<SentSupport>) -> AcceptResult {
    accept(&context, &caller, CheckedRequest::collect(&caller, sent.request, sent.hours)?).await
}

/// Download a support bundle
///
/// The file for the vendor, `.tar.gz`. `landfall support analyze` reads it.
#[utoipa::path(
    get,
    path = "/api/v1/support/{id}",
    operation_id = "downloadSupport",
    tag = "support",
    params(("id" = String, Path, description = "id of the support bundle")),
    responses(
        (status = 200, description = "the file", content_type = "application/gzip", body = String),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn download(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    send_support(&context, &caller, &id).await
}

/// Sends a support bundle. Its leaving the site is recorded before.
pub async fn send_support(context: &Context, caller: &Caller, id: &str) -> Result<Response, Refusal> {
    let found = context.site.support().await?.bundle.filter(|bundle| bundle.id == id);
    let bundle = found.ok_or_else(|| Refusal::NotThere("such support bundle; collect another one".to_owned()))?;
    // If the host no longer keeps it, it reports that before anything is sent.
    let first = context.site.support_piece(&bundle.id, 0).await?;
    let detail = format!("collected at {} for {}", bundle.collected, bundle.by);
    note(context, &caller.author(), Event::done("support.download", &bundle.id).with(&detail)).await?;
    context.sign_audit_soon().await;
    let headers = [
        (header::CONTENT_TYPE, "application/gzip".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", file_name(&bundle))),
        (header::CONTENT_LENGTH, bundle.size_bytes.to_string()),
    ];
    Ok((headers, pieces(context, bundle, first)).into_response())
}

/// Returns the file's name, with the time as digits: `support-20261120T080000Z.tar.gz`.
fn file_name(bundle: &SupportBundle) -> String {
    let time: String = bundle.collected.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("support-{time}.tar.gz")
}

/// Returns the bytes, of which the first piece is already here. An error ends the connection, and the file is then
/// shorter than announced.
fn pieces(context: &Context, bundle: SupportBundle, first: Bytes) -> Sending {
    let context = context.clone();
    let SupportBundle { id, size_bytes, .. } = bundle;
    Sending::from_stream(try_unfold((first, 0), move |(piece, offset): (Bytes, u64)| {
        let (context, id) = (context.clone(), id.clone());
        async move {
            if piece.is_empty() {
                return Ok::<_, HostError>(None);
            }
            let end = offset + piece.len() as u64;
            let next = if end < size_bytes { context.site.support_piece(&id, end).await? } else { Bytes::new() };
            Ok(Some((piece, (next, end))))
        }
    }))
}
