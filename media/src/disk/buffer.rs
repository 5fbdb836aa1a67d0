//! Memory that direct I/O accepts.

use std::ops::{Deref, DerefMut};

/// Addresses, offsets and lengths that are multiples of this suit direct I/O on every disk.
pub(crate) const ALIGNMENT: usize = 4096;

/// Bytes at an address that direct I/O accepts.
#[derive(Debug, Default)]
pub(crate) struct AlignedBuffer {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
}

impl AlignedBuffer {
    /// Changes the length; the bytes are undefined afterwards.
    pub(crate) fn resize(&mut self, length: usize) {
        if self.bytes.len() < length + ALIGNMENT {
            self.bytes = vec![0; length + ALIGNMENT];
            self.start = self.bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        }
        self.length = length;
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.length]
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.length]
    }
}

/// Whether direct I/O of this alignment accepts these bytes at this offset.
pub(crate) fn is_aligned(bytes: &[u8], offset: u64, alignment: usize) -> bool {
    bytes.as_ptr().align_offset(alignment) == 0
        && bytes.len().is_multiple_of(alignment)
        && offset.is_multiple_of(alignment as u64)
}
