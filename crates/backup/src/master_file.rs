//! Landfall's files of the master key, each of them sealed for one key that opens it.
//!
//! The master key is stored in two files per key, so that losing one does no harm. One is restic's, below `keys`
//! (`key_files.rs`): the password opens it through scrypt, which takes 128 MiB of memory and a few tenths of a second.
//! The other one is Landfall's, below `landfall`, and needs no scrypt, because a key is already random. restic ignores
//! that folder.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{BackupError, Result};
use crate::key::RepositoryKey;
use crate::layout::OWN_FOLDER;
use crate::master::Master;
use crate::store::Store;

/// Prefix of the names of Landfall's master key files.
const PREFIX: &str = "master-";

/// Result of reading a sealed master key.
pub(crate) enum MasterState {
    /// The master key, which the key opens.
    Master(Master),
    Missing,
    Changed,
}

impl Master {
    /// Returns Landfall's file of the master key for this key, relative to the repository's folder.
    pub(crate) fn file_of(key: &RepositoryKey) -> PathBuf {
        Path::new(OWN_FOLDER).join(format!("{PREFIX}{}", key.name()))
    }

    /// Returns every such file of a repository, whatever its key.
    pub(crate) fn files(store: &dyn Store) -> Result<Vec<PathBuf>> {
        let folder = Path::new(OWN_FOLDER);
        let named = store.list(OWN_FOLDER);
        let named = named.map_err(|error| BackupError::io("list", &store.place().join(folder), error))?;
        let named = named.into_iter().map(|(name, _)| name).filter(|name| name.starts_with(PREFIX));
        Ok(named.map(|name| folder.join(name)).collect())
    }

    /// Reads the master key that is sealed for this key.
    pub(crate) fn read(store: &dyn Store, key: &RepositoryKey) -> Result<MasterState> {
        let file = Self::file_of(key);
        match store.read(&file) {
            Ok(text) => Ok(Self::parse(&text, key).map_or(MasterState::Changed, MasterState::Master)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(MasterState::Missing),
            Err(error) => Err(BackupError::io("read", &store.place().join(file), error)),
        }
    }

    /// Seals it for this key and writes the file durably.
    pub(crate) fn write(&self, store: &dyn Store, key: &RepositoryKey) -> Result<()> {
        let text = text_of(&key.lock().seal(self.bytes())?);
        store.write(&Self::file_of(key), text.as_bytes())
    }

    fn parse(text: &[u8], key: &RepositoryKey) -> Option<Self> {
        let sealed = hex::decode(text.trim_ascii_end()).ok()?;
        // Digits in another case would be a different file with the same key.
        if text_of(&sealed).as_bytes() != text {
            return None;
        }
        Self::of_bytes(&key.lock().unseal(&sealed)?)
    }
}

fn text_of(sealed: &[u8]) -> String {
    format!("{}\n", hex::encode(sealed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Disk;

    #[test]
    fn changed_master_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Disk::new(folder.path());
        let (master, key) = (Master::random(), RepositoryKey::generate());
        assert!(matches!(Master::read(&store, &key), Ok(MasterState::Missing)));
        master.write(&store, &key).unwrap();
        let Ok(MasterState::Master(read)) = Master::read(&store, &key) else { panic!("it cannot be read") };
        assert_eq!(read.bytes(), master.bytes());
        assert_eq!(Master::files(&store).unwrap(), [Master::file_of(&key)]);
        let text = std::fs::read(folder.path().join(Master::file_of(&key))).unwrap();
        assert!(Master::parse(&text, &RepositoryKey::generate()).is_none());
        for position in 0..text.len() {
            for bit in 0..8 {
                let mut changed = text.clone();
                changed[position] ^= 1 << bit;
                assert!(Master::parse(&changed, &key).is_none(), "bit {bit} of byte {position}");
            }
            assert!(Master::parse(&text[..position], &key).is_none(), "{position} bytes");
        }
    }
}
