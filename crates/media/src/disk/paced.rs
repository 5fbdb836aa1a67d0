//! A file that is written sequentially in the background, with a bounded number of unsynced bytes.
//!
//! Otherwise, the kernel would accept gigabytes at memory speed and lose them all in a power cut, or keep a user
//! waiting at "100 %". A thread writes block by block while the caller prepares the next block, and syncs every few MiB
//! before it continues. So the file never has more than [`UNSYNCED_BYTES`] that are not on the disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use super::buffer::AlignedBuffer;
use super::file::{DiskFile, DurableFile};
use crate::counters::Counters;
use crate::durable::{DurableError, SyncFailed};
use crate::error::{MediaError, Result};

/// Bytes per write.
const BLOCK_BYTES: u64 = 2 * 1024 * 1024;

/// Blocks in memory: one being filled, one waiting and one being written.
const BLOCKS: usize = 3;

/// Bytes after which the writer syncs.
pub(crate) const SYNC_BYTES: u64 = 16 * 1024 * 1024;

/// Maximum number of bytes that are in the file but not on the disk.
pub(crate) const UNSYNCED_BYTES: u64 = SYNC_BYTES;

/// An open file that tracks how much of it is on the disk.
#[derive(Debug)]
pub(crate) struct PacedFile<F: DurableFile = DiskFile> {
    file: Arc<F>,
    path: PathBuf,
    counters: Counters,
    /// Bytes accepted from the caller, already in the file or about to be.
    written: u64,
    /// The last accepted bytes, not yet handed to the writer.
    block: AlignedBuffer,
    filled: usize,
    /// Bytes on the disk; `reported` is the count that the caller knows.
    synced: Arc<AtomicU64>,
    reported: u64,
    state: State<F>,
}

#[derive(Debug)]
enum State<F: DurableFile> {
    /// No thread is writing.
    Idle(Writer<F>),
    Running(Thread<F>),
    /// Writing failed; no further write is tried.
    Failed,
}

/// The writer, which writes and syncs in its thread or in the caller's.
#[derive(Debug)]
struct Writer<F: DurableFile> {
    file: Arc<F>,
    path: PathBuf,
    position: u64,
    synced: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Thread<F: DurableFile> {
    blocks: SyncSender<(AlignedBuffer, usize)>,
    free: Receiver<AlignedBuffer>,
    handle: JoinHandle<Result<Writer<F>, DurableError>>,
}

impl<F: DurableFile> Writer<F> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        if self.position - self.synced.load(Ordering::Relaxed) + bytes.len() as u64 > UNSYNCED_BYTES {
            self.sync()?;
        }
        self.file.write_at(self.position, bytes).map_err(|error| DurableError::io("write", &self.path, error))?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), DurableError> {
        self.file.sync().map_err(|source| SyncFailed { path: self.path.clone(), source })?;
        self.synced.store(self.position, Ordering::Relaxed);
        Ok(())
    }

    fn start(mut self) -> Thread<F> {
        let (blocks, orders) = sync_channel::<(AlignedBuffer, usize)>(BLOCKS);
        let (recycle, free) = channel();
        for _ in 1..BLOCKS {
            // Cannot fail: the receiver is in this function.
            let _ = recycle.send(AlignedBuffer::default());
        }
        let handle = std::thread::spawn(move || {
            for (block, filled) in orders {
                self.write(&block[..filled])?;
                // The caller may be gone already.
                let _ = recycle.send(block);
            }
            Ok(self)
        });
        Thread { blocks, free, handle }
    }
}

impl<F: DurableFile> Thread<F> {
    /// Hands over a block and returns an empty one, or `None` if the thread has failed.
    fn exchange(&self, block: AlignedBuffer, filled: usize) -> Option<AlignedBuffer> {
        self.blocks.send((block, filled)).ok()?;
        self.free.recv().ok()
    }

    /// Waits until all blocks are written.
    fn end(self) -> Result<Writer<F>> {
        drop(self.blocks);
        let ended = self.handle.join().unwrap_or_else(|_| {
            let panicked = io::Error::other("the thread that writes panicked");
            Err(DurableError::io("write", Path::new("a file"), panicked))
        });
        Ok(ended?)
    }
}

