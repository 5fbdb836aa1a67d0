//! Files of the values that a site gave: one for each number, until no operation needs it. Only root may read them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use landfall_release_document::SiteSecretValue;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::SecretName;

/// Mode of the folders: only root may enter.
const FOLDER_MODE: u32 = 0o700;

/// Mode of a file: only root may read.
const FILE_MODE: u32 = 0o600;

/// Suffix of the files' names.
const ENDING: &str = ".json";

/// Key of one value that a site gave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretKey {
    /// Namespace and name of the Secret.
    pub secret: SecretName,
    /// Number of the value.
    pub number: u64,
}

/// Content of a file. No `Debug`: the value must not reach a log.
#[derive(Serialize, Deserialize)]
struct SecretFile {
    namespace: String,
    name: String,
    number: u64,
    /// Kind of the value: [`landfall_release_document::SiteSecretValue::kind`].
    kind: String,
    /// Original value in Base64.
    value: String,
}

/// A value with its kind. No `Debug`: the value must not reach a log.
pub struct StoredValue {
    /// Kind of the value, as the release asks for it.
    pub kind: String,
    /// The value.
    pub value: Zeroizing<Vec<u8>>,
}

impl StoredValue {
    /// Returns true if no part of it is secret.
    pub(crate) fn is_public(&self) -> bool {
        self.kind == SiteSecretValue::AUTHORITIES
    }

    /// Returns the secret part: for a certificate with its key, only the key, with line feeds as line ends.
    pub(crate) fn secret_part(&self) -> Zeroizing<Vec<u8>> {
        if self.kind != SiteSecretValue::TLS {
            return self.value.clone();
        }
        let (mut key, mut is_key) = (Zeroizing::new(Vec::new()), false);
        // Parsers of PEM also accept carriage returns.
        for line in self.value.split(|byte| [b'\n', b'\r'].contains(byte)).filter(|line| !line.is_empty()) {
            is_key |= line.starts_with(b"-----BEGIN ") && line.trim_ascii_end().ends_with(b"PRIVATE KEY-----");
            if is_key {
                key.extend_from_slice(line);
                key.push(b'\n');
            }
            is_key &= !line.starts_with(b"-----END ");
        }
        key
    }
}

/// Folder of these files.
#[derive(Debug, Clone)]
pub struct SecretStore {
    folder: PathBuf,
}

impl SecretStore {
    /// Returns the store of a site.
    pub fn of(paths: &SitePaths) -> Self {
        Self { folder: paths.site_secrets() }
    }

    /// Returns the file of a value.
    pub fn file(&self, key: &SecretKey) -> PathBuf {
        let (namespace, name) = &key.secret;
        self.folder.join(namespace).join(format!("{name}.{}{ENDING}", key.number))
    }

    /// Reads a value; `None` if there is no file. Errors never quote the content.
    pub(crate) fn read(&self, key: &SecretKey) -> Result<Option<StoredValue>, StepError> {
        let path = self.file(key);
        let Some(bytes) = files::read(&path)?.map(Zeroizing::new) else { return Ok(None) };
        let (secret, number, stored) = decode_file(&bytes).ok_or_else(|| unusable(&path, key, "is damaged"))?;
        if (&secret, number) != (&key.secret, key.number) {
            return Err(unusable(&path, key, "belongs to another secret"));
        }
        Ok(Some(stored))
    }

    /// Reads a value; fails if it is missing.
    pub fn expect(&self, key: &SecretKey) -> Result<StoredValue, StepError> {
        self.read(key)?.ok_or_else(|| unusable(&self.file(key), key, "is missing"))
    }

    /// Writes a value. On the disk on return.
    pub fn write(&self, key: &SecretKey, stored: &StoredValue) -> Result<(), StepError> {
        let (namespace, name) = key.secret.clone();
        let value = STANDARD.encode(&*stored.value);
        let file = SecretFile { namespace, name, number: key.number, kind: stored.kind.clone(), value };
        let bytes = serde_json::to_vec_pretty(&file)
            .map_err(|error| StepError::new(codes::BUG, "cannot write a secret as JSON").because(error))?;
        drop(Zeroizing::new(file.value));
        let path = self.file(key);
        durable::create_folder_with_mode(&self.folder, FOLDER_MODE)?;
        durable::create_folder_with_mode(&self.folder.join(&key.secret.0), FOLDER_MODE)?;
        Ok(durable::write_file(&path, &Zeroizing::new(bytes), FILE_MODE)?)
    }

    /// Removes a value and folders that become empty; a missing value is not an error.
    pub fn remove(&self, key: &SecretKey) -> Result<(), StepError> {
        let path = self.file(key);
        durable::remove_file(&path)?;
        path.ancestors().skip(1).take(2).try_for_each(files::remove_folder_if_empty)
    }

    /// Removes all values except these.
    pub fn retain(&self, needed: &BTreeSet<SecretKey>) -> Result<(), StepError> {
        let wanted: BTreeSet<PathBuf> = needed.iter().map(|key| self.file(key)).collect();
        for folder in entries(&self.folder)?.into_iter().filter(|entry| entry.is_dir()) {
            for file in entries(&folder)?.into_iter().filter(|file| !wanted.contains(file)) {
                durable::remove_file(&file)?;
            }
            files::remove_folder_if_empty(&folder)?;
        }
        files::remove_folder_if_empty(&self.folder)
    }

    /// Removes all values.
    pub fn remove_all(&self) -> Result<(), StepError> {
        Ok(durable::remove_tree(&self.folder)?)
    }

    /// Returns the value in a file's bytes; `None` if the file is damaged.
    pub(crate) fn value_in(bytes: &[u8]) -> Option<StoredValue> {
        decode_file(bytes).map(|(_, _, stored)| stored)
    }
}

fn decode_file(bytes: &[u8]) -> Option<(SecretName, u64, StoredValue)> {
    // The parser's message could quote the value.
    let file: SecretFile = serde_json::from_slice(bytes).ok()?;
    let encoded = Zeroizing::new(file.value);
    let value = Zeroizing::new(STANDARD.decode(encoded.as_bytes()).ok()?);
    Some(((file.namespace, file.name), file.number, StoredValue { kind: file.kind, value }))
}

fn unusable(path: &Path, key: &SecretKey, problem: &str) -> StepError {
    let what = format!("the secret's file {} {problem}", path.display());
    let name = &key.secret.1;
    StepError::new(codes::SITE_SECRET_FILE, what)
        .hint(format!("Restore the file, or give the value again: `landfall configure --secret {name}=FILE`."))
}

/// Returns the entries of a folder; empty if it is missing.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, StepError> {
    let read = match fs_err::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(|error| files::file_error("list", folder, error))?,
    };
    let paths = read.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<std::io::Result<_>>().map_err(|error| files::file_error("list", folder, error))
}
