//! `landfall.json`: the only signed document. It binds all other documents by digest.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256 as Sha256Hasher};

use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::format::FORMAT;
use crate::names::{is_dns_label, is_document_name, is_version};
use crate::{json, limits};

/// The `type` of the document.
pub const LANDFALL_DOCUMENT_TYPE: &str = "landfall.dev/bundle/1";

/// Name of the document in the head; the first bytes of every bundle.
pub const LANDFALL_DOCUMENT_NAME: &str = "landfall.json";

/// Prefix of the `type` in every format.
const BUNDLE_TYPE_PREFIX: &str = "landfall.dev/bundle/";

/// Requirements that this crate knows, in addition to the format itself.
const KNOWN_REQUIREMENTS: [&str; 0] = [];

/// The identity of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name of the release, a DNS label.
    pub name: String,
    /// Version as the vendor writes it: letters, digits and `.+-_`, at most 64.
    pub version: String,
    /// Monotonic counter; sites refuse a lower one.
    pub counter: u64,
    /// Build time in UTC: `2026-11-20T08:16:00Z`.
    pub built_at: String,
}

/// Digest and size of a file of the head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// SHA-256 of the file.
    pub sha256: Sha256,
    /// Size in bytes.
    pub size: u64,
}

impl FileDigest {
    /// Digest and size of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: Sha256(Sha256Hasher::digest(bytes).into()), size: bytes.len() as u64 }
    }

    /// Returns true if the bytes are the file.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        *self == Self::of(bytes)
    }
}

/// Name, digest and size of a small document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedDigest {
    /// Name in the head, beginning with [`DOCUMENTS_FOLDER`](crate::names::DOCUMENTS_FOLDER).
    pub name: String,
    /// SHA-256 of the document.
    pub sha256: Sha256,
    /// Size in bytes.
    pub size: u64,
}

impl NamedDigest {
    /// Returns digest and size, without the name.
    pub const fn digest(&self) -> FileDigest {
        FileDigest { sha256: self.sha256, size: self.size }
    }
}

/// A feature that a reader must support to install the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The required feature.
    pub feature: String,
    /// First version of Landfall that supports the feature.
    pub landfall: String,
}

/// The program `landfall` in the bundle. This type is frozen: a reader of any version finds the program with these
/// fields alone, so that it can hand over a bundle that it does not understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Offset of its bytes from the first byte after the signature and trust area.
    pub offset: u64,
    /// SHA-256 of the program.
    pub sha256: Sha256,
    /// Size in bytes.
    pub size: u64,
}

/// The parts of a signed `landfall.json` of any version that a reader of any version understands, before it knows
/// whether it understands the rest. Frozen, like [`Program`].
#[derive(Debug, Clone)]
pub struct Announcement {
    /// Name of the release, as written; not checked.
    pub name: String,
    /// Version of the release, as written; not checked.
    pub version: String,
    /// The program `landfall` in the bundle, if it is declared in the frozen way.
    pub program: Option<Program>,
    format: Option<u64>,
    requires: Vec<Requirement>,
}

impl Announcement {
    /// Reads the frozen parts and ignores everything else, including the encoding. The bytes must have been signed. An
    /// unsigned bundle must neither make a reader run its program nor make a user look for a particular version.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let name = LANDFALL_DOCUMENT_NAME;
        let value = json::parse(name, bytes, json::Numbers::Any)?;
        let text = |value: &Value, field: &str| {
            let text = value.get(field).and_then(Value::as_str).unwrap_or_default();
            text.chars().take(ANNOUNCED_CHARACTERS).collect::<String>()
        };
        let document_type = text(&value, "type");
        if !document_type.starts_with(BUNDLE_TYPE_PREFIX) {
            let expected = LANDFALL_DOCUMENT_TYPE;
            return Err(Error::WrongType { name: name.to_owned(), found: document_type, expected });
        }
        let requirement =
            |value: &Value| Requirement { feature: text(value, "feature"), landfall: text(value, "landfall") };
        let requires = match value.get("requires") {
            None => Vec::new(),
            Some(Value::Array(list)) => list.iter().map(requirement).collect(),
            // Requirements in an unknown form count as one unknown requirement.
            Some(_) => vec![Requirement { feature: "requires".to_owned(), landfall: String::new() }],
        };
        Ok(Self {
            name: text(&value, "name"),
            version: text(&value, "version"),
            program: value.get("program").and_then(|program| serde_json::from_value(program.clone()).ok()),
            format: value.get("format").and_then(Value::as_u64).filter(|_| document_type == LANDFALL_DOCUMENT_TYPE),
            requires,
        })
    }

    /// Returns an error that names the first thing that this version does not understand.
    pub fn check(&self) -> Result<()> {
        if let Some(unknown) =
            self.requires.iter().find(|wanted| !KNOWN_REQUIREMENTS.contains(&wanted.feature.as_str()))
        {
            let Requirement { feature, landfall } = unknown.clone();
            return Err(Error::UnknownRequirement { feature, landfall });
        }
        match self.format {
            Some(FORMAT) => Ok(()),
            Some(other) => Err(Error::UnknownFormat { format: other.to_string() }),
            None => Err(Error::UnknownFormat { format: "none that this version can read".to_owned() }),
        }
    }
}

/// Maximum number of characters of a text taken from a document that is not understood.
const ANNOUNCED_CHARACTERS: usize = 100;

