//! Reader of `NAME-VERSION.dist-info/METADATA`, the only file of a wheel's archive that is read.
//!
//! Threats: an archive may state false sizes, have a directory of any length or two files with one name, unpack
//! endlessly, or have overlapping entries. So its directory is read as a stream with a limit, and there must be exactly
//! one entry with that name. The unpacked bytes are limited and compared with the length and the CRC in the directory.
//! No path in it is used.

use std::io::Read;

use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder, ZipVerifier};

use crate::error::WheelFault;
use crate::limits;

/// Ending of the entry's name; the folder's name comes before it.
const ENDING: &str = ".dist-info/METADATA";

/// The relevant contents of the archive.
#[derive(Debug)]
pub struct Contents {
    /// `NAME-VERSION` of the folder with `METADATA`.
    pub folder: String,
    /// Bytes of `METADATA`.
    pub metadata: Vec<u8>,
}

/// The entry to read.
struct Entry {
    folder: String,
    at: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
}

/// Reads an archive of this many bytes.
pub fn contents(archive: impl ReaderAt, bytes: u64) -> Result<Contents, WheelFault> {
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let locator = ZipArchive::with_max_search_space(limits::SEARCH_BYTES);
    let archive = locator.locate_in_reader(archive, &mut buffer, bytes).map_err(|(_, error)| error)?;
    let entry = find(&archive, &mut buffer)?;
    let found = archive.get_entry(entry.at)?;
    let metadata = match entry.method {
        CompressionMethod::STORE => read_unpacked(found.verifying_reader(found.reader())),
        CompressionMethod::DEFLATE => read_unpacked(found.verifying_reader(DeflateDecoder::new(found.reader()))),
        other => Err(WheelFault::Metadata(format!("is compressed by a method that wheels do not have ({other})"))),
    }?;
    Ok(Contents { folder: entry.folder, metadata })
}

fn find<R: ReaderAt>(archive: &ZipArchive<R>, buffer: &mut [u8]) -> Result<Entry, WheelFault> {
    let directory = archive.eocd_offset().saturating_sub(archive.directory_offset());
    if directory > limits::DIRECTORY_BYTES || archive.entries_hint() > limits::ENTRIES {
        return Err(too_large(&format!("a directory of {directory} bytes and {} files", archive.entries_hint())));
    }
    let (mut found, mut count) = (None, 0);
    let mut entries = archive.entries(buffer);
    while let Some(entry) = entries.next_entry()? {
        count += 1;
        if count > limits::ENTRIES {
            return Err(too_large(&format!("more than {} files", limits::ENTRIES)));
        }
        let Some(folder) = folder_of_metadata(entry.file_path().as_ref()) else { continue };
        let entry = Entry { folder, at: entry.wayfinder(), method: entry.compression_method() };
        if found.replace(entry).is_some() {
            return Err(WheelFault::Metadata("occurs several times".to_owned()));
        }
    }
    found.ok_or_else(|| WheelFault::Metadata("is missing".to_owned()))
}

fn too_large(what: &str) -> WheelFault {
    WheelFault::ArchiveTooLarge { what: what.to_owned() }
}

/// Returns the folder's name if this is the path of the wanted entry.
fn folder_of_metadata(path: &[u8]) -> Option<String> {
    let folder = std::str::from_utf8(path).ok()?.strip_suffix(ENDING)?;
    (!folder.is_empty() && folder.len() <= limits::FILE_NAME_BYTES && !folder.contains(['/', '\\']))
        .then(|| folder.to_owned())
}

/// Reads all unpacked bytes, within the limit.
fn read_unpacked(reader: ZipVerifier<impl Read>) -> Result<Vec<u8>, WheelFault> {
    let mut bytes = Vec::new();
    reader.take(limits::METADATA_BYTES + 1).read_to_end(&mut bytes).map_err(WheelFault::Unpack)?;
    if bytes.len() as u64 > limits::METADATA_BYTES {
        return Err(WheelFault::Metadata(format!("has more than {} bytes", limits::METADATA_BYTES)));
    }
    Ok(bytes)
}
