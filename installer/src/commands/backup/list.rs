//! `landfall backup list`: lists backups, points in time, and results of the latest tries.

use std::iter;

use indicatif::HumanBytes;
use jiff::Timestamp;
use landfall_documents::backups::{BackupList, BackupSummary, BackupTry, PointsInTime};
use landfall_lifecycle::operations::Operations;

use super::{cut_text, streams_text};
use crate::commands::site::operations_of_root;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;
use crate::table::{age, format_table, to_the_second};

/// Reads the backups of this host.
pub(crate) fn backup_list(operations: &Operations) -> Result<BackupList, Failure> {
    Ok(BackupList {
        backups: operations.backups()?,
        points_in_time: operations.points_in_time()?,
        schedule: operations.backup_times()?,
        last_try: operations.last_backup(),
        last_drill: operations.last_drill(),
        last_refusal: operations.refused_backup(),
    })
}

impl Document for BackupList {
    const KIND: &'static str = "backups";
}

/// Prints the list.
pub(super) fn run(printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    let list = backup_list(&operations)?;
    printer.report(&list, |list| text(list, Timestamp::now()))
}

/// A row for each backup, then points in time and results of the latest tries.
fn text(list: &BackupList, now: Timestamp) -> String {
    let refused = list.last_refusal.as_ref().and_then(refused_backup);
    let failed = failed_backup(list);
    if list.backups.is_empty() {
        let none = "this site has no backups; `landfall backup run` makes one".to_owned();
        return iter::once(none).chain(failed).chain(refused).collect::<Vec<_>>().join("\n");
    }
    let rows = list.backups.iter().map(|backup| {
        let (made, release) = (to_the_second(&backup.time), format!("{} {}", backup.release, backup.version));
        let size = HumanBytes(backup.size_bytes).to_string();
        let (id, age, reason) = (backup.short_id().to_owned(), age(&backup.time, now), backup.reason.clone());
        [id, made, age, release, size, reason, state_text(backup)]
    });
    let table = format_table(["backup", "made", "age", "release", "size", "reason", "state"], rows);
    let points = list.points_in_time.iter();
    let points = points.map(|PointsInTime { stream, from, until, proven }| {
        let proven = proven
            .as_ref()
            .map_or_else(|| "not proven".to_owned(), |part| format!("proven {}", span(&part.from, &part.until)));
        format!("{stream}: every point {}, {proven}", span(from, until))
    });
    let newest = list.backups.last().map(|backup| {
        format!("streams of the newest backup: {}{}", streams_text(backup), cut_text(backup.cut.as_ref()))
    });
    iter::once(table)
        .chain(points)
        .chain(newest)
        .chain(failed)
        .chain(list.last_drill.as_ref().and_then(failed_drill))
        .chain(refused)
        .collect::<Vec<_>>()
        .join("\n")
}

fn span(from: &str, until: &str) -> String {
    format!("from {} until {}", to_the_second(from), to_the_second(until))
}

/// Verdict of the latest drill, with a remark on an impossible time.
fn state_text(backup: &BackupSummary) -> String {
    let mut verdict = match (&backup.proven, &backup.rest_proven, &backup.disproved) {
        (Some(time), _, _) => format!("proven {}", to_the_second(time)),
        (None, Some(time), _) => format!("the rest proven {}", to_the_second(time)),
        (None, None, Some(time)) => format!("its drill failed {}", to_the_second(time)),
        (None, None, None) => "not proven".to_owned(),
    };
    if !backup.lacking.is_empty() {
        verdict = format!("without {}, {verdict}", backup.lacking.join(", "));
    }
    if backup.of_future { format!("{verdict}, dated in the future") } else { verdict }
}

/// The latest backup, if it failed and no later drill has proven the newest backup.
fn failed_backup(list: &BackupList) -> Option<String> {
    let latest = list.last_try.as_ref().filter(|latest| !latest.mended)?;
    failure_text("the latest backup failed", latest)
}

/// Text about a failed drill, which proves nothing and must be distinguishable from one that did not run.
pub(super) fn failed_drill(last: &BackupTry) -> Option<String> {
    failure_text("the latest drill on request failed", last)
}

/// Text about a backup that did not start, which a person may still wait for.
pub(super) fn refused_backup(refused: &BackupTry) -> Option<String> {
    failure_text("a backup did not begin", refused)
}

