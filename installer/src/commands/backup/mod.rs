//! `landfall backup` and `landfall drill`: save data, and prove backups.

mod export;
mod forget;
mod key;
mod list;
mod repair;
mod schedule;

use std::collections::BTreeSet;
use std::fmt::Write;

use indicatif::HumanBytes;
use landfall_documents::backups::{BackupCut, BackupSummary};
use landfall_error_codes::codes;
use landfall_lifecycle::operations::{
    AdoptedBackups, BackedUp, BackupCheckReport, BackupCopies, CopiedBackups, DrillReport, DrillReports, LogOutcome,
    SavedLogs,
};

pub(crate) use list::backup_list;

use super::site::operations_of_root;
use crate::cli::{
    BackupAdoptArguments, BackupCheckArguments, BackupCommand, BackupCopyArguments, BackupKeyArguments,
    BackupKeyCommand, BackupRunArguments, DrillArguments,
};
use crate::count::format_count;
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;
use crate::shown;
use crate::table::to_the_second;

impl Document for BackedUp {
    const KIND: &'static str = "backup";
}

impl Document for CopiedBackups {
    const KIND: &'static str = "backupCopies";
}

impl Document for AdoptedBackups {
    const KIND: &'static str = "adoptedBackups";
}

impl Document for SavedLogs {
    const KIND: &'static str = "logBackups";
}

impl Document for BackupCheckReport {
    const KIND: &'static str = "backupCheck";
}

impl Document for DrillReports {
    const KIND: &'static str = "drill";
}

/// Runs the subcommand.
pub(crate) fn run(command: &BackupCommand, printer: Printer) -> Result<(), Failure> {
    match command {
        BackupCommand::Run(arguments) => back_up(arguments, printer),
        BackupCommand::Log => log(printer),
        BackupCommand::List => list::run(printer),
        BackupCommand::Check(arguments) => check(arguments, printer),
        BackupCommand::Repair(arguments) => repair::run(arguments, printer),
        BackupCommand::Forget(arguments) => forget::run(arguments, printer),
        BackupCommand::Schedule(arguments) => schedule::run(arguments, printer),
        BackupCommand::Copy(arguments) => copy(arguments, printer),
        BackupCommand::Key(BackupKeyArguments { command: None }) => key::print(printer),
        BackupCommand::Key(BackupKeyArguments { command: Some(BackupKeyCommand::Rotate) }) => key::rotate(printer),
        BackupCommand::Adopt(arguments) => adopt(arguments, printer),
        BackupCommand::Objects(arguments) => export::objects(arguments, printer),
        BackupCommand::Export(arguments) => export::stream(arguments, printer),
    }
}

/// Runs a drill of a backup.
pub(crate) fn drill(arguments: &DrillArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    logging::keep(&operations.paths.logs(), "drill");
    let report = operations.drill(arguments.backup.as_deref())?;
    printer.report(&report, drilled_text)?;
    Ok(())
}

fn back_up(arguments: &BackupRunArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    logging::keep(&operations.paths.logs(), "backup");
    let made = operations.back_up(!arguments.no_drill)?;
    printer.report(&made, backup_text)?;
    Ok(())
}

fn log(printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    logging::keep(&operations.paths.logs(), "backup-log");
    let saved = operations.back_up_logs()?;
    printer.report(&saved, logs_text)?;
    Ok(())
}

fn copy(arguments: &BackupCopyArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    logging::keep(&operations.paths.logs(), "backup-copy");
    let copied = operations.copy_backups(&arguments.folders)?;
    printer.report(&copied, |copied| copies_text(&copied.copies))?;
    Ok(())
}

fn check(arguments: &BackupCheckArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    let report = match &arguments.copy {
        Some(folder) => operations.check_copies(folder)?,
        None => operations.check_backups()?,
    };
    let damaged = || format!("{} of the backup repository damaged", format_count(report.damages.len(), "file"));
    let refusal = (!report.damages.is_empty()).then(|| Failure::new(codes::BACKUP_DAMAGED, damaged()));
    printer.report_verdict(&report, check_text, refusal).map(drop)
}

fn adopt(arguments: &BackupAdoptArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    logging::keep(&operations.paths.logs(), "backup-adopt");
    let adopted = operations.adopt_backups(&arguments.repository, &arguments.key)?;
    printer.report(&adopted, adopted_text)?;
    Ok(())
}

fn adopted_text(adopted: &AdoptedBackups) -> String {
    let AdoptedBackups { backups, used, settings } = adopted;
    let site = settings.as_ref().map(|file| format!(" --site {}", file.display())).unwrap_or_default();
    format!(
        "{} adopted, and every byte was read\nnext, with the bundle of {} {}:\n  landfall install BUNDLE --trust ROOT \
         --adopt-data{site}\n  landfall restore --backup {}",
        format_count(backups.len(), "backup"),
        used.release,
        used.version,
        used.short_id()
    )
}

