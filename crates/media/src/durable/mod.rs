//! The only module that creates, renames, links and removes files. Each call returns after its effect has reached the
//! disk, except [`create_file`], whose caller writes and syncs. Other code opens files for writing only if they are
//! written over a longer time or by several writers: an unfinished blob in the store, the journal and its lock, and
//! logs.
//!
//! Rules that make a power cut harmless:
//! - a file appears under its name complete or not at all: temporary sibling, write, fsync, rename, fsync folder;
//! - temporary siblings have a name derived from the file's, so that a rerun after a crash replaces a leftover, and
//!   [`remove_leftovers`] finds the rest;
//! - a failed fsync is [`SyncFailed`]: the kernel may have dropped the data and will report success next time, so it is
//!   fatal and never retried.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use landfall_error_codes::{Code, CodedError, cases, codes};
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

mod batch;
mod own;
mod sibling;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod trace;

/// Records an act for tests that cut the power after it; does nothing in other builds.
macro_rules! traced {
    ($path:expr, $act:expr) => {
        #[cfg(any(test, feature = "testing"))]
        {
            use $crate::durable::trace::{Act, note};
            note($path, || $act);
        }
    };
}
use traced;

pub use batch::Batch;
pub use own::{create_own_folder, remove_own_folder};
use sibling::Sibling;

/// Suffix of temporary siblings; no other file name may end with it.
pub const TEMPORARY_SUFFIX: &str = ".landfall-temporary";

/// The disk could not make something durable. This is fatal: the process must end, and nothing is retried.
#[derive(Debug, thiserror::Error)]
#[error("cannot make {} durable: the filesystem failed to sync", path.display())]
pub struct SyncFailed {
    /// Path that was not synced.
    pub path: PathBuf,
    /// The kernel's error.
    #[source]
    pub source: io::Error,
}

/// A durable change that failed, or that may not have reached the disk.
#[derive(Debug, thiserror::Error)]
pub enum DurableError {
    /// The operation failed; it may be retried.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// The operation, as a verb: `write`.
        operation: &'static str,
        /// Path that the operation was about.
        path: PathBuf,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// The disk can no longer be trusted: the process must end.
    #[error(transparent)]
    Sync(#[from] SyncFailed),
}

impl DurableError {
    /// Returns true if the process must end because the disk can no longer be trusted.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Sync(_))
    }

    /// Returns the kind of the underlying error.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Io { source, .. } => source.kind(),
            Self::Sync(failed) => failed.source.kind(),
        }
    }

    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { operation, path: path.to_owned(), source: explain_full_disk(path, source) }
    }
}

impl CodedError for SyncFailed {
    fn code(&self) -> Code {
        codes::SYNC_FAILED
    }
}

impl CodedError for DurableError {
    fn code(&self) -> Code {
        match self {
            Self::Sync(failed) => failed.code(),
            Self::Io { source, .. } => code_of(source),
        }
    }

    fn hint(&self) -> Option<String> {
        let source = match self {
            Self::Sync(failed) => return failed.hint(),
            Self::Io { source, .. } => source,
        };
        let case = cases::of_file(source).filter(|case| case.codes.contains(&code_of(source)));
        hint_of(source).or_else(|| case.map(|case| case.next.to_owned()))
    }
}

/// The filesystem has no inodes for further files. The kernel reports this like a lack of space.
#[derive(Debug, thiserror::Error)]
#[error("the filesystem has no inodes left for further files")]
struct NoInodes;

/// Replaces the kernel's error for a full filesystem by [`NoInodes`] if inodes are lacking instead of space.
pub(crate) fn explain_full_disk(path: &Path, error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::StorageFull {
        return error;
    }
    // The file may not exist, so its folder is examined. Filesystems that create inodes on demand report a total of 0.
    let filesystem = path.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok());
    let has_none = filesystem.is_some_and(|filesystem| filesystem.f_files > 0 && filesystem.f_favail == 0);
    if has_none { io::Error::new(io::ErrorKind::StorageFull, NoInodes) } else { error }
}

/// Returns a hint for an error of [`explain_full_disk`].
pub(crate) fn hint_of(error: &io::Error) -> Option<String> {
    let is_told = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<NoInodes>);
    is_told.then(|| {
        "Space would not help: remove files from the filesystem of the named path, or name a folder on another one, \
         then run the same command again."
            .to_owned()
    })
}

/// Returns the error code for an error of the kernel.
pub(crate) fn code_of(error: &io::Error) -> Code {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => codes::NO_SPACE,
        io::ErrorKind::FileTooLarge => codes::FILE_TOO_LARGE,
        _ => codes::MEDIA_IO,
    }
}

type Result<T> = std::result::Result<T, DurableError>;

/// Adds the operation and the path to an error of the kernel.
trait PathContext<T> {
    fn at(self, operation: &'static str, path: &Path) -> Result<T>;
}

impl<T> PathContext<T> for io::Result<T> {
    fn at(self, operation: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| DurableError::io(operation, path, source))
    }
}

