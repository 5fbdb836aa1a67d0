//! Reads a support bundle from an untrusted source.
//!
//! Threats: a gzip stream that expands without end; a tar with links, devices, overlong or duplicate names, or false
//! sizes; an index that does not describe the files. Nothing is written to disk; memory is bounded by [`MAX_BYTES`].

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::GzDecoder;
use landfall_error_codes::{Code, CodedError, codes};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{MAX_BYTES, MAX_FILE_BYTES, MAX_FILES, MAX_NAME};
use crate::index::{INDEX, Index, KIND, SCHEMA};

/// A complete support bundle: each file matches the index.
#[derive(Debug)]
pub struct Contents {
    /// Index of the bundle.
    pub index: Index,
    /// Files by name, without the index.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Reason why a file is not a complete support bundle.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read, or is not a gzipped tar.
    #[error("the support bundle cannot be read")]
    Io(#[from] io::Error),
    /// The file is larger than any that Landfall writes.
    #[error("the support bundle is larger than any that Landfall makes: more than {what}")]
    TooLarge {
        /// The exceeded limit.
        what: String,
    },
    /// The file contains something that Landfall does not write.
    #[error("the support bundle holds {what}, which Landfall never writes")]
    Foreign {
        /// Description of the content.
        what: String,
    },
    /// Index and files differ.
    #[error("the support bundle is damaged: {what}")]
    Damaged {
        /// Description of the damage.
        what: String,
    },
    /// The file has another schema version.
    #[error("the support bundle has form {schema}, and this landfall reads form {SCHEMA}")]
    Newer {
        /// Schema version of the file.
        schema: u64,
    },
}

impl CodedError for ReadError {
    fn code(&self) -> Code {
        codes::SUPPORT_UNREADABLE
    }
}

/// Reads a support bundle completely.
pub fn read(input: impl Read) -> Result<Contents, ReadError> {
    let mut archive = tar::Archive::new(GzDecoder::new(input).take(MAX_BYTES + (MAX_FILES as u64) * 1024));
    let mut files = BTreeMap::new();
    let mut total = 0;
    // Raw mode: names and sizes come from the headers, and tar extensions are not followed.
    for entry in archive.entries()?.raw(true) {
        let entry = entry?;
        let name = name_of(&entry)?;
        let size = entry.size();
        // A header may state any size.
        total = size.saturating_add(total);
        let what = match () {
            () if files.len() >= MAX_FILES => Some(format!("{MAX_FILES} files")),
            () if size > MAX_FILE_BYTES as u64 => Some(format!("{} MiB in {name}", MAX_FILE_BYTES >> 20)),
            () if total > MAX_BYTES => Some(format!("{} MiB", MAX_BYTES >> 20)),
            () => None,
        };
        if let Some(what) = what {
            return Err(ReadError::TooLarge { what });
        }
        let mut bytes = Vec::new();
        entry.take(size).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != size {
            return Err(ReadError::Damaged { what: format!("{name} is cut off") });
        }
        if files.contains_key(&name) {
            return Err(ReadError::Foreign { what: format!("two files {name}") });
        }
        files.insert(name, bytes);
    }
    let index = files.remove(INDEX).ok_or_else(|| ReadError::Damaged { what: format!("{INDEX} is missing") })?;
    let index = index_of(&index)?;
    compare(&index, &files)?;
    Ok(Contents { index, files })
}

fn name_of(entry: &tar::Entry<'_, impl Read>) -> Result<String, ReadError> {
    let foreign = |what: String| ReadError::Foreign { what };
    let name = String::from_utf8(entry.path_bytes().into_owned())
        .map_err(|_| foreign("a name that is not text".to_owned()))?;
    if entry.header().entry_type() != tar::EntryType::Regular {
        return Err(foreign("what is not a plain file".to_owned()));
    }
    let is_plain = |part: &str| {
        !part.trim_matches('.').is_empty()
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
    };
    if name.len() > MAX_NAME || !name.split('/').all(is_plain) {
        return Err(foreign("a name with other characters than letters, digits and `-_.`".to_owned()));
    }
    Ok(name)
}

fn index_of(bytes: &[u8]) -> Result<Index, ReadError> {
    let damaged = |error: serde_json::Error| ReadError::Damaged { what: format!("{INDEX}: {error}") };
    let document: Value = serde_json::from_slice(bytes).map_err(damaged)?;
    if document["kind"] != KIND {
        return Err(ReadError::Damaged { what: format!("{INDEX} is not an index of a support bundle") });
    }
    match document["schema"].as_u64() {
        Some(schema) if schema == u64::from(SCHEMA) => serde_json::from_value(document).map_err(damaged),
        schema => Err(ReadError::Newer { schema: schema.unwrap_or_default() }),
    }
}

/// Checks that each file is in the index, and that each file in the index exists.
fn compare(index: &Index, files: &BTreeMap<String, Vec<u8>>) -> Result<(), ReadError> {
    let damaged = |what: String| Err(ReadError::Damaged { what });
    for record in &index.files {
        let Some(bytes) = files.get(&record.name) else { return damaged(format!("{} is missing", record.name)) };
        if bytes.len() as u64 != record.size_bytes || hex::encode(Sha256::digest(bytes)) != record.sha256 {
            return damaged(format!("{} is not what {INDEX} says", record.name));
        }
    }
    if index.files.len() != files.len() {
        return damaged(format!("there are files that {INDEX} does not list"));
    }
    Ok(())
}
