//! Resume: an interrupted operation continues in its own direction, without planning again.

use std::path::PathBuf;

use super::Operations;
use super::decision::{Decision, Verb, decide};
use super::error::Result;
use super::install::Installed;
use super::latest::Latest;
use super::uninstall::Uninstalled;
use crate::site::UndoScope;

/// The result of a resume.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum Resumed {
    /// The install is committed.
    Install(Box<Installed>),
    /// The uninstall is complete.
    Uninstall(Uninstalled),
    /// Nothing was left to do.
    Nothing {
        /// The release that is installed.
        release: String,
    },
}

impl Operations {
    /// Finishes the operation that was interrupted. `media_path` is where the bundle is now, if staging is unfinished and
    /// the stick is in another place.
    pub fn resume(&self, media_path: Option<PathBuf>) -> Result<Resumed> {
        let latest = self.latest_or_hand_over()?;
        if latest.is_none() {
            self.check_not_missing()?;
        }
        let decision = decide(Verb::Resume, latest.as_ref().map(Latest::phase));
        match (decision, latest) {
            (Decision::Forward, Some(latest)) => {
                let mut running = self.take_over("resume", &latest.file, media_path, UndoScope::STEP)?;
                self.expect_not_revoked(&running.pins)?;
                running.expect_clock()?;
                running.forward()?;
                Ok(Resumed::Install(Box::new(Installed::of(&running, self))))
            }
            (Decision::Nothing, Some(latest)) => Ok(Resumed::Nothing { release: latest.release() }),
            (Decision::Refuse(refusal), latest) => {
                Err(refusal.of(latest.map(|latest| latest.release()).unwrap_or_default()))
            }
            (decision, latest) => Ok(Resumed::Uninstall(self.remove(decision, latest.as_ref())?)),
        }
    }
}
