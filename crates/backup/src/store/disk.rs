//! Folder that holds a repository. Every file is written durably: it appears completely, and its bytes and name are on
//! the disk before the library continues. A pack is dropped from the page cache, which is left to running software.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use landfall_media::durable::{self, Batch};
use rustic_core::{FileType, Id};
use rustix::fs::Advice;
use sha2::{Digest as _, Sha256};

use super::{ListedFile, Store};
use crate::error::{BackupError, Result};
use crate::layout::{FOLDERS, OWN_FOLDER};

const BUFFER_BYTES: usize = 1 << 20;

/// Store in a folder.
#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
}

impl Disk {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn list_into(folder: &Path, found: &mut Vec<ListedFile>) -> io::Result<()> {
        let Some(entries) = unless_missing(std::fs::read_dir(folder))? else { return Ok(()) };
        for entry in entries {
            let entry = entry?;
            // A prune may remove a file while a reader lists.
            let Some(metadata) = unless_missing(entry.metadata())? else { continue };
            if metadata.is_dir() {
                Self::list_into(&entry.path(), found)?;
            } else if let (true, Some(name)) = (metadata.is_file(), entry.file_name().to_str()) {
                found.push((name.to_owned(), metadata.len()));
            }
        }
        Ok(())
    }
}

impl Store for Disk {
    fn place(&self) -> &Path {
        &self.root
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.root)?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn list(&self, folder: &str) -> io::Result<Vec<ListedFile>> {
        let mut found = Vec::new();
        Self::list_into(&self.root.join(folder), &mut found)?;
        Ok(found)
    }

    fn size(&self, file: &Path) -> io::Result<Option<u64>> {
        let metadata = unless_missing(self.root.join(file).metadata())?;
        Ok(metadata.filter(std::fs::Metadata::is_file).map(|metadata| metadata.len()))
    }

    fn read(&self, file: &Path) -> io::Result<Bytes> {
        std::fs::read(self.root.join(file)).map(Bytes::from)
    }

    fn read_part(&self, file: &Path, offset: u32, length: u32) -> io::Result<Bytes> {
        let file = File::open(self.root.join(file))?;
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, offset.into())?;
        Ok(bytes.into())
    }

    /// Returns the digest of the file as stored on the disk: its cached pages are dropped first.
    fn digest(&self, file: &Path, advance: &mut dyn FnMut(u64)) -> io::Result<Id> {
        let path = self.root.join(file);
        forget_cached(&path);
        let mut file = File::open(path)?;
        let (mut hasher, mut buffer) = (Sha256::new(), vec![0; BUFFER_BYTES]);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(Id::new(hasher.finalize().into())),
                Ok(length) => {
                    hasher.update(&buffer[..length]);
                    advance(length as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn make_root(&self) -> Result<()> {
        Ok(durable::create_folder_with_mode(&self.root, 0o700)?)
    }

    fn make_folders(&self) -> Result<()> {
        let batch = Batch::begin(&self.root)?;
        for name in FOLDERS {
            batch.create_folder(&self.root.join(name))?;
        }
        for first in 0..=u8::MAX {
            batch.create_folder(&self.root.join("data").join(format!("{first:02x}")))?;
        }
        Ok(batch.commit()?)
    }

    fn write(&self, file: &Path, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(file);
        if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
            durable::create_folder_with_mode(folder, 0o700)?;
        }
        durable::write_file(&path, bytes, 0o600)?;
        if file.starts_with(FileType::Pack.dirname()) {
            forget_cached(&path);
        }
        Ok(())
    }

    fn remove(&self, file: &Path) -> Result<()> {
        Ok(durable::remove_file(&self.root.join(file))?)
    }

    fn remove_leftovers(&self) -> Result<()> {
        for name in FOLDERS {
            durable::remove_leftovers(&self.root.join(name))?;
        }
        Ok(())
    }

    fn forget_cached(&self, file: &Path) {
        forget_cached(&self.root.join(file));
    }

    fn lock_file(&self) -> Result<Option<File>> {
        File::open(&self.root).map(Some).map_err(|error| BackupError::io("open", &self.root, error))
    }

    fn writers_file(&self) -> Result<Option<File>> {
        let folder = self.root.join(OWN_FOLDER);
        if !folder.is_dir() {
            durable::create_folder_with_mode(&folder, 0o700)?;
        }
        File::open(&folder).map(Some).map_err(|error| BackupError::io("open", &folder, error))
    }
}

/// Drops a file from the page cache. Best effort: a filesystem may keep any page.
fn forget_cached(path: &Path) {
    if let Ok(file) = File::open(path) {
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
    }
}

fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
