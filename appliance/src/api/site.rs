//! Reports of the host, at most two seconds old.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use landfall_error_codes::codes;
use landfall_license::FILE_BYTES as LICENSE_BYTES;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Body;

use crate::access::Caller;
use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::error::Context as _;
use crate::host::{HostError, Topic};
use crate::refusal::Refusal;
use crate::task::spawn_for_request;

async fn document(context: &Context, topic: Topic) -> Result<Response, Refusal> {
    let answer = context.site.fresh(topic).await?;
    let found = answer.ok_or_else(|| Refusal::NotThere(format!("{} of this site", topic.kind())))?;
    Ok(Json(&*found).into_response())
}

/// Return the status of the site
///
/// The output of `landfall status --json`, at most two seconds old.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    operation_id = "getStatus",
    tag = "site",
    responses(
        (status = 200, description = "status of the site", body = ref("#/components/schemas/Status")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn status(State(context): State<Context>) -> Result<Response, Refusal> {
    document(&context, Topic::Status).await
}

/// Return the GPUs of the host
///
/// The GPU part of the status, at most two seconds old. 404 if the host has no NVIDIA GPU, or nothing is installed.
#[utoipa::path(
    get,
    path = "/api/v1/gpus",
    operation_id = "getGpus",
    tag = "site",
    responses(
        (status = 200, description = "GPUs of the host", body = ref("#/components/schemas/Status.GpusStatus")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn gpus(State(context): State<Context>) -> Result<Response, Refusal> {
    let status = context.site.fresh(Topic::Status).await?;
    let found = status.as_ref().and_then(|status| status.get("gpus")).filter(|gpus| !gpus.is_null());
    let found = found.ok_or_else(|| Refusal::NotThere("GPU of this host".to_owned()))?;
    Ok(Json(found).into_response())
}

/// List the releases of the site
///
/// The installed release, and the releases that the site keeps for a rollback.
#[utoipa::path(
    get,
    path = "/api/v1/releases",
    operation_id = "listReleases",
    tag = "site",
    responses(
        (status = 200, description = "releases of the site", body = ref("#/components/schemas/Releases")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn releases(State(context): State<Context>) -> Result<Response, Refusal> {
    document(&context, Topic::Releases).await
}

/// List the operations of the site
///
/// The output of `landfall history --json`: the latest hundred operations, each with the person who requested it.
#[utoipa::path(
    get,
    path = "/api/v1/history",
    operation_id = "listOperations",
    tag = "site",
    responses(
        (status = 200, description = "operations of the site, newest first",
            body = ref("#/components/schemas/History")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn history(State(context): State<Context>) -> Result<Response, Refusal> {
    document(&context, Topic::History).await
}

/// List the backups of the site
///
/// The output of `landfall backup list --json`, with the points in time that can be restored.
#[utoipa::path(
    get,
    path = "/api/v1/backups",
    operation_id = "listBackups",
    tag = "backups",
    responses(
        (status = 200, description = "backups of the site", body = ref("#/components/schemas/Backups")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn backups(State(context): State<Context>) -> Result<Response, Refusal> {
    document(&context, Topic::Backups).await
}

/// List settings of the installed release
///
/// Each has its current value, its default, and the JSON Schema of permitted values.
#[utoipa::path(
    get,
    path = "/api/v1/settings",
    operation_id = "getSettings",
    tag = "site",
    responses(
        (status = 200, description = "settings of the installed release", body = ref("#/components/schemas/Settings")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn settings(State(context): State<Context>) -> Result<Response, Refusal> {
    document(&context, Topic::Settings).await
}

/// Return the license of the site
///
/// 404 if the site has none and needs none.
#[utoipa::path(
    get,
    path = "/api/v1/license",
    operation_id = "getLicense",
    tag = "site",
    responses(
        (status = 200, description = "license of the site", body = ref("#/components/schemas/LicenseStatus")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn license(State(context): State<Context>) -> Result<Response, Refusal> {
    document(&context, Topic::License).await
}

/// Return the use of the license
///
/// The site's use of each limit of its license. 404 if the site has no license.
#[utoipa::path(
    get,
    path = "/api/v1/usage",
    operation_id = "getUsage",
    tag = "site",
    responses(
        (status = 200, description = "use of the license", body = ref("#/components/schemas/LicenseUsage")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn usage(State(context): State<Context>) -> Result<Response, Refusal> {
    document(&context, Topic::Usage).await
}

/// Return the usage report
///
/// The file for the vendor, signed by the site's key. 404 if the site has no license, or has measured nothing yet.
#[utoipa::path(
    get,
    path = "/api/v1/usage/report",
    operation_id = "getUsageReport",
    tag = "site",
    responses(
        (status = 200, description = "report of usage", body = ref("#/components/schemas/UsageReport")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn usage_report(State(context): State<Context>) -> Result<Response, Refusal> {
    let found = context.site.fresh(Topic::UsageReport).await?;
    let found = found.ok_or_else(|| Refusal::NotThere("report of usage".to_owned()))?;
    // People also read it: one field per line.
    let text = serde_json::to_string_pretty(&*found)
        .context(codes::BUG, || "the report of usage cannot be written".to_owned())?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"usage-report.json\""),
    ];
    Ok((headers, text).into_response())
}

/// License to import.
#[derive(Deserialize, JsonSchema)]
pub struct NewLicense {
    /// Text of the file from the vendor.
    #[schemars(length(min = 1, max = LICENSE_BYTES))]
    license: String,
}

/// Import a license
///
/// The host verifies the license, and has stored it before the answer.
#[utoipa::path(
    post,
    path = "/api/v1/license",
    operation_id = "importLicense",
    tag = "site",
    request_body(content = ref("#/components/schemas/NewLicense"), description = "the license",
        content_type = "application/json"),
    responses(
        (status = 204, description = "the license is stored"),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn import(
    State(context): State<Context>,
    caller: Caller,
    Body(NewLicense { license }): Body<NewLicense>,
) -> Result<StatusCode, Refusal> {
    import_license(&context, &caller, license).await.map(|()| StatusCode::NO_CONTENT)
}

/// Sends a license to the host, which verifies it. As for backups, the request is recorded before, and its outcome
/// afterwards, even if the browser no longer waits.
pub async fn import_license(context: &Context, caller: &Caller, license: String) -> Result<(), Refusal> {
    if license.trim().is_empty() {
        return Err(Refusal::Invalid("license: give the text of the file that the vendor sent".to_owned()));
    }
    if license.len() > LICENSE_BYTES {
        let has = license.len();
        return Err(Refusal::Invalid(format!(
            "license: its text has {has} bytes, and no license has more than {LICENSE_BYTES}"
        )));
    }
    let (context, author) = (context.clone(), caller.author());
    let asking = spawn_for_request(async move {
        let imported = context.site.import_license(&author.name, &author.correlation, &license);
        ask_and_record(&context, &author, ["license.ask", "license.import"], imported).await
    });
    asking.await.context(codes::BUG, || "the import of a license was interrupted".to_owned())?
}

/// Begin a backup
///
/// The host has begun before the answer; the list of backups shows its outcome. Refused with 409 while another
/// operation runs. Limited to once in ten minutes.
#[utoipa::path(
    post,
    path = "/api/v1/backups",
    operation_id = "beginBackup",
    tag = "backups",
    responses(
        (status = 202, description = "the host has begun"),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn begin_backup(State(context): State<Context>, caller: Caller) -> Result<StatusCode, Refusal> {
    back_up_now(&context, &caller).await.map(|()| StatusCode::ACCEPTED)
}

/// Requests a backup from the host. The request is recorded before, and its outcome afterwards, because the host acts
/// outside of the database. Both happen even if the browser no longer waits.
pub async fn back_up_now(context: &Context, caller: &Caller) -> Result<(), Refusal> {
    let (context, author) = (context.clone(), caller.author());
    let asking = spawn_for_request(async move {
        let begun = context.site.begin_backup(&author.name, &author.correlation);
        ask_and_record(&context, &author, ["backup.ask", "backup.begin"], begun).await
    });
    asking.await.context(codes::BUG, || "the request for a backup was interrupted".to_owned())?
}

/// Begin a drill
///
/// The newest backup of the installed version is restored on trial, with the log backups after it; running software is
/// not touched. The host has begun before the answer; the list of backups shows its outcome. Limited to once in ten
/// minutes.
#[utoipa::path(
    post,
    path = "/api/v1/drills",
    operation_id = "beginDrill",
    tag = "backups",
    responses(
        (status = 202, description = "the host has begun"),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn begin_drill(State(context): State<Context>, caller: Caller) -> Result<StatusCode, Refusal> {
    drill_now(&context, &caller).await.map(|()| StatusCode::ACCEPTED)
}

/// Requests a drill from the host. As for backups, the request is recorded before, and its outcome afterwards.
pub async fn drill_now(context: &Context, caller: &Caller) -> Result<(), Refusal> {
    let (context, author) = (context.clone(), caller.author());
    let asking = spawn_for_request(async move {
        let begun = context.site.begin_drill(&author.name, &author.correlation);
        ask_and_record(&context, &author, ["drill.ask", "drill.begin"], begun).await
    });
    asking.await.context(codes::BUG, || "the request for a drill was interrupted".to_owned())?
}

/// Records a request about the site, asks the host, and records the outcome. Nothing is asked before `question` is
/// awaited here.
async fn ask_and_record<T>(
    context: &Context,
    author: &Author,
    [request, act]: [&'static str; 2],
    question: impl Future<Output = Result<T, HostError>>,
) -> Result<T, Refusal> {
    note(context, author, Event::done(request, "site")).await?;
    context.sign_audit_soon().await;
    let outcome = question.await;
    note_outcome(context, author, (act, "site"), &outcome).await?;
    Ok(outcome?)
}

pub(super) async fn note(context: &Context, author: &Author, event: Event<'_>) -> Result<(), Refusal> {
    let mut write = context.database.write().await?;
    record(&mut write, author, event).await?;
    write.commit().await?;
    Ok(())
}

/// Records the outcome of a request to the host.
pub(super) async fn note_outcome<T>(
    context: &Context,
    author: &Author,
    (action, object): (&'static str, &str),
    outcome: &Result<T, HostError>,
) -> Result<(), Refusal> {
    let why = outcome.as_ref().err().map(ToString::to_string);
    let event = match &why {
        None => Event::done(action, object),
        Some(why) => Event::refused(action, object, why),
    };
    note(context, author, event).await
}
