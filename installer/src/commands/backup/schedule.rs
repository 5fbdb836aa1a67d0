//! `landfall backup schedule`: shows when backups are made and proven. With a time, it changes a setting like `landfall
//! configure`.

use std::fmt::Write;

use landfall_documents::backups::BackupsStatus;
use landfall_lifecycle::operations::{KeptBackups, ScheduledBackups};

use super::list::{failed_drill, refused_backup};
use crate::cli::BackupScheduleArguments;
use crate::commands::configure;
use crate::commands::site::operations_of_root;
use crate::count::format_count;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;

impl Document for ScheduledBackups {
    const KIND: &'static str = "backupSchedule";
}

/// Prints the schedule, or changes the time of the daily backup.
pub(super) fn run(arguments: &BackupScheduleArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    if let Some(time) = &arguments.time {
        return configure::change(&operations, operations.prepare_backup_time(time)?, arguments.dry_run, printer);
    }
    printer.report(&operations.backup_schedule()?, text)?;
    Ok(())
}

fn text(schedule: &ScheduledBackups) -> String {
    let ScheduledBackups { time, active, next, logs_active, keep, backups, last_refusal } = schedule;
    let mut text = match time {
        Some(time) => {
            format!("each day at {time}, as the site sets it: a backup of all data, and the drill that proves it")
        }
        None => "each day between 01:30 and 02:30: a backup of all data, and the drill that proves it".to_owned(),
    };
    let next = match (active, next) {
        (false, _) => "none: the timer is not active; `landfall backup run` makes a backup now",
        (true, Some(next)) => next.as_str(),
        (true, None) => "not known",
    };
    let _infallible = write!(text, "\nnext: {next}");
    text.push_str(&latest_text(backups.as_ref()));
    let drill = backups.as_ref().and_then(|backups| backups.last_drill.as_ref());
    for line in drill.and_then(failed_drill).into_iter().chain(last_refusal.as_ref().and_then(refused_backup)) {
        let _infallible = write!(text, "\n{line}");
    }
    match logs_active {
        Some(true) => text.push_str("\nevery four minutes: what was written since, for points in time"),
        Some(false) => text.push_str("\npoints in time: none are saved, since the timer is not active"),
        None => {}
    }
    let _infallible = write!(text, "\nkept: {}", keep_text(keep, logs_active.is_some()));
    text
}

/// Text about the latest try and the newest valid backup.
fn latest_text(backups: Option<&BackupsStatus>) -> String {
    let Some(backups) = backups else { return "\nlatest: none yet".to_owned() };
    let latest = match &backups.last_try {
        None => "none on schedule yet".to_owned(),
        Some(tried) => match &tried.failure {
            None => format!("{}, proven", tried.at),
            Some(failure) => {
                format!("{}, which failed: {} [{}]", tried.at, shown::paragraph(&failure.what), failure.code)
            }
        },
    };
    let newest = backups.newest_proven.as_deref().unwrap_or("none");
    let mut text = format!("\nlatest: {latest}\nnewest proven backup: {newest}");
    if let Some(reason) = &backups.reason {
        let _infallible = write!(text, "\nthe repository cannot be used: {reason}");
    }
    text
}

fn keep_text(keep: &KeptBackups, has_logs: bool) -> String {
    let KeptBackups { hourly, daily, weekly, monthly, point_in_time_days } = *keep;
    let kept = [(hourly, "hour"), (daily, "day"), (weekly, "week"), (monthly, "month")];
    let kept = kept.into_iter().filter(|(count, _)| *count > 0);
    let spans: Vec<String> = kept.map(|(count, what)| format_count(usize::from(count), what)).collect();
    let mut text = format!("the newest backup of each of {}", spans.join(", "));
    if has_logs {
        let _infallible = write!(text, "; points in time of {}", format_count(usize::from(point_in_time_days), "day"));
    }
    text
}

#[cfg(test)]
mod tests {
    use landfall_documents::backups::{BackupFailure, BackupTry};

    use super::*;

    fn backups(failure: Option<BackupFailure>) -> BackupsStatus {
        let at = "2026-11-26T03:16:00Z".to_owned();
        BackupsStatus {
            count: 3,
            newest: Some("2026-11-25T03:15:00Z".to_owned()),
            newest_proven: Some("2026-11-25T03:15:00Z".to_owned()),
            of_future: Vec::new(),
            reason: None,
            last_try: Some(BackupTry { at, failure, succeeded: None, mended: false }),
            last_drill: None,
            copies: Vec::new(),
            logs: Vec::new(),
        }
    }

    #[test]
    fn schedule_names_failures() {
        let tried = |at: &str, code: &str, what: &str| BackupTry {
            at: at.to_owned(),
            failure: Some(BackupFailure { code: code.into(), what: what.to_owned() }),
            succeeded: None,
            mended: false,
        };
        let cut = "it began then and did not end, because the host restarted";
        let last_drill = Some(tried("2026-11-26T10:00:00Z", "LF4634", cut));
        let schedule = ScheduledBackups {
            time: None,
            active: true,
            next: None,
            logs_active: None,
            keep: KeptBackups { hourly: 0, daily: 14, weekly: 0, monthly: 0, point_in_time_days: 7 },
            backups: Some(BackupsStatus { last_drill, ..backups(None) }),
            last_refusal: Some(tried("2026-11-26T09:00:00Z", "LF4006", "an upgrade runs")),
        };
        insta::assert_snapshot!(text(&schedule), @"
        each day between 01:30 and 02:30: a backup of all data, and the drill that proves it
        next: not known
        latest: 2026-11-26T03:16:00Z, proven
        newest proven backup: 2026-11-25T03:15:00Z
        the latest drill on request failed at 2026-11-26T10:00:00Z: it began then and did not end, because the host restarted [LF4634]
        a backup did not begin at 2026-11-26T09:00:00Z: an upgrade runs [LF4006]
        kept: the newest backup of each of 14 days
        ");
    }

    #[test]
    fn schedule_shows_next_and_latest() {
        let keep = KeptBackups { hourly: 0, daily: 14, weekly: 0, monthly: 6, point_in_time_days: 7 };
        let (what, code) = ("postgres/database broke off".to_owned(), "LF4608".into());
        let mut schedule = ScheduledBackups {
            time: Some("03:15".to_owned()),
            active: true,
            next: Some("2026-11-27T03:15:00Z".to_owned()),
            logs_active: Some(true),
            keep,
            backups: Some(backups(Some(BackupFailure { code, what }))),
            last_refusal: None,
        };
        insta::assert_snapshot!(text(&schedule), @"
        each day at 03:15, as the site sets it: a backup of all data, and the drill that proves it
        next: 2026-11-27T03:15:00Z
        latest: 2026-11-26T03:16:00Z, which failed: postgres/database broke off [LF4608]
        newest proven backup: 2026-11-25T03:15:00Z
        every four minutes: what was written since, for points in time
        kept: the newest backup of each of 14 days, 6 months; points in time of 7 days
        ");
        schedule.backups = Some(backups(None));
        assert!(text(&schedule).contains("\nlatest: 2026-11-26T03:16:00Z, proven\n"));
        (schedule.time, schedule.active, schedule.next) = (None, false, None);
        (schedule.logs_active, schedule.backups) = (None, None);
        insta::assert_snapshot!(text(&schedule), @"
        each day between 01:30 and 02:30: a backup of all data, and the drill that proves it
        next: none: the timer is not active; `landfall backup run` makes a backup now
        latest: none yet
        kept: the newest backup of each of 14 days, 6 months
        ");
    }
}
