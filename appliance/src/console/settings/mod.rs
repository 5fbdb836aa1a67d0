//! Page of settings: a form for the settings of the release, and the host's plan of a change before it begins.

mod form;
mod pattern;
mod plan;
mod secrets;
#[cfg(test)]
mod tests;

use askama::Template;
use axum::extract::{Path, State};
use landfall_documents::change::Change;
use landfall_documents::settings::SiteSettings;

use self::form::{Entry, Form, changed_values};
use self::plan::PlanView;
pub use self::secrets::give;
use super::approval::TwoPeople;
use super::change::{RequestQuery, SETTINGS, View, find_planned, hand_over, leading_on, notice, plan_path};
use super::fields::{ActionNotice, FormFields, QueryParameters};
use super::frame::{Frame, Place};
use super::overview::sentence;
use super::trouble::Trouble;
use super::{PageResult, draw, go};
use crate::access::Caller;
use crate::api::{CheckedRequest, new_request, plan_of};
use crate::context::Context;
use crate::host::Topic;
use crate::refusal::Refusal;

/// The form; `None` if no release is installed.
type FormResult = Result<Option<Form>, Trouble>;

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    view: View<FormResult>,
}

impl SettingsPage {
    /// Returns true if input is possible: a pending request comes first, and only one change is open at a time.
    fn may_enter(&self) -> bool {
        self.view.request.is_empty() && !self.view.is_open() && !self.view.is_busy()
    }
}

/// The self-refreshing part. It does not contain the person's input, so that nothing is lost.
#[derive(Template)]
#[template(path = "settings_live.html")]
struct SettingsFragment {
    view: View<()>,
}

#[derive(Template)]
#[template(path = "settings_plan.html")]
struct Plan {
    frame: Frame,
    view: PlanView,
    /// ID of the approval's request: sending it twice begins once.
    request: String,
    /// Missing approvals, if two are required.
    two: Option<TwoPeople>,
}

async fn load_form(context: &Context) -> FormResult {
    Ok(context.site.read::<SiteSettings>(Topic::Settings).await?.as_ref().map(Form::from_settings))
}

pub async fn show(
    State(context): State<Context>,
    caller: Caller,
    ActionNotice(done): ActionNotice,
    QueryParameters(about): QueryParameters<RequestQuery>,
) -> PageResult {
    let (asked, path) = find_planned(&context, SETTINGS, about).await;
    if let Some(path) = path {
        return go(&path);
    }
    let frame = Frame::new(&context, &caller, Place::Settings, "Settings").with(notice(&done));
    draw(&SettingsPage { frame, view: View::load(&context, &caller, SETTINGS, asked, load_form(&context)).await })
}

pub async fn live(
    State(context): State<Context>,
    caller: Caller,
    QueryParameters(about): QueryParameters<RequestQuery>,
) -> PageResult {
    let (asked, path) = find_planned(&context, SETTINGS, about).await;
    let view = View::load(&context, &caller, SETTINGS, asked, std::future::ready(())).await;
    Ok(leading_on(draw(&SettingsFragment { view })?, path))
}

pub async fn show_plan(State(context): State<Context>, caller: Caller, Path(digest): Path<String>) -> PageResult {
    let page = plan_of(&context, &digest).await?;
    let Change::Configure { values, secrets, backup_time } = &page.change else {
        return go(&plan_path(&page.change, &page.digest));
    };
    let secrets = secrets.keys().map(|name| format!("the secret {name}"));
    let time = backup_time.as_ref().map(|_| "the time of the daily backup".to_owned());
    let names: Vec<String> = values.keys().cloned().chain(secrets).chain(time).collect();
    let view = PlanView::new(page, &names);
    let frame = Frame::new(&context, &caller, Place::Settings, view.title.clone());
    let two = TwoPeople::load(&context, &caller, &view.digest).await?;
    draw(&Plan { frame, view, request: new_request(), two })
}

/// Plans the differences from the current settings.
pub async fn plan(
    State(context): State<Context>,
    caller: Caller,
    FormFields(fields): FormFields<Vec<(String, String)>>,
) -> PageResult {
    let settings = context.site.read::<SiteSettings>(Topic::Settings).await.map_err(Refusal::from)?;
    let settings = settings.ok_or_else(|| Refusal::NotThere("release with settings on this site".to_owned()))?;
    let values = changed_values(&settings, &fields)?;
    let change = Change::Configure { values, secrets: [].into(), backup_time: None };
    hand_over(&context, &caller, SETTINGS, CheckedRequest::plan(&caller, None, change)?).await
}
