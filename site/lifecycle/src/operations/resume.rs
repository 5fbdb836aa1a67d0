//! Resume: continues an interrupted operation in its own direction, without planning again.

use std::path::PathBuf;

use super::Operations;
use super::change::Changed;
use super::configure::Configured;
use super::decision::{Decision, Verb, decide};
use super::error::Result;
use super::install::Installed;
use super::past::Past;
use super::restore::Restored;
use super::uninstall::Uninstalled;
use super::upgrade::Upgraded;
use crate::site::UndoScope;

/// Result of a resume.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum Resumed {
    /// The install is committed.
    Install(Box<Installed>),
    /// The change is committed.
    Configure(Configured),
    /// The upgrade is committed.
    Upgrade(Upgraded),
    /// The rollback is committed.
    Rollback(Upgraded),
    /// The restore is committed.
    Restore(Restored),
    /// The uninstall is complete.
    Uninstall(Uninstalled),
    /// No work was left.
    Nothing {
        /// Installed release.
        release: String,
    },
}

impl From<Changed> for Resumed {
    fn from(changed: Changed) -> Self {
        match changed {
            Changed::Configure(configured) => Self::Configure(configured),
            Changed::Upgrade(upgraded) => Self::Upgrade(upgraded),
            Changed::Rollback(upgraded) => Self::Rollback(upgraded),
            Changed::Restore(restored) => Self::Restore(restored),
        }
    }
}

impl Operations {
    /// Finishes the interrupted operation. `media_path` is the bundle's current path, if staging is unfinished and the
    /// stick is in another place.
    pub fn resume(&self, media_path: Option<PathBuf>) -> Result<Resumed> {
        let history = self.history_or_hand_over()?;
        let deciding = history.deciding();
        if deciding.is_none() {
            self.check_not_missing()?;
        }
        let take_over = |past: &Past| self.take_over("resume", &past.file, media_path.clone(), UndoScope::STEP);
        match (decide(Verb::Resume, deciding.map(Past::position)), deciding) {
            (Decision::Forward, Some(install)) => {
                let mut running = take_over(install)?;
                self.expect_not_revoked(&running.pins)?;
                running.expect_clock()?;
                running.forward()?;
                self.keep_step_times(running.plan());
                Ok(Resumed::Install(Box::new(Installed::of(&running, self))))
            }
            // The unit knows only the earlier path of the bundle.
            (Decision::Change, Some(change)) if media_path.is_some() => {
                Ok(self.end_change_here(&change.file, media_path)?.into())
            }
            (Decision::Change, Some(change)) => Ok(self.end_change(&change.file)?.into()),
            (Decision::Nothing, Some(past)) => Ok(Resumed::Nothing { release: past.release() }),
            (Decision::Refuse(refusal), past) => Err(refusal.of(past.map(Past::release).unwrap_or_default())),
            (decision, _) => Ok(Resumed::Uninstall(self.remove(decision, &history)?)),
        }
    }
}
