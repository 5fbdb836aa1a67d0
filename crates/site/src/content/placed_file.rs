//! Files that are placed from the content store: hard links, which take no space. Each file is hashed when placed,
//! because its bytes may have decayed since staging.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_engine::step::{ObservedState, StepError};
use landfall_error_codes::codes;
use landfall_media::durable;
use landfall_media::progress::{Event, Progress};
use serde::{Deserialize, Serialize};

use crate::place::ContentAccess;

/// A staged blob that is placed as a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedFile {
    /// Path relative to its folder, without `.` or `..`.
    pub path: String,
    /// The blob.
    pub blob: Sha256,
    /// Bytes of the blob.
    pub size: u64,
    /// Names of symbolic links to it, in the same folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
}

impl PlacedFile {
    /// Returns true if the file and its links are in place.
    pub fn is_placed(&self, content: &ContentAccess, folder: &Path) -> bool {
        let path = folder.join(&self.path);
        let (Ok(file), Ok(blob)) = (fs_err::metadata(&path), fs_err::metadata(content.blob(&self.blob))) else {
            return false;
        };
        (file.ino(), file.dev(), file.len()) == (blob.ino(), blob.dev(), self.size)
            && self.links.iter().all(|link| {
                fs_err::read_link(path.with_file_name(link))
                    .is_ok_and(|target| Some(target.as_os_str()) == path.file_name())
            })
    }

    /// Verifies the blob's digest, then links the file and its other names below `folder` with these permission bits.
    pub fn place(
        &self,
        content: &ContentAccess,
        progress: &dyn Progress,
        folder: &Path,
        mode: u32,
    ) -> Result<(), StepError> {
        let blob = content.blob(&self.blob);
        let path = folder.join(&self.path);
        let what = || format!("{} for {} is not in the store with {} bytes", self.blob, self.path, self.size);
        let metadata =
            fs_err::metadata(&blob).map_err(|cause| StepError::new(codes::NODE_BLOB, what()).because(cause))?;
        if metadata.len() != self.size {
            return Err(StepError::new(codes::NODE_BLOB, what()));
        }
        self.check(content, progress, &blob)?;
        if let Some(parent) = path.parent() {
            durable::create_folder(parent)?;
        }
        durable::hard_link(&blob, &path)?;
        durable::set_mode(&path, mode)?;
        for link in &self.links {
            durable::symlink(Path::new(path.file_name().unwrap_or_default()), &path.with_file_name(link))?;
        }
        Ok(())
    }

    /// Reads the blob from the disk and verifies its digest.
    fn check(&self, content: &ContentAccess, progress: &dyn Progress, blob: &Path) -> Result<(), StepError> {
        let store = content.counted_store();
        let (phase, total_bytes) = (format!("checking {}", self.path), Some(self.size));
        progress.event(Event::PhaseStarted { phase, total_bytes });
        let checked = store.check_watched(self.blob, &mut |bytes| progress.event(Event::Advanced { bytes }));
        checked.map_err(|error| {
            let what = format!("{} for {} differs from what was staged", self.blob, self.path);
            let hint = format!(
                "Remove {}, run `landfall stage BUNDLE --trust ROOT --store {}`, then `landfall resume`.",
                blob.display(),
                content.folder().display()
            );
            StepError::new(codes::NODE_BLOB, what).hint(hint).because(error)
        })?;
        progress.event(Event::PhaseDone);
        Ok(())
    }
}

/// Observes how many of the files are in place.
pub fn observe_placed(content: &ContentAccess, folder: &Path, placed: &[PlacedFile]) -> ObservedState {
    if !folder.exists() && !placed.is_empty() {
        return ObservedState::Absent;
    }
    match placed.iter().filter(|file| file.is_placed(content, folder)).count() {
        all if all == placed.len() => ObservedState::Done,
        some => ObservedState::Partial(format!("{some} of {} files are in {}", placed.len(), folder.display())),
    }
}

/// Places all files below `folder` with these permission bits.
pub fn place_all(
    content: &ContentAccess,
    progress: &dyn Progress,
    files: &[PlacedFile],
    folder: &Path,
    mode: u32,
) -> Result<(), StepError> {
    durable::create_folder(folder)?;
    files.iter().try_for_each(|file| file.place(content, progress, folder, mode))
}
