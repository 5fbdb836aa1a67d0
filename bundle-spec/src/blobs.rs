//! `blobs.json`: the files after the head, in the order of the archive.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::chunks::{BlobSums, ChunkValue, chunk_values_of};
use crate::digest::{Blake3, Sha256};
use crate::error::{Error, Result};
use crate::{json, limits};

/// The `type` of the document.
pub const BLOBS_DOCUMENT_TYPE: &str = "landfall.dev/blobs/1";

/// Name of the document in the bundle's head.
pub const BLOBS_DOCUMENT_NAME: &str = "blobs.json";

/// The files after the head, in the order of the archive. A value of this type has passed [`BlobsDocument::new`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobsDocument {
    entries: Vec<BlobEntry>,
}

/// A file after the head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlobEntry {
    /// Digest of the blob, which is its name.
    pub sha256: Sha256,
    /// Plain BLAKE3 of the blob. The bytes, or the chaining values of the chunks, are checked against it.
    pub blake3: Blake3,
    /// Size in bytes.
    pub size: u64,
    /// OCI media type.
    pub media_type: String,
    /// Place of the file in the archive, if it is not under `blobs/sha256/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Data for unpacking, for layers of images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerContents>,
}

/// The files after the head that are not named by their digest, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Place {
    /// `landfall`, the static program that installs the bundle.
    #[serde(rename = "landfall")]
    Installer,
    /// `oci-layout`.
    #[serde(rename = "oci-layout")]
    OciLayout,
    /// `index.json`, the OCI index of all images and artifacts.
    #[serde(rename = "index.json")]
    Index,
}

impl Place {
    /// All places, in the order of every archive.
    pub const ALL: [Self; 3] = [Self::Installer, Self::OciLayout, Self::Index];

    /// Name of the file in the archive.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Installer => "landfall",
            Self::OciLayout => "oci-layout",
            Self::Index => "index.json",
        }
    }
}

/// Data for unpacking a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerContents {
    /// SHA-256 of the layer's tar.
    pub diff_id: Sha256,
    /// Total bytes of its files.
    pub unpacked_bytes: u64,
    /// Number of files, folders and links.
    pub inodes: u64,
}

impl BlobEntry {
    /// Creates an entry for a blob under `blobs/sha256/`.
    pub fn blob(sums: &BlobSums, media_type: &str) -> Self {
        Self {
            sha256: sums.sha256,
            blake3: sums.blake3,
            size: sums.size,
            media_type: media_type.to_owned(),
            place: None,
            layer: None,
        }
    }

    /// Creates an entry for a file with its own place.
    pub fn with_place(sums: &BlobSums, media_type: &str, place: Place) -> Self {
        Self { place: Some(place), ..Self::blob(sums, media_type) }
    }

    /// Returns the entry with the layer's data for unpacking.
    #[must_use]
    pub fn with_layer(self, layer: LayerContents) -> Self {
        Self { layer: Some(layer), ..self }
    }

    /// Name in the archive; never a path to write to.
    pub fn name(&self) -> String {
        self.place.map_or_else(|| format!("blobs/sha256/{}", self.sha256.to_hex()), |place| place.name().to_owned())
    }

    /// Mode in the archive: only the installer is executable.
    pub const fn mode(&self) -> u32 {
        if matches!(self.place, Some(Place::Installer)) { 0o755 } else { 0o644 }
    }
}

/// The document in its encoded form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EncodedBlobs {
    #[serde(rename = "type")]
    document_type: String,
    entries: Vec<BlobEntry>,
}

impl BlobsDocument {
    /// Checks the entries and creates the document. The order must be `landfall`, `oci-layout` and `index.json`, then
    /// blobs, without duplicates.
    pub fn new(entries: Vec<BlobEntry>) -> Result<Self> {
        check(&entries)
            .map_err(|reason| Error::InvalidContents { what: format!("{BLOBS_DOCUMENT_NAME}: {reason}") })?;
        Ok(Self { entries })
    }

