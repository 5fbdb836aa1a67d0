//! Key of a repository: 32 random bytes, stored as text in a file.
//!
//! The text is the repository's password for restic, whose `--password-file` reads this file as is. The key opens the
//! master key (`master.rs`), with which everything is encrypted, so a key can be exchanged for another one
//! (`exchange.rs`).

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use landfall_media::durable;
use rand::RngExt as _;
use zeroize::Zeroizing;

use crate::derivation::Derivation;
use crate::error::{BackupError, Result};
use crate::master::Master;

const KEY_BYTES: usize = 32;

/// BLAKE3 context of the key derived for the lock. Another text would yield another lock, which opens nothing that
/// exists.
const LOCK: &str = "landfall 2026-11-24 lock of the master key of a backup repository";
const NAME: &str = "landfall 2026-11-24 public name of the key of a backup repository";

/// Bytes of a key's public name.
const NAME_BYTES: usize = 8;

/// Secret that opens a repository. It is erased from memory when dropped; it has no `Debug` form.
#[derive(Clone)]
pub struct RepositoryKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    derivation: Derivation,
}

/// Keys are equal regardless of their derivation.
impl PartialEq for RepositoryKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for RepositoryKey {}

impl RepositoryKey {
    /// Generates a random key.
    pub fn generate() -> Self {
        Self::of(Zeroizing::new(rand::rng().random()))
    }

    fn of(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self { bytes, derivation: Derivation::default() }
    }

    /// Returns the same key with another cost of opening its file for restic.
    #[must_use]
    pub fn deriving(self, derivation: Derivation) -> Self {
        Self { derivation, ..self }
    }

    /// Returns the cost of opening its file for restic.
    pub(crate) fn derivation(&self) -> Derivation {
        self.derivation
    }

    /// Reads the file of a key, with distinct errors for a missing, an unreadable and a malformed one.
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

    /// Writes the key durably to a file that only its owner can read (0600). Fails if the file exists: without its key,
    /// a repository could never be read again.
    pub fn write_new(&self, path: &Path) -> Result<()> {
        if path.try_exists().map_err(|error| BackupError::io("look at", path, error))? {
            return Err(BackupError::KeyExists(path.to_owned()));
        }
        let line = Zeroizing::new(format!("{}\n", *self.password()));
        Ok(durable::write_file(path, line.as_bytes(), 0o600)?)
    }

    /// Reads a file with one key per line; a missing file yields none.
    pub fn read_list(path: &Path) -> Result<Vec<Self>> {
        let mut text = Zeroizing::new(String::new());
        match File::open(path).and_then(|mut file| file.read_to_string(&mut text)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(BackupError::io("read", path, error)),
            Ok(_) => {}
        }
        text.lines().map(|line| Self::parse(line).ok_or_else(|| BackupError::KeyMalformed(path.to_owned()))).collect()
    }

    /// Replaces such a file, durably. Only its owner can read it (0600).
    pub fn write_list(keys: &[Self], path: &Path) -> Result<()> {
        let mut text = Zeroizing::new(String::with_capacity(keys.len() * (2 * KEY_BYTES + 1)));
        for key in keys {
            text.push_str(&key.password());
            text.push('\n');
        }
        Ok(durable::write_file(path, text.as_bytes(), 0o600)?)
    }

    /// Returns the repository's password for restic.
    pub(crate) fn password(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES));
        for byte in self.bytes.iter() {
            let _infallible = write!(text, "{byte:02x}");
        }
        text
    }

    /// Returns the key's name in a repository, which reveals nothing about the key.
    pub(crate) fn name(&self) -> String {
        let mut bytes = [0; NAME_BYTES];
        blake3::Hasher::new_derive_key(NAME).update(&*self.bytes).finalize_xof().fill(&mut bytes);
        hex::encode(bytes)
    }

    /// Returns the key that seals the master key.
    pub(crate) fn lock(&self) -> Master {
        Master::from_fn(|bytes| blake3::Hasher::new_derive_key(LOCK).update(&*self.bytes).finalize_xof().fill(bytes))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        hex::decode_to_slice(text.trim_end(), &mut *bytes).ok()?;
        Some(Self::of(bytes))
    }
}

/// Limit above the size of any key file, so that another kind of file is not read completely.
const LONGEST_FILE: u64 = 256;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use landfall_error_codes::{CodedError, codes};

    use super::*;

    #[test]
    fn key_round_trips_through_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = RepositoryKey::generate();
        key.write_new(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        let read = RepositoryKey::read(&path).unwrap();
        assert_eq!(*read.password(), *key.password());
        assert_eq!((read.name(), read.lock().bytes()), (key.name(), key.lock().bytes()));
        assert_ne!(RepositoryKey::generate().lock().bytes(), key.lock().bytes());
        assert_eq!(key.write_new(&path).unwrap_err().code(), codes::BACKUP_KEY);
        assert_eq!(*RepositoryKey::read(&path).unwrap().password(), *key.password());
    }

    #[test]
    fn missing_and_malformed_key_errors_differ() {
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

    #[test]
    fn key_list_keeps_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        assert!(RepositoryKey::read_list(&path).unwrap().is_empty());
        let keys = [RepositoryKey::generate(), RepositoryKey::generate()];
        RepositoryKey::write_list(&keys, &path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert!(RepositoryKey::read_list(&path).unwrap() == keys);
        durable::write_file(&path, b"no key\n", 0o600).unwrap();
        assert!(matches!(RepositoryKey::read_list(&path), Err(BackupError::KeyMalformed(_))));
    }

    /// A repository created by one version must open with the next one.
    #[test]
    fn key_lock_and_name_are_stable() {
        let key = RepositoryKey::parse(&"0f".repeat(KEY_BYTES)).unwrap();
        assert_eq!(
            (hex::encode(&key.lock().bytes()[..8]), key.name()),
            ("8934d93c00e6ae10".to_owned(), "8feef1b86be6a5ec".to_owned())
        );
    }
}
