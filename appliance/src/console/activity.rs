//! Operations on the site, with their requesters. Other actions in the console are in the audit log.

use askama::Template;
use axum::extract::State;
use landfall_documents::history::{Account, AccountKind, AskedBy, OperationHistory, OperationOutcome, PastOperation};

use super::frame::{Frame, Place};
use super::moment::{Moment, length};
use super::state::{Mark, State as How};
use super::trouble::Trouble;
use super::{PageResult, draw};
use crate::access::Caller;
use crate::context::Context;
use crate::host::Topic;

/// An operation.
struct Row {
    number: u64,
    title: String,
    /// Page on which such operations are planned and followed.
    page: Option<&'static str>,
    mark: Mark,
    begun: Option<Moment>,
    took: Option<String>,
    asked: Option<String>,
    reasons: Vec<String>,
}

struct Facts {
    rows: Vec<Row>,
    earlier: usize,
}

struct View {
    facts: Result<Facts, Trouble>,
}

#[derive(Template)]
#[template(path = "activity.html")]
struct ActivityPage {
    frame: Frame,
    view: View,
}

#[derive(Template)]
#[template(path = "activity_live.html")]
struct ActivityFragment {
    view: View,
}

impl Row {
    fn from_operation(past: &PastOperation) -> Self {
        Self {
            number: past.number,
            title: title(past),
            page: page(&past.operation),
            mark: mark(past.outcome),
            begun: Moment::read(past.begun.as_deref()),
            took: past.seconds.map(length),
            asked: past.asked.as_ref().map(asked_text),
            reasons: reasons(past),
        }
    }
}

/// Returns a title such as `Upgrade from starter 1.0.0 to starter 1.1.0`.
fn title(past: &PastOperation) -> String {
    let PastOperation { operation, from, to, .. } = past;
    let name = match operation.as_str() {
        "install" => "Install",
        "configure" => "Change of settings",
        "upgrade" => "Upgrade",
        "rollback" => "Return",
        "restore" => "Restore",
        other => other,
    };
    match (from, to) {
        (Some(from), Some(to)) => format!("{name} from {from} to {to}"),
        (None, Some(to)) => format!("{name} · {to}"),
        (_, None) => name.to_owned(),
    }
}

fn page(operation: &str) -> Option<&'static str> {
    match operation {
        "install" => Some("/releases"),
        "configure" => Some("/settings"),
        "upgrade" | "rollback" => Some("/upgrade"),
        "restore" => Some("/restore"),
        _ => None,
    }
}

const fn mark(outcome: OperationOutcome) -> Mark {
    match outcome {
        OperationOutcome::Committed => How::Good.mark("Done"),
        OperationOutcome::Undone => How::Attention.mark("Undone"),
        OperationOutcome::Stuck => How::Bad.mark("Stuck"),
        OperationOutcome::Open => How::Busy.mark("Open"),
        OperationOutcome::Unreadable => How::Unknown.mark("Unreadable"),
        OperationOutcome::Unknown => How::Unknown.mark("Unknown"),
    }
}

fn asked_text(asked: &AskedBy) -> String {
    let by = account(&asked.by);
    match &asked.approved_by {
        None => by,
        Some(second) => format!("{by}; approved by {}", account(second)),
    }
}

fn account(account: &Account) -> String {
    let place = if account.kind == AccountKind::Host { " on the host" } else { "" };
    format!("{}{place}", account.name)
}

/// Returns why it was undone, and why a step failed.
fn reasons(past: &PastOperation) -> Vec<String> {
    let cause = past.undone_because.as_ref().map(|cause| format!("Undone because {cause}."));
    let failure = past.failure.as_ref().map(|failure| format!("{} ({})", failure.failure.what, failure.failure.code));
    cause.into_iter().chain(failure).collect()
}

async fn view(context: &Context) -> View {
    // An older host without a history reports none.
    let history = context.site.read::<OperationHistory>(Topic::History).await.map(Option::unwrap_or_default);
    let facts = history.map(|history| Facts {
        rows: history.operations.iter().map(Row::from_operation).collect(),
        earlier: history.earlier,
    });
    View { facts: facts.map_err(Trouble::from) }
}

pub async fn show(State(context): State<Context>, caller: Caller) -> PageResult {
    let frame = Frame::new(&context, &caller, Place::Activity, "Activity");
    draw(&ActivityPage { frame, view: view(&context).await })
}

pub async fn live(State(context): State<Context>) -> PageResult {
    draw(&ActivityFragment { view: view(&context).await })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::host::fake::sample;
    use crate::people::Scope;
    use crate::testing::{Site, words_of};

    #[tokio::test]
    async fn viewers_see_operations_and_reasons() {
        let site = Site::begin().await;
        let vera = site.sign_in("vera").await;
        let page = vera.get("/activity").await;
        insta::assert_snapshot!(words_of(&page.body));
        assert!(page.has("href", "/settings"), "an operation leads to no page: {}", page.body);
        assert!(!page.has("href", "/audit"), "a viewer is led to the audit log");
        let live = words_of(&vera.get("/live/activity").await.body);
        assert!(words_of(&page.body).ends_with(&live), "{live}");
        let root = site.sign_in("root").await;
        assert!(words_of(&root.get("/activity").await.body).contains("audit log"));
        let program = site.program("vera", &[Scope::Read]).await;
        assert_eq!(program.get("/api/v1/history").await.json(), sample("history"), "the document was changed");
    }

    #[tokio::test]
    async fn activity_escapes_hostile_names() {
        let site = Site::begin().await;
        let vera = site.sign_in("vera").await;
        *site.host.history.lock().unwrap() = None;
        insta::assert_snapshot!("no_operation", words_of(&vera.get("/activity").await.body));
        let odd = json!({
            "kind": "history", "schema": 1, "earlier": 7,
            "operations": [{ "number": 9, "operation": "<b>levitate</b>", "outcome": "floating",
                "asked": { "by": { "name": "<i>" } } }],
        });
        *site.host.history.lock().unwrap() = Some(odd);
        crate::testing::until(async || vera.get("/activity").await.body.contains("levitate")).await;
        let page = vera.get("/activity").await.body;
        assert!(!page.contains("<b>") && !page.contains("<i>"), "a name became markup: {page}");
        insta::assert_snapshot!(words_of(&page));
    }

    #[test]
    fn operation_kinds_link_pages() {
        let pages = ["install", "configure", "upgrade", "rollback", "restore", "levitate"].map(page);
        let expected = ["/releases", "/settings", "/upgrade", "/upgrade", "/restore"];
        assert_eq!(pages[..5], expected.map(Some));
        assert_eq!(pages[5], None);
    }
}
