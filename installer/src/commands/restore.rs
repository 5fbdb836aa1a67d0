//! `landfall restore`: data becomes what a backup holds.

use std::fmt::Write;

use landfall_engine::plan::Plan;
use landfall_lifecycle::operations::{BackupSummary, PreparedRestore, RestoreRequest, Restored, RestoredData};
use landfall_lifecycle::steps::action::Action;
use schemars::JsonSchema;
use serde::Serialize;

use super::confirmation::site_named;
use super::site::operations_of_root;
use crate::cli::RestoreArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;

impl Document for Restored {
    const KIND: &'static str = "restore";
}

/// What `--dry-run` prints.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestoreDryRun<'a> {
    /// The backup.
    backup: &'a BackupSummary,
    /// Whose data would be replaced, in order.
    components: &'a [String],
    /// What would be done; each action as the journal would keep it.
    #[schemars(with = "Plan<serde_json::Value>")]
    plan: &'a Plan<Action>,
}

impl Document for RestoreDryRun<'_> {
    const KIND: &'static str = "restoreDryRun";
}

/// Restores a backup, or prints what would be done.
pub(crate) fn run(arguments: RestoreArguments, printer: Printer) -> Result<(), Failure> {
    let RestoreArguments { backup, at, components, dry_run, confirm } = arguments;
    let operations = operations_of_root(printer)?;
    let prepared = operations.prepare_restore(&RestoreRequest { backup, at, components })?;
    if dry_run {
        let (backup, components, plan) = (prepared.backup(), prepared.components(), prepared.plan());
        let document = RestoreDryRun { backup, components, plan };
        printer.report(&document, |_| format!("{}\nprinting it changes nothing", plan_text(&prepared)));
        return Ok(());
    }
    printer.note(&plan_text(&prepared));
    let loss = format!("what was written since will be lost: {}", prepared.times().join(", "));
    let confirmation = site_named(confirm, &operations, &loss, printer)?;
    logging::keep(&operations.paths.logs(), "restore");
    let restored = prepared.run(&confirmation)?;
    printer.report(&restored, summary);
    Ok(())
}

fn plan_text(prepared: &PreparedRestore<'_>) -> String {
    let backup = prepared.backup();
    let proven = if backup.proven.is_some() { "proven" } else { "not proven" };
    let mut text = format!("backup {} of {}, {proven}", backup.short_id(), backup.time);
    for step in prepared.plan().all() {
        let _infallible = write!(text, "\n  {}", step.title);
    }
    text
}

/// What a person wants to know after a restore.
pub(super) fn summary(restored: &Restored) -> String {
    let Restored { release, version, streams } = restored;
    let mut text = format!("data of {release} {version} is back, and was checked:");
    for RestoredData { stream, time } in streams {
        let _infallible = write!(text, "\n  {stream} as of {time}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_the_time_and_the_streams() {
        let restored = Restored {
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
