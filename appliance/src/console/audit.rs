//! The audit log, for administrators.

use askama::Template;
use axum::extract::State;
use serde::Deserialize;

use super::fields::QueryParameters;
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::state::{Mark, State as How};
use super::{PageResult, draw};
use crate::access::Caller;
use crate::audit::{Entry, Filter, Outcome, head, search};
use crate::context::Context;
use crate::forward::ForwardingState;

/// Number of entries per page.
const ENTRIES: usize = 50;

struct Row {
    number: i64,
    /// The entry; `None` if it cannot be read.
    read: Option<ReadableEntry>,
}

struct ReadableEntry {
    mark: Mark,
    at: Moment,
    entry: Entry,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditLogPage {
    frame: Frame,
    rows: Vec<Row>,
    head: String,
    count: i64,
    signed: Option<SignatureState>,
    /// Reason why the newest entries are not signed, if signing failed.
    failing: Option<FailureNotice>,
    /// State of forwarding to a syslog server.
    forward: ForwardingState,
    forward_failing: Option<FailureNotice>,
    filter: Filter,
    /// Address of the next page.
    older: Option<String>,
    is_newest: bool,
}

/// State of the host's signatures on the log.
struct SignatureState {
    number: i64,
    at: Moment,
    restarts: u64,
}

struct FailureNotice {
    since: Moment,
    why: String,
}

/// Parameters of the address.
#[derive(Deserialize)]
pub struct AuditQuery {
    before: Option<i64>,
    #[serde(default)]
    person: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    outcome: String,
}

impl AuditQuery {
    fn filter(self) -> Filter {
        let outcome = match self.outcome.as_str() {
            "done" => Some(Outcome::Done),
            "refused" => Some(Outcome::Refused),
            _ => None,
        };
        Filter { person: self.person.trim().to_owned(), action: self.action.trim().to_owned(), outcome }
    }
}

/// Returns the address of the page with earlier matching entries.
fn older(filter: &Filter, before: i64) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, text) in [("person", &filter.person), ("action", &filter.action)] {
        if !text.is_empty() {
            query.append_pair(name, text);
        }
    }
    if let Some(outcome) = filter.outcome {
        query.append_pair("outcome", if outcome == Outcome::Done { "done" } else { "refused" });
    }
    format!("/audit?{}", query.append_pair("before", &before.to_string()).finish())
}

fn read(entry: Entry) -> ReadableEntry {
    let mark = match entry.outcome {
        Outcome::Done => How::Good.mark("Done"),
        Outcome::Refused => How::Attention.mark("Refused"),
    };
    ReadableEntry { mark, at: Moment::new(entry.at), entry }
}

pub async fn show(
    State(context): State<Context>,
    caller: Caller,
    QueryParameters(wanted): QueryParameters<AuditQuery>,
) -> PageResult {
    let pool = context.database.read();
    let (before, filter) = (wanted.before, wanted.filter());
    let found = search(pool, before, ENTRIES, &filter).await?;
    let rows: Vec<_> = found.entries.into_iter().map(|(number, entry)| Row { number, read: entry.map(read) }).collect();
    let head = head(&mut pool.acquire().await?).await?;
    let signed = context.signing.last().map(|last| SignatureState {
        number: last.head.number,
        at: Moment::new(last.at),
        restarts: last.restarts,
    });
    let failing =
        context.signing.failing().map(|failing| FailureNotice { since: Moment::new(failing.since), why: failing.why });
    let forward = context.forward.standing();
    let forward_failing = forward.failing.clone();
    let forward_failing =
        forward_failing.map(|failing| FailureNotice { since: Moment::new(failing.since), why: failing.why });
    let older = found.before.map(|before| older(&filter, before));
    let frame = Frame::new(&context, &caller, Place::Audit, "Audit");
    draw(&AuditLogPage {
        frame,
        rows,
        head: head.to_string(),
        count: head.number,
        signed,
        failing,
        forward,
        forward_failing,
        filter,
        older,
        is_newest: before.is_none(),
    })
}
