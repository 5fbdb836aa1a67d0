//! Backups: recoverable data, and the button for another backup.

use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use jiff::SignedDuration;
use landfall_documents::backups::{
    BackupCut, BackupList, BackupSummary, BackupTimes, BackupTry, CopyRecord, PointsInTime,
};
use landfall_documents::change::Change;
use landfall_documents::status::StatusReport;
use serde::Deserialize;

use super::change::{SETTINGS, hand_over};
use super::fields::{ActionNotice, FormFields, tell};
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::overview::sentence;
use super::state::{Mark, State as How};
use super::trouble::Trouble;
use super::units::{bytes, short};
use super::{PageResult, draw};
use crate::access::Caller;
use crate::api::{CheckedRequest, back_up_now, drill_now};
use crate::context::Context;
use crate::host::{RunningOperation, Topic};

struct Row {
    mark: Mark,
    time: Option<Moment>,
    proven: Option<Moment>,
    reason: &'static str,
    cut: Option<CutAt>,
    backup: BackupSummary,
}

/// Time of the common cut of several components' data.
struct CutAt {
    time: Moment,
    streams: String,
    /// Longest time that clients had to wait.
    held_milliseconds: Option<u64>,
}

impl CutAt {
    fn from_cut(cut: &BackupCut) -> Option<Self> {
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

/// Period in which every point in time can be restored.
pub struct Span {
    pub stream: String,
    pub from: Option<Moment>,
    pub until: Option<Moment>,
    /// Part of the period that a drill has proven.
    pub proven: Option<(Moment, Moment)>,
}

impl Span {
    /// Converts all periods that the host lists.
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

/// Scheduled backups, and their latest results.
struct Schedule {
    times: Option<BackupTimes>,
    next: Option<Moment>,
    /// Latest backup, scheduled or on request.
    backup: Option<BackupAttempt>,
    /// Latest backup that did not begin because another operation was running.
    refused: Option<BackupAttempt>,
    /// Latest drill that a person requested.
    drill: Option<BackupAttempt>,
    /// Time when a drill last proved a backup.
    proven: Option<Moment>,
}

impl Schedule {
    /// Returns true if the next backup is more than a day and its delay away, which a clock that was wrong may cause.
    fn is_far(&self) -> bool {
        let delay = self.times.as_ref().map_or(0, |times| u64::try_from(times.delay_minutes).unwrap_or_default());
        let longest = Duration::from_hours(25) + Duration::from_mins(delay);
        let ahead = self.next.map(|next| next.age()).filter(SignedDuration::is_negative);
        ahead.is_some_and(|age| age.unsigned_abs() > longest)
    }

    /// Returns true if the host reports that its timer starts no backup.
    fn is_stopped(&self) -> bool {
        self.times.as_ref().is_some_and(|times| !times.active)
    }
}

/// Latest attempt.
struct BackupAttempt {
    mark: Mark,
    at: Option<Moment>,
    why: Option<String>,
}

impl From<BackupTry> for BackupAttempt {
    fn from(tried: BackupTry) -> Self {
        let mark = if tried.failure.is_some() { How::Bad.mark("Failed") } else { How::Good.mark("Done") };
        let why = tried.failure.map(|failure| format!("{} [{}]", sentence(&failure.what), failure.code));
        Self { mark, at: Moment::read(Some(&tried.at)), why }
    }
}

impl BackupAttempt {
    /// Converts an attempt that never began.
    fn from_refused(refused: BackupTry) -> Self {
        Self { mark: How::Attention.mark("Not begun"), ..Self::from(refused) }
    }
}

struct Facts {
    schedule: Schedule,
    rows: Vec<Row>,
    copies: Vec<Copy>,
    spans: Vec<Span>,
    problem: Option<String>,
}

struct View {
    facts: Result<Facts, Trouble>,
    running: Option<RunningOperation>,
}

#[derive(Template)]
#[template(path = "backups.html")]
struct BackupsPage {
    frame: Frame,
    view: View,
}

#[derive(Template)]
#[template(path = "backups_live.html")]
struct BackupsFragment {
    view: View,
}

/// Describes why a backup was made. A reason of a newer version is shown as another one.
pub fn reason(reason: &str) -> &'static str {
    match reason {
        "request" => "By schedule or request",
        "upgrade" => "Before an upgrade",
        "change" => "After a change",
        _ => "Other",
    }
}

/// Returns the mark for a drill's proof that a backup can be restored.
pub fn proof_mark(is_proven: bool) -> Mark {
    if is_proven { How::Good.mark("Proven") } else { How::Attention.mark("Not proven") }
}

fn row(backup: BackupSummary) -> Row {
    let (time, proven) = (Moment::read(Some(&backup.time)), Moment::read(backup.proven.as_deref()));
    let mark = proof_mark(proven.is_some());
    let cut = backup.cut.as_ref().and_then(CutAt::from_cut);
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
        tokio::join!(context.site.read::<BackupList>(Topic::Backups), context.site.read::<StatusReport>(Topic::Status));
    let mut backups = backups?.unwrap_or_default();
    backups.backups.reverse();
    let kept = status.ok().flatten().and_then(|status| status.backups);
    let problem = kept.as_ref().and_then(|kept| kept.reason.clone());
    let last_try = kept.as_ref().and_then(|kept| kept.last_try.clone());
    let copies = kept.map(|kept| kept.copies).unwrap_or_default();
    // Times of proofs are RFC 3339 in UTC, so the latest one is the greatest text.
    let proven = backups.backups.iter().filter_map(|backup| backup.proven.as_deref()).max();
    let schedule = Schedule {
        next: Moment::read(backups.schedule.as_ref().and_then(|times| times.next.as_deref())),
        times: backups.schedule,
        backup: last_try.map(BackupAttempt::from),
        refused: backups.last_refusal.map(BackupAttempt::from_refused),
        drill: backups.last_drill.map(BackupAttempt::from),
        proven: Moment::read(proven),
    };
    Ok(Facts {
        schedule,
        rows: backups.backups.into_iter().map(row).collect(),
        copies: copies.into_iter().map(copy).collect(),
        spans: Span::all(backups.points_in_time),
        problem,
    })
}

async fn view(context: &Context) -> View {
    View { facts: facts(context).await, running: context.site.running() }
}

pub async fn show(State(context): State<Context>, caller: Caller, ActionNotice(done): ActionNotice) -> PageResult {
    let notice = match done.as_str() {
        "begun" => Some("The host has begun a backup. It appears below once its data has been read."),
        "drill" => Some("The host has begun a drill of the newest backup. What becomes of it is under “Schedule”."),
        _ => None,
    };
    let frame = Frame::new(&context, &caller, Place::Backups, "Backups").with(notice);
    draw(&BackupsPage { frame, view: view(&context).await })
}

pub async fn live(State(context): State<Context>) -> PageResult {
    draw(&BackupsFragment { view: view(&context).await })
}

pub async fn begin(State(context): State<Context>, caller: Caller) -> PageResult {
    back_up_now(&context, &caller).await?;
    tell(&caller, "/backups", "begun")
}

/// The time as entered.
#[derive(Deserialize)]
pub struct BackupTimeForm {
    time: String,
}

/// Requests the plan of another time of the daily backup. One administrator approves it, or two people if so
/// configured.
pub async fn plan_time(
    State(context): State<Context>,
    caller: Caller,
    FormFields(BackupTimeForm { time }): FormFields<BackupTimeForm>,
) -> PageResult {
    let backup_time = Some(time.trim().to_owned());
    let change = Change::Configure { values: BTreeMap::new(), secrets: BTreeMap::new(), backup_time };
    hand_over(&context, &caller, SETTINGS, CheckedRequest::plan(&caller, None, change)?).await
}

pub async fn drill(State(context): State<Context>, caller: Caller) -> PageResult {
    drill_now(&context, &caller).await?;
    tell(&caller, "/backups", "drill")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use axum::http::StatusCode;

    use super::*;
    use crate::host::ChangeRequest;
    use crate::host::fake::sample;
    use crate::people::Scope;
    use crate::testing::{KEY_IDS, Site, words_of};

    #[tokio::test]
    async fn backup_page_shows_schedule() {
        let site = Site::begin().await;
        let page = site.sign_in("vera").await.get("/backups").await;
        insta::assert_snapshot!(words_of(&page.body));
        assert!(!page.has("action", "/backups/drill"), "a viewer may begin a drill");
        let failure = serde_json::json!({ "code": "LF4608", "what": "it broke off" });
        let tried = serde_json::json!({ "at": "2026-11-20T01:44:00Z", "failure": failure });
        site.host.status.lock().unwrap()["backups"]["lastTry"] = tried;
        crate::testing::until(async || {
            words_of(&site.sign_in("vera").await.get("/backups").await.body).contains("It broke off. [LF4608]")
        })
        .await;
    }

    /// Returns the live part of a site without backups.
    fn page_of(schedule: Schedule) -> String {
        let (rows, copies, spans) = (Vec::new(), Vec::new(), Vec::new());
        let facts = Facts { schedule, rows, copies, spans, problem: None };
        BackupsFragment { view: View { facts: Ok(facts), running: None } }.render().unwrap()
    }

    #[tokio::test]
    async fn refused_backup_is_shown() {
        let site = Site::begin().await;
        assert!(!words_of(&site.sign_in("vera").await.get("/backups").await.body).contains("Not begun"));
        let mut document = sample("backups");
        let failure = serde_json::json!({ "code": "LF4006", "what": "an upgrade runs since 09:00" });
        document["lastRefusal"] = serde_json::json!({ "at": "2026-11-20T07:59:00Z", "failure": failure });
        let backups: BackupList = serde_json::from_value(document).unwrap();
        let refused = backups.last_refusal.map(BackupAttempt::from_refused);
        assert!(refused.is_some(), "the field was not read");
        let schedule = Schedule { times: None, next: None, backup: None, refused, drill: None, proven: None };
        insta::assert_snapshot!(words_of(&page_of(schedule)));
    }

    #[tokio::test]
    async fn operator_drill_is_recorded() {
        let site = Site::begin().await;
        let olga = site.sign_in("olga").await;
        assert!(olga.get("/backups").await.has("action", "/backups/drill"));
        let begun = olga.post("/backups/drill", &[]).await;
        let notice = "The host has begun a drill of the newest backup. What becomes of it is under “Schedule”.";
        assert_eq!(olga.follow(&begun).await.notices(), [notice]);
        let program = site.program("olga", &[Scope::Backup]).await;
        assert_eq!(program.call(axum::http::Method::POST, "/api/v1/drills", "").await.status, StatusCode::ACCEPTED);
        assert_eq!(site.host.drills_begun.load(Ordering::SeqCst), 2);
        assert_eq!(site.sign_in("vera").await.post("/backups/drill", &[]).await.status, StatusCode::FORBIDDEN);
        let lines = site.audit_lines("drill.").await.join("\n");
        insta::with_settings!({ filters => [KEY_IDS] }, { insta::assert_snapshot!(lines) });
    }

    #[tokio::test]
    async fn new_backup_time_needs_plan() {
        let site = Site::begin().await;
        let (vera, olga) = (site.sign_in("vera").await, site.sign_in("olga").await);
        assert!(!vera.get("/backups").await.has("action", "/backups/schedule"), "a viewer may change the time");
        assert_eq!(vera.post("/backups/schedule", &[("time", "03:15")]).await.status, StatusCode::FORBIDDEN);
        assert!(olga.get("/backups").await.body.contains(r#"name="time" type="time" value="01:30""#));
        for time in ["", "25:00", "3:15", "03:15; reboot"] {
            let refused = olga.post("/backups/schedule", &[("time", time)]).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{time}");
        }
        let program = site.program("root", &Scope::ALL).await;
        let sent = r#"{"change": "configure", "values": {}, "backupTime": "noon"}"#;
        let refused = program.call(axum::http::Method::POST, "/api/v1/plans", sent).await;
        assert_eq!(refused.refusal(), (422, "LF5023"));
        assert!(refused.json()["detail"].as_str().unwrap().contains("backupTime"), "{}", refused.body);
        assert!(site.host.changes.lock().unwrap().is_empty(), "a refused time reached the host");
        let asked = olga.post("/backups/schedule", &[("time", "03:15")]).await;
        assert!(asked.header("location").starts_with("/settings?request="), "{}", asked.header("location"));
        let requests = site.host.changes.lock().unwrap().clone();
        let [ChangeRequest::Plan(plan)] = requests.as_slice() else { panic!("{requests:?}") };
        let (values, secrets) = (BTreeMap::new(), BTreeMap::new());
        assert_eq!(plan.change, Change::Configure { values, secrets, backup_time: Some("03:15".to_owned()) });
        let own = serde_json::json!([{ "setting": "backups.time", "from": null, "to": "03:15" }]);
        site.host.plans.lock().unwrap()[0].document["settings"] = own;
        let led = olga.follow(&asked).await;
        insta::assert_snapshot!(words_of(&olga.follow(&led).await.body));
        let asked = site.audit_lines("plan.ask").await;
        assert!(asked[0].starts_with("olga: plan.ask change of settings: the time of the daily backup 03:15: done"));
    }

    #[test]
    fn stopped_timer_has_no_next_backup() {
        let times = |schedule: serde_json::Value| {
            let mut document = sample("backups");
            document["schedule"] = schedule;
            serde_json::from_value::<BackupList>(document).unwrap().schedule.unwrap()
        };
        let stopped = times(serde_json::json!({ "daily": "01:30", "active": false, "delayMinutes": 60 }));
        let schedule =
            Schedule { times: Some(stopped), next: None, backup: None, refused: None, drill: None, proven: None };
        insta::assert_snapshot!(words_of(&page_of(schedule)));
        let older = times(serde_json::json!({ "daily": "01:30", "next": "2026-11-21T01:30:00Z" }));
        assert_eq!((older.active, older.next.as_deref()), (true, Some("2026-11-21T01:30:00Z")));
    }

    #[test]
    fn distant_next_backup_is_flagged() {
        let page = |next: jiff::Timestamp| {
            let times = serde_json::from_value(serde_json::json!({ "daily": "01:30", "delayMinutes": 60 })).unwrap();
            let next = Some(Moment::new(next));
            page_of(Schedule { times: Some(times), next, backup: None, refused: None, drill: None, proven: None })
        };
        let flag = "landfall-backup.timer";
        let far = page("2099-01-01T00:00:00Z".parse().unwrap());
        assert!(far.contains("2099-01-01") && far.contains(flag), "{far}");
        let soon = page(jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24));
        assert!(!soon.contains(flag), "{soon}");
    }

    #[test]
    fn host_without_schedule_is_read() {
        let mut document = sample("backups");
        document.as_object_mut().unwrap().retain(|name, _| name != "schedule" && name != "lastDrill");
        let backups: BackupList = serde_json::from_value(document).unwrap();
        assert!(backups.schedule.is_none() && backups.last_drill.is_none());
    }
}
