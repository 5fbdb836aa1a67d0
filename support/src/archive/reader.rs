//! Reading a support bundle that anyone may have made: a gzip stream that expands without end, a tar with links, devices, long or
//! double names, sizes that lie, an index that does not describe the files. Nothing is written to a disk; memory is bounded by
//! [`MAX_BYTES`].

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::GzDecoder;
use landfall_error_codes::{Code, Coded, codes};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{MAX_BYTES, MAX_FILE_BYTES, MAX_FILES, MAX_NAME};
use crate::index::{INDEX, Index, KIND, SCHEMA};

/// A support bundle that was read and is whole: each file is what the index says.
#[derive(Debug)]
pub struct Contents {
    /// Its index.
    pub index: Index,
    /// The files by name, without the index.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Why a file is no support bundle, or not a whole one.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read, or is no tar in gzip.
    #[error("the support bundle cannot be read")]
    Io(#[from] io::Error),
    /// It is larger than any that Landfall writes.
    #[error("the support bundle is larger than any that Landfall makes: more than {what}")]
    TooLarge {
        /// Of what there is too much.
        what: String,
    },
    /// It holds what Landfall does not write.
    #[error("the support bundle holds {what}, which Landfall never writes")]
    Foreign {
        /// What it holds.
        what: String,
    },
    /// Index and files differ.
    #[error("the support bundle is damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: String,
    },
    /// It has another form.
    #[error("the support bundle has form {schema}, and this landfall reads form {SCHEMA}")]
    Newer {
        /// Its form.
        schema: u64,
    },
}

impl Coded for ReadError {
    fn code(&self) -> Code {
        codes::SUPPORT_UNREADABLE
    }
}

/// Reads all of a support bundle.
pub fn read(input: impl Read) -> Result<Contents, ReadError> {
    let mut archive = tar::Archive::new(GzDecoder::new(input).take(MAX_BYTES + (MAX_FILES as u64) * 1024));
    let mut files = BTreeMap::new();
    let mut total = 0;
    // Raw: names and sizes come from the headers themselves, and no extension of tar is followed.
    for entry in archive.entries()?.raw(true) {
        let entry = entry?;
        let name = name_of(&entry)?;
        let size = entry.size();
        // A header may name any size.
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
    let name =
        String::from_utf8(entry.path_bytes().into_owned()).map_err(|_| foreign("a name that is no text".to_owned()))?;
    if entry.header().entry_type() != tar::EntryType::Regular {
        return Err(foreign("what is no plain file".to_owned()));
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
        return Err(ReadError::Damaged { what: format!("{INDEX} is no index of a support bundle") });
    }
    match document["schema"].as_u64() {
        Some(schema) if schema == u64::from(SCHEMA) => serde_json::from_value(document).map_err(damaged),
        schema => Err(ReadError::Newer { schema: schema.unwrap_or_default() }),
    }
}

/// Each file is described, and each described file is there.
fn compare(index: &Index, files: &BTreeMap<String, Vec<u8>>) -> Result<(), ReadError> {
    let damaged = |what: String| Err(ReadError::Damaged { what });
    for record in &index.files {
        let Some(bytes) = files.get(&record.name) else { return damaged(format!("{} is missing", record.name)) };
        if bytes.len() as u64 != record.size_bytes || hex::encode(Sha256::digest(bytes)) != record.sha256 {
            return damaged(format!("{} is not what {INDEX} says", record.name));
        }
    }
    if index.files.len() != files.len() {
        return damaged(format!("there are files of which {INDEX} does not know"));
    }
    Ok(())
}
