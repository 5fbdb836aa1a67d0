//! The one file of a wheel's archive that is read: `NAME-VERSION.dist-info/METADATA`.
//!
//! What an archive may do: claim sizes that it does not have, have a directory of any length or two files of one name, unpack
//! without end, overlap. So its directory is read as a stream with a bound, exactly one entry of that name is looked for,
//! and what it unpacks to is bounded and held against the length and the CRC of the directory. No path of it is used.

use std::io::Read;

use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder, ZipVerifier};

use crate::error::WheelFault;
use crate::limits;

/// How the name of the entry ends; before it is the folder's name.
const ENDING: &str = ".dist-info/METADATA";

/// What the archive says that matters.
#[derive(Debug)]
pub struct Contents {
    /// `NAME-VERSION` of the folder with `METADATA`.
    pub folder: String,
    /// The bytes of `METADATA`.
    pub metadata: Vec<u8>,
}

/// The entry that is read.
struct Entry {
    folder: String,
    at: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
}

/// Reads the archive of so many bytes.
pub fn contents(archive: impl ReaderAt, bytes: u64) -> Result<Contents, WheelFault> {
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let locator = ZipArchive::with_max_search_space(limits::SEARCH_BYTES);
    let archive = locator.locate_in_reader(archive, &mut buffer, bytes).map_err(|(_, error)| error)?;
    let entry = find(&archive, &mut buffer)?;
    let found = archive.get_entry(entry.at)?;
    let metadata = match entry.method {
        CompressionMethod::STORE => unpacked(found.verifying_reader(found.reader())),
        CompressionMethod::DEFLATE => unpacked(found.verifying_reader(DeflateDecoder::new(found.reader()))),
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

/// The folder's name, if this is the path of the entry that is looked for.
fn folder_of_metadata(path: &[u8]) -> Option<String> {
    let folder = std::str::from_utf8(path).ok()?.strip_suffix(ENDING)?;
    (!folder.is_empty() && folder.len() <= limits::FILE_NAME_BYTES && !folder.contains(['/', '\\']))
        .then(|| folder.to_owned())
}

/// All that it unpacks to, within the limit.
fn unpacked(reader: ZipVerifier<impl Read>) -> Result<Vec<u8>, WheelFault> {
    let mut bytes = Vec::new();
    reader.take(limits::METADATA_BYTES + 1).read_to_end(&mut bytes).map_err(WheelFault::Unpack)?;
    if bytes.len() as u64 > limits::METADATA_BYTES {
        return Err(WheelFault::Metadata(format!("has more than {} bytes", limits::METADATA_BYTES)));
    }
    Ok(bytes)
}
