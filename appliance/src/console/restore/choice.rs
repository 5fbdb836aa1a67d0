//! Choices of a restore: backups of the installed version, points in time, components.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use landfall_documents::backups::{BackupList, BackupSummary};
use landfall_documents::change::Change;
use landfall_documents::status::StatusReport;

use crate::console::backups::{Span, proof_mark, reason};
use crate::console::moment::Moment;
use crate::console::state::Mark;
use crate::console::trouble::Trouble;
use crate::context::Context;
use crate::host::Topic;
use crate::refusal::Refusal;

/// Prefix of a backup's streams of the cluster itself, which a person restores manually.
const CLUSTER: &str = "cluster";

/// A backup that can be chosen.
pub(super) struct Row {
    pub(super) mark: Mark,
    pub(super) time: Option<Moment>,
    pub(super) reason: &'static str,
    /// True if it is the default choice.
    pub(super) is_first: bool,
    pub(super) components: Vec<String>,
    pub(super) backup: BackupSummary,
}

pub(super) struct Choice {
    /// Proven backups first, each kind newest first.
    pub(super) rows: Vec<Row>,
    /// Name and version of the installed release.
    pub(super) installed: String,
    /// Number of backups of other versions.
    pub(super) others: usize,
    /// Every component with data in a backup.
    pub(super) components: Vec<String>,
    pub(super) spans: Vec<Span>,
}

pub(super) type ChoiceResult = Result<Choice, Trouble>;

impl Choice {
    /// Returns true if the console's own data can be restored: users, API keys and the audit log.
    pub(super) fn has_console(&self) -> bool {
        self.components.iter().any(|component| component == "console")
    }

    /// Returns the first and the last point in time of all periods.
    pub(super) fn bounds(&self) -> Option<(String, String)> {
        let from = self.spans.iter().filter_map(|span| span.from).max_by_key(Moment::age)?;
        let until = self.spans.iter().filter_map(|span| span.until).min_by_key(Moment::age)?;
        Some((from.field(), until.field()))
    }

    fn new(mut found: BackupList, status: Option<StatusReport>) -> Self {
        let release = status.and_then(|status| status.release);
        let is_own = |backup: &BackupSummary| {
            release.as_ref().is_none_or(|own| (&own.name, &own.version) == (&backup.release, &backup.version))
        };
        let all = found.backups.len();
        found.backups.retain(is_own);
        found.backups.reverse();
        found.backups.sort_by_key(|backup| Reverse(backup.proven.is_some()));
        let components: BTreeSet<String> = found.backups.iter().flat_map(components).collect();
        Self {
            others: all - found.backups.len(),
            installed: release.map(|own| format!("{} {}", own.name, own.version)).unwrap_or_default(),
            rows: found.backups.into_iter().enumerate().map(|(index, backup)| row(index == 0, backup)).collect(),
            components: components.into_iter().collect(),
            spans: Span::all(found.points_in_time),
        }
    }
}

/// Returns the components with data in a backup.
fn components(backup: &BackupSummary) -> BTreeSet<String> {
    let streams = backup.streams.iter().filter_map(|stream| stream.name.split_once('/'));
    streams.map(|(component, _)| component.to_owned()).filter(|component| component != CLUSTER).collect()
}

fn row(is_first: bool, backup: BackupSummary) -> Row {
    Row {
        mark: proof_mark(backup.proven.is_some()),
        time: Moment::read(Some(&backup.time)),
        reason: reason(&backup.reason),
        is_first,
        components: components(&backup).into_iter().collect(),
        backup,
    }
}

/// Reads the host's choices.
pub(super) async fn load_choice(context: &Context) -> ChoiceResult {
    let (backups, status) =
        tokio::join!(context.site.read::<BackupList>(Topic::Backups), context.site.read::<StatusReport>(Topic::Status));
    let backups = backups?.unwrap_or_default();
    Ok(Choice::new(backups, status.ok().flatten()))
}

/// Reads the choice of a form. Choosing all components leaves the list empty, which restores everything in the backup.
pub(super) fn parse_choice(fields: &[(String, String)], known: &[String]) -> Result<Change, Refusal> {
    let one = |name: &str| fields.iter().find(|(field, text)| field == name && !text.is_empty()).map(|(_, text)| text);
    let components: BTreeSet<&String> =
        fields.iter().filter(|(field, _)| field == "component").map(|(_, name)| name).collect();
    if components.is_empty() {
        return Err(Refusal::Invalid("component: choose at least one, whose data returns".to_owned()));
    }
    let is_all = !known.is_empty() && known.iter().all(|name| components.contains(name));
    let components = if is_all { Vec::new() } else { components.into_iter().cloned().collect() };
    match (one("backup"), one("at")) {
        (Some(id), None) => Ok(Change::Restore { backup: Some(id.clone()), at: None, components }),
        (None, Some(at)) => Ok(Change::Restore { backup: None, at: Some(time(at)?), components }),
        _ => Err(Refusal::Invalid("choose a backup, or a point in time".to_owned())),
    }
}

/// Parses a time in the format of a browser's field, which is UTC here, or in that of documents.
fn time(text: &str) -> Result<String, Refusal> {
    let unreadable = || Refusal::Invalid("at: a date and a time in UTC, such as 2026-11-22T06:00:00".to_owned());
    let text = text.trim();
    let read = text.parse::<Timestamp>().ok().or_else(|| {
        let local = text.parse::<DateTime>().ok()?;
        TimeZone::UTC.to_timestamp(local).ok()
    });
    read.map(|at| at.to_string()).ok_or_else(unreadable)
}
