//! `landfall restore`: data becomes what a backup holds.

use std::fmt::Write;

use landfall_engine::plan::Plan;
use landfall_lifecycle::operations::{BackupSummary, PreparedRestore, RestoreRequest, Restored};
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
    let (components, time) = (prepared.components().join(", "), &prepared.backup().time);
    let loss = format!("what was written to {components} since {time} will be lost");
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
    let Restored { release, version, time, streams } = restored;
    format!("data of {release} {version} is as it was at {time}, and was checked: {}", streams.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_the_time_and_the_streams() {
        let restored = Restored {
            release: "starter".to_owned(),
            version: "1.0.0".to_owned(),
            time: "2026-11-22T02:00:00Z".to_owned(),
            streams: vec!["postgres/database".to_owned(), "valkey/keys".to_owned()],
        };
        insta::assert_snapshot!(summary(&restored), @"data of starter 1.0.0 is as it was at 2026-11-22T02:00:00Z, and was checked: postgres/database, valkey/keys");
    }
}