/// Writes a file with exactly these bytes and permission bits. Replaces an existing file. The folder must exist.
///
/// On return, content, mode and name are on the disk. Safe to call for the same path from several threads and
/// processes.
pub fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let _turn = turn(path);
    Sibling::write(path, bytes, mode)?.sync_and_rename(path, rename)
}

/// Like [`write_file`], for a file that must not exist. If several processes write it at once, one succeeds and the
/// others get an error of the kind [`io::ErrorKind::AlreadyExists`].
pub fn write_new_file(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let _turn = turn(path);
    Sibling::write(path, bytes, mode)?.sync_and_rename(path, |from, to| {
        rename_to_free_name(from, to)?;
        sync_folder(parent(to))
    })
}

/// Creates a file with exactly these permission bits and opens it for reading and writing. Fails if it exists. Intended
/// for contents that are too large for [`write_file`]: the contents are on the disk only after [`sync_file`], and the
/// name only after [`rename`] or [`sync_folder`].
pub fn create_file(path: &Path, mode: u32) -> Result<File> {
    let create = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path);
    let file = create.at("create", path)?;
    // The process's umask reduces the mode given at creation.
    file.set_permissions(Permissions::from_mode(mode)).at("set the mode of", path)?;
    traced!(path, Act::Create(mode));
    Ok(file)
}

/// Makes the content and the length of an open file durable. `path` names the file in the error.
pub fn sync_file(file: &File, path: &Path) -> Result<()> {
    file.sync_all().map_err(|source| SyncFailed { path: path.to_owned(), source })?;
    traced!(path, Act::SyncFile(std::fs::read(path).unwrap_or_default()));
    Ok(())
}

/// Records, for tests that cut the power, the contents of a file that was written without this module and is not
/// synced.
#[cfg(any(test, feature = "testing"))]
pub fn note_written(path: &Path) {
    traced!(path, Act::Write(std::fs::read(path).unwrap_or_default()));
}

/// Like [`note_written`], for a file that was synced.
#[cfg(any(test, feature = "testing"))]
pub fn note_synced(path: &Path) {
    traced!(path, Act::SyncFile(std::fs::read(path).unwrap_or_default()));
}

/// Like [`note_written`], for a file or a whole tree that another program created and did not sync.
#[cfg(any(test, feature = "testing"))]
pub fn note_made(path: &Path) {
    trace::note_made(path);
}

/// Creates a folder with mode 0755, and all its missing parents. An existing folder stays unchanged.
pub fn create_folder(path: &Path) -> Result<()> {
    create_folder_with_mode(path, 0o755)
}

/// Creates a folder with these permission bits, and all its missing parents with mode 0755. An existing folder stays
/// unchanged, mode included. Returns an error if the name exists and is not a folder.
pub fn create_folder_with_mode(path: &Path, mode: u32) -> Result<()> {
    let parent = parent(path);
    if !path.is_dir() {
        if !parent.is_dir() {
            create_folder(parent)?;
        }
        match std::fs::DirBuilder::new().mode(mode).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            created => {
                created.at("create the folder", path)?;
                std::fs::set_permissions(path, Permissions::from_mode(mode)).at("set the mode of", path)?;
                traced!(path, Act::MakeFolder);
                sync_folder(path)?;
            }
        }
    }
    // Even for an existing folder: the process that made it may have died before it synced.
    sync_folder(parent)
}

/// Renames a file within one filesystem and syncs both folders. Replaces an existing file of that name.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    rename_unsynced(from, to)?;
    sync_folder(parent(to))?;
    if parent(from) == parent(to) { Ok(()) } else { sync_folder(parent(from)) }
}

#[expect(clippy::disallowed_methods, reason = "its callers sync the folders, or the whole filesystem")]
fn rename_unsynced(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).at("rename to", to)?;
    traced!(from, Act::Rename(to.to_owned()));
    Ok(())
}

/// Renames only if the new name is free. On filesystems without such a rename, there is a short race between the check
/// and the rename.
fn rename_to_free_name(from: &Path, to: &Path) -> Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) if std::fs::symlink_metadata(to).is_err() => rename_unsynced(from, to),
        Err(Errno::INVAL | Errno::NOSYS) => Err(io::Error::from(Errno::EXIST)).at("create", to),
        renamed => {
            renamed.map_err(io::Error::from).at("create", to)?;
            traced!(from, Act::Rename(to.to_owned()));
            Ok(())
        }
    }
}

/// Removes a file or a link. A missing one is not an error.
pub fn remove_file(path: &Path) -> Result<()> {
    if remove_if_there(path)? { sync_folder(parent(path)) } else { Ok(()) }
}

/// Removes an empty folder. A missing one is not an error.
pub fn remove_folder(path: &Path) -> Result<()> {
    removed_folder(path, std::fs::remove_dir(path))
}

