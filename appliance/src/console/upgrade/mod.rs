//! Upgrades and rollbacks: media are found, a plan is read and approved, the change is followed to its end, or undone.

#[cfg(test)]
mod gallery;
mod plan;
#[cfg(test)]
mod tests;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use serde::Deserialize;

use self::plan::PlanView;
use super::fields::{Asked, Sent};
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::state::{Mark, State as How};
use super::trouble::Trouble;
use super::units::bytes;
use super::{Shown, draw, go};
use crate::access::Caller;
use crate::api::{Intent, ask, new_request, plan_of};
use crate::context::Context;
use crate::host::{
    Change, DataFate, Medium, OperationPage, OperationState, Request, RequestState, Running, Unavailable, is_id,
};
use crate::people::Role;
use crate::refusal::Refusal;

struct MediumRow {
    mark: Mark,
    built: Option<Moment>,
    medium: Medium,
}

struct Media {
    looked: Option<Moment>,
    rows: Vec<MediumRow>,
}

/// The latest change, in words.
struct Latest {
    mark: Mark,
    sentence: String,
    at: Option<Moment>,
    /// What a person does next.
    next: Option<&'static str>,
    page: OperationPage,
}

/// What was just asked of the host.
struct Asking {
    request: Request,
    begun: Option<Moment>,
    is_running: bool,
    is_failed: bool,
    /// Whether the host wants to know what becomes of data.
    needs_choice: bool,
    sentence: &'static str,
}

struct View {
    latest: Result<Option<Latest>, Trouble>,
    media: Result<Media, Trouble>,
    running: Option<Running>,
    asking: Option<Asking>,
    /// Id of the request that the page is about.
    request: String,
    role: Role,
    csrf: String,
}

impl View {
    fn may_plan(&self) -> bool {
        self.role >= Role::Operator
    }

    fn may_approve(&self) -> bool {
        self.role >= Role::Administrator
    }

    /// The open change that may be undone.
    fn abortable(&self) -> Option<u64> {
        let latest = self.latest.as_ref().ok()?.as_ref()?;
        Some(latest.page.number).filter(|_| latest.page.can_abort)
    }

    /// Whether a change is open: then no other one begins.
    fn is_open(&self) -> bool {
        let is_open = |latest: &Latest| matches!(latest.page.state, OperationState::Forward | OperationState::Back);
        matches!(&self.latest, Ok(Some(latest)) if is_open(latest))
    }

    /// Whether the page's main button is the look for media: nothing is there to plan with.
    fn is_first(&self) -> bool {
        !matches!(&self.media, Ok(media) if media.rows.iter().any(|row| row.medium.problem.is_none()))
    }

    fn is_busy(&self) -> bool {
        self.running.is_some() || self.asking.as_ref().is_some_and(|asking| asking.is_running)
    }
}

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
}

#[derive(Deserialize)]
pub struct About {
    #[serde(default)]
    request: String,
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
}

#[derive(Deserialize)]
pub struct Undo {
    operation: u64,
}

fn row(medium: Medium) -> MediumRow {
    let mark = match (&medium.problem, &medium.release) {
        (None, Some(_)) => How::Good.mark("Verified"),
        (Some(_), Some(_)) => How::Attention.mark("Not usable"),
        (_, None) => How::Bad.mark("Refused"),
    };
    let built = medium.release.as_ref().and_then(|release| Moment::read(release.built_at.as_deref()));
    MediumRow { mark, built, medium }
}

async fn media(context: &Context) -> Result<Media, Trouble> {
    let page = context.site.media().await?;
    let mut rows: Vec<_> = page.media.into_iter().map(row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.mark.state));
    Ok(Media { looked: Moment::read(page.looked.as_deref()), rows })
}

