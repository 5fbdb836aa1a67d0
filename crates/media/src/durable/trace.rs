//! Record of the durable changes below a folder, in order, for tests that cut the power between any two of them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An act on a file or folder. No act is on the disk before the sync that covers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// An empty file was created with these permission bits.
    Create(u32),
    /// The bytes of a file changed to these.
    Write(Vec<u8>),
    /// The bytes of a file, given here, became durable.
    SyncFile(Vec<u8>),
    /// A file or folder was renamed to this path.
    Rename(PathBuf),
    /// The path became another name of this file.
    Link(PathBuf),
    /// A symbolic link with this target was created.
    Symlink(PathBuf),
    /// The permission bits of a file changed to these.
    Mode(u32),
    /// A file, or a folder with everything below it, was removed.
    Remove,
    /// A folder was created.
    MakeFolder,
    /// The names in a folder became durable.
    SyncFolder,
    /// Everything became durable.
    SyncAll,
}

/// The acts below a folder, each with its path.
pub(crate) type Acts = Arc<Mutex<Vec<(PathBuf, Act)>>>;

static TRACED: Mutex<Vec<(PathBuf, Acts)>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts recording the changes that any thread makes below this folder.
pub(crate) fn begin(root: &Path) -> Acts {
    let acts = Acts::default();
    lock(&TRACED).push((root.to_owned(), Arc::clone(&acts)));
    acts
}

/// Ends a recording of [`begin`] and returns the acts.
pub(crate) fn end(acts: &Acts) -> Vec<(PathBuf, Act)> {
    lock(&TRACED).retain(|(_, traced)| !Arc::ptr_eq(traced, acts));
    std::mem::take(&mut *lock(acts))
}

/// Records an act before its caller learns that it was done, so that its consequences are recorded later.
pub(super) fn note(path: &Path, act: impl FnOnce() -> Act) {
    let traced = lock(&TRACED);
    let mut act = Some(act);
    for (_, acts) in traced.iter().filter(|(root, _)| path.starts_with(root)) {
        let Some(act) = act.take() else { break };
        lock(acts).push((path.to_owned(), act()));
    }
}

/// Records a file or a whole tree that was created without the durable changes, outer folders first.
pub(super) fn note_made(path: &Path) {
    let Ok(metadata) = path.symlink_metadata() else { return };
    if metadata.is_dir() {
        note(path, || Act::MakeFolder);
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            note_made(&entry.path());
        }
    } else if metadata.is_symlink() {
        note(path, || Act::Symlink(std::fs::read_link(path).unwrap_or_default()));
    } else {
        note(path, || Act::Create(metadata.permissions().mode() & 0o7777));
        note(path, || Act::Write(std::fs::read(path).unwrap_or_default()));
    }
}

/// Returns everything in a folder that is being recorded, deepest first.
pub(super) fn inside(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if lock(&TRACED).iter().any(|(root, _)| folder.starts_with(root)) {
        collect(folder, &mut found);
    }
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), found);
        }
        found.push(entry.path());
    }
}
