//! Unpacked size of a layer, computed from its bytes.
//!
//! Threats: the bytes come from upstream. An entry may declare more bytes than the archive has, or than any disk holds:
//! only counters depend on these, and they do not overflow. Names and attributes before an entry are held in memory:
//! their size is limited.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::blobs::LayerContents;
use sha2::Digest as _;

/// Maximum size of names and attributes before an entry, in bytes, with the padding of the previous entry: `tar` holds
/// them in memory.
pub const BEFORE_ENTRY_BYTES: u64 = 1 << 20;

/// Counts entries and their bytes, and computes the digest of everything that is read, including data after the last
/// entry. Calls `each` for each entry, which may read its bytes.
pub fn read<R: Read>(
    reader: R,
    mut each: impl FnMut(&mut tar::Entry<'_, &mut HashingReader<R>>) -> io::Result<()>,
) -> io::Result<LayerContents> {
    let before_entry = Rc::new(Cell::new(u64::MAX));
    let mut hashing = HashingReader { reader, hasher: sha2::Sha256::new(), before_entry: Rc::clone(&before_entry) };
    let mut archive = tar::Archive::new(&mut hashing);
    let mut entries = archive.entries()?;
    let (mut unpacked_bytes, mut inodes, mut unread) = (0_u64, 0, 0);
    loop {
        before_entry.set(BEFORE_ENTRY_BYTES.saturating_add(unread));
        let entry = entries.next();
        before_entry.set(u64::MAX);
        let Some(entry) = entry else { break };
        // A sparse file may declare any size without having it.
        let mut entry = entry?;
        unpacked_bytes = unpacked_bytes.saturating_add(entry.size());
        inodes += 1;
        unread = stored_bytes(&entry)?;
        each(&mut entry)?;
    }
    io::copy(&mut hashing, &mut io::sink())?;
    Ok(LayerContents { diff_id: Sha256(hashing.hasher.finalize().into()), unpacked_bytes, inodes })
}

/// Stored size of an entry; its bytes precede the next entry if they were not read.
fn stored_bytes<R: Read>(entry: &tar::Entry<'_, R>) -> io::Result<u64> {
    match entry.header().entry_type() {
        tar::EntryType::GNUSparse => entry.header().entry_size(),
        _ => Ok(entry.size()),
    }
}

/// A reader that computes the digest of its data.
pub struct HashingReader<R> {
    reader: R,
    hasher: sha2::Sha256,
    /// Bytes that may be read before the next entry begins.
    before_entry: Rc<Cell<u64>>,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        let left = self.before_entry.get().checked_sub(count as u64);
        let too_long = || io::Error::other("the name or the attributes of an entry are too long");
        self.before_entry.set(left.ok_or_else(too_long)?);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of sparse files that declare this size but contain no byte.
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

    /// An archive with a large unread file, and a file with a name of this length, in the form of GNU tar.
    fn long_name(bytes: usize) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        let long = vec![b'a'; bytes];
        let members = [
            ("large", tar::EntryType::Regular, vec![7; 3 << 20]),
            ("././@LongLink", tar::EntryType::GNULongName, long),
        ];
        for (name, kind, bytes) in members.into_iter().chain([("a", tar::EntryType::Regular, b"1".to_vec())]) {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(kind);
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            archive.append(&header, bytes.as_slice()).expect("entry");
        }
        archive.into_inner().expect("archive")
    }

    #[test]
    fn long_names_are_bounded() {
        let found = read(&long_name(300)[..], |_| Ok(())).expect("a long name");
        assert_eq!((found.unpacked_bytes, found.inodes), ((3 << 20) + 1, 2));
        let error = read(&long_name(2 << 20)[..], |_| Ok(())).expect_err("refused");
        assert!(error.to_string().contains("too long"), "{error}");
    }

    #[test]
    fn huge_holes_do_not_overflow() {
        assert_eq!(read(&sparse(1, 4096)[..], |_| Ok(())).expect("one hole").unpacked_bytes, 4096);
        let found = read(&sparse(3, 1 << 63)[..], |_| Ok(())).expect("three holes");
        assert_eq!((found.unpacked_bytes, found.inodes), (u64::MAX, 3));
    }
}
