//! `landfall restore`: replaces data with that of a backup.

use std::fmt::Write;

use indicatif::HumanBytes;
use landfall_documents::backups::BackupSummary;
use landfall_engine::plan::Plan;
use landfall_lifecycle::operations::{
    OverwrittenStream, PreparedRestore, RestoreOutcome, RestoreRequest, RestoredData,
};
use landfall_lifecycle::plan::upgrade::Outlook;
use landfall_lifecycle::steps::action::Action;
use landfall_site::room::FilesystemPeak;
use schemars::JsonSchema;
use serde::Serialize;

use super::confirmation::site_named;
use super::site::operations_of_root;
use super::upgrade::{outlook_text, space_text};
use crate::cli::{RestoreArguments, RestoreSelection};
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;
use crate::table::to_the_second;

impl Document for RestoreOutcome {
    const KIND: &'static str = "restore";
}

/// Output of `--dry-run`.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestoreDryRun<'a> {
    /// Backup to restore.
    backup: &'a BackupSummary,
    /// Components whose data would be replaced, in order.
    components: &'a [String],
    /// Streams that would be overwritten, each with the data that would be lost.
    overwrites: Vec<OverwrittenStream>,
    /// Components that need one of these: they continue to run, and may fail while the others stop.
    dependents: Vec<String>,
    /// True if the console's own data would be replaced: its users, their sessions and its audit log.
    replaces_console: bool,
    /// Components that stop and their downtime, and the step after which the earlier data cannot return.
    outlook: &'a Outlook,
    /// Peak use of each filesystem, in addition to existing data.
    space: &'a [FilesystemPeak],
    /// Planned steps, with each action as the journal would keep it.
    #[schemars(with = "Plan<serde_json::Value>")]
    plan: &'a Plan<Action>,
}

impl Document for RestoreDryRun<'_> {
    const KIND: &'static str = "restoreDryRun";
}

impl<'a> RestoreDryRun<'a> {
    /// Creates the document of a dry run.
    pub(super) fn from_prepared(prepared: &'a PreparedRestore<'_>) -> Result<Self, Failure> {
        Ok(RestoreDryRun {
            backup: prepared.backup(),
            components: prepared.components(),
            overwrites: prepared.overwrites()?,
            dependents: prepared.dependents(),
            replaces_console: prepared.replaces_console(),
            outlook: prepared.outlook(),
            space: prepared.peaks(),
            plan: prepared.plan(),
        })
    }
}

/// Converts the arguments to a request.
fn request_of(selection: &RestoreSelection) -> RestoreRequest {
    let RestoreSelection { backup, at, components } = selection;
    RestoreRequest { backup: backup.clone(), at: *at, components: components.clone() }
}

/// Restores a backup, or prints the plan.
pub(crate) fn run(arguments: RestoreArguments, printer: Printer) -> Result<(), Failure> {
    let RestoreArguments { selection, copy, dry_run, confirm } = arguments;
    let operations = operations_of_root(printer)?;
    let mut request = request_of(&selection);
    if let Some(place) = copy {
        request = operations.take_from_copy(&place, &request)?;
    }
    let prepared = operations.prepare_restore(&request)?;
    if dry_run {
        printer.report(&RestoreDryRun::from_prepared(&prepared)?, |document| {
            format!("{}\nprinting it changes nothing", plan_text(&prepared, &document.overwrites))
        })?;
        return Ok(());
    }
    printer.note(&plan_text(&prepared, &prepared.overwrites()?));
    let loss = format!("what was written since will be lost: {}", prepared.times().join(", "));
    let confirmation = site_named(confirm, &operations, &loss, printer)?;
    logging::keep(&operations.paths.logs(), "restore");
    let restored = prepared.run(&confirmation)?;
    printer.report(&restored, summary)?;
    Ok(())
}

