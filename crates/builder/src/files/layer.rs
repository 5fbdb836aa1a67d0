//! Takes all files of a layer that is an archive into the content store.
//!
//! Threats: an archive may contain links, names that lead elsewhere, a name twice, or names and attributes that fill
//! memory. It may contain more bytes than any disk holds, or be truncated. No name in it becomes a path here. Only
//! regular files are taken, bytes and members are counted, and data between members is bounded. One invalid member
//! makes the whole layer fail.

use std::cell::Cell;
use std::collections::HashSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use landfall_bundle_spec::{Sha256, limits};
use landfall_error_codes::codes;
use landfall_media::store::{ContentStore, ExpectedBlob};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::archive::{Limits, ingest, is_sparse, kind_name};
use crate::compression::Compression;
use crate::error::{BuildError, Result};
use crate::paths::is_plain_path;
use crate::record;
use crate::unpacked::BEFORE_ENTRY_BYTES;

const RECORD_TYPE: &str = "landfall.dev/unpacked/1";

/// Maximum ratio of unpacked to compressed size, for layers above [`LEAST_BYTES`]: weights hardly shrink.
const EXPANSION: u64 = 8;
const LEAST_BYTES: u64 = 16 << 30;

/// The content of an unpacked layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// SHA-256 of the archive after decompression.
    pub diff_id: Sha256,
    /// Files, in the order of the archive.
    pub files: Vec<LayerFile>,
}

/// A file of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerFile {
    /// Relative path.
    pub path: String,
    /// SHA-256 of the file.
    pub digest: Sha256,
    /// Size in bytes.
    pub size: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    #[serde(rename = "type")]
    document_type: String,
    layer: Layer,
}

/// Limits for unpacking a layer of this size.
pub fn limits_of(layer: ExpectedBlob) -> Limits {
    let unpacked_bytes = layer.size.saturating_mul(EXPANSION).max(LEAST_BYTES);
    Limits { entries: 10_000, member_bytes: limits::BLOB_BYTES, unpacked_bytes }
}

/// Files of a layer in the store: from its record if they are in the store, otherwise by unpacking.
///
/// On return, they are in the store and synced to disk. `name` is the layer's name in messages.
///
/// # Errors
///
/// `ARTIFACT_ARCHIVE` if the layer is not an archive, exceeds a limit, or has a member that is not a plain file or
/// folder below it.
pub fn unpack(
    store: &ContentStore,
    name: &str,
    layer: ExpectedBlob,
    compression: Compression,
    limits: Limits,
) -> Result<Layer> {
    let path = record_path(store, layer.digest);
    // A record without files may be that of an empty file, which earlier versions accepted as an archive.
    if let Some(known) = read_record(&path)
        && !known.files.is_empty()
        && known.files.iter().all(|file| store.contains(file.digest))
    {
        return Ok(known);
    }
    let before_member = Cell::new(u64::MAX);
    let mut taking =
        LayerUnpacking { store, name, limits, before_member: &before_member, files: Vec::new(), paths: HashSet::new() };
    let mut archive = tar::Archive::new(BoundedReader {
        reader: compression.reader(store.open(layer.digest)?),
        hasher: sha2::Sha256::new(),
        left: limits.unpacked_bytes,
        before_member: &before_member,
    });
    taking.all(&mut archive)?;
    // The tar archive may end before the layer does: truncation and damage show only at its end, and the digest covers
    // all of it.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(|error| taking.unpack_error(error))?;
    if rest.left == limits.unpacked_bytes {
        // An empty file labeled as an archive would be missing at the site.
        return Err(taking.refuse("is empty, which no archive is"));
    }
    let unpacked = Layer { diff_id: Sha256(rest.hasher.finalize().into()), files: taking.files };
    write_record(&path, unpacked.clone())?;
    Ok(unpacked)
}

struct LayerUnpacking<'a> {
    store: &'a ContentStore,
    name: &'a str,
    limits: Limits,
    before_member: &'a Cell<u64>,
    files: Vec<LayerFile>,
    paths: HashSet<String>,
}

