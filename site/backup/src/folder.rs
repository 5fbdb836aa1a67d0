//! The folder that holds a repository, in the layout of restic: a file for each pack, index, snapshot and key, named by
//! the SHA-256 of its bytes.
//!
//! Every file is written durably: it appears whole, and its bytes and name are on the disk before the library continues.
//! A pack is dropped from the page cache, which stays with running software.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use bytes::Bytes;
use landfall_media::durable::{self, Batch, DurableError};
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};
use rustix::fs::Advice;

use crate::error::BackupError;
use crate::reserve::Reserve;

/// Folders of restic and of Landfall in a repository.
pub(crate) const FOLDERS: [&str; 6] = ["data", "index", "keys", "locks", "snapshots", crate::ledger::FOLDER];

/// The file that makes a folder a repository.
pub(crate) const CONFIG: &str = "config";

/// How a session of the library sees the folder.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// Snapshots are not stored: the backup is not complete yet.
    pub holds_snapshots: bool,
    /// Files that are treated as missing, because they are damaged.
    pub hidden: BTreeSet<PathBuf>,
    /// What the packs that are written leave free.
    pub reserve: Reserve,
}

/// A repository's folder as one session of the library sees it.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    view: View,
    failure: Mutex<Option<BackupError>>,
    last_snapshot: Mutex<Option<Id>>,
    /// Whether nothing more may be written. Held for reading by each write.
    is_closed: RwLock<bool>,
}

