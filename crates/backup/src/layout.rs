//! Layout of a repository, which is that of restic: its folders, and the names of its files.

use std::path::{Path, PathBuf};

use rustic_core::{FileType, Id};

/// Folder of Landfall's own files, which restic ignores.
pub(crate) const OWN_FOLDER: &str = "landfall";

/// Folders of restic and of Landfall in a repository.
pub(crate) const FOLDERS: [&str; 6] = ["data", "index", "keys", "locks", "snapshots", OWN_FOLDER];

/// The file that makes a folder a repository.
pub(crate) const CONFIG: &str = "config";

/// Returns the file of this ID, relative to the repository's folder.
pub(crate) fn relative(kind: FileType, id: &Id) -> PathBuf {
    let (folder, name) = (Path::new(kind.dirname()), id.to_hex());
    match kind {
        FileType::Config => folder.to_owned(),
        FileType::Pack => folder.join(&name.as_str()[..2]).join(name.as_str()),
        FileType::Index | FileType::Key | FileType::Snapshot => folder.join(name.as_str()),
    }
}
