//! The audit log, for administrators.

use askama::Template;
use axum::extract::State;
use serde::Deserialize;

use super::fields::Asked;
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::state::{Mark, State as How};
use super::{Shown, draw};
use crate::access::Caller;
use crate::audit::{Entry, Outcome, head, page};
use crate::context::Context;
use crate::forward::Standing;

/// Entries of a page.
const ENTRIES: i64 = 50;

struct Row {
    number: i64,
    /// None where the entry cannot be read.
    read: Option<Read>,
}

struct Read {
    mark: Mark,
    at: Moment,
    entry: Entry,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Whole {
    frame: Frame,
    rows: Vec<Row>,
    head: String,
    count: i64,
    signed: Option<Signed>,
    /// Why the newest entries are not signed, if that failed.
    failing: Option<Failing>,
    /// How entries are forwarded to a syslog server.
    forward: Standing,
    forward_failing: Option<Failing>,
    /// The number before which the next page begins.
    older: Option<i64>,
    is_newest: bool,
}

/// How far the host has signed the log.
struct Signed {
    number: i64,
    at: Moment,
    restarts: u64,
}

struct Failing {
    since: Moment,
    why: String,
}

#[derive(Deserialize)]
pub struct Before {
    before: Option<i64>,
}

fn read(entry: Entry) -> Read {
    let mark = match entry.outcome {
        Outcome::Done => How::Good.mark("Done"),
        Outcome::Refused => How::Attention.mark("Refused"),
    };
    Read { mark, at: Moment::new(entry.at), entry }
}

pub async fn show(State(context): State<Context>, caller: Caller, Asked(Before { before }): Asked<Before>) -> Shown {
    let pool = context.database.read();
    let found = page(pool, before, ENTRIES).await?;
    let rows: Vec<_> = found.into_iter().map(|(number, entry)| Row { number, read: entry.map(read) }).collect();
    let head = head(&mut pool.acquire().await?).await?;
    let signed = context.signing.last().map(|last| Signed {
        number: last.head.number,
        at: Moment::new(last.at),
        restarts: last.restarts,
    });
    let failing =
        context.signing.failing().map(|failing| Failing { since: Moment::new(failing.since), why: failing.why });
    let forward = context.forward.standing();
    let forward_failing = forward.failing.clone();
    let forward_failing =
        forward_failing.map(|failing| Failing { since: Moment::new(failing.since), why: failing.why });
    let older = rows.last().map(|row| row.number).filter(|number| *number > 1);
    let frame = Frame::new(&context, &caller, Place::Audit, "Audit");
    draw(&Whole {
        frame,
        rows,
        head: head.to_string(),
        count: head.number,
        signed,
        failing,
        forward,
        forward_failing,
        older,
        is_newest: before.is_none(),
    })
}