/// Text with time and reason of a failed try; `None` if it did not fail.
fn failure_text(what: &str, tried: &BackupTry) -> Option<String> {
    let failure = tried.failure.as_ref()?;
    Some(format!("{what} at {}: {} [{}]", to_the_second(&tried.at), shown::paragraph(&failure.what), failure.code))
}

#[cfg(test)]
mod tests {
    use landfall_documents::backups::{BackupFailure, ProvenPoints};
    use landfall_error_codes::codes;

    use super::super::tests::backup;
    use super::*;

    fn shown_at(list: &BackupList) -> String {
        text(list, "2026-11-22T09:30:00Z".parse().unwrap())
    }

    #[test]
    fn state_names_failed_drill_and_future_date() {
        let failed = BackupSummary { disproved: Some("2026-11-22T02:09:00Z".to_owned()), ..backup(None) };
        assert_eq!(state_text(&failed), "its drill failed 2026-11-22T02:09:00Z");
        let ahead = BackupSummary { of_future: true, ..backup(None) };
        assert_eq!(state_text(&ahead), "not proven, dated in the future");
        let (lacking, rest_proven) = (vec!["web/files".to_owned()], Some("2026-11-22T02:09:00Z".to_owned()));
        let incomplete = BackupSummary { lacking, rest_proven, ..backup(None) };
        assert_eq!(state_text(&incomplete), "without web/files, the rest proven 2026-11-22T02:09:00Z");
    }

    #[test]
    fn list_shows_proven_backups() {
        let points_in_time = vec![PointsInTime {
            stream: "postgres/database".to_owned(),
            from: "2026-11-22T02:00:09Z".to_owned(),
            until: "2026-11-22T11:55:00Z".to_owned(),
            proven: Some(ProvenPoints {
                from: "2026-11-22T02:00:09Z".to_owned(),
                until: "2026-11-22T03:00:00Z".to_owned(),
            }),
        }];
        let none = BackupList {
            backups: Vec::new(),
            points_in_time: Vec::new(),
            schedule: None,
            last_try: None,
            last_drill: None,
            last_refusal: None,
        };
        assert_eq!(shown_at(&none), "this site has no backups; `landfall backup run` makes one");
        let failure = BackupFailure { code: codes::SITE_BUSY.into(), what: "an upgrade runs".to_owned() };
        let at = "2026-11-22T09:00:00Z".to_owned();
        let refused = BackupTry { at, failure: Some(failure), succeeded: None, mended: false };
        let none = BackupList { last_refusal: Some(refused), ..none };
        assert_eq!(shown_at(&none).lines().count(), 2);
        let (code, what) = (codes::BACKUP_INTERRUPTED.into(), "it began then and did not end".to_owned());
        let (at, failure) = ("2026-11-22T02:00:00Z".to_owned(), Some(BackupFailure { code, what }));
        let cut = BackupTry { at, failure, succeeded: None, mended: false };
        let none = BackupList { last_try: Some(cut), ..none };
        let failed = "\nthe latest backup failed at 2026-11-22T02:00:00Z: it began then and did not end [LF4634]\n";
        assert!(shown_at(&none).contains(failed), "{}", shown_at(&none));
        let backups = vec![backup(None), backup(Some("2026-11-22T02:01:00Z"))];
        let none = BackupList { last_try: none.last_try.map(|cut| BackupTry { mended: true, ..cut }), ..none };
        insta::assert_snapshot!(shown_at(&BackupList { backups, points_in_time, ..none }), @"
        BACKUP    MADE                  AGE  RELEASE        SIZE      REASON   STATE
        01234567  2026-11-22T02:00:00Z  7 h  starter 1.0.0  3.00 MiB  request  not proven
        01234567  2026-11-22T02:00:00Z  7 h  starter 1.0.0  3.00 MiB  request  proven 2026-11-22T02:01:00Z
        postgres/database: every point from 2026-11-22T02:00:09Z until 2026-11-22T11:55:00Z, proven from 2026-11-22T02:00:09Z until 2026-11-22T03:00:00Z
        streams of the newest backup: postgres/database (3.00 MiB)
        as of one time, 2026-11-22T02:00:31Z: postgres/database, valkey/keys
          writers of valkey/keys were held for 132 ms
        a backup did not begin at 2026-11-22T09:00:00Z: an upgrade runs [LF4006]
        ");
    }
}
