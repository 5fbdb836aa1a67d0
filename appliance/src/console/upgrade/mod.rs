//! Upgrades and rollbacks: media are found, a plan is read and approved, the change is followed to its end, or undone.

mod further;
mod outlook;
mod plan;
#[cfg(test)]
mod tests;
mod view;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use serde::Deserialize;

use self::plan::PlanView;
use self::view::{View, view};
use super::approval::TwoPeople;
use super::fields::{Asked, Sent};
use super::frame::{Frame, Place};
use super::overview::sentence;
use super::units::bytes;
use super::{Shown, draw, go};
use crate::access::Caller;
use crate::api::{Intent, approve_second, ask, confirmed_plan, new_request, plan_of};
use crate::approval::{Approved, ask_change};
use crate::context::Context;
use crate::host::{Change, DataFate, Request, RequestState, Unavailable, is_id};
use crate::refusal::Refusal;

#[derive(Template)]
#[template(path = "upgrade.html")]
struct Whole {
    frame: Frame,
    view: View,
}

#[derive(Template)]
#[template(path = "upgrade_live.html")]
struct Live {
    view: View,
}

#[derive(Template)]
#[template(path = "plan.html")]
struct Plan {
    frame: Frame,
    view: PlanView,
    /// Id of the request that an approval makes: one that is sent twice begins once.
    request: String,
    /// How it stands where two people approve.
    two: Option<TwoPeople>,
}

#[derive(Deserialize)]
pub struct About {
    #[serde(default)]
    request: String,
    #[serde(default)]
    done: String,
}

#[derive(Deserialize)]
pub struct ChosenMedium {
    medium: String,
}

#[derive(Deserialize)]
pub struct ChosenReturn {
    version: String,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
pub struct Approval {
    request: String,
    plan: String,
    confirm: String,
    /// Id of the first approval, where this is the second one.
    #[serde(default, rename = "approval")]
    first: String,
}

#[derive(Deserialize)]
pub struct FirstApproval {
    plan: String,
    confirm: String,
}

#[derive(Deserialize)]
pub struct Undo {
    operation: u64,
}

async fn asked(context: &Context, id: &str) -> Result<Option<Request>, Unavailable> {
    if is_id(id) { context.site.request(id).await } else { Ok(None) }
}

/// Where a plan that is made can be read.
fn plan_path(request: Option<&Request>) -> Option<String> {
    let request = request.filter(|request| request.verb == "plan" && request.state == RequestState::Done)?;
    request.plan.as_ref().filter(|digest| is_id(digest)).map(|digest| format!("/upgrade/plans/{digest}"))
}

pub async fn show(State(context): State<Context>, caller: Caller, Asked(about): Asked<About>) -> Shown {
    let About { request: id, done } = about;
    let request = asked(&context, &id).await.unwrap_or_default();
    if let Some(path) = plan_path(request.as_ref()) {
        return go(&path);
    }
    let notice = (done == "withdrawn").then_some("The approval is withdrawn. Nothing was changed.");
    let frame = Frame::new(&context, &caller, Place::Upgrade, "Upgrade").with(notice);
    draw(&Whole { frame, view: view(&context, &caller, request, id).await })
}

pub async fn live(State(context): State<Context>, caller: Caller, Asked(about): Asked<About>) -> Shown {
    let id = about.request;
    let request = asked(&context, &id).await.unwrap_or_default();
    let path = plan_path(request.as_ref());
    let mut part = draw(&Live { view: view(&context, &caller, request, id).await })?;
    if let Some(path) = path.and_then(|path| HeaderValue::try_from(path).ok()) {
        part.headers_mut().insert("hx-redirect", path);
    }
    Ok(part)
}

pub async fn show_plan(State(context): State<Context>, caller: Caller, Path(digest): Path<String>) -> Shown {
    let view = PlanView::new(plan_of(&context, &digest).await?);
    let frame = Frame::new(&context, &caller, Place::Upgrade, view.title.clone());
    let two = TwoPeople::of(&context, &caller, &view.digest).await?;
    draw(&Plan { frame, view, request: new_request(), two })
}

async fn hand_over(context: &Context, caller: &Caller, request: Option<String>, intent: Intent) -> Shown {
    let request = ask(context, caller, request, intent).await?;
    go(&format!("/upgrade?request={}", request.request))
}

pub async fn look(State(context): State<Context>, caller: Caller) -> Shown {
    hand_over(&context, &caller, None, Intent::Look).await
}

pub async fn plan(State(context): State<Context>, caller: Caller, Sent(form): Sent<ChosenMedium>) -> Shown {
    let intent = Intent::Plan(Change::Upgrade { medium: form.medium });
    hand_over(&context, &caller, None, intent).await
}

pub async fn plan_return(State(context): State<Context>, caller: Caller, Sent(form): Sent<ChosenReturn>) -> Shown {
    let data = match form.data.as_str() {
        "" => None,
        "keep" => Some(DataFate::Keep),
        "restore" => Some(DataFate::Restore),
        _ => return Err(Refusal::Invalid("data: keep or restore".to_owned()).into()),
    };
    let intent = Intent::Plan(Change::Rollback { version: form.version, data });
    hand_over(&context, &caller, None, intent).await
}

/// Approves as the first of two people.
pub async fn ask_first(State(context): State<Context>, caller: Caller, Sent(form): Sent<FirstApproval>) -> Shown {
    let page = confirmed_plan(&context, &form.plan, form.confirm.trim()).await?;
    ask_change(&context, &caller, &page).await?;
    go(&format!("/upgrade/plans/{}", page.digest))
}

/// The change is that of the plan: what the form says names it, and nothing else.
pub async fn approve(State(context): State<Context>, caller: Caller, Sent(form): Sent<Approval>) -> Shown {
    let Approval { request, plan, confirm, first } = form;
    let confirm = confirm.trim().to_owned();
    // Sent twice: the first has used the plan up.
    if asked(&context, &request).await?.is_some() {
        return go(&format!("/upgrade?request={request}"));
    }
    if !first.is_empty() {
        let begun = approve_second(&context, &caller, &first, (Some(request), confirm)).await?;
        return go(&format!("/upgrade?request={}", begun.request));
    }
    let page = confirmed_plan(&context, &plan, &confirm).await?;
    let approved = Approved::alone(&context, &plan).await?;
    hand_over(&context, &caller, Some(request), Intent::Approve { change: page.change, approved, confirm }).await
}

pub async fn abort(State(context): State<Context>, caller: Caller, Sent(form): Sent<Undo>) -> Shown {
    hand_over(&context, &caller, None, Intent::Abort(form.operation)).await
}