/// What the latest operation came to. An install is none of this page's business.
fn latest(page: OperationPage) -> Option<Latest> {
    if page.operation == "install" {
        return None;
    }
    let (mark, sentence, next) = match (page.state, page.running) {
        (OperationState::Forward, true) => (How::Busy.mark("Running"), "is being carried out.", None),
        (OperationState::Forward, false) => (
            How::Attention.mark("Interrupted"),
            "has not ended. The host continues it by itself within ten minutes.",
            Some("If the stick was taken out, connect it again. To return to how it was before, undo the change."),
        ),
        (OperationState::Back, true) => (How::Busy.mark("Going back"), "is being undone.", None),
        (OperationState::Back, false) => (
            How::Bad.mark("Not undone yet"),
            "goes back, and has stopped. The host tries again within ten minutes.",
            Some("If it stops again, remove the cause that is named here, or call the vendor."),
        ),
        (OperationState::Committed, _) => (How::Good.mark("Done"), "is done, and its proofs passed.", None),
        (OperationState::Undone, _) => (
            How::Attention.mark("Undone"),
            "was undone: everything is as it was before.",
            Some("Remove the cause that is named here, or send it to the vendor; then plan again."),
        ),
        (OperationState::Unknown, _) => {
            (How::Unknown.mark("Unknown"), "is in a state that this console does not know.", None)
        }
    };
    let what = match &page.from {
        Some(from) => format!("{} from {from} to {}", capital(&page.operation), page.to),
        None => format!("{} of {}", capital(&page.operation), page.to),
    };
    Some(Latest { mark, sentence: format!("{what} {sentence}"), at: Moment::read(page.at.as_deref()), next, page })
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn asking(request: Request) -> Asking {
    let sentence = match (request.verb.as_str(), request.state) {
        ("look", RequestState::Running) => "The host looks at its media.",
        ("plan", RequestState::Running) => {
            "The host makes the plan. This takes up to some minutes, and changes nothing."
        }
        ("abort", RequestState::Running) => "The host stops the change and lets it go back.",
        (_, RequestState::Running) => "The host plans once more, compares that with what was approved, and begins.",
        ("look", RequestState::Done) => "The host has looked at its media.",
        ("plan", RequestState::Done) => "The plan is made.",
        ("abort", RequestState::Done) => "The change goes back.",
        (_, RequestState::Done) => "The change has begun. Its steps appear here.",
        ("look", _) => "The host could not look at its media.",
        ("plan", _) => "There is no plan: this is not possible now. Nothing was changed.",
        ("abort", _) => "The change was not undone.",
        _ => "The change did not begin. Nothing was changed.",
    };
    let needs_choice = request.problem.as_ref().and_then(|problem| problem.code.as_deref()) == Some("LF4410");
    Asking {
        begun: Moment::read(Some(&request.begun)),
        is_running: request.state == RequestState::Running,
        is_failed: request.state == RequestState::Failed,
        needs_choice,
        sentence,
        request,
    }
}

async fn asked(context: &Context, id: &str) -> Result<Option<Request>, Unavailable> {
    if is_id(id) { context.site.request(id).await } else { Ok(None) }
}

async fn view(context: &Context, caller: &Caller, request: Option<Request>, id: String) -> View {
    let (operation, media) = tokio::join!(context.site.operation(), media(context));
    View {
        latest: operation.map(|page| page.and_then(latest)).map_err(Trouble::from),
        media,
        running: context.site.running(),
        asking: request.map(asking),
        request: if is_id(&id) { id } else { String::new() },
        role: caller.role().unwrap_or(Role::Viewer),
        csrf: caller.form_token(),
    }
}

/// Where a plan that is made can be read.
fn plan_path(request: Option<&Request>) -> Option<String> {
    let request = request.filter(|request| request.verb == "plan" && request.state == RequestState::Done)?;
    request.plan.as_ref().filter(|digest| is_id(digest)).map(|digest| format!("/upgrade/plans/{digest}"))
}

pub async fn show(State(context): State<Context>, caller: Caller, Asked(About { request: id }): Asked<About>) -> Shown {
    let request = asked(&context, &id).await.unwrap_or_default();
    if let Some(path) = plan_path(request.as_ref()) {
        return go(&path);
    }
    let frame = Frame::new(&context, &caller, Place::Upgrade, "Upgrade");
    draw(&Whole { frame, view: view(&context, &caller, request, id).await })
}

pub async fn live(State(context): State<Context>, caller: Caller, Asked(About { request: id }): Asked<About>) -> Shown {
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
    draw(&Plan { frame, view, request: new_request() })
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

/// The change is that of the plan: what the form says names it, and nothing else.
pub async fn approve(State(context): State<Context>, caller: Caller, Sent(form): Sent<Approval>) -> Shown {
    let Approval { request, plan, confirm } = form;
    // Sent twice: the first has used the plan up.
    if asked(&context, &request).await?.is_some() {
        return go(&format!("/upgrade?request={request}"));
    }
    let page = plan_of(&context, &plan).await?;
    let confirm = confirm.trim().to_owned();
    if confirm != page.site {
        let why = format!("the site is named {}; nothing was changed", page.site);
        return Err(Refusal::Invalid(why).into());
    }
    hand_over(&context, &caller, Some(request), Intent::Approve { change: page.change, plan, confirm }).await
}

pub async fn abort(State(context): State<Context>, caller: Caller, Sent(form): Sent<Undo>) -> Shown {
    hand_over(&context, &caller, None, Intent::Abort(form.operation)).await
}