impl<F: DurableFile> PacedFile<F> {
    /// Continues a file whose first `length` bytes exist and are on the disk.
    pub(crate) fn new(file: F, path: PathBuf, length: u64, counters: Counters) -> Self {
        let (file, synced) = (Arc::new(file), Arc::new(AtomicU64::new(length)));
        let writer =
            Writer { file: Arc::clone(&file), path: path.clone(), position: length, synced: Arc::clone(&synced) };
        Self {
            file,
            path,
            counters,
            written: length,
            block: AlignedBuffer::default(),
            filled: 0,
            synced,
            reported: length,
            state: State::Idle(writer),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self) -> &F {
        &self.file
    }

    /// Bytes written, whether or not they are on the disk.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.written
    }

    /// Reserves space on the disk for a file of this size, so that a full disk is noticed before hours of writing.
    pub(crate) fn reserve(&self, size: u64) -> Result<()> {
        let reserved = self.file.reserve(self.written, size);
        Ok(reserved.map_err(|error| DurableError::io("reserve space for", &self.path, error))?)
    }

    /// Accepts all the bytes. Returns how many more bytes than before are on the disk; these may be earlier ones.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<u64> {
        while !bytes.is_empty() {
            // A block ends at a multiple of the block size.
            let begin = self.written - self.filled as u64;
            let capacity = usize::try_from(BLOCK_BYTES - begin % BLOCK_BYTES).unwrap_or(usize::MAX);
            if self.block.len() < capacity {
                self.block.resize(capacity);
            }
            let (now, later) = bytes.split_at(bytes.len().min(capacity - self.filled));
            self.block[self.filled..self.filled + now.len()].copy_from_slice(now);
            self.filled += now.len();
            self.written += now.len() as u64;
            self.counters.add_written(now.len());
            if self.filled == capacity {
                self.hand_over()?;
            }
            bytes = later;
        }
        Ok(self.newly_synced())
    }

    fn hand_over(&mut self) -> Result<()> {
        let (block, filled) = (std::mem::take(&mut self.block), std::mem::take(&mut self.filled));
        let thread = match std::mem::replace(&mut self.state, State::Failed) {
            State::Idle(writer) => writer.start(),
            State::Running(thread) => thread,
            State::Failed => return Err(self.failed_before()),
        };
        match thread.exchange(block, filled) {
            Some(empty) => {
                self.block = empty;
                self.state = State::Running(thread);
                Ok(())
            }
            None => match thread.end() {
                Ok(_) => Err(MediaError::Bug(format!("the writer of {} ended early", self.path.display()))),
                Err(error) => Err(error),
            },
        }
    }

    fn failed_before(&self) -> MediaError {
        MediaError::Bug(format!("{} is written to after it failed", self.path.display()))
    }

    /// Returns the writer after it has written all accepted bytes.
    fn caught_up(&mut self) -> Result<Writer<F>> {
        let mut writer = match std::mem::replace(&mut self.state, State::Failed) {
            State::Idle(writer) => writer,
            State::Running(thread) => thread.end()?,
            State::Failed => return Err(self.failed_before()),
        };
        let filled = std::mem::take(&mut self.filled);
        if filled > 0 {
            writer.write(&self.block[..filled])?;
        }
        Ok(writer)
    }

    /// Waits until everything is in the file, on the disk or not.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let writer = self.caught_up()?;
        self.state = State::Idle(writer);
        Ok(())
    }

    /// Syncs everything, including the length. Returns how many more bytes than before are on the disk.
    pub(crate) fn sync(&mut self) -> Result<u64> {
        let mut writer = self.caught_up()?;
        writer.sync()?;
        self.state = State::Idle(writer);
        Ok(self.newly_synced())
    }

    fn newly_synced(&mut self) -> u64 {
        let now = self.synced.load(Ordering::Relaxed);
        let newly = now.saturating_sub(self.reported);
        self.reported = now;
        newly
    }

    /// Number of bytes that are not known to be on the disk.
    pub(crate) fn unsynced_bytes(&self) -> u64 {
        self.written - self.synced.load(Ordering::Relaxed)
    }

    /// Truncates the file to `length` bytes, which must be whole and on the disk.
    pub(crate) fn truncate(&mut self, length: u64) -> Result<()> {
        self.filled = 0;
        let mut writer = self.caught_up()?;
        self.file.set_length(length).map_err(|error| DurableError::io("truncate", &self.path, error))?;
        writer.position = length;
        writer.synced.store(length, Ordering::Relaxed);
        (self.written, self.reported) = (length, length);
        self.state = State::Idle(writer);
        Ok(())
    }
}

impl<F: DurableFile> Drop for PacedFile<F> {
    fn drop(&mut self) {
        // Accepted bytes may be continued later. No thread may outlive its file, because it would race with the file's
        // removal.
        if !matches!(self.state, State::Failed) {
            let _ = self.flush();
        }
    }
}
