//! Memory that direct I/O accepts.
//!
//! Large buffers use huge pages. The kernel pins every page of a direct request and hands each run of pages to the disk
//! as a separate segment. With pages of 4 KiB, a request of 2 MiB has 512 segments, which makes a virtual disk several
//! times slower.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use memmap2::{Advice, MmapMut};

/// Alignment in bytes of addresses, offsets and lengths that suits direct I/O on every disk.
pub(crate) const ALIGNMENT: usize = 4096;

/// Bytes of a huge page on x86-64.
const HUGE_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// Number of huge pages kept for later buffers: a file that is being written needs three, and there may be thousands of
/// files.
const KEPT_PAGES: usize = 8;

static KEPT: Mutex<Vec<HugePage>> = Mutex::new(Vec::new());

/// A byte buffer at an address that direct I/O accepts.
#[derive(Debug, Default)]
pub(crate) struct AlignedBuffer {
    memory: Memory,
    start: usize,
    length: usize,
}

#[derive(Debug)]
enum Memory {
    Heap(Vec<u8>),
    HugePage(HugePage),
}

impl Default for Memory {
    fn default() -> Self {
        Self::Heap(Vec::new())
    }
}

/// A mapping that contains one whole huge page.
#[derive(Debug)]
struct HugePage(MmapMut);

impl HugePage {
    /// Returns a kept page or a new one, or `None` if the kernel has no such memory.
    fn get() -> Option<Self> {
        let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.or_else(Self::map)
    }

    fn map() -> Option<Self> {
        // The second half covers the misaligned remainder of the page; untouched memory costs nothing.
        let mapping = MmapMut::map_anon(2 * HUGE_PAGE_BYTES).ok()?;
        // Advice only: with pages of 4 KiB, the same bytes are read more slowly.
        let _ = mapping.advise(Advice::HugePage);
        Some(Self(mapping))
    }

    fn keep(self) {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_PAGES {
            kept.push(self);
        }
    }
}

impl Memory {
    fn of(length: usize) -> Self {
        let page = (HUGE_PAGE_BYTES / 2..=HUGE_PAGE_BYTES).contains(&length).then(HugePage::get).flatten();
        page.map_or_else(|| Self::Heap(vec![0; length + ALIGNMENT]), Self::HugePage)
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::HugePage(page) => &page.0,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::HugePage(page) => &mut page.0,
        }
    }

    /// Alignment in bytes of the first byte's address.
    fn alignment(&self) -> usize {
        match self {
            Self::Heap(_) => ALIGNMENT,
            Self::HugePage(_) => HUGE_PAGE_BYTES,
        }
    }
}

impl AlignedBuffer {
    /// Changes the length; the bytes are undefined afterwards.
    pub(crate) fn resize(&mut self, length: usize) {
        if length > self.capacity() {
            self.release();
            self.memory = Memory::of(length);
            let alignment = self.memory.alignment();
            self.start = self.memory.bytes().as_ptr().align_offset(alignment).min(alignment);
        }
        self.length = length;
    }

    fn capacity(&self) -> usize {
        self.memory.bytes().len().saturating_sub(self.memory.alignment())
    }

    fn release(&mut self) {
        if let Memory::HugePage(page) = std::mem::take(&mut self.memory) {
            page.keep();
        }
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        self.release();
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory.bytes()[self.start..self.start + self.length]
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        let range = self.start..self.start + self.length;
        &mut self.memory.bytes_mut()[range]
    }
}

/// Returns true if direct I/O of this alignment accepts these bytes at this offset.
pub(crate) fn is_aligned(bytes: &[u8], offset: u64, alignment: usize) -> bool {
    bytes.as_ptr().align_offset(alignment) == 0
        && bytes.len().is_multiple_of(alignment)
        && offset.is_multiple_of(alignment as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned() {
        let mut buffer = AlignedBuffer::default();
        for length in [1, 4096, 300_000, 1 << 20, (1 << 20) + 1, 1 << 21, (1 << 21) + 1, 5 << 20, 7] {
            buffer.resize(length);
            assert_eq!(buffer.len(), length);
            assert_eq!(buffer.as_ptr().align_offset(ALIGNMENT), 0, "{length}");
            buffer.fill(1);
            assert!(buffer.iter().all(|byte| *byte == 1));
        }
        let mut block = AlignedBuffer::default();
        block.resize(HUGE_PAGE_BYTES);
        assert_eq!(block.as_ptr().align_offset(HUGE_PAGE_BYTES), 0);
    }

    #[test]
    fn kept_pages_are_bounded() {
        let buffers: Vec<AlignedBuffer> = (0..3 * KEPT_PAGES)
            .map(|_| {
                let mut buffer = AlignedBuffer::default();
                buffer.resize(HUGE_PAGE_BYTES);
                buffer
            })
            .collect();
        drop(buffers);
        assert!(KEPT.lock().unwrap().len() <= KEPT_PAGES);
    }
}
