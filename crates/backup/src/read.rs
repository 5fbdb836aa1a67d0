//! Reader of a backup: each blob is decrypted and compared with the SHA-256 that names it, before any of its bytes are
//! delivered.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use rustic_core::repofile::{BlobType, SnapshotFile};
use rustic_core::{BlobId, DataId, TreeId};

use crate::backup::{Backup, BackupId};
use crate::error::{BackupError, Result};
use crate::library::{self, IndexedRepository};
use crate::names::StreamName;
use crate::repository::{Backups, Repository};
use crate::store::Store;
use crate::{digest, suspects, walk};

/// A backup whose streams can be read.
pub struct OpenBackup {
    backup: Backup,
    tree: TreeId,
    root: PathBuf,
    store: Arc<dyn Store>,
    indexed: Arc<IndexedRepository>,
}

impl Repository {
    /// Opens a backup by reading the index, so that its streams can be read.
    pub fn open_backup(&self, id: BackupId) -> Result<OpenBackup> {
        let opened = self.open_backups(&[id])?.pop();
        opened.ok_or_else(|| BackupError::NoBackup { folder: self.folder().to_owned(), id })
    }

    /// Opens several backups, in order; reads the index once.
    pub fn open_backups(&self, ids: &[BackupId]) -> Result<Vec<OpenBackup>> {
        self.settle(self.open_each(ids))
    }

    /// Returns every backup, and opens those that `choose` selects, in its order; reads snapshots and index once.
    pub fn open_chosen<E>(
        &self,
        choose: impl FnOnce(&Backups) -> Result<Vec<BackupId>, E>,
    ) -> Result<Result<(Backups, Vec<OpenBackup>), E>> {
        let found = self.settle(self.latest_snapshots())?;
        let known = Backups::of(found.iter().map(|(backup, _)| backup.clone()).collect());
        let ids = match choose(&known) {
            Ok(ids) => ids,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let opened = if ids.is_empty() { Ok(Vec::new()) } else { self.open_found(self.pick(found, &ids)?) };
        Ok(Ok((known, self.settle(opened)?)))
    }

    fn open_each(&self, ids: &[BackupId]) -> Result<Vec<OpenBackup>> {
        self.open_found(self.find_all(ids)?)
    }

    fn open_found(&self, found: Vec<(Backup, SnapshotFile)>) -> Result<Vec<OpenBackup>> {
        let (_, indexed) = self.indexed_session()?;
        let indexed = Arc::new(indexed);
        let opened = |(backup, snapshot): (Backup, SnapshotFile)| OpenBackup {
            backup,
            tree: snapshot.tree,
            root: self.folder().to_owned(),
            store: self.store().clone(),
            indexed: indexed.clone(),
        };
        Ok(found.into_iter().map(opened).collect())
    }
}

impl OpenBackup {
    /// Returns the backup itself.
    pub fn backup(&self) -> &Backup {
        &self.backup
    }

    /// Returns a reader of a stream or document from its first byte. Damage is a read error at the damaged blob.
    pub fn read(&self, name: &StreamName) -> Result<StreamReader> {
        let (files, unread) = walk::files(&self.indexed, self.tree);
        match files.into_iter().find(|file| file.name == *name) {
            Some(file) => Ok(StreamReader {
                root: self.root.clone(),
                store: self.store.clone(),
                indexed: self.indexed.clone(),
                content: file.content.into_iter(),
                blob: Bytes::new(),
            }),
            None => Err(match unread.into_iter().next() {
                Some(unread) => library::damage(&self.root, format!("{name} cannot be found"), unread.error),
                None => BackupError::NoStream { id: self.backup.id, name: name.clone() },
            }),
        }
    }
}

/// Reader of a stream. It holds one blob of at most 1 MiB, and the library's cache of 32 MB.
pub struct StreamReader {
    root: PathBuf,
    store: Arc<dyn Store>,
    indexed: Arc<IndexedRepository>,
    content: std::vec::IntoIter<DataId>,
    blob: Bytes,
}

impl Read for StreamReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.blob.is_empty() {
            let Some(next) = self.content.next() else { return Ok(0) };
            let blob = checked_blob(&self.indexed, &self.root, next.into(), BlobType::Data);
            self.blob = blob.inspect_err(|_| self.suspect(next)).map_err(io::Error::other)?;
        }
        let length = buffer.len().min(self.blob.len());
        self.blob.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

impl StreamReader {
    /// Records the pack of an unreadable blob as suspect.
    fn suspect(&self, blob: DataId) {
        if let Ok(entry) = self.indexed.get_index_entry(&blob) {
            suspects::note(&*self.store, &entry.pack);
        }
    }
}

/// Returns the bytes of a blob, whose SHA-256 is its ID.
pub(crate) fn checked_blob(indexed: &IndexedRepository, root: &Path, id: BlobId, kind: BlobType) -> Result<Bytes> {
    let what = || format!("the blob {} cannot be read", id.to_hex().as_str());
    let bytes = indexed.get_blob_cached(&id, kind).map_err(|error| library::damage(root, what(), error))?;
    if digest::of_bytes(&bytes) == *id {
        Ok(bytes)
    } else {
        Err(BackupError::damaged(root, format!("the blob {} has other bytes", id.to_hex().as_str())))
    }
}
