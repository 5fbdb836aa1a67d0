//! Common parts of the pages of upgrades, restores and settings: the latest change, the current request to the host,
//! and the actions of their forms.

use axum::extract::State;
use axum::http::HeaderValue;
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use landfall_documents::change::Change;
use landfall_error_codes::codes;
use serde::Deserialize;

use super::approval::WaitingApproval;
use super::fields::FormFields;
use super::moment::Moment;
use super::state::{Mark, State as How};
use super::trouble::Trouble;
use super::{PageResult, go};
use crate::access::Caller;
use crate::api::{CheckedRequest, approve_second, ask, confirmed_plan};
use crate::approval::{ApprovedPlan, ask_change};
use crate::context::Context;
use crate::host::{OperationPage, OperationState, Request, RequestState, RunningOperation, UnavailableDocument, is_id};
use crate::people::Role;

/// Path of the page of upgrades and rollbacks.
pub const UPGRADE: &str = "/upgrade";
/// Path of the page of restores.
pub const RESTORE: &str = "/restore";

/// Path of the page of settings.
pub const SETTINGS: &str = "/settings";

/// Returns the page of a kind of change, by its verb.
pub fn home(verb: &str) -> &'static str {
    match Kind::from_verb(verb) {
        Kind::Release => UPGRADE,
        Kind::Data => RESTORE,
        Kind::Settings => SETTINGS,
    }
}

/// Kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Release,
    Data,
    Settings,
}

impl Kind {
    fn from_verb(verb: &str) -> Self {
        match verb {
            "restore" => Self::Data,
            "configure" => Self::Settings,
            _ => Self::Release,
        }
    }
}

/// Returns the path of a plan's page.
pub fn plan_path(change: &Change, digest: &str) -> String {
    format!("{}/plans/{digest}", home(change.verb()))
}

/// Subject of a page.
#[derive(Deserialize)]
pub struct RequestQuery {
    #[serde(default)]
    pub request: String,
}

/// The latest change, in words.
pub struct LatestChange {
    pub mark: Mark,
    pub sentence: String,
    pub at: Option<Moment>,
    /// Next step for a person.
    pub next: Option<&'static str>,
    pub page: OperationPage,
}

/// The current request to the host.
pub struct CurrentRequest {
    pub request: Request,
    pub begun: Option<Moment>,
    pub is_running: bool,
    pub is_failed: bool,
    /// True if the host requires a decision about data.
    pub needs_choice: bool,
    pub sentence: &'static str,
}

/// The self-refreshing part of a page.
pub struct View<T> {
    /// Path of the page, for its forms.
    pub home: &'static str,
    /// Subjects to choose from.
    pub subject: T,
    pub latest: Result<Option<LatestChange>, Trouble>,
    pub running: Option<RunningOperation>,
    pub asking: Option<CurrentRequest>,
    /// Plans that one person has approved, and that wait for a second one.
    pub waiting: Vec<WaitingApproval>,
    /// ID of the request that the page shows.
    pub request: String,
    pub role: Role,
    pub csrf: String,
}

impl<T> View<T> {
    /// Builds the view for this caller; the page shows this request if it has an ID.
    pub async fn load(
        context: &Context,
        caller: &Caller,
        home: &'static str,
        (request, id): (Option<Request>, String),
        subject: impl Future<Output = T>,
    ) -> Self {
        let (operation, subject, waiting) =
            tokio::join!(context.site.operation(), subject, WaitingApproval::all(context, caller));
        Self {
            home,
            subject,
            latest: operation.map(|page| page.and_then(latest)).map_err(Trouble::from),
            running: context.site.running(),
            asking: request.map(asking),
            waiting: waiting.unwrap_or_default().into_iter().filter(WaitingApproval::is_change).collect(),
            request: if is_id(&id) { id } else { String::new() },
            role: caller.role().unwrap_or(Role::Viewer),
            csrf: caller.form_token(),
        }
    }

    pub fn may_plan(&self) -> bool {
        self.role >= Role::Operator
    }

    pub fn may_approve(&self) -> bool {
        self.role >= Role::Administrator
    }

    /// Returns the open change that may be undone.
    pub fn abortable(&self) -> Option<u64> {
        let latest = self.latest.as_ref().ok()?.as_ref()?;
        Some(latest.page.number).filter(|_| latest.page.can_abort)
    }

    /// Returns true if a change is open, during which no other one begins.
    pub fn is_open(&self) -> bool {
        let is_open = |latest: &LatestChange| {
            latest.page.running || matches!(latest.page.state, OperationState::Forward | OperationState::Back)
        };
        matches!(&self.latest, Ok(Some(latest)) if is_open(latest))
    }

