//! Uninstall: undoes the steps of the install in reverse, then removes the operations' own files, the journal last.
//! Data is kept unless a person names the site to delete it.

use std::path::PathBuf;

use super::Operations;
use super::bundle::TrustedRelease;
use super::decision::{Decision, Verb, decide};
use super::error::{OperationError, Result};
use super::history::History;
use super::kept::{KeptData, KeptVolume};
use super::past::JournaledOperation;
use crate::context::UndoScope;
use landfall_media::durable;
use landfall_site::pins::Pins;

/// A person's choice for the volumes and generated secrets of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataDisposal {
    /// Keeps them, so that an install can use them again.
    Keep,
    /// Deletes them.
    Delete {
        /// The name of the site as the person typed it.
        confirmation: String,
    },
}

/// Result of an uninstall.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UninstallOutcome {
    /// Removed release, if there was one.
    pub release: Option<String>,
    /// Kept folders with data, and the license.
    pub kept: Vec<PathBuf>,
    /// Volumes in these folders.
    pub volumes: Vec<KeptVolume>,
    /// Host pack whose packages were removed, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_pack: Option<String>,
}

impl Operations {
    /// Removes everything that Landfall added, even after an interrupted install. Data is removed only if the request
    /// names the site. A rerun completes an interrupted uninstall.
    pub fn uninstall(&self, data: &DataDisposal) -> Result<UninstallOutcome> {
        let keep_data = match data {
            DataDisposal::Keep => true,
            DataDisposal::Delete { confirmation } => {
                self.confirm(confirmation)?;
                false
            }
        };
        let history = self.history_or_hand_over()?;
        let displaced = KeptData::displaced_folders(&self.paths)?;
        if keep_data && !displaced.is_empty() {
            return Err(OperationError::DataDisplaced { folders: displaced });
        }
        self.remove(
            decide(Verb::Uninstall { keep_data }, history.deciding().map(JournaledOperation::position)),
            &history,
        )
    }

    /// Returns the name of the site, which a person types to delete its data. It is the name of its node, or of the
    /// host if the node's name is not recorded. Changes nothing.
    pub fn site_name(&self) -> Result<String> {
        let pins = self.history_or_hand_over()?.into_deciding().and_then(|past| past.replay.state.pins);
        if let Some(pins) = pins {
            return Ok(pins.place.node().name.clone());
        }
        let kept = KeptData::find(&self.paths)?.and_then(|kept| kept.site);
        Ok(kept.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned()))
    }

    pub(super) fn confirm(&self, given: &str) -> Result<()> {
        let site = self.site_name()?;
        if given == site {
            return Ok(());
        }
        Err(OperationError::Unconfirmed { site, given: given.to_owned() })
    }

    /// Carries out a decision to undo or to clear: undoes the install and all later changes.
    pub(super) fn remove(&self, decision: Decision, history: &History) -> Result<UninstallOutcome> {
        let Some(first) = history.first() else {
            self.check_not_missing()?;
            // The interruption came before the first record of an install, or after the last removal of an uninstall.
            if self.paths.data().exists() {
                let keep_data = decision != Decision::Clear { keep_data: false };
                self.clear(self.journals().lock("uninstall")?, keep_data)?;
            }
            // Leftovers of an interrupted creation of the folder.
            durable::remove_own_folder(&self.paths.data())?;
            return self.finish_uninstall(None);
        };
        let release = first.release();
        let (lock, keep_data) = if let Decision::Clear { keep_data } = decision {
            (self.journals().lock("uninstall")?, keep_data)
        } else {
            let keep_data = decision == Decision::Back { keep_data: true };
            let mut running = self.take_over("uninstall", first.file, None, UndoScope::site(keep_data))?;
            running.note_clock();
            running.back(self.data_owner(history)?.as_ref())?;
            (running.lock, keep_data)
        };
        self.clear(lock, keep_data)?;
        self.finish_uninstall(release)
    }

    /// Returns the release that owns the site's data, if it is not the install's release.
    fn data_owner(&self, history: &History) -> Result<Option<(Pins, TrustedRelease)>> {
        let installed = history.first().and_then(|first| first.pins).map(|pins| pins.bundle);
        let Some(pins) =
            history.last_committed().and_then(JournaledOperation::pins).filter(|pins| Some(pins.bundle) != installed)
        else {
            return Ok(None);
        };
        let release = self.release_of(pins)?;
        Ok(Some((pins.clone(), release)))
    }

    /// Ends an uninstall. The packages of a host pack are removed last, because running software may have used them.
    fn finish_uninstall(&self, release: Option<String>) -> Result<UninstallOutcome> {
        let host_pack = self.remove_host_pack()?;
        let folders = [self.paths.storage(), self.paths.secrets(), self.paths.backups(), self.paths.license()]
            .into_iter()
            .filter(|folder| folder.exists());
        let volumes = KeptData::find(&self.paths)?.map(|kept| kept.volumes).unwrap_or_default();
        Ok(UninstallOutcome { release, kept: folders.collect(), volumes, host_pack })
    }
}
