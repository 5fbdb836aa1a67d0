//! Writes a support bundle. All added content passes through the redactor.

use std::collections::BTreeSet;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{MAX_BYTES, MAX_FILE_BYTES, MAX_FILES, MAX_NAME, MAX_PART};
use crate::index::{CollectorRecord, FileRecord, INDEX, Index, KIND, Redaction, SCHEMA, Truncation};
use crate::redact::Redactor;

/// Reason why a file cannot be added, or the archive cannot be finished.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The limits of a bundle are reached: the file is omitted, the bundle remains valid.
    #[error("{name} is left out, because a support bundle has at most {MAX_FILES} files and {} MiB", MAX_BYTES >> 20)]
    Full {
        /// Name of the file.
        name: String,
    },
    /// The archive cannot be written.
    #[error("the support bundle cannot be written")]
    Io(#[from] io::Error),
}

/// Metadata of the index, without the files.
#[derive(Debug)]
pub struct Head {
    /// Time of the collection, RFC 3339 in UTC.
    pub collected_at: String,
    /// Version of the `landfall` that collects.
    pub landfall: String,
    /// Period of the logs, in seconds before the collection.
    pub since_seconds: u64,
    /// Reasons why the values of some secrets are unknown.
    pub unknown: Vec<String>,
    /// Results of the collectors.
    pub collectors: Vec<CollectorRecord>,
}

/// A support bundle during writing.
pub struct Writer<W: Write> {
    tar: tar::Builder<GzEncoder<W>>,
    redactor: Redactor,
    modified: u64,
    files: Vec<FileRecord>,
    names: BTreeSet<String>,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    /// Starts a bundle; `modified` is the time of its files, in seconds since 1970.
    pub fn new(output: W, redactor: Redactor, modified: u64) -> Self {
        let tar = tar::Builder::new(GzEncoder::new(output, Compression::default()));
        Self { tar, redactor, modified, files: Vec::new(), names: BTreeSet::new(), bytes: 0 }
    }

    /// Adds a text; if it is too long, only its newest lines.
    pub fn add_text(&mut self, name: &str, text: &[u8], truncated: Option<Truncation>) -> Result<(), WriteError> {
        let mut redacted = self.redactor.bytes(text);
        let is_long = redacted.len() > MAX_FILE_BYTES;
        if is_long {
            redacted.drain(..redacted.len() - MAX_FILE_BYTES);
            drop_cut_line(&mut redacted);
        }
        self.append(name, &redacted, truncated.or(is_long.then_some(Truncation::Beginning)))
    }

    /// Adds a document.
    pub fn add_document(&mut self, name: &str, mut document: Value) -> Result<(), WriteError> {
        self.redactor.value(&mut document);
        let mut text = serde_json::to_vec_pretty(&document).map_err(io::Error::from)?;
        text.push(b'\n');
        if text.len() > MAX_FILE_BYTES {
            return Err(WriteError::Full { name: name.to_owned() });
        }
        self.append(name, &text, None)
    }

    /// Adds documents, one per line; if there are too many, the last ones are omitted.
    pub fn add_lines(&mut self, name: &str, documents: impl IntoIterator<Item = Value>) -> Result<(), WriteError> {
        let (mut text, mut truncated) = (Vec::new(), None);
        for mut document in documents {
            self.redactor.value(&mut document);
            let line = serde_json::to_vec(&document).map_err(io::Error::from)?;
            if text.len() + line.len() >= MAX_FILE_BYTES {
                truncated = Some(Truncation::End);
                continue;
            }
            text.extend(line);
            text.push(b'\n');
        }
        self.append(name, &text, truncated)
    }

    fn append(&mut self, name: &str, bytes: &[u8], truncated: Option<Truncation>) -> Result<(), WriteError> {
        let name = plain_name(&self.redactor.text(name));
        let is_new = !self.names.contains(&name);
        if !is_new
            || self.files.len() >= MAX_FILES - 1
            || self.bytes + bytes.len() as u64 > MAX_BYTES - MAX_FILE_BYTES as u64
        {
            return Err(WriteError::Full { name });
        }
        self.write(&name, bytes)?;
        self.bytes += bytes.len() as u64;
        self.names.insert(name.clone());
        let sha256 = hex::encode(Sha256::digest(bytes));
        self.files.push(FileRecord { name, size_bytes: bytes.len() as u64, sha256, truncated });
        Ok(())
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_path(name)?;
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(self.modified);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        self.tar.append(&header, bytes)
    }

    /// Finishes the bundle with its index. The bytes are in the output, which the caller syncs.
    pub fn finish(mut self, head: Head) -> Result<(W, Index), WriteError> {
        let texts = |texts: Vec<String>| texts.iter().map(|text| self.redactor.text(text)).collect::<Vec<_>>();
        let collectors =
            head.collectors.into_iter().map(|one| CollectorRecord { failures: texts(one.failures), ..one });
        let index = Index {
            collected_at: head.collected_at,
            landfall: head.landfall,
            since_seconds: head.since_seconds,
            redaction: Redaction { known_values: self.redactor.known_values(), unknown: texts(head.unknown) },
            collectors: collectors.collect(),
            files: std::mem::take(&mut self.files),
        };
        let mut document = serde_json::to_value(&index).map_err(io::Error::from)?;
        document["kind"] = KIND.into();
        document["schema"] = SCHEMA.into();
        let mut text = serde_json::to_vec_pretty(&document).map_err(io::Error::from)?;
        text.push(b'\n');
        self.write(INDEX, &text)?;
        Ok((self.tar.into_inner()?.finish()?, index))
    }
}

/// Removes the first line of a truncated text, because it may start within a secret.
fn drop_cut_line(text: &mut Vec<u8>) {
    let end = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1);
    text.drain(..end);
}

/// Converts a name to letters, digits and `-_.`, in folders, so that no part of it is special for a terminal, a shell
/// or a filesystem.
fn plain_name(name: &str) -> String {
    let parts = name.split('/').filter(|part| !part.is_empty()).map(|part| {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '-' };
        let text: String = part.chars().map(plain).collect();
        let text = if text.trim_matches('.').is_empty() { "-".to_owned() } else { text };
        if text.len() <= MAX_PART { text } else { shorten_name(&text, MAX_PART) }
    });
    let name = parts.collect::<Vec<_>>().join("/");
    // ustar splits a name at a slash into at most 155 and 100 bytes; a name that does not fit loses its folders.
    let mut header = tar::Header::new_ustar();
    if name.len() <= MAX_NAME && header.set_path(&name).is_ok() {
        name
    } else {
        shorten_name(&name.replace('/', "-"), MAX_PART)
    }
}

/// Truncates a long name, and appends a digest of the complete name.
fn shorten_name(name: &str, length: usize) -> String {
    format!("{}-{}", &name[..length - 13], &hex::encode(Sha256::digest(name))[..12])
}
