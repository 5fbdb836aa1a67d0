//! What durable changes did below a folder, in their order, for tests that cut the power between any two of them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One act on a file or folder. None is on the disk before the sync that covers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// An empty file was created with these permission bits.
    Create(u32),
    /// The bytes of a file became these.
    Write(Vec<u8>),
    /// The bytes of a file, which are these, became durable.
    SyncFile(Vec<u8>),
    /// A file or folder got this name.
    Rename(PathBuf),
    /// It became another name of this file.
    Link(PathBuf),
    /// A symbolic link with this target was made.
    Symlink(PathBuf),
    /// A file got these permission bits.
    Mode(u32),
    /// A file, or a folder with everything below it, was removed.
    Remove,
    /// A folder was made.
    MakeFolder,
    /// The names in a folder became durable.
    SyncFolder,
    /// Everything became durable.
    SyncAll,
}

/// The acts below a folder, each with the path that it was done to.
pub(crate) type Acts = Arc<Mutex<Vec<(PathBuf, Act)>>>;

static TRACED: Mutex<Vec<(PathBuf, Acts)>> = Mutex::new(Vec::new());

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Traces what is done below this folder from now on, by any thread.
pub(crate) fn begin(root: &Path) -> Acts {
    let acts = Acts::default();
    locked(&TRACED).push((root.to_owned(), Arc::clone(&acts)));
    acts
}

/// Ends what [`begin`] began, and returns the acts.
pub(crate) fn end(acts: &Acts) -> Vec<(PathBuf, Act)> {
    locked(&TRACED).retain(|(_, traced)| !Arc::ptr_eq(traced, acts));
    std::mem::take(&mut *locked(acts))
}

/// Notes an act that was done, before its caller learns that it was: what follows from it comes later.
pub(super) fn note(path: &Path, act: impl FnOnce() -> Act) {
    let traced = locked(&TRACED);
    let mut act = Some(act);
    for (_, acts) in traced.iter().filter(|(root, _)| path.starts_with(root)) {
        let Some(act) = act.take() else { break };
        locked(acts).push((path.to_owned(), act()));
    }
}

/// Notes a file or a whole tree that was made past the durable changes, outer folders first.
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

/// Everything in a folder that is traced, what is deepest first.
pub(super) fn inside(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if locked(&TRACED).iter().any(|(root, _)| folder.starts_with(root)) {
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
