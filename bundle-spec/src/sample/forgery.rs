//! A disassembled bundle that tests change and reassemble: it could come from a vendor with a broken program, or from
//! an attacker with a tar writer.

use serde_json::Value;

use super::Sample;
use crate::archive::{self, file_bytes, padding_bytes};
use crate::error::Result;
use crate::head::{FileDigest, LANDFALL_DOCUMENT_NAME};
use crate::json;
use crate::trust::{SignatureFile, SigningKey, signature_file_name};

/// A disassembled bundle. The reassembled one is not checked.
#[derive(Debug, Clone)]
pub struct Forgery {
    /// Names and contents of the files of the head, in order.
    pub files: Vec<(String, Vec<u8>)>,
    /// The bytes after the head.
    pub payload: Vec<u8>,
}

impl Forgery {
    /// Disassembles a sample.
    pub fn of(sample: &Sample) -> Self {
        let head = sample.head.bytes();
        let mut files = Vec::new();
        let mut rest = head;
        while let Some((header, after)) = rest.split_first_chunk() {
            let Some((name, size)) = archive::read_header(header) else {
                break;
            };
            let (contents, after) = after.split_at(usize::try_from(size).unwrap_or_default().min(after.len()));
            files.push((name, contents.to_vec()));
            rest = &after[usize::try_from(padding_bytes(size)).unwrap_or_default().min(after.len())..];
        }
        Self { files, payload: sample.stream().split_off(head.len()) }
    }

    /// Returns the contents of a file of the head; empty if the file is missing.
    pub fn contents(&self, name: &str) -> &[u8] {
        self.files.iter().find(|(file, _)| file == name).map_or(&[], |(_, contents)| contents)
    }

    /// Inserts a file before the first file of the head whose name begins with `prefix`.
    #[must_use]
    pub fn insert_before(mut self, prefix: &str, name: &str, contents: &[u8]) -> Self {
        let place = self.files.iter().position(|(file, _)| file.starts_with(prefix)).unwrap_or(self.files.len());
        self.files.insert(place, (name.to_owned(), contents.to_vec()));
        self
    }

    /// Turns the bundle into one of an imagined later format, which this version must not mistake for its own: an
    /// unknown requirement, unknown fields and unknown files in the head. The frozen parts are correct. The result is
    /// unsigned.
    pub fn of_the_future(self) -> Result<Self> {
        let (name, contents) = ("parity.json", br#"{"type":"landfall.dev/parity/1"}"#);
        let moved = file_bytes(contents.len() as u64);
        let forgery = self.insert_before("blobs.json", name, contents);
        let forgery = forgery.edit_any(LANDFALL_DOCUMENT_NAME, |landfall| {
            let offset = landfall["program"]["offset"].as_u64().unwrap_or_default();
            landfall["program"]["offset"] = (offset + moved).into();
            landfall["program"]["signed"] = true.into();
            landfall["requires"] =
                serde_json::json!([{ "feature": "parity", "landfall": "2.0.0", "why": "a part may be lost" }]);
            landfall["parity"] = serde_json::json!({ "ratio": 0.25, "files": [name] });
        })?;
        Ok(forgery)
    }

    /// Changes a JSON file of the head, and encodes it in a way that only a later format may use.
    fn edit_any(self, name: &str, change: impl FnOnce(&mut Value)) -> Result<Self> {
        let mut value = json::parse(name, self.contents(name), json::Numbers::Any)?;
        change(&mut value);
        let text = format!("{value:#}");
        Ok(self.with(name, text.as_bytes()))
    }

    /// Replaces the contents of a file of the head.
    #[must_use]
    pub fn with(mut self, name: &str, contents: &[u8]) -> Self {
        self.files.iter_mut().filter(|(file, _)| file == name).for_each(|(_, old)| *old = contents.to_vec());
        self
    }

    /// Changes a JSON file of the head and encodes it canonically.
    pub fn edit(self, name: &str, change: impl FnOnce(&mut Value)) -> Result<Self> {
        let mut value = json::parse(name, self.contents(name), json::Numbers::Any)?;
        change(&mut value);
        let contents = json::to_canonical(name, &value)?;
        Ok(self.with(name, &contents))
    }

    /// Removes the files of the head whose names begin with `prefix`.
    #[must_use]
    pub fn without(mut self, prefix: &str) -> Self {
        self.files.retain(|(name, _)| !name.starts_with(prefix));
        self
    }

    /// Makes `landfall.json` match the files: digests, sizes and the length of the payload.
    pub fn bind(self) -> Result<Self> {
        let first = self.files.iter().position(|(name, _)| name == "blobs.json").unwrap_or_default();
        let (blobs, chunks) = (FileDigest::of(self.contents("blobs.json")), FileDigest::of(self.contents("chunks.b3")));
        let after: u64 = self.files[first..].iter().map(|(_, contents)| file_bytes(contents.len() as u64)).sum();
        let payload = after + self.payload.len() as u64;
        // The header of the program follows the head.
        let offset = after + archive::BLOCK_BYTES;
        let documents: Vec<_> = self.files.iter().filter(|(name, _)| name.starts_with("documents/")).cloned().collect();
        self.edit(LANDFALL_DOCUMENT_NAME, |landfall| {
            landfall["blobs"] = serde_json::json!(blobs);
            landfall["chunks"] = serde_json::json!(chunks);
            landfall["payload_bytes"] = payload.into();
            landfall["program"]["offset"] = offset.into();
            let named = documents.iter().map(|(name, contents)| {
                let digest = FileDigest::of(contents);
                serde_json::json!({ "name": name, "sha256": digest.sha256, "size": digest.size })
            });
            landfall["documents"] = named.collect();
        })
    }

    /// Replaces all signatures by one of this key over the current `landfall.json`.
    pub fn sign(self, key: &SigningKey) -> Result<Self> {
        let message = self.contents(LANDFALL_DOCUMENT_NAME).to_vec();
        let file = SignatureFile::sign(key, &message)?;
        let mut forgery = self.without("signatures/");
        forgery.files.insert(1, (signature_file_name(file.key()), file.to_bytes()?));
        Ok(forgery)
    }

    /// Adds a signature of this key to the existing ones.
    pub fn sign_beside(mut self, key: &SigningKey) -> Result<Self> {
        let file = SignatureFile::sign(key, self.contents(LANDFALL_DOCUMENT_NAME))?;
        let (name, contents) = (signature_file_name(file.key()), file.to_bytes()?);
        let after = |other: &str| !other.starts_with("signatures/") || *other > *name;
        let place = self.files.iter().skip(1).position(|(other, _)| after(other)).map_or(self.files.len(), |at| at + 1);
        self.files.insert(place, (name, contents));
        Ok(self)
    }

    /// Returns the bytes of the head.
    pub fn head(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, contents) in &self.files {
            bytes.extend_from_slice(&archive::header(name, contents.len() as u64, 0o644));
            bytes.extend_from_slice(contents);
            let padding = usize::try_from(padding_bytes(contents.len() as u64)).unwrap_or_default();
            bytes.resize(bytes.len() + padding, 0);
        }
        bytes
    }

    /// Returns the bytes of the whole stream.
    pub fn stream(&self) -> Vec<u8> {
        [self.head(), self.payload.clone()].concat()
    }
}