impl LayerUnpacking<'_> {
    fn refuse(&self, what: impl std::fmt::Display) -> BuildError {
        BuildError::new(codes::ARTIFACT_ARCHIVE, format!("{} {what}", self.name))
    }

    fn unpack_error(&self, error: io::Error) -> BuildError {
        self.refuse("cannot be unpacked").because(error)
    }

    fn all(&mut self, archive: &mut tar::Archive<BoundedReader<'_>>) -> Result<()> {
        let mut entries = archive.entries().map_err(|error| self.unpack_error(error))?;
        let mut count = 0;
        loop {
            self.before_member.set(BEFORE_ENTRY_BYTES);
            let entry = entries.next();
            self.before_member.set(u64::MAX);
            let Some(entry) = entry else { return Ok(()) };
            count += 1;
            if count > self.limits.entries {
                return Err(self.refuse(format_args!("has more than {} members", self.limits.entries)));
            }
            self.entry(entry.map_err(|error| self.unpack_error(error))?)?;
        }
    }

    /// Takes a member; reads all of its bytes.
    fn entry<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> Result<()> {
        let kind = entry.header().entry_type();
        if !kind.is_pax_global_extensions() {
            let path = self.path(&entry.path_bytes(), kind)?;
            if !kind.is_dir() {
                return self.file(entry, path);
            }
        }
        io::copy(&mut entry, &mut io::sink()).map_err(|error| self.unpack_error(error))?;
        Ok(())
    }

    /// Path of a member, checked to stay below the target folder.
    fn path(&self, bytes: &[u8], kind: tar::EntryType) -> Result<String> {
        let leads_out = || {
            let written = String::from_utf8_lossy(bytes);
            self.refuse(format_args!("has a member `{}` that leads out of it, or nowhere", written.escape_default()))
        };
        let written = std::str::from_utf8(bytes).map_err(|_| leads_out())?;
        let mut path = written;
        while let Some(rest) = path.strip_prefix("./") {
            path = rest;
        }
        if kind.is_dir() {
            path = path.trim_end_matches('/');
            if matches!(path, "" | ".") && !written.starts_with('/') {
                return Ok(String::new());
            }
        }
        if !is_plain_path(path) {
            return Err(leads_out());
        }
        Ok(path.to_owned())
    }

    fn file<R: Read>(&mut self, mut entry: tar::Entry<'_, R>, path: String) -> Result<()> {
        let (kind, size) = (entry.header().entry_type(), entry.size());
        let sparse = is_sparse(&mut entry).map_err(|error| self.unpack_error(error))?;
        if kind != tar::EntryType::Regular || sparse {
            return Err(self.refuse(format_args!("has `{path}` as {}, not as a plain file", kind_name(kind))));
        }
        if size > self.limits.member_bytes {
            let limit = self.limits.member_bytes;
            return Err(self.refuse(format_args!("has `{path}` of {size} bytes, more than {limit}")));
        }
        if !self.paths.insert(path.clone()) {
            return Err(self.refuse(format_args!("has `{path}` twice")));
        }
        let digest = ingest(self.store, &mut entry, |error| self.unpack_error(error))?;
        self.files.push(LayerFile { path, digest, size });
        Ok(())
    }
}

/// A reader that computes the digest and fails beyond its limits.
struct BoundedReader<'a> {
    reader: Box<dyn Read + 'a>,
    hasher: sha2::Sha256,
    /// Remaining bytes of the whole archive.
    left: u64,
    /// Remaining bytes before the next member.
    before_member: &'a Cell<u64>,
}

impl Read for BoundedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        let refused = |what: &str| io::Error::other(what.to_owned());
        let taken = |left: u64| left.checked_sub(count as u64);
        self.left = taken(self.left).ok_or_else(|| refused("it unpacks to more bytes than are allowed"))?;
        let before = taken(self.before_member.get());
        self.before_member.set(before.ok_or_else(|| refused("a member's name or attributes are too long"))?);
        Ok(count)
    }
}

fn record_path(store: &ContentStore, layer: Sha256) -> PathBuf {
    record::path(store, "unpacked", layer)
}

/// Reads a record; `None` for an unreadable one, which is then replaced.
fn read_record(path: &Path) -> Option<Layer> {
    let record: Record = record::read(path)?;
    (record.document_type == RECORD_TYPE).then_some(record.layer)
}

fn write_record(path: &Path, layer: Layer) -> Result<()> {
    let record = Record { document_type: RECORD_TYPE.to_owned(), layer };
    record::write(path, &record, "a layer's record")
}
