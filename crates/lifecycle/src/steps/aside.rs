//! Data kept beside its volume while a change is open: set aside or copied before the change, and restored if the
//! change is undone. Undo keeps the volume's later data beside it if pods may have run on that data, because their
//! clients may have written to it. Otherwise, undo removes that data.

use std::path::{Path, PathBuf};

use landfall_host::paths::SitePaths;
use landfall_host::{files, mounts};
use landfall_media::durable;

use super::begin_use::note_of;
use landfall_engine::step::StepError;

/// Reason why data is beside its volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A release changes the data of the volume.
    Upgrade,
    /// A backup replaces the data.
    Restore,
}

impl Reason {
    const ALL: [Self; 2] = [Self::Upgrade, Self::Restore];

    /// Returns the prefix of names of data from before the change. No volume's folder has it.
    pub(crate) const fn before(self) -> &'static str {
        match self {
            Self::Upgrade => "before-upgrade.",
            Self::Restore => "before-restore.",
        }
    }

    /// Returns the prefix of names of data that an undo replaced. No volume's folder has it.
    const fn after(self) -> &'static str {
        match self {
            Self::Upgrade => "after-upgrade.",
            Self::Restore => "after-restore.",
        }
    }
}

/// Returns true if a folder's name marks data that an undo replaced.
pub(crate) fn is_replaced(name: &str) -> bool {
    Reason::ALL.iter().any(|reason| name.starts_with(reason.after()))
}

/// The data of one volume that a change has put beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AsideData<'a> {
    /// Reason for the change.
    pub(crate) reason: Reason,
    /// Token of the operation, which keeps data of different operations apart.
    pub(crate) token: &'a str,
    /// Name of the volume's folder in the folder of volumes.
    pub(crate) folder: &'a str,
}

impl AsideData<'_> {
    /// Returns the name of the data from before the change, in the folder of volumes.
    pub(crate) fn name(&self) -> String {
        format!("{}{}.{}", self.reason.before(), self.token, self.folder)
    }

    pub(crate) fn path(&self, paths: &SitePaths) -> PathBuf {
        paths.storage().join(self.name())
    }

    pub(crate) fn volume(&self, paths: &SitePaths) -> PathBuf {
        paths.storage().join(self.folder)
    }

    /// Returns true if pods may have run on the volume's data.
    pub(super) fn is_used(&self, paths: &SitePaths) -> bool {
        note_of(paths, &self.name()).exists()
    }

    /// Returns a free name for the replaced data. After a power cut, this operation may already have replaced data, if
    /// something recreated the volume's folder.
    fn free_path(&self, paths: &SitePaths) -> PathBuf {
        let name = |attempt: u32| match attempt {
            1 => format!("{}{}.{}", self.reason.after(), self.token, self.folder),
            _ => format!("{}{}-{attempt}.{}", self.reason.after(), self.token, self.folder),
        };
        let mut attempt = 1;
        while paths.storage().join(name(attempt)).exists() {
            attempt += 1;
        }
        paths.storage().join(name(attempt))
    }

    /// Restores the data from before the change, if there is any, and removes the note of use. First calls `stop`,
    /// which ends pods that may run on the volume's data.
    pub(crate) fn bring_back(
        &self,
        paths: &SitePaths,
        stop: impl FnOnce() -> Result<(), StepError>,
    ) -> Result<(), StepError> {
        if self.path(paths).exists() {
            stop()?;
            self.put_back(paths)?;
        }
        self.forget_use(paths)
    }

    /// Renames the data from before to the volume, once no pod runs on it. Each act is on the disk before the next.
    /// After a power cut, a second call completes the work.
    pub(super) fn put_back(&self, paths: &SitePaths) -> Result<(), StepError> {
        let volume = self.volume(paths);
        if volume.exists() {
            self.clear(paths, &volume)?;
        }
        Ok(durable::rename(&self.path(paths), &volume)?)
    }

    /// Clears the volume's place. An empty folder is not kept.
    fn clear(&self, paths: &SitePaths, volume: &Path) -> Result<(), StepError> {
        if !self.is_used(paths) || is_empty(volume)? {
            return mounts::remove_tree(volume);
        }
        mounts::refuse_mounted(volume)?;
        Ok(durable::rename(volume, &self.free_path(paths))?)
    }

    /// Removes the note that pods may use the volume's data, after the earlier data is restored or before a load. The
    /// removal is on the disk on return.
    pub(super) fn forget_use(&self, paths: &SitePaths) -> Result<(), StepError> {
        Ok(durable::remove_file(&note_of(paths, &self.name()))?)
    }

    /// Returns true if a folder of this name contains data that this undo replaced.
    pub(crate) fn has_replaced(&self, name: &str) -> bool {
        let rest = name.strip_prefix(self.reason.after()).and_then(|rest| rest.strip_prefix(self.token));
        rest.is_some_and(|rest| rest.starts_with(['.', '-']) && rest.ends_with(&format!(".{}", self.folder)))
    }
}

fn is_empty(folder: &Path) -> Result<bool, StepError> {
    let mut entries = fs_err::read_dir(folder).map_err(|error| files::file_error("look at", folder, error))?;
    Ok(entries.next().is_none())
}
