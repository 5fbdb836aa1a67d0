//! Upgrades and rollbacks: media are found, a plan is read and approved, and the change is followed to its end, or
//! undone.

mod plan;
#[cfg(test)]
mod tests;
mod upload;
mod view;

use askama::Template;
use axum::extract::{Path, State};
use landfall_documents::change::{Change, DataChoice};
use serde::Deserialize;

use self::plan::PlanView;
use self::upload::UploadCard;
pub use self::upload::remove as remove_upload;
use self::view::{MediaResult, is_first, view};
use super::approval::TwoPeople;
use super::change::{RequestQuery, UPGRADE, View, find_planned, hand_over, home, leading_on, notice, plan_path};
use super::fields::{ActionNotice, FormFields, QueryParameters};
use super::frame::{Frame, Place};
use super::overview::sentence;
use super::units::{bytes, percent};
use super::{PageResult, draw, go};
use crate::access::Caller;
use crate::api::{CheckedRequest, new_request, plan_of};
use crate::context::Context;
use crate::refusal::Refusal;

#[derive(Template)]
#[template(path = "upgrade.html")]
struct UpgradePage {
    frame: Frame,
    view: View<MediaResult>,
    /// Upload card, for users who may upload, while no change is open.
    card: Option<UploadCard>,
}

#[derive(Template)]
#[template(path = "upgrade_live.html")]
struct UpgradeFragment {
    view: View<MediaResult>,
}

#[derive(Template)]
#[template(path = "plan.html")]
struct Plan {
    frame: Frame,
    view: PlanView,
    /// ID of the approval's request: sending it twice begins once.
    request: String,
    /// Missing approvals, if two are required.
    two: Option<TwoPeople>,
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

pub async fn show(
    State(context): State<Context>,
    caller: Caller,
    ActionNotice(done): ActionNotice,
    QueryParameters(about): QueryParameters<RequestQuery>,
) -> PageResult {
    let (asked, path) = find_planned(&context, UPGRADE, about).await;
    if let Some(path) = path {
        return go(&path);
    }
    let frame = Frame::new(&context, &caller, Place::Upgrade, "Upgrade").with(notice(&done));
    let view = view(&context, &caller, asked).await;
    let card = if view.may_plan() && !view.is_open() { UploadCard::read(&context).await } else { None };
    draw(&UpgradePage { frame, view, card })
}

pub async fn live(
    State(context): State<Context>,
    caller: Caller,
    QueryParameters(about): QueryParameters<RequestQuery>,
) -> PageResult {
    let (asked, path) = find_planned(&context, UPGRADE, about).await;
    Ok(leading_on(draw(&UpgradeFragment { view: view(&context, &caller, asked).await })?, path))
}

pub async fn show_plan(State(context): State<Context>, caller: Caller, Path(digest): Path<String>) -> PageResult {
    let page = plan_of(&context, &digest).await?;
    if home(page.change.verb()) != UPGRADE {
        return go(&plan_path(&page.change, &page.digest));
    }
    let view = PlanView::new(page);
    let frame = Frame::new(&context, &caller, Place::Upgrade, view.title.clone());
    let two = TwoPeople::load(&context, &caller, &view.digest).await?;
    draw(&Plan { frame, view, request: new_request(), two })
}

pub async fn look(State(context): State<Context>, caller: Caller) -> PageResult {
    hand_over(&context, &caller, UPGRADE, CheckedRequest::look(&caller, None)?).await
}

pub async fn plan(
    State(context): State<Context>,
    caller: Caller,
    FormFields(form): FormFields<ChosenMedium>,
) -> PageResult {
    let change = Change::Upgrade { medium: form.medium };
    hand_over(&context, &caller, UPGRADE, CheckedRequest::plan(&caller, None, change)?).await
}

pub async fn plan_return(
    State(context): State<Context>,
    caller: Caller,
    FormFields(form): FormFields<ChosenReturn>,
) -> PageResult {
    let data = match form.data.as_str() {
        "" => None,
        "keep" => Some(DataChoice::Keep),
        "restore" => Some(DataChoice::Restore),
        _ => return Err(Refusal::Invalid("data: keep or restore".to_owned()).into()),
    };
    let change = Change::Rollback { version: form.version, data };
    hand_over(&context, &caller, UPGRADE, CheckedRequest::plan(&caller, None, change)?).await
}
