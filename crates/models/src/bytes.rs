//! A reader with a limit, for headers whose length is known only from their contents.

use std::io::{BufReader, Read};

use crate::error::HeaderError;

/// Reads at most `limit` bytes. A request for more is an error before anything is read.
pub struct BoundedReader<R> {
    inner: BufReader<R>,
    read: u64,
    limit: u64,
}

impl<R: Read> BoundedReader<R> {
    /// Creates a reader of at most `limit` bytes.
    pub fn new(inner: R, limit: u64) -> Self {
        Self { inner: BufReader::with_capacity(64 << 10, inner), read: 0, limit }
    }

    /// Number of bytes that were read or skipped.
    pub fn position(&self) -> u64 {
        self.read
    }

    /// Number of bytes that may still be read.
    pub fn remaining_bytes(&self) -> u64 {
        self.limit - self.read
    }

    fn take(&mut self, bytes: u64) -> Result<(), HeaderError> {
        let after = self.read.saturating_add(bytes);
        if after > self.limit {
            return Err(HeaderError::TooLong { bytes: after, limit: self.limit });
        }
        self.read = after;
        Ok(())
    }

    /// Reads the next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], HeaderError> {
        let mut bytes = [0; N];
        self.take(N as u64)?;
        self.inner.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads a little-endian number of four bytes.
    pub fn u32(&mut self) -> Result<u32, HeaderError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Reads a little-endian number of eight bytes.
    pub fn u64(&mut self) -> Result<u64, HeaderError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads the next bytes. The caller has limited their number.
    pub fn bytes(&mut self, count: u64) -> Result<Vec<u8>, HeaderError> {
        self.take(count)?;
        let mut bytes = Vec::new();
        (&mut self.inner).take(count).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == count { Ok(bytes) } else { Err(unexpected_end()) }
    }

    /// Skips bytes without keeping them.
    pub fn skip(&mut self, count: u64) -> Result<(), HeaderError> {
        self.take(count)?;
        let skipped = std::io::copy(&mut (&mut self.inner).take(count), &mut std::io::sink())?;
        if skipped == count { Ok(()) } else { Err(unexpected_end()) }
    }
}

fn unexpected_end() -> HeaderError {
    HeaderError::Read(std::io::ErrorKind::UnexpectedEof.into())
}
