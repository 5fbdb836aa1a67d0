//! The temporary folder of `init`, next to the final one, so that relative paths mean the same in both.

use std::path::{Component, Path, PathBuf};

use landfall_error_codes::codes;
use landfall_media::durable;

use super::occupied_error;
use crate::error::{BuildError, Result};

/// A folder that is removed unless it is finished.
pub struct UnfinishedFolder(tempfile::TempDir);

impl UnfinishedFolder {
    /// Creates one next to the final folder.
    pub fn create_next_to(output: &Path) -> Result<Self> {
        let parent = output.parent().unwrap_or(Path::new("/"));
        durable::create_folder(parent)?;
        let folder = tempfile::Builder::new().prefix(".landfall-init-").tempdir_in(parent);
        folder.map(Self).map_err(|error| occupied_error(parent, "gets no new folder").because(error))
    }

    /// Path of the temporary folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Renames it to the final path, which must be absent or an empty folder.
    pub fn finish(self, output: &Path) -> Result<()> {
        durable::set_mode(self.path(), 0o755)?;
        durable::sync_filesystem(self.path())?;
        if output.exists() {
            durable::remove_folder(output)?;
        }
        let path = self.0.keep();
        if let Err(error) = durable::rename(&path, output) {
            durable::remove_tree(&path)?;
            return Err(error.into());
        }
        Ok(())
    }
}

/// A path relative to a folder, as written in a file there.
pub fn relative(to: &Path, from: &Path) -> Result<String> {
    let absolute = |path: &Path| {
        path.canonicalize().map_err(|error| BuildError::new(codes::INIT_SOURCE, "a path is gone").because(error))
    };
    let (to, from) = (absolute(to)?, absolute(from)?);
    let common = to.components().zip(from.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(to.components().skip(common)).collect();
    path.into_os_string()
        .into_string()
        .map_err(|path| BuildError::new(codes::INIT_SOURCE, format!("{} is not UTF-8", PathBuf::from(path).display())))
}
