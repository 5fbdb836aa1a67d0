//! An open file that is read and written past the page cache where the filesystem allows it.

use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Advice, AtFlags, FallocateFlags, OFlags, StatxFlags};
use rustix::io::Errno;

use super::buffer::{ALIGNMENT, AlignedBuffer, is_aligned};

/// Minimum size in bytes of a direct write. Fewer bytes go through the page cache: a separate request costs more than
/// the memory they take.
const DIRECT_BYTES: usize = 256 * 1024;

/// File operations that durable bytes need. Tests replace them with a disk that fails and loses data.
pub(crate) trait DurableFile: Send + Sync + 'static {
    /// Writes all the bytes; they are on the disk after [`DurableFile::sync`].
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Syncs the written bytes and the length.
    fn sync(&self) -> io::Result<()>;

    /// Reads from the disk itself, never from memory, until the buffer is full or the file ends. Returns the number of
    /// bytes, or `None` if the filesystem cannot do that.
    fn read_from_disk(&self, offset: u64, buffer: &mut [u8]) -> io::Result<Option<usize>>;

    /// Length of the file in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Truncates or extends the file.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Reserves space on the disk for the bytes from the first offset to the second, without changing the length. Does
    /// nothing if the filesystem cannot reserve space.
    fn reserve(&self, from: u64, to: u64) -> io::Result<()>;
}

/// A real file, accessed through the kernel.
#[derive(Debug)]
pub(crate) struct DiskFile {
    file: File,
    /// The same file, opened for I/O past the page cache.
    direct: Option<Direct>,
    /// True if bytes went through the page cache since it was last dropped.
    is_cached: AtomicBool,
}

#[derive(Debug)]
struct Direct {
    file: File,
    alignment: usize,
    /// Buffers for unaligned requests, one for each concurrent request.
    scratch: Mutex<Vec<AlignedBuffer>>,
    /// True if the filesystem accepted the flag but refused the first request.
    refused: AtomicBool,
}

impl DiskFile {
    /// Wraps a file that is open for reading.
    pub(crate) fn reading(file: File) -> Self {
        // Advice only: it matters where the page cache is used.
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
        Self { direct: Direct::reopen(&file, OpenOptions::new().read(true)), file, is_cached: AtomicBool::new(false) }
    }

    /// Wraps a file that is open for reading and writing.
    pub(crate) fn writing(file: File) -> Self {
        let direct = Direct::reopen(&file, OpenOptions::new().read(true).write(true));
        Self { direct, file, is_cached: AtomicBool::new(true) }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns true if reads come from the disk itself, as far as the kernel knows.
    pub(crate) fn is_past_cache(&self) -> bool {
        self.direct().is_some()
    }

    fn direct(&self) -> Option<&Direct> {
        self.direct.as_ref().filter(|direct| !direct.refused.load(Ordering::Relaxed))
    }

    /// Reads at an offset until the buffer is full or the file ends, and returns the number of bytes. Where the
    /// filesystem allows it, the bytes come from the disk and stay out of the page cache.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(count) = self.read_from_disk(offset, buffer)? {
            return Ok(count);
        }
        let count = fill(&self.file, offset, buffer, 1)?;
        if let Some(length) = NonZeroU64::new(count as u64) {
            drop_cache(&self.file, offset, Some(length));
        }
        Ok(count)
    }
}

impl DurableFile for DiskFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let whole = bytes.len() / ALIGNMENT * ALIGNMENT;
        let (mut now, mut rest) = bytes.split_at(if whole < DIRECT_BYTES { 0 } else { whole });
        if let Some(direct) = self.direct()
            && is_aligned(now, offset, ALIGNMENT)
        {
            match direct.file.write_all_at(now, offset) {
                Err(error) if direct.is_refusal(&error) => (now, rest) = (&[], bytes),
                written => written?,
            }
        } else {
            (now, rest) = (&[], bytes);
        }
        if rest.is_empty() {
            return Ok(());
        }
        self.is_cached.store(true, Ordering::Relaxed);
        self.file.write_all_at(rest, offset + now.len() as u64)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        if self.is_cached.swap(false, Ordering::Relaxed) {
            drop_cache(&self.file, 0, None);
        }
        Ok(())
    }

    fn read_from_disk(&self, offset: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(direct) = self.direct() else { return Ok(None) };
        match direct.read_at(offset, buffer) {
            Err(error) if direct.is_refusal(&error) => Ok(None),
            count => count.map(Some),
        }
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn reserve(&self, from: u64, to: u64) -> io::Result<()> {
        if to <= from {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, from, to - from) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
            reserved => Ok(reserved?),
        }
    }
}

impl Direct {
    fn reopen(file: &File, options: &mut OpenOptions) -> Option<Self> {
        let alignment = alignment_of(file)?;
        // Opened by descriptor, because the name may belong to another file by now.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let file = options.custom_flags(OFlags::DIRECT.bits().cast_signed()).open(path).ok()?;
        Some(Self { file, alignment, scratch: Mutex::default(), refused: AtomicBool::new(false) })
    }

    /// Returns true if the error says that this file does not support direct I/O. Later requests then do not try it.
    fn is_refusal(&self, error: &io::Error) -> bool {
        let refusal = error.raw_os_error() == Some(Errno::INVAL.raw_os_error());
        self.refused.fetch_or(refusal, Ordering::Relaxed);
        refusal
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if is_aligned(buffer, offset, self.alignment) {
            return fill(&self.file, offset, buffer, self.alignment);
        }
        let step = self.alignment as u64;
        let start = offset / step * step;
        let end = (offset + buffer.len() as u64).next_multiple_of(step);
        let skipped = usize::try_from(offset - start).unwrap_or(0);
        let buffers = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = buffers().pop().unwrap_or_default();
        scratch.resize(usize::try_from(end - start).unwrap_or(usize::MAX));
        let there = fill(&self.file, start, &mut scratch, self.alignment)?.saturating_sub(skipped).min(buffer.len());
        buffer[..there].copy_from_slice(&scratch[skipped..skipped + there]);
        buffers().push(scratch);
        Ok(there)
    }
}

/// Returns the alignment that direct I/O on this file needs, or `None` if direct I/O is not possible.
fn alignment_of(file: &File) -> Option<usize> {
    let looked = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN).ok()?;
    if looked.stx_mask & StatxFlags::DIOALIGN.bits() == 0 {
        // Kernels before 6.1 and some filesystems do not report it.
        return Some(ALIGNMENT);
    }
    let needed = looked.stx_dio_mem_align.max(looked.stx_dio_offset_align) as usize;
    (looked.stx_dio_offset_align > 0 && needed <= ALIGNMENT).then_some(needed)
}

/// Reads until the buffer is full or the file ends. A count that is not a multiple of the alignment marks the end of
/// the file.
fn fill(file: &File, offset: u64, buffer: &mut [u8], alignment: usize) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if !filled.is_multiple_of(alignment) {
            break;
        }
    }
    Ok(filled)
}

/// Asks the kernel to drop its cached copy of a range that is on the disk, or of everything from the offset on. This is
/// advice only, so it cannot fail.
pub(super) fn drop_cache(file: &File, offset: u64, length: Option<NonZeroU64>) {
    let _ = rustix::fs::fadvise(file, offset, length, Advice::DontNeed);
}
