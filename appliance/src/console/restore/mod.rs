//! Restores. A person chooses a backup or a point in time, and reads and approves the host's plan. The person then
//! follows the change to its end, or undoes it.

mod choice;
mod plan;
#[cfg(test)]
mod tests;

use askama::Template;
use axum::extract::{Path, State};
use landfall_documents::change::Change;

use self::choice::{ChoiceResult, load_choice, parse_choice};
use self::plan::PlanView;
use super::approval::TwoPeople;
use super::change::{RESTORE, RequestQuery, View, find_planned, hand_over, leading_on, notice, plan_path};
use super::fields::{ActionNotice, FormFields, QueryParameters};
use super::frame::{Frame, Place};
use super::overview::sentence;
use super::units::{bytes, short};
use super::{PageResult, draw, go};
use crate::access::Caller;
use crate::api::{CheckedRequest, new_request, plan_of};
use crate::context::Context;

#[derive(Template)]
#[template(path = "restore.html")]
struct RestorePage {
    frame: Frame,
    view: View<ChoiceResult>,
}

impl RestorePage {
    /// Returns true if a choice is possible: a pending request comes first, and only one change is open at a time.
    fn may_choose(&self) -> bool {
        self.view.request.is_empty() && !self.view.is_open() && !self.view.is_busy()
    }
}

/// The self-refreshing part. It does not contain the person's choices, so that none are lost.
#[derive(Template)]
#[template(path = "restore_live.html")]
struct RestoreFragment {
    view: View<()>,
}

#[derive(Template)]
#[template(path = "restore_plan.html")]
struct Plan {
    frame: Frame,
    view: PlanView,
    /// ID of the approval's request: sending it twice begins once.
    request: String,
    /// Missing approvals, if two are required.
    two: Option<TwoPeople>,
}

pub async fn show(
    State(context): State<Context>,
    caller: Caller,
    ActionNotice(done): ActionNotice,
    QueryParameters(about): QueryParameters<RequestQuery>,
) -> PageResult {
    let (asked, path) = find_planned(&context, RESTORE, about).await;
    if let Some(path) = path {
        return go(&path);
    }
    let frame = Frame::new(&context, &caller, Place::Backups, "Restore").with(notice(&done));
    draw(&RestorePage { frame, view: View::load(&context, &caller, RESTORE, asked, load_choice(&context)).await })
}

pub async fn live(
    State(context): State<Context>,
    caller: Caller,
    QueryParameters(about): QueryParameters<RequestQuery>,
) -> PageResult {
    let (asked, path) = find_planned(&context, RESTORE, about).await;
    let view = View::load(&context, &caller, RESTORE, asked, std::future::ready(())).await;
    Ok(leading_on(draw(&RestoreFragment { view })?, path))
}

pub async fn show_plan(State(context): State<Context>, caller: Caller, Path(digest): Path<String>) -> PageResult {
    let page = plan_of(&context, &digest).await?;
    if !matches!(page.change, Change::Restore { .. }) {
        return go(&plan_path(&page.change, &page.digest));
    }
    let view = PlanView::new(page);
    let frame = Frame::new(&context, &caller, Place::Backups, view.title.clone());
    let two = TwoPeople::load(&context, &caller, &view.digest).await?;
    draw(&Plan { frame, view, request: new_request(), two })
}

/// Requests a plan. The field `component` occurs once for each chosen component.
pub async fn plan(
    State(context): State<Context>,
    caller: Caller,
    FormFields(fields): FormFields<Vec<(String, String)>>,
) -> PageResult {
    let known = load_choice(&context).await.map(|choice| choice.components).unwrap_or_default();
    let change = parse_choice(&fields, &known)?;
    hand_over(&context, &caller, RESTORE, CheckedRequest::plan(&caller, None, change)?).await
}
