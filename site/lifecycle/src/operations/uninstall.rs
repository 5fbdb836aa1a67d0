//! Uninstall: the steps of the install are taken back in reverse, then what operations keep, the journal last.

use std::path::PathBuf;

use landfall_media::durable;

use super::Operations;
use super::error::Result;
use landfall_engine::journal::Phase;

/// What an uninstall did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Uninstalled {
    /// The release that was taken back, if one was there.
    pub release: Option<String>,
    /// Folders with data that were kept.
    pub kept: Vec<PathBuf>,
}

impl Operations {
    /// Takes everything back that Landfall brought, after an install or after a cut in the middle of one. A rerun
    /// completes what was cut itself.
    pub fn uninstall(&self, keep_data: bool) -> Result<Uninstalled> {
        let Some(file) = self.journals().latest()? else {
            self.check_not_missing()?;
            // A cut before the first record of an install, or after the last removal of an uninstall.
            if self.paths.data().exists() {
                // Data that is there now was kept by an uninstall that ended.
                self.clear(self.journals().lock("uninstall")?, true)?;
            }
            // What a cut left of making the folder.
            durable::remove_own_folder(&self.paths.data())?;
            return Ok(Uninstalled { release: None, kept: self.kept() });
        };
        let replay = self.journals().read(&file)?;
        let release = replay.state.pins.as_ref().map(|pins| format!("{} {}", pins.release, pins.version));
        let (lock, keep_data) = if let Phase::Undone { keep_data } = replay.state.phase {
            (self.journals().lock("uninstall")?, keep_data)
        } else {
            let mut running = self.take_over("uninstall", &file, None)?;
            running.back(keep_data)?;
            (running.lock, keep_data)
        };
        self.clear(lock, keep_data)?;
        Ok(Uninstalled { release, kept: self.kept() })
    }

    fn kept(&self) -> Vec<PathBuf> {
        [self.paths.storage(), self.paths.secrets()].into_iter().filter(|folder| folder.exists()).collect()
    }
}