    /// Returns true if the host is still processing the current request.
    pub fn is_asking(&self) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.is_running)
    }

    pub fn is_busy(&self) -> bool {
        self.running.is_some() || self.is_asking()
    }
}

impl LatestChange {
    /// Describes the state after an undo.
    pub fn before(&self) -> &'static str {
        match Kind::from_verb(&self.page.operation) {
            Kind::Release => "the previous release is in place again, with its data",
            Kind::Data => "the data from before is in place again",
            Kind::Settings => "the settings from before are in place again",
        }
    }
}

/// Describes the latest operation. An install is not shown here.
fn latest(page: OperationPage) -> Option<LatestChange> {
    if page.operation == "install" {
        return None;
    }
    let kind = Kind::from_verb(&page.operation);
    let (mark, sentence, next) = match (page.state, page.running) {
        (OperationState::Forward, true) => (How::Busy.mark("Running"), "is being carried out.", None),
        (OperationState::Forward, false) => (
            How::Attention.mark("Interrupted"),
            "has not ended. The host resumes it within ten minutes.",
            Some(match kind {
                Kind::Release => {
                    "If the stick was taken out, connect it again. To return to how it was before, undo the change."
                }
                Kind::Data => "To return to the data from before, undo the change.",
                Kind::Settings => "To return to the settings from before, undo the change.",
            }),
        ),
        (OperationState::Back, true) => (How::Busy.mark("Undoing"), "is being undone.", None),
        (OperationState::Back, false) => (
            How::Bad.mark("Not undone yet"),
            "is not undone yet: the undo has stopped. The host tries again within ten minutes.",
            Some("If it stops again, remove the cause that is named here, or call the vendor."),
        ),
        (OperationState::Committed, true) => (
            How::Busy.mark("Finishing"),
            "is in place, and the host puts it in order. Then another change may begin.",
            None,
        ),
        (OperationState::Undone, true) => (
            How::Busy.mark("Finishing"),
            "was undone, and the host puts it in order. Then another change may begin.",
            None,
        ),
        (OperationState::Committed, false) => {
            let done = match kind {
                Kind::Release => "is done, and its proofs passed.",
                Kind::Data => "is done, and the data passed its checks.",
                Kind::Settings => "is done, and what it changed is ready.",
            };
            (How::Good.mark("Done"), done, None)
        }
        (OperationState::Undone, false) => (
            How::Attention.mark("Undone"),
            "was undone: everything is as it was before.",
            Some(match kind {
                Kind::Release => "Remove the cause that is named here, or send it to the vendor; then plan again.",
                Kind::Data => {
                    "Remove the cause that is named here, or choose another backup. What was written to restored data \
                     since is kept: `landfall replaced-data list` on the host names it."
                }
                Kind::Settings => "Remove the cause that is named here, or choose other settings; then plan again.",
            }),
        ),
        (OperationState::Unknown, _) => {
            (How::Unknown.mark("Unknown"), "is in a state that this console does not know.", None)
        }
    };
    let what = match &page.from {
        Some(from) => format!("{} from {from} to {}", capital(&page.operation), page.to),
        None if kind == Kind::Data => format!("Restore of data of {}", page.to),
        None if kind == Kind::Settings => format!("The change of settings of {}", page.to),
        None => format!("{} of {}", capital(&page.operation), page.to),
    };
    Some(LatestChange {
        mark,
        sentence: format!("{what} {sentence}"),
        at: Moment::read(page.at.as_deref()),
        next,
        page,
    })
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Returns true if the host cannot report the outcome of a change: the answering process reached its time limit, or its
/// answer was unreadable.
fn is_unanswered(request: &Request) -> bool {
    let code = request.problem.as_ref().and_then(|problem| problem.code.as_deref());
    code.is_none_or(|code| code == codes::CHANGE_QUESTION.id)
}

fn asking(request: Request) -> CurrentRequest {
    let sentence = match (request.verb.as_str(), request.state) {
        ("look", RequestState::Running) => "The host looks at its media.",
        ("plan", RequestState::Running) => {
            "The host makes the plan. This takes up to a few minutes, and changes nothing."
        }
        ("abort", RequestState::Running) => "The host stops the change and undoes it.",
        (_, RequestState::Running) => "The host plans once more, compares that with what was approved, and begins.",
        ("look", RequestState::Done) => "The host has looked at its media.",
        ("plan", RequestState::Done) => "The plan is made.",
        ("abort", RequestState::Done) => "The change is being undone.",
        (_, RequestState::Done) => "The change has begun. Its steps appear here.",
        ("look", _) => "The host could not look at its media.",
        ("plan", _) => "There is no plan: this is not possible now. Nothing was changed.",
        ("abort", _) if is_unanswered(&request) => {
            "It is not known whether the change is being undone. Its state is shown below."
        }
        ("abort", _) => "The change was not undone.",
        _ if is_unanswered(&request) => {
            "It is not known whether the change began. If it did, it is shown below as it runs."
        }
        _ => "The change did not begin. Nothing was changed.",
    };
    let needs_choice = request.problem.as_ref().and_then(|problem| problem.code.as_deref()) == Some("LF4410");
    CurrentRequest {
        begun: Moment::read(Some(&request.begun)),
        is_running: request.state == RequestState::Running,
        is_failed: request.state == RequestState::Failed,
        needs_choice,
        sentence,
        request,
    }
}

/// Returns the request with this ID, if the host knows it.
pub async fn find_request(context: &Context, id: &str) -> Result<Option<Request>, UnavailableDocument> {
    if is_id(id) { context.site.request(id).await } else { Ok(None) }
}

/// Returns a page's request with its ID, and the path of the plan that it has made, if any.
pub async fn find_planned(
    context: &Context,
    home: &str,
    RequestQuery { request: id }: RequestQuery,
) -> ((Option<Request>, String), Option<String>) {
    let request = find_request(context, &id).await.unwrap_or_default();
    let path = made_plan(home, request.as_ref());
    ((request, id), path)
}

/// Returns the path of a plan, if the request has made one.
fn made_plan(home: &str, request: Option<&Request>) -> Option<String> {
    let request = request.filter(|request| request.verb == "plan" && request.state == RequestState::Done)?;
    request.plan.as_ref().filter(|digest| is_id(digest)).map(|digest| format!("{home}/plans/{digest}"))
}

/// Redirects a self-refreshing part to a plan once it is made.
pub fn leading_on(mut part: Response, path: Option<String>) -> Response {
    if let Some(path) = path.and_then(|path| HeaderValue::try_from(path).ok()) {
        part.headers_mut().insert("hx-redirect", path);
    }
    part
}

/// Returns the notice about the last action.
pub fn notice(done: &str) -> Option<&'static str> {
    match done {
        "withdrawn" => Some("The approval is withdrawn. Nothing was changed."),
        "upload-removed" => Some("The upload is removed from the host."),
        _ => None,
    }
}