    /// Reads canonical bytes, and checks the entries as [`BlobsDocument::new`] does.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let encoded: EncodedBlobs = json::read_canonical(BLOBS_DOCUMENT_NAME, BLOBS_DOCUMENT_TYPE, bytes)?;
        check(&encoded.entries)
            .map_err(|reason| Error::InvalidDocument { name: BLOBS_DOCUMENT_NAME.to_owned(), source: reason.into() })?;
        Ok(Self { entries: encoded.entries })
    }

    /// Returns the canonical bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let encoded = EncodedBlobs { document_type: BLOBS_DOCUMENT_TYPE.to_owned(), entries: self.entries.clone() };
        json::to_canonical(BLOBS_DOCUMENT_NAME, &encoded)
    }

    /// The entries, in the order of the archive.
    pub fn entries(&self) -> &[BlobEntry] {
        &self.entries
    }

    /// Returns the file at a place.
    pub fn entry_at(&self, place: Place) -> &BlobEntry {
        &self.entries[place as usize]
    }

    /// Number of chaining values in `chunks.b3`.
    pub fn chunk_values(&self) -> u64 {
        self.entries.iter().map(|entry| chunk_values_of(entry.size)).sum()
    }
}

/// Returns the bytes of `chunks.b3`, given the chaining values of every entry, in order.
pub fn chunk_list_bytes<'a>(values: impl IntoIterator<Item = &'a [ChunkValue]>) -> Vec<u8> {
    values.into_iter().flatten().flatten().copied().collect()
}

fn check(entries: &[BlobEntry]) -> Result<(), String> {
    if entries.len() < Place::ALL.len() {
        return Err("landfall, oci-layout or index.json is missing".to_owned());
    }
    let mut names = HashSet::new();
    for (index, entry) in entries.iter().enumerate() {
        if entry.place != Place::ALL.get(index).copied() {
            return Err(format!("{} is in place {index}", entry.name()));
        }
        if entry.place.is_none() && !names.insert(entry.sha256) {
            return Err(format!("{} occurs twice", entry.sha256));
        }
        check_entry(entry)?;
    }
    Ok(())
}

fn check_entry(entry: &BlobEntry) -> Result<(), String> {
    if entry.size > limits::BLOB_BYTES {
        return Err(format!("{} has {} bytes", entry.sha256, entry.size));
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+/;=".contains(&byte);
    if !(1..=255).contains(&entry.media_type.len()) || !entry.media_type.bytes().all(is_name) {
        return Err(format!("{} has the media type `{}`", entry.sha256, entry.media_type.escape_default()));
    }
    if entry.place.is_some() && entry.layer.is_some() {
        return Err(format!("{} cannot be a layer", entry.name()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunks::BlobHasher;
    use landfall_error_codes::CodedError;

    fn entry(bytes: &[u8], place: Option<Place>) -> BlobEntry {
        let mut hasher = BlobHasher::new();
        hasher.update(bytes);
        BlobEntry { place, ..BlobEntry::blob(&hasher.finish(), "application/octet-stream") }
    }

    fn placed_entries() -> Vec<BlobEntry> {
        Place::ALL.map(|place| entry(place.name().as_bytes(), Some(place))).to_vec()
    }

    #[test]
    fn blob_order_and_uniqueness_are_enforced() {
        let mut entries = placed_entries();
        entries.push(entry(b"a", None));
        let document = BlobsDocument::new(entries.clone()).unwrap();
        assert_eq!(BlobsDocument::read(&document.to_bytes().unwrap()).unwrap(), document);
        assert_eq!(document.entry_at(Place::Index).name(), "index.json");

        let mut twice = entries.clone();
        twice.push(entry(b"a", None));
        let mut swapped = entries.clone();
        swapped.swap(0, 1);
        let mut early = entries.clone();
        early.swap(2, 3);
        let mut again = entries.clone();
        again.push(entry(b"b", Some(Place::Index)));
        let mut layer = entries.clone();
        layer[0].layer = Some(LayerContents { diff_id: Sha256([0; 32]), unpacked_bytes: 0, inodes: 0 });
        let mut media_type = entries;
        media_type[3].media_type = "a b".to_owned();
        for bad in [twice, swapped, early, again, layer, media_type, placed_entries()[..2].to_vec()] {
            assert_eq!(BlobsDocument::new(bad).unwrap_err().code().id, "LF1020");
        }
    }
}
