//! The tar archive of format 1. Its headers are generated, never interpreted: a header is a function of name, size and
//! mode.
//!
//! The form is ustar with fixed owner, time and type. Only sizes above 8 GiB - 1 use GNU's base-256 encoding, which GNU
//! tar, bsdtar, Python and Go read. It has no other extension, so nothing can be expressed in two ways.

use std::ops::Range;

use crate::limits;

/// Bytes of a header; file contents are padded to a multiple of it.
pub const BLOCK_BYTES: u64 = 512;

/// Zero bytes that end the archive: two blocks.
pub const END_BYTES: u64 = 2 * BLOCK_BYTES;

/// A header of the archive.
pub type Header = [u8; 512];

const NAME: Range<usize> = 0..limits::NAME_BYTES;
const MODE: Range<usize> = 100..108;
const USER: Range<usize> = 108..116;
const GROUP: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const TIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const TYPE: usize = 156;
const MAGIC: Range<usize> = 257..265;
const DEVICES: [Range<usize>; 2] = [329..337, 337..345];

/// Largest size that fits into eleven octal digits.
const OCTAL_SIZE: u64 = (1 << 33) - 1;

/// Number of zero bytes after contents of this size.
pub const fn padding_bytes(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK_BYTES
}

/// Bytes of the header, contents and padding of a file of this size. Saturates, so that an impossible size still
/// exceeds any available space.
pub const fn file_bytes(size: u64) -> u64 {
    size.saturating_add(BLOCK_BYTES + padding_bytes(size))
}

/// Returns the only valid header of a file. The name must have at most [`limits::NAME_BYTES`] bytes. A longer one is
/// truncated, and a reader that compares names with headers returns an error.
pub fn header(name: &str, size: u64, mode: u32) -> Header {
    let mut header = [0; 512];
    let name = &name.as_bytes()[..name.len().min(limits::NAME_BYTES)];
    header[NAME][..name.len()].copy_from_slice(name);
    octal(&mut header[MODE], u64::from(mode));
    octal(&mut header[USER], 0);
    octal(&mut header[GROUP], 0);
    if size <= OCTAL_SIZE {
        octal(&mut header[SIZE], size);
    } else {
        header[SIZE.start] = 0x80;
        header[SIZE][4..].copy_from_slice(&size.to_be_bytes());
    }
    octal(&mut header[TIME], 0);
    header[TYPE] = b'0';
    header[MAGIC].copy_from_slice(b"ustar\x0000");
    for device in DEVICES {
        octal(&mut header[device], 0);
    }
    header[CHECKSUM].fill(b' ');
    let sum: u64 = header.iter().copied().map(u64::from).sum();
    octal(&mut header[CHECKSUM][..7], sum);
    header
}

/// Writes octal digits that fill the field up to its closing NUL.
fn octal(field: &mut [u8], mut value: u64) {
    field.fill(0);
    for digit in field.iter_mut().rev().skip(1) {
        *digit = b'0' + (value & 7).to_le_bytes()[0];
        value >>= 3;
    }
}

/// Returns the name and the size in a header of the head, which has only small files of mode 0644. Returns `None`
/// unless the header equals, byte by byte, the one that [`header`] makes for them.
pub(crate) fn read_header(bytes: &Header) -> Option<(String, u64)> {
    let field = &bytes[NAME];
    let length = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let name = std::str::from_utf8(&field[..length]).ok()?;
    let digits = std::str::from_utf8(&bytes[SIZE][..11]).ok()?;
    let size = u64::from_str_radix(digits, 8).ok()?;
    (header(name, size, 0o644) == *bytes).then(|| (name.to_owned(), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn altered_header_is_not_read() {
        let good = header("documents/release.json", 1234, 0o644);
        assert_eq!(read_header(&good), Some(("documents/release.json".to_owned(), 1234)));
        for index in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good;
                bad[index] ^= 1 << bit;
                assert_eq!(read_header(&bad), None, "byte {index}, bit {bit}");
            }
        }
    }

    #[test]
    fn size_encoding_changes_at_8_gib() {
        let octal = header("a", OCTAL_SIZE, 0o644);
        assert_eq!(&octal[SIZE], b"77777777777\0");
        let binary = header("a", OCTAL_SIZE + 1, 0o644);
        assert_eq!(&binary[SIZE], [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
    }

    #[test]
    fn padding_fills_blocks() {
        for (size, padding) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)] {
            assert_eq!(padding_bytes(size), padding, "{size}");
        }
        assert_eq!(file_bytes(513), 512 + 1024);
        assert_eq!((file_bytes(u64::MAX), file_bytes(u64::MAX - 511)), (u64::MAX, u64::MAX));
    }
}
