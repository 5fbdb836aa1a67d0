//! Steps that several plans share.

use landfall_engine::plan::{PlannedStep, StepId, Undo};

use crate::steps::action::Action;
use crate::steps::backup_schedule::BackupSchedule;
use crate::steps::help_files::HelpFiles;
use crate::steps::host_api::HostApi;
use landfall_site::configuration::BackupSettings;

/// Returns a reversible step that writes no data.
pub(super) fn step(id: impl Into<String>, title: &str, seconds: u64, action: Action) -> PlannedStep<Action> {
    PlannedStep { id: StepId(id.into()), title: title.to_owned(), action, bytes: 0, seconds, undo: Undo::Reversible }
}

/// Plans the timer of the daily backup. Every site has this step, because a later release may add backup rules.
pub(super) fn backup_schedule(settings: &BackupSettings) -> PlannedStep<Action> {
    let action = Action::BackupSchedule(BackupSchedule { settings: settings.clone() });
    step("backup-schedule", "set the timer of backups", 0, action)
}

/// Plans the host API for the console. Every site has this step, because a later release may add a console.
pub(super) fn host_api() -> PlannedStep<Action> {
    step("host-api", "answer the console", 0, Action::HostApi(HostApi {}))
}

/// Plans the help files on the host, which the release's `landfall` writes.
pub(super) fn help_files() -> PlannedStep<Action> {
    step("help-files", "place manual pages and the handbook", 0, Action::HelpFiles(HelpFiles {}))
}
