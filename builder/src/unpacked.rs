//! What a layer unpacks to, counted from its bytes.
//!
//! Threats: the bytes come from upstream. An entry may declare more bytes than the archive has, or than any disk: only counters
//! depend on them, and they do not overflow.

use std::io::{self, Read};

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::blobs::LayerContents;
use sha2::Digest as _;

/// Counts entries and their bytes, and digests everything that is read, also what follows the last entry. Calls for each
/// entry, which may read its bytes.
pub fn read<R: Read>(
    reader: R,
    mut each: impl FnMut(&mut tar::Entry<'_, &mut Hashing<R>>) -> io::Result<()>,
) -> io::Result<LayerContents> {
    let mut hashing = Hashing { reader, hasher: sha2::Sha256::new() };
    let (mut unpacked_bytes, mut inodes) = (0_u64, 0);
    for entry in tar::Archive::new(&mut hashing).entries()? {
        // A sparse file declares any size without having it.
        let mut entry = entry?;
        unpacked_bytes = unpacked_bytes.saturating_add(entry.size());
        inodes += 1;
        each(&mut entry)?;
    }
    io::copy(&mut hashing, &mut io::sink())?;
    Ok(LayerContents { diff_id: Sha256(hashing.hasher.finalize().into()), unpacked_bytes, inodes })
}

/// Digests what is read.
pub struct Hashing<R> {
    reader: R,
    hasher: sha2::Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of sparse files that declare this size and have no byte.
    fn sparse(files: usize, size: u64) -> Vec<u8> {
        let mut archive = Vec::new();
        for _ in 0..files {
            let mut header = tar::Header::new_gnu();
            header.set_path("hole").expect("path");
            header.set_entry_type(tar::EntryType::GNUSparse);
            header.set_size(0);
            let gnu = header.as_gnu_mut().expect("a header of GNU tar");
            // A number of more than eleven octal digits is written in base 256.
            gnu.realsize = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            gnu.realsize[4..].copy_from_slice(&size.to_be_bytes());
            gnu.sparse[0].offset = gnu.realsize;
            gnu.sparse[0].numbytes = *b"00000000000\0";
            header.set_cksum();
            archive.extend_from_slice(header.as_bytes());
        }
        archive.extend_from_slice(&[0; 1024]);
        archive
    }

    #[test]
    fn holes_of_any_size_are_counted_without_overflow() {
        assert_eq!(read(&sparse(1, 4096)[..], |_| Ok(())).expect("one hole").unpacked_bytes, 4096);
        let found = read(&sparse(3, 1 << 63)[..], |_| Ok(())).expect("three holes");
        assert_eq!((found.unpacked_bytes, found.inodes), (u64::MAX, 3));
    }
}
