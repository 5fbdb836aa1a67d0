//! Programs of the node pack: hard links into the content store, which take no space. Each file is hashed when placed,
//! because its bytes may have decayed since staging.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use landfall_media::durable;
use landfall_media::progress::{Event, Progress};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::content::{NodeParts, PlacedFile};
use crate::site::{ContentAccess, NodeContext};
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::files;
use landfall_host::pack::PackId;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFiles {
    /// Pack that names the folder.
    pub pack: PackId,
    /// The programs.
    pub files: Vec<PlacedFile>,
}

impl PlacedFile {
    /// Returns true if the file and its links are in place.
    pub(crate) fn is_placed(&self, content: &ContentAccess, folder: &Path) -> bool {
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
    pub(crate) fn place(
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
}

impl PlacedFile {
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
pub(crate) fn observe_placed(content: &ContentAccess, folder: &Path, placed: &[PlacedFile]) -> ObservedState {
    if !folder.exists() && !placed.is_empty() {
        return ObservedState::Absent;
    }
    match placed.iter().filter(|file| file.is_placed(content, folder)).count() {
        all if all == placed.len() => ObservedState::Done,
        some => ObservedState::Partial(format!("{some} of {} files are in {}", placed.len(), folder.display())),
    }
}

/// Places all files below `folder` with these permission bits.
pub(crate) fn place_all(
    content: &ContentAccess,
    progress: &dyn Progress,
    files: &[PlacedFile],
    folder: &Path,
    mode: u32,
) -> Result<(), StepError> {
    durable::create_folder(folder)?;
    files.iter().try_for_each(|file| file.place(content, progress, folder, mode))
}

impl NodeFiles {
    fn folder(&self, context: &NodeContext) -> PathBuf {
        context.host.paths.node_programs(&self.pack)
    }
}

impl Step<NodeContext> for NodeFiles {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        Ok(observe_placed(&context.content, &self.folder(context), &self.files))
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        place_all(&context.content, &*context.progress, &self.files, &self.folder(context), 0o755)?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        // The other release of a change keeps its own pack.
        let kept =
            context.releases.kept.iter().map(|kept| NodeParts::of(&kept.release)).collect::<Result<Vec<_>, _>>()?;
        if context.undo.removing_cluster || kept.iter().all(|kept| kept.id != self.pack) {
            landfall_host::mounts::remove_tree(&context.host.paths.node_pack(&self.pack))?;
        }
        files::remove_folder_if_empty(&context.host.paths.node())
    }
}