/// Sends a request to the host, and redirects to the page that follows it.
pub async fn hand_over(context: &Context, caller: &Caller, home: &str, request: CheckedRequest) -> PageResult {
    let request = ask(context, caller, request).await?;
    go(&format!("{home}?request={}", request.request))
}

#[derive(Deserialize)]
pub struct Approval {
    request: String,
    plan: String,
    confirm: String,
    /// ID of the first approval, if this is the second one.
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

/// Approves as the first of two people.
pub async fn ask_first(
    State(context): State<Context>,
    caller: Caller,
    FormFields(form): FormFields<FirstApproval>,
) -> PageResult {
    let page = confirmed_plan(&context, &form.plan, form.confirm.trim()).await?;
    ask_change(&context, &caller.approver(), &page).await?;
    go(&plan_path(&page.change, &page.digest))
}

/// Approves a plan. The change is that of the plan: the form only names the plan.
pub async fn approve(
    State(context): State<Context>,
    caller: Caller,
    FormFields(form): FormFields<Approval>,
) -> PageResult {
    let Approval { request, plan, confirm, first } = form;
    let confirm = confirm.trim().to_owned();
    let follow = |begun: &Request| go(&format!("{}?request={}", home(&begun.verb), begun.request));
    // The form was sent twice: the first one has used the plan up.
    if let Some(known) = find_request(&context, &request).await? {
        return follow(&known);
    }
    if !first.is_empty() {
        return follow(&approve_second(&context, &caller, &first, (Some(request), confirm)).await?);
    }
    let page = confirmed_plan(&context, &plan, &confirm).await?;
    let approved = ApprovedPlan::alone(&context, &plan).await?;
    let (home, change) = (home(page.change.verb()), page.change);
    let request = CheckedRequest::begin(&caller, Some(request), change, approved, confirm)?;
    hand_over(&context, &caller, home, request).await
}

/// Undoes the open change, and returns to the page of the request.
pub fn abort(home: &'static str) -> MethodRouter<Context> {
    post(move |State(context): State<Context>, caller: Caller, FormFields(form): FormFields<Undo>| async move {
        hand_over(&context, &caller, home, CheckedRequest::abort(&caller, None, form.operation)?).await
    })
}
