//! Takes members of an archive into the content store.
//!
//! Threats: an archive may contain links, names that lead elsewhere, or a member twice. It may have more bytes than any
//! disk holds, or be truncated. No name in it becomes a path: members are found by exact name, only regular files are
//! taken, and bytes and members are counted. An archive with a name that leads out of it is refused immediately.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_media::MediaError;
use landfall_media::store::{ContentStore, ExpectedBlob};
use serde::{Deserialize, Serialize};

use crate::compression::Compression;
use crate::error::{BuildError, Result};
use crate::record;

const RECORD_TYPE: &str = "landfall.dev/archive/1";

/// Maximum number of file names in a message.
const NAMES_LISTED: usize = 12;

/// Limits for unpacking an archive.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Number of entries.
    pub entries: usize,
    /// Bytes of an extracted member.
    pub member_bytes: u64,
    /// Bytes of the archive after decompression.
    pub unpacked_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 200_000, member_bytes: 4 << 30, unpacked_bytes: 16 << 30 }
    }
}

/// Members by name, with digest and size.
pub type Members = BTreeMap<String, ExpectedBlob>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    #[serde(rename = "type")]
    document_type: String,
    members: BTreeMap<String, RecordedMember>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedMember {
    digest: Sha256,
    size: u64,
}

/// Named members of an archive in the store: from its record if they are in the store, otherwise by unpacking.
///
/// On return, they are in the store and synced to disk. `name` is the archive's name in messages.
pub fn members(
    store: &ContentStore,
    name: &str,
    archive: Sha256,
    compression: Compression,
    wanted: &[&str],
    limits: Limits,
) -> Result<Members> {
    let path = record_path(store, archive);
    let known = read_record(&path);
    let at_hand = |member: &&&str| known.get(**member).is_some_and(|found| store.contains(found.digest));
    if wanted.iter().filter(at_hand).count() == wanted.len() {
        return Ok(known.into_iter().filter(|(member, _)| wanted.contains(&member.as_str())).collect());
    }
    let mut unpacker = ArchiveUnpacker { store, name, wanted, limits, found: Members::new(), names: Vec::new() };
    unpacker.all(compression.reader(store.open(archive)?))?;
    let found = unpacker.complete()?;
    write_record(&path, known.into_iter().chain(found.clone()))?;
    Ok(found)
}

struct ArchiveUnpacker<'a> {
    store: &'a ContentStore,
    name: &'a str,
    wanted: &'a [&'a str],
    limits: Limits,
    found: Members,
    /// First names of regular files, for the error about a missing one.
    names: Vec<String>,
}

