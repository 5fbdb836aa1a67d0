//! Data that is beside its volume while a change is open: set aside or copied before the change, and the volume's data again if the change
//! is undone. What an undo finds in the volume by then is kept beside it where pods may have run on that data, since their clients may have
//! written to it, and removed where none has.

use std::path::{Path, PathBuf};

use landfall_host::paths::SitePaths;
use landfall_host::{files, mounts};
use landfall_media::durable;

use super::begin_use::note_of;
use landfall_engine::step::StepError;

/// Why data is beside its volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A release changes the data of the volume.
    Upgrade,
    /// A backup takes the place of the data.
    Restore,
}

impl Reason {
    const ALL: [Self; 2] = [Self::Upgrade, Self::Restore];

    /// What the name of data from before the change begins with. No volume's folder does.
    pub(crate) const fn before(self) -> &'static str {
        match self {
            Self::Upgrade => "before-upgrade.",
            Self::Restore => "before-restore.",
        }
    }

    /// What the name of data begins with that an undo replaced. No volume's folder does.
    const fn after(self) -> &'static str {
        match self {
            Self::Upgrade => "after-upgrade.",
            Self::Restore => "after-restore.",
        }
    }
}

/// Whether a folder has, by its name, what an undo replaced.
pub(crate) fn is_replaced(name: &str) -> bool {
    Reason::ALL.iter().any(|reason| name.starts_with(reason.after()))
}

/// The data of one volume that one change has put beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aside<'a> {
    /// Why.
    pub(crate) reason: Reason,
    /// What names the operation: data of another one is never taken for this one's.
    pub(crate) token: &'a str,
    /// Name of the volume's folder in the folder of volumes.
    pub(crate) folder: &'a str,
}

impl Aside<'_> {
    /// Name of the data from before the change, in the folder of volumes.
    pub(crate) fn name(&self) -> String {
        format!("{}{}.{}", self.reason.before(), self.token, self.folder)
    }

    pub(crate) fn path(&self, paths: &SitePaths) -> PathBuf {
        paths.storage().join(self.name())
    }

    pub(crate) fn volume(&self, paths: &SitePaths) -> PathBuf {
        paths.storage().join(self.folder)
    }

    /// Whether pods may have run on what is in the volume.
    pub(super) fn is_used(&self, paths: &SitePaths) -> bool {
        note_of(paths, &self.name()).exists()
    }

    /// A name for the data that is replaced: after a power cut there may be some of this operation already, where a folder of the
    /// volume was made again.
    fn replaced(&self, paths: &SitePaths) -> PathBuf {
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

    /// The way back: the data from before is the volume again if there is any, once `stop` has ended the pods that may run on what is in the
    /// volume by now, and nothing says any longer that they may.
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

    /// The data from before is the volume again, once no pod runs on it. Each act is on the disk before the next; whatever of it a power
    /// cut leaves, a second call completes.
    pub(super) fn put_back(&self, paths: &SitePaths) -> Result<(), StepError> {
        let volume = self.volume(paths);
        if volume.exists() {
            self.clear(paths, &volume)?;
        }
        Ok(durable::rename(&self.path(paths), &volume)?)
    }

    /// Nothing is in the volume's place. An empty folder has nothing to keep.
    fn clear(&self, paths: &SitePaths, volume: &Path) -> Result<(), StepError> {
        if !self.is_used(paths) || is_empty(volume)? {
            return mounts::remove_tree(volume);
        }
        mounts::refuse_mounted(volume)?;
        Ok(durable::rename(volume, &self.replaced(paths))?)
    }

    /// Nothing says any longer that pods may run on what is in the volume: the data from before has its name again, or a load begins. On
    /// the disk when this returns.
    pub(super) fn forget_use(&self, paths: &SitePaths) -> Result<(), StepError> {
        Ok(durable::remove_file(&note_of(paths, &self.name()))?)
    }

    /// Whether a folder of this name has what an undo replaced by this data.
    pub(crate) fn has_replaced(&self, name: &str) -> bool {
        let rest = name.strip_prefix(self.reason.after()).and_then(|rest| rest.strip_prefix(self.token));
        rest.is_some_and(|rest| rest.starts_with(['.', '-']) && rest.ends_with(&format!(".{}", self.folder)))
    }
}

fn is_empty(folder: &Path) -> Result<bool, StepError> {
    let mut entries = fs_err::read_dir(folder).map_err(|error| files::failed("look at", folder, error))?;
    Ok(entries.next().is_none())
}
