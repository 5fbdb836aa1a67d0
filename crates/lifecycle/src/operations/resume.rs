//! Resume: continues an interrupted operation in its own direction, without planning again.

use std::path::PathBuf;

use super::Operations;
use super::change::ChangeOutcome;
use super::configure::ConfigureOutcome;
use super::decision::{Decision, Verb, decide};
use super::error::Result;
use super::install::InstallOutcome;
use super::past::JournaledOperation;
use super::restore::RestoreOutcome;
use super::uninstall::UninstallOutcome;
use super::upgrade::UpgradeOutcome;
use crate::context::UndoScope;

/// Result of a resume.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum ResumeOutcome {
    /// The install is committed.
    Install(Box<InstallOutcome>),
    /// The change is committed.
    Configure(ConfigureOutcome),
    /// The upgrade is committed.
    Upgrade(UpgradeOutcome),
    /// The rollback is committed.
    Rollback(UpgradeOutcome),
    /// The restore is committed.
    Restore(RestoreOutcome),
    /// The uninstall is complete.
    Uninstall(UninstallOutcome),
    /// No work was left.
    Nothing {
        /// Installed release.
        release: String,
    },
}

impl From<ChangeOutcome> for ResumeOutcome {
    fn from(changed: ChangeOutcome) -> Self {
        match changed {
            ChangeOutcome::Configure(configured) => Self::Configure(configured),
            ChangeOutcome::Upgrade(upgraded) => Self::Upgrade(upgraded),
            ChangeOutcome::Rollback(upgraded) => Self::Rollback(upgraded),
            ChangeOutcome::Restore(restored) => Self::Restore(restored),
        }
    }
}

impl Operations {
    /// Finishes the interrupted operation. `media_path` is the bundle's current path, if staging is unfinished and the
    /// stick is in another place.
    pub fn resume(&self, media_path: Option<PathBuf>) -> Result<ResumeOutcome> {
        let history = self.history_or_hand_over()?;
        let deciding = history.deciding();
        if deciding.is_none() {
            self.check_not_missing()?;
        }
        let take_over =
            |past: &JournaledOperation| self.take_over("resume", &past.file, media_path.clone(), UndoScope::STEP);
        match (decide(Verb::Resume, deciding.map(JournaledOperation::position)), deciding) {
            (Decision::Forward, Some(install)) => {
                let mut running = take_over(install)?;
                self.expect_not_revoked(&running.pins)?;
                running.expect_clock()?;
                running.forward()?;
                self.keep_step_times(running.plan());
                Ok(ResumeOutcome::Install(Box::new(InstallOutcome::of(&running, self))))
            }
            // The unit knows only the earlier path of the bundle.
            (Decision::Change, Some(change)) if media_path.is_some() => {
                Ok(self.end_change_here(&change.file, media_path)?.into())
            }
            (Decision::Change, Some(change)) => Ok(self.end_change(&change.file)?.into()),
            (Decision::Nothing, Some(past)) => Ok(ResumeOutcome::Nothing { release: past.release() }),
            (Decision::Refuse(refusal), past) => {
                Err(refusal.of(past.map(JournaledOperation::release).unwrap_or_default()))
            }
            (decision, _) => Ok(ResumeOutcome::Uninstall(self.remove(decision, &history)?)),
        }
    }
}
