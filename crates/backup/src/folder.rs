//! Files of a repository as one session of the library sees them, in the layout of restic. There is a file for each
//! pack, index, snapshot and key, named by the SHA-256 of its bytes. The [`Store`] decides where they are.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};

use crate::digest;
use crate::error::{BackupError, Result};
use crate::layout::{self, CONFIG};
use crate::reserve::Reserve;
use crate::store::Store;
use crate::written::WrittenFiles;

/// View of the folder in a session of the library.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// If true, snapshots are not stored, because the backup is not yet complete.
    pub holds_snapshots: bool,
    /// Files treated as missing because they are damaged.
    pub hidden: BTreeSet<PathBuf>,
    /// Space that written packs leave free.
    pub reserve: Reserve,
    /// Record of written files.
    pub written: WrittenFiles,
    /// If true, only index files recorded in `written` are visible: no earlier data is looked up.
    pub sees_own_index: bool,
    /// If true, a snapshot can be read only if its name matches its bytes.
    pub compares_snapshots: bool,
}

/// A repository's folder as one session of the library sees it.
#[derive(Debug)]
pub(crate) struct Folder {
    store: Arc<dyn Store>,
    view: View,
    failure: Mutex<Option<BackupError>>,
    last_snapshot: Mutex<Option<Id>>,
    /// True if no further writes are allowed. Each write holds it for reading.
    is_closed: RwLock<bool>,
}

impl Folder {
    pub(crate) fn new(store: &Arc<dyn Store>, view: View) -> Self {
        Self {
            store: store.clone(),
            view,
            failure: Mutex::default(),
            last_snapshot: Mutex::default(),
            is_closed: RwLock::default(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.store.place()
    }

    /// Returns the first failed write of this session.
    pub(crate) fn take_failure(&self) -> Option<BackupError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits for writes in progress, and refuses all later ones of this session: the library's threads outlive their
    /// own failure.
    pub(crate) fn close(&self) {
        *self.is_closed.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Returns the snapshot that this session wrote last.
    pub(crate) fn last_snapshot(&self) -> Option<Id> {
        *self.last_snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, kind: FileType, id: &Id) -> PathBuf {
        self.root().join(layout::relative(kind, id))
    }

    /// Returns every file of this kind that is not hidden, with its size in bytes. Other files in its folder are
    /// ignored.
    pub(crate) fn list_files(&self, kind: FileType) -> Result<Vec<(Id, u32)>> {
        self.files(kind).map_err(|error| BackupError::io("list", self.root(), error))
    }

    fn files(&self, kind: FileType) -> io::Result<Vec<(Id, u32)>> {
        let mut found: Vec<(Id, u32)> = match kind {
            FileType::Config => {
                let size = self.store.size(Path::new(CONFIG))?;
                size.map(|size| (Id::default(), size_of(size))).into_iter().collect()
            }
            FileType::Pack | FileType::Index | FileType::Key | FileType::Snapshot => {
                let named = self.store.list(kind.dirname())?;
                named.into_iter().filter_map(|(name, size)| Some((id_of(&name)?, size_of(size)))).collect()
            }
        };
        found.retain(|(id, _)| !self.view.hidden.contains(&layout::relative(kind, id)));
        if kind == FileType::Index && self.view.sees_own_index {
            found.retain(|(id, _)| self.view.written.contains(&layout::relative(kind, id)));
        }
        Ok(found)
    }

    /// Writes a file durably.
    pub(crate) fn store(&self, kind: FileType, id: &Id, bytes: &[u8]) -> Result<()> {
        let file = layout::relative(kind, id);
        self.store.write(&file, bytes)?;
        self.view.written.add(file);
        if kind == FileType::Snapshot {
            *self.last_snapshot.lock().unwrap_or_else(PoisonError::into_inner) = Some(*id);
        }
        Ok(())
    }

    /// Reads a file, or part of it.
    fn read(&self, kind: FileType, id: &Id, part: Option<(u32, u32)>) -> RusticResult<Bytes> {
        let relative = layout::relative(kind, id);
        let read = match part {
            _ if self.view.hidden.contains(&relative) => Err(io::ErrorKind::NotFound.into()),
            None if kind == FileType::Snapshot && self.view.compares_snapshots => {
                self.store.read(&relative).and_then(|bytes| {
                    let is_own = digest::of_bytes(&bytes) == *id;
                    is_own.then_some(bytes).ok_or_else(|| io::Error::other("it has other bytes than were written"))
                })
            }
            None => self.store.read(&relative),
            Some((offset, length)) => self.store.read_part(&relative, offset, length),
        };
        read.map_err(|error| backend_error("read", &self.root().join(relative), error))
    }

    /// Keeps a failed write for [`Folder::take_failure`], and reports it to the library.
    fn keep(&self, operation: &str, path: &Path, error: BackupError) -> Box<RusticError> {
        let said = error.to_string();
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        backend_error(operation, path, said)
    }
}

impl ReadBackend for Folder {
    fn location(&self) -> String {
        self.root().display().to_string()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        self.files(kind).map_err(|error| backend_error("list", &self.root().join(kind.dirname()), error))
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
        self.store.make_folders().map_err(|error| self.keep("create the folders of", self.root(), error))
    }

    fn write_bytes(&self, kind: FileType, id: &Id, _: bool, content: BytesList) -> RusticResult<()> {
        if kind == FileType::Snapshot && self.view.holds_snapshots {
            return Ok(());
        }
        let is_closed = self.is_closed.read().unwrap_or_else(PoisonError::into_inner);
        if *is_closed {
            return Err(backend_error("write", &self.path(kind, id), "the session has failed"));
        }
        let bytes = content.into_vec().concat();
        // Index files are small, and without one the packs before it are lost.
        let refused = match kind {
            FileType::Pack => self.view.reserve.refuse(self.root(), bytes.len() as u64),
            _ => Ok(()),
        };
        let stored = refused.and_then(|()| self.store(kind, id, &bytes));
        stored.map_err(|error| self.keep("write", &self.path(kind, id), error))
    }

    fn remove(&self, kind: FileType, id: &Id, _: bool) -> RusticResult<()> {
        let removed = self.store.remove(&layout::relative(kind, id));
        removed.map_err(|error| self.keep("remove", &self.path(kind, id), error))
    }
}

fn backend_error<E>(operation: &str, path: &Path, error: E) -> Box<RusticError>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    RusticError::with_source(ErrorKind::Backend, format!("cannot {operation} {}", path.display()), error)
}

/// Parses the ID that is a file's name.
fn id_of(name: &str) -> Option<Id> {
    name.parse().ok().filter(|id: &Id| id.to_hex().as_str() == name)
}

/// Converts a size. No file of the format reaches 4 GiB.
fn size_of(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
