//! What the page *Upgrade* shows: media, the latest change in words, and what was just asked of the host.

use landfall_error_codes::codes;

use crate::access::Caller;
use crate::console::approval::Waiting;
use crate::console::moment::Moment;
use crate::console::state::{Mark, State as How};
use crate::console::trouble::Trouble;
use crate::context::Context;
use crate::host::{Medium, OperationPage, OperationState, Request, RequestState, Running, is_id};
use crate::people::Role;

pub(super) struct MediumRow {
    pub(super) mark: Mark,
    pub(super) built: Option<Moment>,
    pub(super) medium: Medium,
}

pub(super) struct Media {
    pub(super) looked: Option<Moment>,
    pub(super) rows: Vec<MediumRow>,
}

/// The latest change, in words.
pub(super) struct Latest {
    pub(super) mark: Mark,
    pub(super) sentence: String,
    pub(super) at: Option<Moment>,
    /// What a person does next.
    pub(super) next: Option<&'static str>,
    pub(super) page: OperationPage,
}

/// What was just asked of the host.
pub(super) struct Asking {
    pub(super) request: Request,
    pub(super) begun: Option<Moment>,
    pub(super) is_running: bool,
    pub(super) is_failed: bool,
    /// Whether the host wants to know what becomes of data.
    pub(super) needs_choice: bool,
    pub(super) sentence: &'static str,
}

pub(super) struct View {
    pub(super) latest: Result<Option<Latest>, Trouble>,
    pub(super) media: Result<Media, Trouble>,
    pub(super) running: Option<Running>,
    pub(super) asking: Option<Asking>,
    /// Plans that one person has approved, and that wait for a second one.
    pub(super) waiting: Vec<Waiting>,
    /// Id of the request that the page is about.
    pub(super) request: String,
    pub(super) role: Role,
    pub(super) csrf: String,
}

impl View {
    pub(super) fn may_plan(&self) -> bool {
        self.role >= Role::Operator
    }

    pub(super) fn may_approve(&self) -> bool {
        self.role >= Role::Administrator
    }

    /// The open change that may be undone.
    pub(super) fn abortable(&self) -> Option<u64> {
        let latest = self.latest.as_ref().ok()?.as_ref()?;
        Some(latest.page.number).filter(|_| latest.page.can_abort)
    }

    /// Whether a change is open: then no other one begins.
    pub(super) fn is_open(&self) -> bool {
        let is_open = |latest: &Latest| matches!(latest.page.state, OperationState::Forward | OperationState::Back);
        matches!(&self.latest, Ok(Some(latest)) if is_open(latest))
    }

    /// Whether the page's main button is the look for media: nothing is there to plan with.
    pub(super) fn is_first(&self) -> bool {
        !matches!(&self.media, Ok(media) if media.rows.iter().any(|row| row.medium.problem.is_none()))
    }

    pub(super) fn is_busy(&self) -> bool {
        self.running.is_some() || self.asking.as_ref().is_some_and(|asking| asking.is_running)
    }
}

fn row(medium: Medium) -> MediumRow {
    let mark = match (&medium.problem, &medium.release) {
        (None, Some(_)) => How::Good.mark("Verified"),
        (Some(_), Some(_)) => How::Attention.mark("Not usable"),
        (_, None) if medium.bundle.is_none() => How::Unknown.mark("Nothing to use"),
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

/// What the latest operation came to. An install is not shown here.
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
            "is not undone yet: the undo has stopped. The host tries again within ten minutes.",
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

/// Whether the host cannot say what became of a change: the process that answers reached its time limit, or its answer was unreadable.
fn is_unanswered(request: &Request) -> bool {
    let code = request.problem.as_ref().and_then(|problem| problem.code.as_deref());
    code.is_none_or(|code| code == codes::CHANGE_QUESTION.id)
}

fn asking(request: Request) -> Asking {
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
    Asking {
        begun: Moment::read(Some(&request.begun)),
        is_running: request.state == RequestState::Running,
        is_failed: request.state == RequestState::Failed,
        needs_choice,
        sentence,
        request,
    }
}

pub(super) async fn view(context: &Context, caller: &Caller, request: Option<Request>, id: String) -> View {
    let (operation, media, waiting) =
        tokio::join!(context.site.operation(), media(context), Waiting::all(context, caller));
    View {
        latest: operation.map(|page| page.and_then(latest)).map_err(Trouble::from),
        media,
        running: context.site.running(),
        asking: request.map(asking),
        waiting: waiting.unwrap_or_default().into_iter().filter(Waiting::is_change).collect(),
        request: if is_id(&id) { id } else { String::new() },
        role: caller.role().unwrap_or(Role::Viewer),
        csrf: caller.form_token(),
    }
}
