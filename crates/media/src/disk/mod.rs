//! File I/O at the level where power cuts, failing disks and the memory of other programs matter.
//!
//! Bytes bypass the kernel's page cache wherever the filesystem allows it (`O_DIRECT`). A stage of 500 GB must not
//! evict running software, and after a failed sync the cache shows bytes that are on no disk. On other filesystems, the
//! cache is dropped behind the reader and the writer, and bytes that only the cache can show are not trusted.

mod buffer;
mod file;
mod paced;
mod resume;
#[cfg(test)]
mod tests;

pub(crate) use self::buffer::AlignedBuffer;
pub(crate) use self::file::{DiskFile, DurableFile};
#[cfg(test)]
pub(crate) use self::paced::UNSYNCED_BYTES;
pub(crate) use self::paced::{PacedFile, SYNC_BYTES};
pub(crate) use self::resume::{kept_bytes, synced_bytes, write_back};