fn plan_text(prepared: &PreparedRestore<'_>, overwrites: &[OverwrittenStream]) -> String {
    let backup = prepared.backup();
    let proven = match (&backup.proven, &backup.disproved) {
        (Some(_), _) => "proven".to_owned(),
        (None, Some(time)) => format!("not proven: its drill failed at {}", to_the_second(time)),
        (None, None) => "not proven".to_owned(),
    };
    let mut text = format!("backup {} of {}, {proven}", backup.short_id(), to_the_second(&backup.time));
    text.push_str(&overwrites_text(overwrites));
    text.push_str(&beside_text(&prepared.dependents(), prepared.replaces_console()));
    text.push_str(&outlook_text(prepared.outlook()));
    text.push_str(&space_text(prepared.peaks()));
    text.push_str(&steps_text(prepared.plan()));
    text
}

/// The steps, which come last so that the overwritten data is not below them.
fn steps_text(plan: &Plan<Action>) -> String {
    let steps = plan.all().map(|step| format!("\n  {}", step.title));
    steps.fold(String::from("\nsteps:"), |text, step| text + &step)
}

/// Text about the overwritten data, and about its part that could be recovered.
fn overwrites_text(overwrites: &[OverwrittenStream]) -> String {
    let mut text = String::new();
    for OverwrittenStream { stream, present_bytes, loaded_bytes, as_of, saved_until } in overwrites {
        let present = present_bytes.map_or_else(String::new, |present| format!(", {} now", HumanBytes(present)));
        let loaded = HumanBytes(*loaded_bytes);
        let _infallible =
            write!(text, "\n  overwritten: {stream}{present}, by {loaded} as of {}", to_the_second(as_of));
        let _infallible = match saved_until {
            Some(until) => {
                write!(text, "; of what was written since, backups have what is until {}", to_the_second(until))
            }
            None => write!(text, "; no backup has what was written since"),
        };
    }
    text
}

/// Text about effects of a restore other than on the data.
fn beside_text(dependents: &[String], replaces_console: bool) -> String {
    let mut text = String::new();
    if !dependents.is_empty() {
        let _infallible = write!(text, "\n  may fail during the restore: {}", dependents.join(", "));
    }
    if replaces_console {
        text.push_str("\n  users, keys and audit log of the console become those of the backup; its sessions end");
    }
    text
}

/// Text after a restore.
pub(super) fn summary(restored: &RestoreOutcome) -> String {
    let RestoreOutcome { release, version, streams } = restored;
    let mut text = format!("data of {release} {version} is back, and was checked:");
    for RestoredData { stream, time } in streams {
        let _infallible = write!(text, "\n  {stream} as of {}", to_the_second(time));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_shows_overwritten_and_lost_data() {
        let stream = |stream: &str, present_bytes, saved_until: Option<&str>| OverwrittenStream {
            stream: stream.to_owned(),
            present_bytes: Some(present_bytes),
            loaded_bytes: 3 << 20,
            as_of: "2026-11-22T02:00:00Z".to_owned(),
            saved_until: saved_until.map(str::to_owned),
        };
        let overwrites = [
            stream("postgres/database", 5 << 20, Some("2026-11-22T11:55:00Z")),
            stream("console/database", 1024, None),
        ];
        let text = format!("{}{}", overwrites_text(&overwrites), beside_text(&["assistant".to_owned()], true));
        insta::assert_snapshot!(text, @r"
          overwritten: postgres/database, 5.00 MiB now, by 3.00 MiB as of 2026-11-22T02:00:00Z; of what was written since, backups have what is until 2026-11-22T11:55:00Z
          overwritten: console/database, 1.00 KiB now, by 3.00 MiB as of 2026-11-22T02:00:00Z; no backup has what was written since
          may fail during the restore: assistant
          users, keys and audit log of the console become those of the backup; its sessions end
        ");
        assert_eq!(beside_text(&[], false), "");
    }

    #[test]
    fn summary_names_times_and_streams() {
        let restored = RestoreOutcome {
            release: "starter".to_owned(),
            version: "1.0.0".to_owned(),
            streams: [("postgres/database", "2026-11-22T11:59:59Z"), ("valkey/keys", "2026-11-22T02:00:00Z")]
                .map(|(stream, time)| RestoredData { stream: stream.to_owned(), time: time.to_owned() })
                .to_vec(),
        };
        insta::assert_snapshot!(summary(&restored), @"
        data of starter 1.0.0 is back, and was checked:
          postgres/database as of 2026-11-22T11:59:59Z
          valkey/keys as of 2026-11-22T02:00:00Z
        ");
    }
}
