//! Packs that no backup needs are marked with a time, and removed some hours later, because a reader that started
//! before may still need them. A pack marked while the clock was ahead would otherwise stay until the clock reaches
//! that time.

use jiff::Timestamp;
use rustic_core::repofile::IndexFile;
use rustic_core::{FileType, Id};

use crate::error::{BackupError, Result};
use crate::folder::{Folder, View};
use crate::library::{self, OpenRepository};
use crate::repository::Repository;
use crate::{digest, layout};

impl Repository {
    /// Re-marks packs whose marks are in the future as of now. Each changed index file is durable before the one it
    /// replaces is removed: a power cut leaves both, which name the same packs.
    pub(crate) fn mark_packs_of_future_again(&self, opened: &OpenRepository, now: Timestamp) -> Result<()> {
        self.date_marked_packs(opened, |marked| if marked > now { now } else { marked })
    }

    /// Changes the times of marked packs.
    pub(crate) fn date_marked_packs(
        &self,
        opened: &OpenRepository,
        dated: impl Fn(Timestamp) -> Timestamp,
    ) -> Result<()> {
        let folder = Folder::new(self.store(), View::default());
        let failure = |error| library::failure(&folder, "read which packs are marked", error);
        for (id, _) in folder.list_files(FileType::Index)? {
            let mut index = opened.get_file::<IndexFile>(&id.into()).map_err(failure)?;
            let marks = index.packs_to_delete.iter_mut().filter_map(|pack| pack.time.as_mut());
            let wrong: Vec<&mut Timestamp> = marks.filter(|mark| dated(**mark) != **mark).collect();
            if wrong.is_empty() {
                continue;
            }
            for mark in wrong {
                *mark = dated(*mark);
            }
            self.replace_index(&folder, &id, &index)?;
        }
        Ok(())
    }

    fn replace_index(&self, folder: &Folder, former: &Id, index: &IndexFile) -> Result<()> {
        let json = serde_json::to_vec(index).map_err(|error| BackupError::Bug(error.to_string()))?;
        let sealed = self.master().seal(&json)?;
        folder.store(FileType::Index, &digest::of_bytes(&sealed), &sealed)?;
        self.store().remove(&layout::relative(FileType::Index, former))
    }
}