/// A line for each folder with copies.
fn copies_text(copies: &[BackupCopies]) -> String {
    let line = |copies: &BackupCopies| {
        let BackupCopies { repository, copied, dropped, count, .. } = copies;
        let mut line = format!("{}: {} copied", repository.display(), format_count(copied.len(), "backup"));
        if !dropped.is_empty() {
            let _infallible = write!(line, ", {} removed", dropped.len());
        }
        let _infallible = write!(line, "; it has {}", format_count(*count, "backup"));
        line
    };
    copies.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn backup_text(made: &BackedUp) -> String {
    let BackedUp { backup, drill, log_drill, dropped, copies } = made;
    let mut text = format!("backup {} of {} {}", backup.short_id(), backup.release, backup.version);
    let _infallible = write!(text, " is stored: {}{}", streams_text(backup), cut_text(backup.cut.as_ref()));
    match drill {
        Some(report) => {
            let _infallible = write!(text, "\n{}", drill_text(report));
        }
        None => text.push_str("\nit is not proven: `landfall drill` restores it on trial"),
    }
    text.push_str(&log_drill_text(log_drill.as_ref()));
    if !dropped.is_empty() {
        let _infallible =
            write!(text, "\n{} removed, as the retention says", format_count(dropped.len(), "older backup"));
    }
    if !copies.is_empty() {
        let _infallible = write!(text, "\n{}", copies_text(copies));
    }
    text
}

fn streams_text(backup: &BackupSummary) -> String {
    let streams: Vec<String> =
        backup.streams.iter().map(|stream| format!("{} ({})", stream.name, HumanBytes(stream.size_bytes))).collect();
    streams.join(", ")
}

/// Lines about the cut of a backup.
fn cut_text(cut: Option<&BackupCut>) -> String {
    let Some(BackupCut { time, streams }) = cut else { return String::new() };
    let names: Vec<&str> = streams.iter().map(|stream| stream.name.as_str()).collect();
    let mut text = format!("\nas of one time, {}: {}", to_the_second(time), names.join(", "));
    for stream in streams {
        if let Some(milliseconds) = stream.held_milliseconds {
            let _infallible = write!(text, "\n  writers of {} were held for {milliseconds} ms", stream.name);
        }
    }
    text
}

fn drilled_text(drilled: &DrillReports) -> String {
    format!("{}{}", drill_text(&drilled.drill), log_drill_text(drilled.log_drill.as_ref()))
}

fn drill_text(report: &DrillReport) -> String {
    format!("the backup of {} is proven: {}", to_the_second(&report.time), checks_text(report))
}

/// Text about the drill of log backups; empty if there were none.
fn log_drill_text(report: Option<&DrillReport>) -> String {
    let text = |report: &DrillReport| {
        let ends = report.streams.iter().filter_map(|drilled| drilled.recovered_to.as_deref());
        let ends: BTreeSet<String> = ends.map(to_the_second).collect();
        let until = ends.into_iter().collect::<Vec<_>>().join(", ");
        format!("\nthe log from {} until {until} is proven: {}", to_the_second(&report.time), checks_text(report))
    };
    report.map(text).unwrap_or_default()
}

fn checks_text(report: &DrillReport) -> String {
    let checks: usize = report.streams.iter().map(|drilled| drilled.checks.len()).sum();
    let mut text = format!("{} passed on restored data in {:.0} s", format_count(checks, "check"), report.seconds);
    for drilled in &report.streams {
        let _infallible = write!(text, "\n  {}", drilled.stream);
        for check in &drilled.checks {
            let _infallible = write!(text, "\n    {}", check.shows);
        }
    }
    text
}

fn logs_text(saved: &SavedLogs) -> String {
    let lines = saved.logs.iter().map(|log| match &log.outcome {
        LogOutcome::Stored { until, size_bytes } => {
            format!(
                "{}: every point in time until {} can be restored ({} stored)",
                log.stream,
                to_the_second(until),
                HumanBytes(*size_bytes)
            )
        }
        LogOutcome::Idle { until } => {
            format!("{}: nothing was logged until {until}, and nothing was stored", log.stream)
        }
        LogOutcome::InUse => format!("{}: a backup is being stored; the next log backup has it", log.stream),
        LogOutcome::NotBegun => format!("{}: points in time begin with the next backup", log.stream),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn check_text(report: &BackupCheckReport) -> String {
    let mut text = match (report.damages.len(), report.backups) {
        (0, backups) => format!("nothing is damaged: every byte of {} was read", format_count(backups, "backup")),
        (damages, backups) => {
            format!("{} damaged; {} can be listed", format_count(damages, "file"), format_count(backups, "backup"))
        }
    };
    for damage in &report.damages {
        let _infallible = write!(text, "\n  {}", shown::paragraph(damage));
    }
    text
}

#[cfg(test)]
mod tests {
    use landfall_documents::backups::{CutStream, StreamSummary};
    use landfall_lifecycle::operations::{CheckResult, DrilledStream};

    use super::*;

    pub(super) fn backup(proven: Option<&str>) -> BackupSummary {
        BackupSummary {
            id: "0123456789abcdef".repeat(4),
            sequence: Some(7),
            time: "2026-11-22T02:00:00Z".to_owned(),
            of_future: false,
            release: "starter".to_owned(),
            version: "1.0.0".to_owned(),
            reason: "request".to_owned(),
            proven: proven.map(str::to_owned),
            lacking: Vec::new(),
            rest_proven: None,
            disproved: None,
            cut: Some(BackupCut {
                time: "2026-11-22T02:00:31.25Z".to_owned(),
                streams: [("postgres/database", None), ("valkey/keys", Some(132))]
                    .map(|(name, held_milliseconds)| CutStream { name: name.to_owned(), held_milliseconds })
                    .into(),
            }),
            size_bytes: 3 << 20,
            streams: vec![StreamSummary { name: "postgres/database".to_owned(), size_bytes: 3 << 20 }],
        }
    }

    fn report() -> DrillReport {
        let check = CheckResult { shows: "Rows are there".to_owned(), passed: true, failure: None };
        DrillReport {
            backup: "01".repeat(32),
            time: "2026-11-22T02:00:00Z".to_owned(),
            passed: true,
            cut: Some("2026-11-22T02:00:31.25Z".to_owned()),
            seconds: 31.6,
            streams: vec![DrilledStream {
                stream: "postgres/database".to_owned(),
                size_bytes: Some(3 << 20),
                recovered_to: None,
                checks: vec![check],
            }],
        }
    }

    fn log_report() -> DrillReport {
        let mut report = DrillReport { time: "2026-11-21T02:00:00Z".to_owned(), ..report() };
        report.streams[0].recovered_to = Some("2026-11-22T02:05:00Z".to_owned());
        report
    }

    #[test]
    fn backup_shows_streams_and_drill() {
        let copies = vec![BackupCopies {
            repository: "/mnt/disk/landfall-backups-node-1".into(),
            copied: vec![backup(None)],
            dropped: Vec::new(),
            count: 3,
            newest: None,
        }];
        let made = BackedUp {
            backup: backup(None),
            drill: Some(report()),
            log_drill: Some(log_report()),
            dropped: vec![backup(None)],
            copies,
        };
        insta::assert_snapshot!(backup_text(&made), @"
        backup 01234567 of starter 1.0.0 is stored: postgres/database (3.00 MiB)
        as of one time, 2026-11-22T02:00:31Z: postgres/database, valkey/keys
          writers of valkey/keys were held for 132 ms
        the backup of 2026-11-22T02:00:00Z is proven: 1 check passed on restored data in 32 s
          postgres/database
            Rows are there
        the log from 2026-11-21T02:00:00Z until 2026-11-22T02:05:00Z is proven: 1 check passed on restored data in 32 s
          postgres/database
            Rows are there
        1 older backup removed, as the retention says
        /mnt/disk/landfall-backups-node-1: 1 backup copied; it has 3 backups
        ");
        let (dropped, copies) = (Vec::new(), Vec::new());
        let made = BackedUp { backup: backup(None), drill: None, log_drill: None, dropped, copies };
        assert!(backup_text(&made).ends_with("not proven: `landfall drill` restores it on trial"));
    }

    #[test]
    fn adopted_backups_show_next_commands() {
        let proven = backup(Some("2026-11-22T02:01:00Z"));
        let settings = Some("/var/lib/landfall/backups/site.yaml".into());
        let adopted = AdoptedBackups { backups: vec![proven.clone()], used: proven, settings };
        insta::assert_snapshot!(adopted_text(&adopted), @"
        1 backup adopted, and every byte was read
        next, with the bundle of starter 1.0.0:
          landfall install BUNDLE --trust ROOT --adopt-data --site /var/lib/landfall/backups/site.yaml
          landfall restore --backup 01234567
        ");
    }

    #[test]
    fn log_backup_shows_point_in_time_range() {
        let log =
            |outcome| landfall_lifecycle::operations::SavedLog { stream: "postgres/database".to_owned(), outcome };
        let stored = LogOutcome::Stored { until: "2026-11-22T12:00:00Z".to_owned(), size_bytes: 16 << 20 };
        insta::assert_snapshot!(logs_text(&SavedLogs { logs: vec![log(stored), log(LogOutcome::NotBegun)] }), @"
        postgres/database: every point in time until 2026-11-22T12:00:00Z can be restored (16.00 MiB stored)
        postgres/database: points in time begin with the next backup
        ");
    }

    #[test]
    fn damages_are_listed() {
        let report = |damages: &[&str]| BackupCheckReport {
            backups: 2,
            damages: damages.iter().map(|damage| (*damage).to_owned()).collect(),
        };
        assert_eq!(check_text(&report(&[])), "nothing is damaged: every byte of 2 backups was read");
        let damaged = check_text(&report(&["data/0f/0f is missing: takes everything of the backup of 2026"]));
        assert_eq!(
            damaged,
            "1 file damaged; 2 backups can be listed\n  data/0f/0f is missing: takes everything of the backup of 2026"
        );
    }
}
