//! The usable bytes of an unfinished file after the process, the machine or a sync failed.
//!
//! Only the disk can answer this. After a failed sync, the kernel shows the bytes that it could not write, marks them
//! clean, and reports success the next time. So a byte counts only if it was synced successfully before the file grew
//! to its length, or was read past the page cache after the failure.

use std::fs::File;
use std::io;
use std::path::Path;

use landfall_bundle_spec::chunks::{CHUNK_BYTES, chunk_len};

use super::DurableFile;
use super::paced::UNSYNCED_BYTES;
use crate::durable::SyncFailed;

/// Makes the kernel write the cached bytes of an unfinished file, so that reading the disk shows them.
///
/// The reported failure may be an old one: the kernel reports each failure once to every open file, even if it no
/// longer matters. So only a second failure in a row means that the disk is failing now.
pub(crate) fn write_back(file: &File, path: &Path) -> Result<(), SyncFailed> {
    let synced = file.sync_all().or_else(|_| file.sync_all());
    synced.map_err(|source| SyncFailed { path: path.to_owned(), source })
}

/// Returns how many bytes of an unfinished file of chunks are correct and on the disk: whole chunks from the beginning.
///
/// Reads the chunks that may not have been synced, and the one before them, which must be correct. If it is not, the
/// disk has lost synced data, and the whole file is checked. If the filesystem cannot read past the cache, only synced
/// bytes count. `is_right` receives the index and the bytes of a chunk.
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

/// Returns how many bytes of a file were on the disk before it grew to this length, in whole chunks.
pub(crate) fn synced_bytes(length: u64) -> u64 {
    length.saturating_sub(UNSYNCED_BYTES) / CHUNK_BYTES * CHUNK_BYTES
}

/// Returns the offset of the first wrong chunk, given that the chunks before `begin` are correct.
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
