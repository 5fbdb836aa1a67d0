//! Resume: what an interrupted operation left is done, in its own direction, without planning anew.

use std::path::PathBuf;

use super::Operations;
use super::error::{OperationError, Result};
use super::install::Installed;
use super::uninstall::Uninstalled;
use landfall_engine::journal::Phase;

/// What a resume came to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
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
    /// Finishes the operation that was interrupted. `media` is where the bundle is now, if staging is unfinished and the
    /// stick is in another place.
    pub fn resume(&self, media: Option<PathBuf>) -> Result<Resumed> {
        let Some(file) = self.journals().latest()? else {
            self.check_not_missing()?;
            return Err(OperationError::NothingToResume);
        };
        let state = self.journals().read(&file)?.state;
        match state.phase {
            Phase::Undoing { keep_data } | Phase::Undone { keep_data } => {
                Ok(Resumed::Uninstall(self.uninstall(keep_data)?))
            }
            Phase::Committed => {
                let release = state.pins.map(|pins| format!("{} {}", pins.release, pins.version)).unwrap_or_default();
                Ok(Resumed::Nothing { release })
            }
            Phase::Empty | Phase::Forward => {
                let mut running = self.take_over("resume", &file, media)?;
                running.forward()?;
                Ok(Resumed::Install(Box::new(Installed::of(&running, self))))
            }
        }
    }
}
