//! The usable bytes of an unfinished file after the process, the machine or a sync failed.
//!
//! Only the disk can answer. After a failed sync the kernel shows the bytes that it could not write, calls them clean,
//! and reports success the next time. So every byte that counts was either synced successfully before the file grew to
//! its length, or read past the page cache after the failure.

use std::fs::File;
use std::io;
use std::path::Path;

use landfall_bundle_spec::chunks::{CHUNK_BYTES, chunk_len};

use super::DurableFile;
use super::paced::UNSYNCED_BYTES;
use crate::durable::SyncFailed;

/// Makes the kernel write what it still holds of an unfinished file, so that reading the disk shows it.
///
/// A failure may be an old one: the kernel reports each failure once to every file, whether or not it still matters. So
/// only the second in a row means that the disk fails now.
pub(crate) fn write_back(file: &File, path: &Path) -> Result<(), SyncFailed> {
    let synced = file.sync_all().or_else(|_| file.sync_all());
    synced.map_err(|source| SyncFailed { path: path.to_owned(), source })
}

/// How many bytes of an unfinished file of chunks are right and on the disk: whole chunks from the beginning.
///
/// It reads the chunks that may not have been synced, and the one before them, which must be right. If it is not, the
/// disk lost synced data, and the whole file is checked. Where the filesystem cannot read past the cache, only synced
/// bytes count. `is_right` gets the index of a chunk and its bytes.
pub(crate) fn kept_bytes(
    file: &dyn DurableFile,
    size: u64,
    is_right: &mut dyn FnMut(u64, &[u8]) -> bool,
) -> io::Result<u64> {
    let length = file.length()?.min(size);
    let doubtful = synced_bytes(length).saturating_sub(CHUNK_BYTES);
    match right_from(file, doubtful, length, size, is_right)? {
        None => Ok(synced_bytes(length)),
        Some(right) if right > doubtful || doubtful == 0 => Ok(right),
        Some(_) => Ok(right_from(file, 0, length, size, is_right)?.unwrap_or(0)),
    }
}

/// How many bytes of a file of this length were on the disk before it grew to it; whole chunks.
pub(crate) fn synced_bytes(length: u64) -> u64 {
    length.saturating_sub(UNSYNCED_BYTES) / CHUNK_BYTES * CHUNK_BYTES
}

/// Where the first wrong chunk begins, if those before `begin` are right.
fn right_from(
    file: &dyn DurableFile,
    begin: u64,
    length: u64,
    size: u64,
    is_right: &mut dyn FnMut(u64, &[u8]) -> bool,
) -> io::Result<Option<u64>> {
    let mut buffer = super::AlignedBuffer::default();
    let mut right = begin;
    while right < length {
        let wanted = chunk_len(size, right / CHUNK_BYTES);
        buffer.resize(usize::try_from(wanted).unwrap_or(0));
        let Some(count) = file.read_from_disk(right, &mut buffer)? else { return Ok(None) };
        if !is_right(right / CHUNK_BYTES, &buffer[..count]) {
            break;
        }
        right += wanted;
    }
    Ok(Some(right))
}
