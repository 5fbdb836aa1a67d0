//! Master key of a repository, with which everything in it is encrypted: random, and sealed for each key that opens it.
//!
//! It is stored in two files per key, so that the loss of one costs nothing. One is restic's, below `keys`: the
//! password opens it by scrypt, which takes 128 MiB of memory and some tenths of a second. The other one is Landfall's,
//! below `landfall`, and needs no scrypt, because a key is already random. restic ignores that folder.

use std::io;
use std::path::{Path, PathBuf};

use aes256ctr_poly1305aes::aead::Aead as _;
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce};
use rand::RngExt as _;
use rustic_core::repofile::MasterKey;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{BackupError, Result};
use crate::key::RepositoryKey;
use crate::ledger;
use crate::store::Store;

/// Bytes of a master key: 32 for AES-256, 16 for AES-128 and 16 for Poly1305.
const MASTER_BYTES: usize = 64;

const NONCE_BYTES: usize = 16;

/// Prefix of the names of Landfall's master key files, in the folder of the ledger.
const PREFIX: &str = "master-";

/// Master key in the order of restic: encryption, then the two keys of the authentication.
pub(crate) struct Master(Zeroizing<[u8; MASTER_BYTES]>);

/// Result of reading a sealed master key.
pub(crate) enum Sealed {
    /// The master key, which the key opens.
    Master(Master),
    Missing,
    Changed,
}

impl Master {
    /// Size in bytes.
    pub(crate) const BYTES: usize = MASTER_BYTES;

    pub(crate) fn random() -> Self {
        Self(Zeroizing::new(rand::rng().random()))
    }

    pub(crate) fn filled(fill: impl FnOnce(&mut [u8])) -> Self {
        let mut bytes = Zeroizing::new([0; MASTER_BYTES]);
        fill(&mut *bytes);
        Self(bytes)
    }

    /// Converts the library's key; `None` if it does not have the format's lengths.
    pub(crate) fn of_library(key: &MasterKey) -> Option<Self> {
        let bytes = Zeroizing::new([key.encrypt.as_slice(), &key.mac.k, &key.mac.r].concat());
        let bytes: [u8; MASTER_BYTES] = bytes.as_slice().try_into().ok()?;
        Some(Self(Zeroizing::new(bytes)))
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8; MASTER_BYTES] {
        &self.0
    }

    /// Converts to the library's type, which is not erased when dropped.
    pub(crate) fn to_library(&self) -> MasterKey {
        let mut key = MasterKey::new();
        for (field, range) in [(&mut key.encrypt, 0..32), (&mut key.mac.k, 32..48), (&mut key.mac.r, 48..64)] {
            field.zeroize();
            field.extend_from_slice(&self.0[range]);
        }
        key
    }

    /// Seals bytes as restic does: a nonce, the ciphertext of AES-256 in counter mode, and its Poly1305-AES
    /// authentication.
    pub(crate) fn seal(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = rand::rng().random();
        let sealed = self.cipher().encrypt(Nonce::from_slice(&nonce), plain);
        let sealed = sealed.map_err(|error| BackupError::Bug(format!("it was not sealed: {error}")))?;
        Ok([&nonce, sealed.as_slice()].concat())
    }

    fn unseal(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        self.cipher().decrypt(Nonce::from_slice(nonce), sealed).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> Aes256CtrPoly1305Aes {
        Aes256CtrPoly1305Aes::new(Key::from_slice(&*self.0))
    }

    /// Returns Landfall's file of the master key for this key, relative to the repository's folder.
    pub(crate) fn file_of(key: &RepositoryKey) -> PathBuf {
        Path::new(ledger::FOLDER).join(format!("{PREFIX}{}", key.name()))
    }

    /// Returns every such file of a repository, whatever its key.
    pub(crate) fn files(store: &dyn Store) -> Result<Vec<PathBuf>> {
        let folder = Path::new(ledger::FOLDER);
        let named = store.list(ledger::FOLDER);
        let named = named.map_err(|error| BackupError::io("list", &store.place().join(folder), error))?;
        let named = named.into_iter().map(|(name, _)| name).filter(|name| name.starts_with(PREFIX));
        Ok(named.map(|name| folder.join(name)).collect())
    }

    /// Reads the master key that is sealed for this key.
    pub(crate) fn read(store: &dyn Store, key: &RepositoryKey) -> Result<Sealed> {
        let file = Self::file_of(key);
        match store.read(&file) {
            Ok(text) => Ok(Self::parse(&text, key).map_or(Sealed::Changed, Sealed::Master)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Sealed::Missing),
            Err(error) => Err(BackupError::io("read", &store.place().join(file), error)),
        }
    }

    /// Seals it for this key and writes the file durably.
    pub(crate) fn write(&self, store: &dyn Store, key: &RepositoryKey) -> Result<()> {
        let text = text_of(&key.lock().seal(&*self.0)?);
        store.write(&Self::file_of(key), text.as_bytes())
    }

    fn parse(text: &[u8], key: &RepositoryKey) -> Option<Self> {
        let sealed = hex::decode(text.trim_ascii_end()).ok()?;
        // Digits in another case would be a different file with the same key.
        if text_of(&sealed).as_bytes() != text {
            return None;
        }
        let plain = key.lock().unseal(&sealed)?;
        let bytes: [u8; MASTER_BYTES] = plain.as_slice().try_into().ok()?;
        Some(Self(Zeroizing::new(bytes)))
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
        assert!(matches!(Master::read(&store, &key), Ok(Sealed::Missing)));
        master.write(&store, &key).unwrap();
        let Ok(Sealed::Master(read)) = Master::read(&store, &key) else { panic!("it cannot be read") };
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

    #[test]
    fn master_key_converts_to_library_type() {
        let master = Master::random();
        assert_eq!(Master::of_library(&master.to_library()).unwrap().bytes(), master.bytes());
    }
}
