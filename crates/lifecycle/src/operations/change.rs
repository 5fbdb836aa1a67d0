//! The end of a change of a site, for settings and releases alike.

use landfall_documents::failure::Failure;
use landfall_documents::operation::Operation;
use landfall_documents::replaced_data::ReplacedData;
use landfall_engine::engine::End;
use landfall_engine::plan::Plan;
use schemars::JsonSchema;
use serde::Serialize;

use super::configure::ConfigureOutcome;
use super::error::{OperationError, Result};
use super::restore::RestoreOutcome;
use super::running::RunningOperation;
use super::upgrade::UpgradeOutcome;
use crate::steps::action::Action;
use landfall_site::pins::Pins;

/// Details of an undone change.
#[derive(Debug, Default)]
pub(super) struct UndoDetails {
    /// Error that caused the undo.
    pub(super) failure: Option<Failure>,
    /// Data that the undo replaced in changed volumes.
    pub(super) replaced: Vec<ReplacedData>,
}

/// Result of a committed change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum ChangeOutcome {
    /// The settings changed.
    Configure(ConfigureOutcome),
    /// The release was upgraded.
    Upgrade(UpgradeOutcome),
    /// An earlier release was restored.
    Rollback(UpgradeOutcome),
    /// Data of a backup was restored.
    Restore(RestoreOutcome),
}

impl ChangeOutcome {
    /// Ends a change. A change that was undone automatically is an error with the reason.
    pub(super) fn by(running: &mut RunningOperation) -> Result<Self> {
        running.expect_clock_of_change()?;
        let end = running.change()?;
        let replaced = if end == End::Undone { running.replaced_data()? } else { Vec::new() };
        Self::of(end, &running.pins, running.plan(), UndoDetails { failure: running.failure(), replaced })
    }

    /// Returns the error for a result of the wrong kind.
    pub(super) fn into_unexpected_error(self) -> OperationError {
        let (release, version) = match self {
            Self::Configure(ConfigureOutcome { release, version, .. })
            | Self::Upgrade(UpgradeOutcome { release, version, .. })
            | Self::Rollback(UpgradeOutcome { release, version, .. })
            | Self::Restore(RestoreOutcome { release, version, .. }) => (release, version),
        };
        OperationError::ChangeOpen { release: format!("{release} {version}") }
    }

    /// Returns the result of a change that ended.
    pub(super) fn of(end: End, pins: &Pins, plan: &Plan<Action>, undoing: UndoDetails) -> Result<Self> {
        match (end, pins.operation) {
            (End::Undone, _) => {
                let stays =
                    pins.kept.first().map_or((&pins.release, &pins.version), |kept| (&kept.release, &kept.version));
                Err(OperationError::ChangeUndone {
                    release: format!("{} {}", stays.0, stays.1),
                    replaced: undoing.replaced,
                    source: undoing.failure.map(Box::new),
                })
            }
            (End::Committed, Operation::Upgrade) => Ok(Self::Upgrade(UpgradeOutcome::of(pins, plan))),
            (End::Committed, Operation::Rollback) => Ok(Self::Rollback(UpgradeOutcome::of(pins, plan))),
            (End::Committed, Operation::Restore) => Ok(Self::Restore(RestoreOutcome::of(pins, plan))),
            (End::Committed, _) => Ok(Self::Configure(ConfigureOutcome::of(pins, plan))),
        }
    }
}
