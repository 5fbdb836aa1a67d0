//! The key of a repository: 32 random bytes, in a file as text.
//!
//! The text is the repository's password for restic, whose `--password-file` reads this file as it is. restic keeps the
//! master key, with which everything is encrypted, in a file that the password opens. That file is a single point of
//! failure, so here the master key is derived from the bytes: who has the key can read the repository without it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use landfall_media::durable;
use rand::RngExt as _;
use rustic_core::repofile::MasterKey;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{BackupError, Result};

const KEY_BYTES: usize = 32;

/// Bytes of a master key: 32 for AES-256, 16 for AES-128 and 16 for Poly1305.
const MASTER_BYTES: usize = 64;

/// What the derivation of the master key is for, as BLAKE3 asks for it. A new text would be a new master key.
const DERIVATION: &str = "landfall 2026-11-21 master key of a backup repository";

/// The secret that opens a repository. It is erased from memory when it is dropped; it has no `Debug` form.
#[derive(Clone)]
pub struct RepositoryKey(Zeroizing<[u8; KEY_BYTES]>);

impl RepositoryKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self(Zeroizing::new(rand::rng().random()))
    }

    /// Reads the file of a key. It distinguishes a missing, an unreadable and a malformed one.
    pub fn read(path: &Path) -> Result<Self> {
        let mut text = Zeroizing::new(String::new());
        let read = File::open(path).and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text));
        match read {
            Ok(_) => Self::parse(&text).ok_or_else(|| BackupError::KeyMalformed(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BackupError::KeyMissing(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(BackupError::KeyMalformed(path.to_owned())),
            Err(error) => Err(BackupError::io("read", path, error)),
        }
    }

    /// Writes the key into a file that only its owner can read (0600), durably. An existing file is an error: with its
    /// key lost, a repository could never be read again.
    pub fn write_new(&self, path: &Path) -> Result<()> {
        if path.try_exists().map_err(|error| BackupError::io("look at", path, error))? {
            return Err(BackupError::KeyExists(path.to_owned()));
        }
        let line = Zeroizing::new(format!("{}\n", *self.password()));
        Ok(durable::write_file(path, line.as_bytes(), 0o600)?)
    }

    /// The repository's password for restic.
    pub(crate) fn password(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES));
        for byte in self.0.iter() {
            let _infallible = write!(text, "{byte:02x}");
        }
        text
    }

    /// The key with which the repository's files are encrypted.
    pub(crate) fn master(&self) -> Master {
        let mut bytes = Zeroizing::new([0; MASTER_BYTES]);
        blake3::Hasher::new_derive_key(DERIVATION).update(&*self.0).finalize_xof().fill(&mut *bytes);
        Master(bytes)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        hex::decode_to_slice(text.trim_end(), &mut *bytes).ok()?;
        Some(Self(bytes))
    }
}

/// More than any key has: a file of another kind is not read whole.
const LONGEST_FILE: u64 = 256;

/// A master key in the order of restic: encryption, then the two keys of the authentication.
pub(crate) struct Master(Zeroizing<[u8; MASTER_BYTES]>);

impl Master {
    pub(crate) fn bytes(&self) -> &[u8; MASTER_BYTES] {
        &self.0
    }

    /// In the library's type, which is not erased when it is dropped.
    pub(crate) fn to_library(&self) -> MasterKey {
        let mut key = MasterKey::new();
        for (field, range) in [(&mut key.encrypt, 0..32), (&mut key.mac.k, 32..48), (&mut key.mac.r, 48..64)] {
            field.zeroize();
            field.extend_from_slice(&self.0[range]);
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use landfall_error_codes::{Coded, codes};

    use super::*;

    #[test]
    fn a_key_is_read_back_from_its_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = RepositoryKey::generate();
        key.write_new(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        let read = RepositoryKey::read(&path).unwrap();
        assert_eq!(*read.password(), *key.password());
        assert_eq!(read.master().bytes(), key.master().bytes());
        assert_ne!(RepositoryKey::generate().master().bytes(), key.master().bytes());
        assert_eq!(key.write_new(&path).unwrap_err().code(), codes::BACKUP_KEY);
        assert_eq!(*RepositoryKey::read(&path).unwrap().password(), *key.password());
    }

    #[test]
    fn missing_and_malformed_keys_are_different_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(matches!(RepositoryKey::read(&path), Err(BackupError::KeyMissing(_))));
        let whole = "0f".repeat(KEY_BYTES);
        for malformed in ["", "0f", &whole[1..], &format!("{whole}0f"), &whole.replace('f', "g"), &"0f".repeat(1000)] {
            durable::write_file(&path, malformed.as_bytes(), 0o600).unwrap();
            assert!(matches!(RepositoryKey::read(&path), Err(BackupError::KeyMalformed(_))), "{malformed}");
        }
        durable::write_file(&path, &[0xff; 64], 0o600).unwrap();
        assert!(matches!(RepositoryKey::read(&path), Err(BackupError::KeyMalformed(_))));
        durable::write_file(&path, format!("{whole}\n").as_bytes(), 0o600).unwrap();
        assert_eq!(*RepositoryKey::read(&path).unwrap().password(), whole);
    }

    /// A repository that one version made must open with the next one.
    #[test]
    fn the_master_key_of_a_key_never_changes() {
        let master = RepositoryKey::parse(&"0f".repeat(KEY_BYTES)).unwrap().master();
        assert_eq!(hex::encode(&master.bytes()[..8]), "9c1506e7ba79612c");
    }
}