/// The document in its encoded form. Fields are sorted as in the canonical encoding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleDocument {
    /// Digest and size of `blobs.json`.
    pub blobs: FileDigest,
    /// Build time in UTC.
    pub built_at: String,
    /// Digest and size of `chunks.b3`.
    pub chunks: FileDigest,
    /// Monotonic counter; sites refuse a lower one.
    pub counter: u64,
    /// The small documents in the order of the head: names sorted by their bytes.
    pub documents: Vec<NamedDigest>,
    /// Always [`FORMAT`].
    pub format: u64,
    /// Name of the release.
    pub name: String,
    /// Bytes of the stream from the header of `blobs.json` to the end.
    pub payload_bytes: u64,
    /// The program `landfall` in the bundle: the first blob, and its offset.
    pub program: Program,
    /// Features that a reader must support.
    pub requires: Vec<Requirement>,
    /// Always [`LANDFALL_DOCUMENT_TYPE`].
    #[serde(rename = "type")]
    pub document_type: String,
    /// Version of the release.
    pub version: String,
}

impl BundleDocument {
    /// Reads canonical bytes. Requirements are checked elsewhere: see [`Announcement::check`].
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let name = LANDFALL_DOCUMENT_NAME;
        let value = json::parse(name, bytes, json::Numbers::Integers)?;
        json::check_type(name, LANDFALL_DOCUMENT_TYPE, &value)?;
        match value.get("format") {
            Some(format) if format.as_u64() == Some(FORMAT) => {}
            other => {
                let format = other.map_or_else(|| "none".to_owned(), Value::to_string).chars().take(40).collect();
                return Err(Error::UnknownFormat { format });
            }
        }
        json::check_canonical(name, &value, bytes)?;
        let document: Self = json::from_value(name, value)?;
        document.check().map_err(|reason| Error::InvalidDocument { name: name.to_owned(), source: reason.into() })?;
        Ok(document)
    }

    /// Checks all fields, then encodes the document.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let name = LANDFALL_DOCUMENT_NAME;
        self.check().map_err(|reason| Error::InvalidContents { what: format!("{name}: {reason}") })?;
        let bytes = json::to_canonical(name, self)?;
        if bytes.len() as u64 > limits::LANDFALL_DOCUMENT_BYTES {
            let what = format!("{name} would have {} bytes: too many documents", bytes.len());
            return Err(Error::InvalidContents { what });
        }
        Ok(bytes)
    }

    /// Returns the identity of the release.
    pub fn identity(&self) -> Identity {
        Identity {
            name: self.name.clone(),
            version: self.version.clone(),
            counter: self.counter,
            built_at: self.built_at.clone(),
        }
    }

    fn check(&self) -> Result<(), String> {
        if !is_dns_label(&self.name) {
            return Err(format!("the name `{}` is not a DNS label", self.name.escape_default()));
        }
        if !is_version(&self.version) {
            return Err(format!("the version `{}` is malformed", self.version.escape_default()));
        }
        if !is_timestamp(&self.built_at) {
            return Err(format!(
                "built_at `{}` is not of the form 2026-11-20T08:16:00Z",
                self.built_at.escape_default()
            ));
        }
        for requirement in &self.requires {
            if !is_dns_label(&requirement.feature) || !is_version(&requirement.landfall) {
                return Err(format!("the requirement `{}` is malformed", requirement.feature.escape_default()));
            }
        }
        self.check_sizes()?;
        if !self.documents.is_sorted_by(|one, next| one.name < next.name) {
            return Err("the documents are not sorted by name, or one occurs twice".to_owned());
        }
        match self.documents.iter().find(|document| !is_document_name(&document.name)) {
            Some(bad) => Err(format!("`{}` is not the name of a document", bad.name.escape_default())),
            None => Ok(()),
        }
    }

    fn check_sizes(&self) -> Result<(), String> {
        let documents: u64 = self.documents.iter().map(|document| document.size).fold(0, u64::saturating_add);
        let largest = self.documents.iter().map(|document| document.size).max().unwrap_or_default();
        for (what, size, limit) in [
            ("blobs.json", self.blobs.size, limits::BLOBS_DOCUMENT_BYTES),
            ("chunks.b3", self.chunks.size, limits::CHUNK_LIST_BYTES),
            ("a document", largest, limits::DOCUMENT_BYTES),
            ("all documents together", documents, limits::DOCUMENTS_BYTES),
        ] {
            if size > limit {
                return Err(format!("{what} with {size} bytes is above the limit of {limit}"));
            }
        }
        Ok(())
    }
}

/// Returns true for `YYYY-MM-DDTHH:MM:SSZ`, if such a time exists; leap seconds are not accepted.
fn is_timestamp(text: &str) -> bool {
    let shape = b"0000-00-00T00:00:00Z";
    let same = |(byte, shape): (u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == *shape };
    if text.len() != shape.len() || !text.bytes().zip(shape).all(same) {
        return false;
    }
    let number = |range: std::ops::Range<usize>| text[range].parse::<u32>().unwrap_or(u32::MAX);
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day) && number(11..13) < 24 && number(14..16) < 60 && number(17..19) < 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_timestamps_are_validated() {
        for good in ["documents/release.json", "documents/objects/postgres-17.json", "documents/a"] {
            assert!(is_document_name(good), "{good}");
        }
        let long = format!("documents/{}", "a".repeat(91));
        for bad in [
            "documents/",
            "documents/../a",
            "documents//a",
            "documents/A",
            "documents/.a",
            "/documents/a",
            "a",
            "documents/a\0",
            &long,
        ] {
            assert!(!is_document_name(bad), "{bad}");
        }
        for good in ["2026-11-20T08:16:00Z", "2024-02-29T23:59:59Z", "2000-02-29T00:00:00Z"] {
            assert!(is_timestamp(good), "{good}");
        }
        for bad in [
            "2026-11-20T08:16:00",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01t00:00:00Z",
            "",
        ] {
            assert!(!is_timestamp(bad), "{bad}");
        }
    }
}