/// Removes a folder with its contents, without following links. A missing folder is not an error.
pub fn remove_tree(path: &Path) -> Result<()> {
    #[cfg(any(test, feature = "testing"))]
    let inside = trace::inside(path);
    let removed = std::fs::remove_dir_all(path);
    #[cfg(any(test, feature = "testing"))]
    if removed.is_ok() {
        // One name at a time, as the kernel does it.
        for path in &inside {
            trace::note(path, || trace::Act::Remove);
        }
    }
    removed_folder(path, removed)
}

fn removed_folder(path: &Path, removed: io::Result<()>) -> Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => {
            removed.at("remove the folder", path)?;
            traced!(path, Act::Remove);
            sync_folder(parent(path))
        }
    }
}

/// Gives an existing file a second name on the same filesystem. Replaces another file of that name.
pub fn hard_link(existing: &Path, link: &Path) -> Result<()> {
    let _turn = turn(link);
    // Renaming onto another name of the same file does nothing and would leave the temporary name behind.
    if is_same_file(existing, link) {
        return sync_folder(parent(link));
    }
    let temporary = temporary_sibling(link);
    remove_if_there(&temporary)?;
    std::fs::hard_link(existing, &temporary).at("link", link)?;
    traced!(&temporary, Act::Link(existing.to_owned()));
    rename(&temporary, link)
}

/// Creates a symbolic link with this target. Replaces a file or link of that name.
pub fn symlink(target: &Path, link: &Path) -> Result<()> {
    let _turn = turn(link);
    let temporary = temporary_sibling(link);
    remove_if_there(&temporary)?;
    std::os::unix::fs::symlink(target, &temporary).at("link", link)?;
    traced!(&temporary, Act::Symlink(target.to_owned()));
    rename(&temporary, link)
}

/// Sets the permission bits of a file or folder.
pub fn set_mode(path: &Path, mode: u32) -> Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).at("set the mode of", path)?;
    traced!(path, Act::Mode(mode));
    let file = File::open(path).at("open", path)?;
    sync_file(&file, path)
}

/// Syncs a folder, which makes its names durable.
pub fn sync_folder(path: &Path) -> Result<()> {
    let folder = File::open(path).at("open the folder", path)?;
    match folder.sync_all() {
        // FAT, network and FUSE filesystems may not support syncing a folder; then it is as durable as they can make
        // it.
        Err(error) if matches!(error.raw_os_error(), Some(code) if NOT_FOR_FOLDERS.contains(&code)) => Ok(()),
        synced => {
            synced.map_err(|source| SyncFailed { path: path.to_owned(), source })?;
            traced!(path, Act::SyncFolder);
            Ok(())
        }
    }
}

/// `EINVAL` and `ENOTSUP`: this filesystem cannot sync folders. Any other error is a failure.
const NOT_FOR_FOLDERS: [i32; 2] = [22, 95];

/// Syncs the whole filesystem that holds `path`. Intended for files that other programs wrote.
pub fn sync_filesystem(path: &Path) -> Result<()> {
    let file = File::open(path).at("open", path)?;
    rustix::fs::syncfs(&file).map_err(|error| SyncFailed { path: path.to_owned(), source: error.into() })?;
    traced!(path, Act::SyncAll);
    Ok(())
}

/// Removes leftovers of interrupted [`write_file`], [`hard_link`] and [`symlink`] calls in a folder and those below it,
/// without following links. Returns the number of removed files. Do not use it on folders in which another process
/// writes at the same time.
pub fn remove_leftovers(folder: &Path) -> Result<usize> {
    let mut removed = 0;
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries.at("list", folder)?,
    };
    for entry in entries {
        let entry = entry.at("list", folder)?;
        if entry.file_type().at("look at", &entry.path())?.is_dir() {
            removed += remove_leftovers(&entry.path())?;
        } else if is_temporary(&entry.path()) {
            remove_if_there(&entry.path())?;
            removed += 1;
        }
    }
    if removed > 0 {
        sync_folder(folder)?;
    }
    Ok(removed)
}

/// Returns true if a file has the name of a temporary sibling. It is then a leftover, unless a write is in progress.
pub fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(TEMPORARY_SUFFIX.as_bytes()))
}

fn temporary_sibling(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(TEMPORARY_SUFFIX);
    path.with_file_name(name)
}

fn remove_if_there(path: &Path) -> Result<bool> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => {
            removed.at("remove", path)?;
            traced!(path, Act::Remove);
            Ok(true)
        }
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    match (std::fs::symlink_metadata(one), std::fs::symlink_metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// Returns the folder that holds the path's last component; `.` for a bare name.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Makes threads that write the same path take turns, because they share the temporary name. The lock is chosen by the
/// path's hash.
fn turn(path: &Path) -> MutexGuard<'static, ()> {
    static TURNS: [Mutex<()>; 64] = [const { Mutex::new(()) }; 64];
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    let index = usize::try_from(hasher.finish() % 64).unwrap_or(0);
    TURNS[index].lock().unwrap_or_else(PoisonError::into_inner)
}
