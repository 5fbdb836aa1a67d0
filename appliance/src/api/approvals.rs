//! First approvals that wait for a second person, and second approvals.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use landfall_peer::ID_PATTERN;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Body;
use super::changes::{AcceptResult, ask as hand_over, plan_of};
use super::checked_request::CheckedRequest;
use super::requester::unusable_id;
use crate::access::Caller;
use crate::approval::{self, Approval, ApprovalSubject, ApprovedPlan, open, setting};
use crate::context::Context;
use crate::host::{PlanPage, Request, is_id};
use crate::refusal::Refusal;

/// Returns a plan if the approval names its site.
pub async fn confirmed_plan(context: &Context, digest: &str, confirm: &str) -> Result<PlanPage, Refusal> {
    let page = plan_of(context, digest).await?;
    if confirm == page.site {
        return Ok(page);
    }
    Err(Refusal::Invalid(format!("the site is named {}; nothing was changed", page.site)))
}

/// Approves a plan as the second person, and makes the host begin it. The host must have the plan, so that a first
/// approval is not used up in vain; the change is that of the plan.
pub async fn approve_second(
    context: &Context,
    caller: &Caller,
    id: &str,
    (request, confirm): (Option<String>, String),
) -> Result<Request, Refusal> {
    // This check precedes the use of the first approval.
    let sent = match &request {
        Some(request) if is_id(request) => context.site.request(request).await?,
        Some(_) => return Err(unusable_id()),
        None => None,
    };
    if let Some(known) = sent {
        return Ok(known);
    }
    let waiting = open(context).await?.into_iter().find(|approval| approval.id == id);
    let Some(ApprovalSubject::Change { plan, .. }) = waiting.map(|approval| approval.wanted) else {
        return Err(Refusal::NotThere("approval of a plan that waits for a second person".to_owned()));
    };
    let page = confirmed_plan(context, &plan, &confirm).await?;
    let approved = ApprovedPlan::second(context, &caller.approver(), id).await?;
    hand_over(context, caller, CheckedRequest::begin(caller, request, page.change, approved, confirm)?).await
}

/// First approval, which waits for a second person.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Approval")]
pub struct ApprovalItem {
    /// ID of the approval in requests.
    id: String,
    /// Approved action: `change`, a plan; `off`, a return to approval by one person; `count`, counting a local user as
    /// a person.
    kind: &'static str,
    /// Approved action in words.
    title: String,
    /// Digest of the plan, if a change was approved.
    plan: Option<String>,
    /// User who approved first.
    by: String,
    /// Time of the first approval.
    asked: Timestamp,
    /// Time at which the first approval expires.
    ends: Timestamp,
}

impl From<Approval> for ApprovalItem {
    fn from(Approval { id, wanted, title, by, asked, ends, .. }: Approval) -> Self {
        let (kind, plan) = match wanted {
            ApprovalSubject::Change { plan, .. } => ("change", Some(plan)),
            ApprovalSubject::Off => ("off", None),
            ApprovalSubject::Count(_) => ("count", None),
        };
        Self { id, kind, title, plan, by, asked, ends }
    }
}

/// First approvals that wait for a second person.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Approvals")]
pub struct Approvals {
    /// Kind of the document.
    kind: &'static str,
    /// Version of the form, which changes when a field changes its meaning.
    schema: u32,
    /// True if two people approve on this site.
    two_people: bool,
    /// First approvals, oldest first.
    items: Vec<ApprovalItem>,
}

/// First approval of a plan.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FirstApproval")]
pub struct SentFirst {
    /// Digest of the plan.
    plan: String,
    /// Name of the site, which confirms the approval.
    confirm: String,
}

/// Second approval of a plan.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SecondApproval")]
pub struct SentSecond {
    /// Request ID that the client chooses: 8 to 96 lower-case hexadecimal digits and hyphens. A repeated request is
    /// executed once.
    #[schemars(regex(pattern = ID_PATTERN))]
    request: Option<String>,
    /// Name of the site, which confirms the approval.
    confirm: String,
}

/// List approvals that wait for a second person
///
/// The answer also says if two people approve on this site.
#[utoipa::path(
    get,
    path = "/api/v1/approvals",
    operation_id = "listApprovals",
    tag = "changes",
    responses(
        (status = 200, description = "what waits for a second person", body = ref("#/components/schemas/Approvals")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn list(State(context): State<Context>) -> Result<Json<Approvals>, Refusal> {
    let items = open(&context).await?.into_iter().map(ApprovalItem::from).collect();
    Ok(Json(Approvals { kind: "approvals", schema: 1, two_people: setting(&context).await?.is_some(), items }))
}

/// Approve a plan as the first person
///
/// The approval waits eight hours for another person. A plan with another digest voids it.
#[utoipa::path(
    post,
    path = "/api/v1/approvals",
    operation_id = "approveFirst",
    tag = "changes",
    request_body(content = ref("#/components/schemas/FirstApproval"), description = "what is approved",
        content_type = "application/json"),
    responses(
        (status = 201, description = "the approval, which waits", body = ref("#/components/schemas/Approval")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn ask(
    State(context): State<Context>,
    caller: Caller,
    Body(sent): Body<SentFirst>,
) -> Result<(StatusCode, Json<ApprovalItem>), Refusal> {
    let page = confirmed_plan(&context, &sent.plan, &sent.confirm).await?;
    let asked = approval::ask_change(&context, &caller.approver(), &page).await?;
    Ok((StatusCode::CREATED, Json(asked.into())))
}

/// Approve a plan as the second person
///
/// The host plans again, and begins if the plan is unchanged. Approvals of settings can be given only in the console's
/// pages.
#[utoipa::path(
    post,
    path = "/api/v1/approvals/{id}",
    operation_id = "approveSecond",
    tag = "changes",
    params(("id" = String, Path, description = "id of the approval")),
    request_body(content = ref("#/components/schemas/SecondApproval"), description = "the name of the site",
        content_type = "application/json"),
    responses(
        (status = 202, description = "the host works on it; ask for the request",
            body = ref("#/components/schemas/Request")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn approve(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
    Body(sent): Body<SentSecond>,
) -> AcceptResult {
    let begun = approve_second(&context, &caller, &id, (sent.request, sent.confirm)).await?;
    Ok((StatusCode::ACCEPTED, Json(begun)))
}

/// Withdraw a first approval
///
/// Users withdraw their own, administrators any.
#[utoipa::path(
    delete,
    path = "/api/v1/approvals/{id}",
    operation_id = "withdrawApproval",
    tag = "changes",
    params(("id" = String, Path, description = "id of the approval")),
    responses(
        (status = 204, description = "the approval is withdrawn"),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn withdraw(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    approval::withdraw(&context, &caller.approver(), &id).await.map(|_| StatusCode::NO_CONTENT)
}
