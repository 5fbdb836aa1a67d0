//! Changes of the site: media, plans, approvals, undo. The host processes one request at a time, while a support bundle
//! and an undo may run concurrently. Each request has an ID, by which it is recognized if it is repeated.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use landfall_documents::change::Change;
use landfall_error_codes::codes;
use landfall_peer::Requester;

use super::Body;
use super::change_requests::{
    SentAbort, SentConfiguration, SentLook, SentPlan, SentRestore, SentRollback, SentUpgrade,
};
use super::checked_request::CheckedRequest;
use super::site::note;
use crate::access::Caller;
use crate::approval::{ApprovedPlan, void_others};
use crate::audit::{Author, Event};
use crate::context::Context;
use crate::error::Context as _;
use crate::host::{ChangeRequest, MediaPage, OperationPage, PlanPage, Request, RequestState, is_id};
use crate::refusal::Refusal;
use crate::task::spawn_for_request;

/// Polling interval of a request that the host processes.
const POLL: Duration = Duration::from_secs(1);
/// Time limit for its end; the host's own limits are shorter.
const PATIENCE: Duration = Duration::from_mins(25);

/// Sends a request to the host, and records it before and its outcome afterwards, even if the browser no longer waits.
pub async fn ask(context: &Context, caller: &Caller, request: CheckedRequest) -> Result<Request, Refusal> {
    let asking = spawn_for_request(ask_host(context.clone(), caller.author(), request));
    asking.await.context(codes::BUG, || "the request for a change was interrupted".to_owned())?
}

async fn ask_host(context: Context, author: Author, checked: CheckedRequest) -> Result<Request, Refusal> {
    let ((wanted, became), object) = (checked.actions(), checked.object());
    let change = checked.request();
    let Requester { request, first, .. } = change.asking();
    // A request that the host already knows is a repetition: its end is recorded under the name of its first sender.
    let known = if checked.may_repeat() { context.site.request(request).await.ok().flatten() } else { None };
    let own =
        || first.as_ref().map_or_else(|| request.clone(), |first| format!("{request}, first approved by {first}"));
    let detail = known.as_ref().map_or_else(own, sent_again);
    note(&context, &author, Event::done(wanted, &object).with(&detail)).await?;
    if checked.is_change() {
        context.sign_audit_soon().await;
    }
    let planned = if let ChangeRequest::Plan(request) = change { Some(request.change.clone()) } else { None };
    let asked = match context.site.hand_over(change).await {
        Ok(asked) => asked,
        Err(error) => {
            note(&context, &author, Event::refused(became, &object, &error.to_string())).await?;
            return Err(error.into());
        }
    };
    let is_known = known.is_some_and(|known| (&known.by, &known.begun) == (&asked.by, &asked.begun));
    if is_known {
        return Ok(asked);
    }
    if asked.by == change.asking().by {
        spawn_for_request(record_end(context, author, (became, object), asked.request.clone(), planned));
    } else {
        note(&context, &author, Event::done(wanted, &object).with(&sent_again(&asked))).await?;
    }
    Ok(asked)
}

/// Returns the audit detail for a request that the host already has.
fn sent_again(first: &Request) -> String {
    format!("sent again: {}, first sent by {}", first.request, first.by)
}

/// Records the outcome of a request. If the host forgets it, because its API restarts, only its beginning is recorded.
/// A new plan voids approvals of the same change by another plan.
async fn record_end(
    context: Context,
    author: Author,
    (became, object): (&'static str, String),
    id: String,
    planned: Option<Change>,
) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < end {
        let noted = match context.site.request(&id).await {
            Ok(Some(Request { state: RequestState::Done, plan, .. })) => {
                if let Some((change, plan)) = planned.as_ref().zip(plan) {
                    void(&context, &author, change, &plan).await;
                }
                note(&context, &author, Event::done(became, &object).with(&id)).await
            }
            Ok(Some(Request { state: RequestState::Failed, problem, .. })) => {
                let why = problem.map(|problem| {
                    format!("{}: {}", problem.code.map(String::from).unwrap_or_default(), problem.title)
                });
                note(&context, &author, Event::refused(became, &object, &why.unwrap_or_default())).await
            }
            Ok(None) => return,
            Ok(Some(_)) | Err(_) => {
                tokio::time::sleep(POLL).await;
                continue;
            }
        };
        if let Err(error) = noted {
            tracing::warn!(?error, "the outcome of a request was not recorded");
        }
        return;
    }
}

