//! Where the bytes of one journal lie.

use std::io::{self, Read, Seek, SeekFrom, Write};

/// One journal's bytes. Nothing is durable before [`Storage::sync`] returned, and then all of it is.
pub trait Storage {
    /// Everything there is.
    fn read_all(&mut self) -> io::Result<Vec<u8>>;

    /// Adds to the end; not durable.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything so far durable. An error is final: the caller must neither try again nor go on.
    fn sync(&mut self) -> io::Result<()>;

    /// Keeps only the first `length_bytes`; not durable.
    fn truncate(&mut self, length_bytes: u64) -> io::Result<()>;
}

/// A file on the host's disk, which [`super::JournalFolder`] made or found.
#[derive(Debug)]
pub struct FileStorage {
    file: fs_err::File,
}

impl FileStorage {
    /// Takes a file that is open for reading and writing.
    pub(super) fn new(file: fs_err::File) -> Self {
        Self { file }
    }
}

impl Storage for FileStorage {
    fn read_all(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn truncate(&mut self, length_bytes: u64) -> io::Result<()> {
        self.file.set_len(length_bytes)
    }
}
