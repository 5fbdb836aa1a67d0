//! Backups: what comes back, and the button for another one.

use askama::Template;
use axum::extract::State;
use serde::Deserialize;

use super::fields::Asked;
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::state::{Mark, State as How};
use super::trouble::Trouble;
use super::units::{bytes, short};
use super::{Shown, draw, go};
use crate::access::Caller;
use crate::api::back_up_now;
use crate::context::Context;
use crate::host::{Backup, Backups, CopyRecord, Cut, PointsInTime, Running, Status, Topic};

struct Row {
    mark: Mark,
    time: Option<Moment>,
    proven: Option<Moment>,
    reason: &'static str,
    cut: Option<CutAt>,
    backup: Backup,
}

/// The time as of which the data of several components is.
struct CutAt {
    time: Moment,
    streams: String,
    /// The longest time that clients had to wait.
    held_milliseconds: Option<u64>,
}

impl CutAt {
    fn of(cut: &Cut) -> Option<Self> {
        let streams: Vec<&str> = cut.streams.iter().map(|stream| stream.name.as_str()).collect();
        Some(Self {
            time: Moment::read(Some(&cut.time))?,
            streams: streams.join(", "),
            held_milliseconds: cut.streams.iter().filter_map(|stream| stream.held_milliseconds).max(),
        })
    }
}

struct Copy {
    mark: Mark,
    newest: Option<Moment>,
    tried: Option<Moment>,
    record: CopyRecord,
}

/// A span of which every point in time comes back.
pub struct Span {
    pub stream: String,
    pub from: Option<Moment>,
    pub until: Option<Moment>,
    /// The part of it that a drill has proven.
    pub proven: Option<(Moment, Moment)>,
}

impl Span {
    /// Each, as the host lists them.
    pub fn all(points: Vec<PointsInTime>) -> Vec<Self> {
        let spans = points.into_iter().map(|span| Self {
            from: Moment::read(Some(&span.from)),
            until: Moment::read(Some(&span.until)),
            proven: span.proven.and_then(|part| Moment::read(Some(&part.from)).zip(Moment::read(Some(&part.until)))),
            stream: span.stream,
        });
        spans.collect()
    }
}

struct Facts {
    rows: Vec<Row>,
    copies: Vec<Copy>,
    spans: Vec<Span>,
    problem: Option<String>,
}

struct View {
    facts: Result<Facts, Trouble>,
    running: Option<Running>,
}

#[derive(Template)]
#[template(path = "backups.html")]
struct Whole {
    frame: Frame,
    view: View,
}

#[derive(Template)]
#[template(path = "backups_live.html")]
struct Live {
    view: View,
}

/// What was just done.
#[derive(Deserialize)]
pub struct Done {
    #[serde(default)]
    done: String,
}

/// Why a backup was made. A reason of a newer version is shown as another one.
pub fn reason(reason: &str) -> &'static str {
    match reason {
        "request" => "Requested",
        "schedule" => "Schedule",
        "upgrade" => "Before an upgrade",
        "rollback" => "Before a rollback",
        "restore" => "After a restore",
        _ => "Other",
    }
}

/// Whether a drill has shown that a backup can be restored.
pub fn proof_mark(is_proven: bool) -> Mark {
    if is_proven { How::Good.mark("Proven") } else { How::Attention.mark("Not proven") }
}

fn row(backup: Backup) -> Row {
    let (time, proven) = (Moment::read(Some(&backup.time)), Moment::read(backup.proven.as_deref()));
    let mark = proof_mark(proven.is_some());
    let cut = backup.cut.as_ref().and_then(CutAt::of);
    Row { mark, time, proven, reason: reason(&backup.reason), cut, backup }
}

fn copy(record: CopyRecord) -> Copy {
    let newest = Moment::read(record.newest.as_deref());
    let mark = match (&record.reason, newest) {
        (Some(_), _) => How::Attention.mark("Failed"),
        (None, None) => How::Attention.mark("None yet"),
        (None, Some(_)) => How::Good.mark("Copied"),
    };
    Copy { mark, newest, tried: Moment::read(record.tried.as_deref()), record }
}

async fn facts(context: &Context) -> Result<Facts, Trouble> {
    let (backups, status) =
        tokio::join!(context.site.read::<Backups>(Topic::Backups), context.site.read::<Status>(Topic::Status));
    let mut backups = backups?.unwrap_or(Backups { backups: Vec::new(), points_in_time: Vec::new() });
    backups.backups.reverse();
    let kept = status.ok().flatten().and_then(|status| status.backups);
    let problem = kept.as_ref().and_then(|kept| kept.reason.clone());
    let copies = kept.map(|kept| kept.copies).unwrap_or_default();
    Ok(Facts {
        rows: backups.backups.into_iter().map(row).collect(),
        copies: copies.into_iter().map(copy).collect(),
        spans: Span::all(backups.points_in_time),
        problem,
    })
}

async fn view(context: &Context) -> View {
    View { facts: facts(context).await, running: context.site.running() }
}

pub async fn show(State(context): State<Context>, caller: Caller, Asked(Done { done }): Asked<Done>) -> Shown {
    let notice =
        (done == "begun").then_some("The host has begun a backup. It appears below once its data has been read.");
    let frame = Frame::new(&context, &caller, Place::Backups, "Backups").with(notice);
    draw(&Whole { frame, view: view(&context).await })
}

pub async fn live(State(context): State<Context>) -> Shown {
    draw(&Live { view: view(&context).await })
}

pub async fn begin(State(context): State<Context>, caller: Caller) -> Shown {
    back_up_now(&context, &caller).await?;
    go("/backups?done=begun")
}
