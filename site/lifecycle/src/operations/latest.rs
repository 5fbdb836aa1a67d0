//! The latest operation of a site, from its journal.

use super::Operations;
use super::decision::Refusal;
use super::error::{OperationError, Result};
use landfall_engine::journal::{JournalFile, Phase, Replay};

/// The latest operation, and its journal.
pub(super) struct Latest {
    pub(super) file: JournalFile,
    pub(super) replay: Replay,
}

impl Latest {
    pub(super) fn phase(&self) -> Phase {
        self.replay.state.phase
    }

    /// Name and version of its release.
    pub(super) fn release(&self) -> String {
        let pins = self.replay.state.pins.as_ref();
        pins.map(|pins| format!("{} {}", pins.release, pins.version)).unwrap_or_default()
    }
}

impl Operations {
    /// The latest operation; none on a site without a journal. Changes nothing.
    pub(super) fn latest(&self) -> Result<Option<Latest>> {
        let Some(file) = self.journals().latest()? else { return Ok(None) };
        let replay = self.journals().read(&file)?;
        Ok(Some(Latest { file, replay }))
    }
}

impl Refusal {
    /// The error, about this release.
    pub(super) fn of(self, release: String) -> OperationError {
        match self {
            Self::AlreadyInstalled => OperationError::AlreadyInstalled { release },
            Self::InstallOpen => OperationError::InstallOpen { release },
            Self::UninstallOpen => OperationError::UninstallOpen { release },
            Self::NothingToResume => OperationError::NothingToResume,
        }
    }
}
