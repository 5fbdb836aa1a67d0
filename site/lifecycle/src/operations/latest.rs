//! The latest operation of a site, from its journal.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Coded, codes};

use super::decision::Refusal;
use super::error::{OperationError, Result};
use super::{Operations, engine_file};
use crate::pins::Replay;
use landfall_engine::journal::{JournalFile, Phase, record};

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

    /// The same for what continues or ends the operation. Does not return if a newer program began it and the site keeps
    /// that one: the process is replaced by it.
    pub(super) fn latest_or_hand_over(&self) -> Result<Option<Latest>> {
        let latest = self.latest();
        if latest.as_ref().is_err_and(|error| error.code() == codes::JOURNAL_NEWER)
            && let Some(engine) = self.journals().latest()?.and_then(|file| pinned_engine(&file))
            && engine_file::is_kept(&self.paths, engine)
        {
            engine_file::hand_over(&self.paths, engine, &*self.progress)?;
        }
        latest
    }
}

/// The program that a journal is pinned to, of whichever version the rest is.
fn pinned_engine(file: &JournalFile) -> Option<Sha256> {
    let decoded = record::decode(&fs_err::read(&file.path).ok()?).ok()?;
    let first: serde_json::Value = serde_json::from_slice(decoded.payloads.first()?).ok()?;
    serde_json::from_value(first["pins"]["engine"].clone()).ok()
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