async fn void(context: &Context, author: &Author, change: &Change, plan: &str) {
    if let Err(refusal) = void_others(context, author, change, plan).await {
        // The host compares again before it begins.
        tracing::warn!(?refusal, "first approvals of an earlier plan are not voided");
    }
}

pub(super) type AcceptResult = Result<(StatusCode, Json<Request>), Refusal>;

pub(super) async fn accept(context: &Context, caller: &Caller, request: CheckedRequest) -> AcceptResult {
    Ok((StatusCode::ACCEPTED, Json(ask(context, caller, request).await?)))
}

/// Look for media
///
/// The host looks for bundles on connected media, and verifies the signatures of each.
#[utoipa::path(
    post,
    path = "/api/v1/media",
    operation_id = "lookForMedia",
    tag = "changes",
    request_body(content = ref("#/components/schemas/Look"), description = "an id of the request, or nothing",
        content_type = "application/json"),
    responses(
        (status = 202, description = "the host works on it; ask for the request",
            body = ref("#/components/schemas/Request")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn look(State(context): State<Context>, caller: Caller, Body(sent): Body<SentLook>) -> AcceptResult {
    accept(&context, &caller, CheckedRequest::look(&caller, sent.request)?).await
}

/// Plan a change of the site
///
/// The change is an upgrade, a rollback, a restore or a change of settings. The host only plans, and changes nothing.
/// The request names the digest of the plan, or everything that blocks it.
#[utoipa::path(
    post,
    path = "/api/v1/plans",
    operation_id = "makePlan",
    tag = "changes",
    request_body(content = ref("#/components/schemas/Plan"), description = "what is planned",
        content_type = "application/json"),
    responses(
        (status = 202, description = "the host works on it; ask for the request",
            body = ref("#/components/schemas/Request")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn plan(State(context): State<Context>, caller: Caller, Body(sent): Body<SentPlan>) -> AcceptResult {
    accept(&context, &caller, CheckedRequest::plan(&caller, sent.request, sent.change)?).await
}

/// Makes the host begin a change that one person has approved.
async fn approve(
    context: &Context,
    caller: &Caller,
    request: Option<String>,
    change: Change,
    (plan, confirm): (String, String),
) -> AcceptResult {
    let approved = ApprovedPlan::alone(context, &plan).await?;
    accept(context, caller, CheckedRequest::begin(caller, request, change, approved, confirm)?).await
}

/// Approve an upgrade
///
/// The host plans again; if that plan has another digest, nothing begins (LF4806). If two people must approve, the
/// request is refused (LF5041): send `POST /api/v1/approvals`.
#[utoipa::path(
    post,
    path = "/api/v1/upgrades",
    operation_id = "approveUpgrade",
    tag = "changes",
    request_body(content = ref("#/components/schemas/UpgradeApproval"), description = "what is approved",
        content_type = "application/json"),
    responses(
        (status = 202, description = "the host works on it; ask for the request",
            body = ref("#/components/schemas/Request")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn upgrade(State(context): State<Context>, caller: Caller, Body(sent): Body<SentUpgrade>) -> AcceptResult {
    let SentUpgrade { request, medium, plan, confirm } = sent;
    approve(&context, &caller, request, Change::Upgrade { medium }, (plan, confirm)).await
}

/// Approve a rollback
///
/// The host plans again; if that plan has another digest, nothing begins (LF4806). If two people must approve, the
/// request is refused (LF5041): send `POST /api/v1/approvals`.
#[utoipa::path(
    post,
    path = "/api/v1/rollbacks",
    operation_id = "approveRollback",
    tag = "changes",
    request_body(content = ref("#/components/schemas/RollbackApproval"), description = "what is approved",
        content_type = "application/json"),
    responses(
        (status = 202, description = "the host works on it; ask for the request",
            body = ref("#/components/schemas/Request")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn roll_back(State(context): State<Context>, caller: Caller, Body(sent): Body<SentRollback>) -> AcceptResult {
    let SentRollback { request, version, data, plan, confirm } = sent;
    approve(&context, &caller, request, Change::Rollback { version, data }, (plan, confirm)).await
}

/// Approve a restore
///
/// The backup replaces the data; later changes to it are lost. The host plans again; if that plan has another digest,
/// nothing begins (LF4806). If two people must approve, the request is refused (LF5041): send `POST /api/v1/approvals`.
#[utoipa::path(
    post,
    path = "/api/v1/restores",
    operation_id = "approveRestore",
    tag = "changes",
    request_body(content = ref("#/components/schemas/RestoreApproval"), description = "what is approved",
        content_type = "application/json"),
    responses(
        (status = 202, description = "the host works on it; ask for the request",
            body = ref("#/components/schemas/Request")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn restore(State(context): State<Context>, caller: Caller, Body(sent): Body<SentRestore>) -> AcceptResult {
    let SentRestore { request, backup, at, components, plan, confirm } = sent;
    approve(&context, &caller, request, Change::Restore { backup, at, components }, (plan, confirm)).await
}

/// Approve a change of settings
///
/// The host plans again; if that plan has another digest, nothing begins (LF4806). A failed change is undone
/// automatically. If two people must approve, the request is refused (LF5041): send `POST /api/v1/approvals`.
#[utoipa::path(
    post,
    path = "/api/v1/configurations",
    operation_id = "approveConfiguration",
    tag = "changes",
    request_body(content = ref("#/components/schemas/ConfigurationApproval"), description = "what is approved",
        content_type = "application/json"),
    responses(
        (status = 202, description = "the host works on it; ask for the request",
            body = ref("#/components/schemas/Request")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn configure(
    State(context): State<Context>,
    caller: Caller,
    Body(sent): Body<SentConfiguration>,
) -> AcceptResult {
    let SentConfiguration { request, values, secrets, backup_time, plan, confirm } = sent;
    let change = Change::Configure { values, secrets, backup_time };
    approve(&context, &caller, request, change, (plan, confirm)).await
}

/// Undo the open change
///
/// This is possible until its commit; afterwards, only a rollback returns to the earlier release. One person is enough,
/// on every site.
#[utoipa::path(
    post,
    path = "/api/v1/operations/abort",
    operation_id = "undoOpenChange",
    tag = "changes",
    request_body(content = ref("#/components/schemas/Abort"), description = "the operation to undo",
        content_type = "application/json"),
    responses(
        (status = 202, description = "the host works on it; ask for the request",
            body = ref("#/components/schemas/Request")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn abort(State(context): State<Context>, caller: Caller, Body(sent): Body<SentAbort>) -> AcceptResult {
    accept(&context, &caller, CheckedRequest::abort(&caller, sent.request, sent.operation)?).await
}

/// List media that the host found
///
/// The list is as of the host's last look.
#[utoipa::path(
    get,
    path = "/api/v1/media",
    operation_id = "listMedia",
    tag = "changes",
    responses(
        (status = 200, description = "media that the host found", body = ref("#/components/schemas/MediaPage")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn media(State(context): State<Context>) -> Result<Json<MediaPage>, Refusal> {
    Ok(Json(context.site.media().await?))
}

/// Return the latest operation
///
/// 404 if there was none.
#[utoipa::path(
    get,
    path = "/api/v1/operation",
    operation_id = "getOperation",
    tag = "changes",
    responses(
        (status = 200, description = "the latest operation", body = ref("#/components/schemas/OperationPage")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn operation(State(context): State<Context>) -> Result<Json<OperationPage>, Refusal> {
    let found = context.site.operation().await?;
    found.map(Json).ok_or_else(|| Refusal::NotThere("operation of this site".to_owned()))
}

/// Return a plan
///
/// The host keeps a plan until its approval, for an hour, or until its API restarts.
#[utoipa::path(
    get,
    path = "/api/v1/plans/{id}",
    operation_id = "getPlan",
    tag = "changes",
    params(("id" = String, Path, description = "digest of the plan")),
    responses(
        (status = 200, description = "the plan", body = ref("#/components/schemas/PlanPage")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn one_plan(State(context): State<Context>, Path(digest): Path<String>) -> Result<Json<PlanPage>, Refusal> {
    plan_of(&context, &digest).await.map(Json)
}

/// Returns a plan that can be approved. The digest becomes part of a path of the host's API, so its form is checked.
pub async fn plan_of(context: &Context, digest: &str) -> Result<PlanPage, Refusal> {
    let found = if is_id(digest) { context.site.plan(digest).await? } else { None };
    found.ok_or(Refusal::PlanGone)
}

/// Return a request and its outcome
#[utoipa::path(
    get,
    path = "/api/v1/requests/{id}",
    operation_id = "getRequest",
    tag = "changes",
    params(("id" = String, Path, description = "id of the request")),
    responses(
        (status = 200, description = "the request", body = ref("#/components/schemas/Request")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn one_request(State(context): State<Context>, Path(id): Path<String>) -> Result<Json<Request>, Refusal> {
    let found = if is_id(&id) { context.site.request(&id).await? } else { None };
    found.map(Json).ok_or_else(|| Refusal::NotThere(format!("request {id}")))
}