impl Folder {
    pub(crate) fn new(root: &Path, view: View) -> Self {
        Self {
            root: root.to_owned(),
            view,
            failure: Mutex::default(),
            last_snapshot: Mutex::default(),
            is_closed: RwLock::default(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The first write that failed in this session.
    pub(crate) fn take_failure(&self) -> Option<BackupError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits for writes in progress, and refuses all later ones of this session: the library's threads outlive a failure of theirs.
    pub(crate) fn close(&self) {
        *self.is_closed.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// The snapshot that this session wrote last.
    pub(crate) fn last_snapshot(&self) -> Option<Id> {
        *self.last_snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of this id, relative to the repository's folder.
    pub(crate) fn relative(kind: FileType, id: &Id) -> PathBuf {
        let (folder, name) = (Path::new(kind.dirname()), id.to_hex());
        match kind {
            FileType::Config => folder.to_owned(),
            FileType::Pack => folder.join(&name.as_str()[..2]).join(name.as_str()),
            FileType::Index | FileType::Key | FileType::Snapshot => folder.join(name.as_str()),
        }
    }

    fn path(&self, kind: FileType, id: &Id) -> PathBuf {
        self.root.join(Self::relative(kind, id))
    }

    /// Every file of this kind that is not hidden, with its size in bytes. Other files in its folder are ignored.
    pub(crate) fn files(&self, kind: FileType) -> io::Result<Vec<(Id, u32)>> {
        let top = self.root.join(kind.dirname());
        let mut found = Vec::new();
        match kind {
            FileType::Config => {
                let size = top.metadata().map(|metadata| (Id::default(), size_of(metadata.len())));
                found.extend(unless_missing(size)?);
            }
            FileType::Pack => {
                for entry in entries_of(&top)? {
                    if entry.file_type()?.is_dir() {
                        found.extend(named_files(&entry.path())?);
                    }
                }
            }
            FileType::Index | FileType::Key | FileType::Snapshot => found = named_files(&top)?,
        }
        found.retain(|(id, _)| !self.view.hidden.contains(&Self::relative(kind, id)));
        Ok(found)
    }

    /// Makes the folders of an empty repository, durably.
    pub(crate) fn make_folders(&self) -> Result<(), DurableError> {
        let batch = Batch::begin(&self.root)?;
        for name in FOLDERS {
            batch.create_folder(&self.root.join(name))?;
        }
        for first in 0..=u8::MAX {
            batch.create_folder(&self.root.join("data").join(format!("{first:02x}")))?;
        }
        batch.commit()
    }

    /// Writes a file; it is on the disk when this returns.
    pub(crate) fn store(&self, kind: FileType, id: &Id, bytes: &[u8]) -> Result<(), DurableError> {
        let path = self.path(kind, id);
        if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
            durable::create_folder_with_mode(folder, 0o700)?;
        }
        durable::write_file(&path, bytes, 0o600)?;
        if kind == FileType::Pack {
            forget_cached(&path);
        }
        if kind == FileType::Snapshot {
            *self.last_snapshot.lock().unwrap_or_else(PoisonError::into_inner) = Some(*id);
        }
        Ok(())
    }

    /// Reads a file, or a part of it.
    fn read(&self, kind: FileType, id: &Id, part: Option<(u32, u32)>) -> RusticResult<Bytes> {
        let relative = Self::relative(kind, id);
        let path = self.root.join(&relative);
        let read = match part {
            _ if self.view.hidden.contains(&relative) => Err(io::ErrorKind::NotFound.into()),
            None => std::fs::read(&path),
            Some((offset, length)) => File::open(&path).and_then(|file| {
                let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                file.read_exact_at(&mut bytes, offset.into())?;
                Ok(bytes)
            }),
        };
        read.map(Bytes::from).map_err(|error| refused("read", &path, error))
    }

    /// Keeps a failed write for [`Folder::take_failure`], and reports it to the library.
    fn keep(&self, operation: &str, path: &Path, error: impl Into<BackupError>) -> Box<RusticError> {
        let error = error.into();
        let said = error.to_string();
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        refused(operation, path, said)
    }
}

impl ReadBackend for Folder {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        self.files(kind).map_err(|error| refused("list", &self.root.join(kind.dirname()), error))
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        self.read(kind, id, None)
    }

    fn read_partial(&self, kind: FileType, id: &Id, _: bool, offset: u32, length: u32) -> RusticResult<Bytes> {
        self.read(kind, id, Some((offset, length)))
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.path(kind, id).display().to_string()
    }
}

impl WriteBackend for Folder {
    fn create(&self) -> RusticResult<()> {
        self.make_folders().map_err(|error| self.keep("create the folders of", &self.root, error))
    }

    fn write_bytes(&self, kind: FileType, id: &Id, _: bool, content: BytesList) -> RusticResult<()> {
        if kind == FileType::Snapshot && self.view.holds_snapshots {
            return Ok(());
        }
        let is_closed = self.is_closed.read().unwrap_or_else(PoisonError::into_inner);
        if *is_closed {
            return Err(refused("write", &self.path(kind, id), "the session has failed"));
        }
        let bytes = content.into_vec().concat();
        // Index files are small, and without one the packs before it are lost.
        let refused = match kind {
            FileType::Pack => self.view.reserve.refuse(&self.root, bytes.len() as u64),
            _ => Ok(()),
        };
        let stored = refused.and_then(|()| Ok(self.store(kind, id, &bytes)?));
        stored.map_err(|error| self.keep("write", &self.path(kind, id), error))
    }

    fn remove(&self, kind: FileType, id: &Id, _: bool) -> RusticResult<()> {
        let path = self.path(kind, id);
        durable::remove_file(&path).map_err(|error| self.keep("remove", &path, error))
    }
}

/// Drops a file from the page cache. Best effort: a filesystem may keep what it likes.
pub(crate) fn forget_cached(path: &Path) {
    if let Ok(file) = File::open(path) {
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
    }
}

fn refused<E>(operation: &str, path: &Path, error: E) -> Box<RusticError>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    RusticError::with_source(ErrorKind::Backend, format!("cannot {operation} {}", path.display()), error)
}

/// The files in a folder whose names are ids, with their sizes; none if there is no such folder.
fn named_files(folder: &Path) -> io::Result<Vec<(Id, u32)>> {
    let mut found = Vec::new();
    for entry in entries_of(folder)? {
        let name = entry.file_name();
        let id = name.to_str().and_then(id_of);
        // A file may be removed by a prune while a reader lists.
        if let (Some(id), Some(metadata)) = (id, unless_missing(entry.metadata())?)
            && metadata.is_file()
        {
            found.push((id, size_of(metadata.len())));
        }
    }
    Ok(found)
}

fn entries_of(folder: &Path) -> io::Result<Vec<std::fs::DirEntry>> {
    match unless_missing(std::fs::read_dir(folder))? {
        Some(entries) => entries.collect(),
        None => Ok(Vec::new()),
    }
}

/// The id that a file's name is.
fn id_of(name: &str) -> Option<Id> {
    name.parse().ok().filter(|id: &Id| id.to_hex().as_str() == name)
}

fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// No file of the format has 4 GiB.
fn size_of(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