impl ArchiveUnpacker<'_> {
    fn refuse(&self, what: impl std::fmt::Display) -> BuildError {
        BuildError::new(codes::ARCHIVE_INVALID, format!("{} {what}", self.name))
    }

    fn unpack_error(&self, error: io::Error) -> BuildError {
        self.refuse("cannot be unpacked").because(error)
    }

    fn all(&mut self, reader: Box<dyn Read>) -> Result<()> {
        let mut limited = LimitedReader { reader, left: self.limits.unpacked_bytes };
        let mut archive = tar::Archive::new(&mut limited);
        for (number, entry) in archive.entries().map_err(|error| self.unpack_error(error))?.enumerate() {
            if number >= self.limits.entries {
                return Err(self.refuse(format_args!("has more than {} members", self.limits.entries)));
            }
            self.entry(entry.map_err(|error| self.unpack_error(error))?)?;
        }
        // The tar archive may end before its file does: truncation and damage show only at the end of the file.
        io::copy(&mut limited, &mut io::sink()).map_err(|error| self.unpack_error(error))?;
        Ok(())
    }

    fn entry<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> Result<()> {
        let bytes = entry.path_bytes();
        let written = String::from_utf8_lossy(&bytes).into_owned();
        if written.starts_with('/') || written.split('/').any(|segment| segment == "..") {
            return Err(self.refuse(format_args!("has a member `{}` that leads out of it", written.escape_default())));
        }
        let member = written.trim_start_matches("./").to_owned();
        let kind = entry.header().entry_type();
        if !self.wanted.contains(&member.as_str()) {
            if kind == tar::EntryType::Regular && self.names.len() <= NAMES_LISTED {
                self.names.push(member);
            }
            return Ok(());
        }
        let sparse = is_sparse(&mut entry).map_err(|error| self.unpack_error(error))?;
        if kind != tar::EntryType::Regular || sparse {
            return Err(self.refuse(format_args!("has `{member}` as {}, not as a plain file", kind_name(kind))));
        }
        if self.found.contains_key(&member) {
            return Err(self.refuse(format_args!("has `{member}` twice")));
        }
        if entry.size() > self.limits.member_bytes {
            let (size, limit) = (entry.size(), self.limits.member_bytes);
            return Err(self.refuse(format_args!("has `{member}` of {size} bytes, more than {limit}")));
        }
        let size = entry.size();
        let digest = ingest(self.store, &mut entry, |error| self.unpack_error(error))?;
        self.found.insert(member, ExpectedBlob { digest, size });
        Ok(())
    }

    /// Members that were found; an error if one is missing.
    fn complete(self) -> Result<Members> {
        let missing: Vec<_> = self.wanted.iter().filter(|member| !self.found.contains_key(**member)).collect();
        if missing.is_empty() {
            return Ok(self.found);
        }
        let quoted = |names: &mut dyn Iterator<Item = &str>| {
            names.map(|name| format!("`{}`", name.escape_default())).collect::<Vec<_>>().join(", ")
        };
        let more = if self.names.len() > NAMES_LISTED { ", …" } else { "" };
        let has = quoted(&mut self.names.iter().take(NAMES_LISTED).map(String::as_str));
        let has = if has.is_empty() { "no other files".to_owned() } else { format!("{has}{more}") };
        let missing = quoted(&mut missing.into_iter().copied());
        Err(self.refuse(format_args!("has no {missing}; it has {has}")))
    }
}

/// Returns true if a member is sparse: it contains only the data between its holes.
pub(super) fn is_sparse<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<bool> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(false) };
    for extension in extensions {
        if extension?.key_bytes().starts_with(b"GNU.sparse.") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads a member into the store and returns its SHA-256; `broken` converts errors of the archive.
pub(super) fn ingest<R: Read>(
    store: &ContentStore,
    entry: &mut tar::Entry<'_, R>,
    broken: impl Fn(io::Error) -> BuildError,
) -> Result<Sha256> {
    let size = entry.size();
    let sums = store.ingest(entry, None).map_err(|error| match error {
        MediaError::Source { source, .. } => broken(source),
        other => other.into(),
    })?;
    if sums.size == size { Ok(sums.sha256) } else { Err(broken(io::ErrorKind::UnexpectedEof.into())) }
}

/// Name of a member's type, for people.
pub(super) fn kind_name(kind: tar::EntryType) -> &'static str {
    match kind {
        tar::EntryType::Link => "a hard link",
        tar::EntryType::Symlink => "a symbolic link",
        tar::EntryType::Directory => "a folder",
        tar::EntryType::Char | tar::EntryType::Block | tar::EntryType::Fifo => "a device",
        _ => "something special",
    }
}

/// A reader that fails beyond a limit.
struct LimitedReader<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for LimitedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::other("it unpacks to more bytes than are allowed"))?;
        Ok(count)
    }
}

fn record_path(store: &ContentStore, archive: Sha256) -> PathBuf {
    record::path(store, "archives", archive)
}

/// Reads a record; an unreadable one counts as empty and is replaced.
fn read_record(path: &Path) -> Members {
    let record = record::read::<Record>(path);
    let members = record.filter(|record| record.document_type == RECORD_TYPE).map(|record| record.members);
    let expected = |member: RecordedMember| ExpectedBlob { digest: member.digest, size: member.size };
    members.unwrap_or_default().into_iter().map(|(name, member)| (name, expected(member))).collect()
}

fn write_record(path: &Path, members: impl Iterator<Item = (String, ExpectedBlob)>) -> Result<()> {
    let recorded = |found: ExpectedBlob| RecordedMember { digest: found.digest, size: found.size };
    let record = Record {
        document_type: RECORD_TYPE.to_owned(),
        members: members.map(|(name, found)| (name, recorded(found))).collect(),
    };
    record::write(path, &record, "an archive's record")
}
