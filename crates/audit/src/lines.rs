//! The lines of an exported log, with a maximum length: the file is untrusted, and an endless line must not fill the
//! memory.

use std::io::{self, BufRead, Read as _};

use landfall_error_codes::codes;

use crate::entry::ENTRY_BYTES;
use crate::error::{AuditError, Result};

/// Maximum length of a line in bytes, without its end: that of the longest entry, with its hash.
pub const LINE_BYTES: usize = ENTRY_BYTES + (4 << 10);

/// A reader of a log, line by line.
pub(crate) struct Lines<R> {
    log: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn of(log: R) -> Self {
        Self { log, line: Vec::new(), number: 0 }
    }

    /// Returns the next line without its end; `None` at the end of the log.
    pub(crate) fn next(&mut self) -> Result<Option<&str>> {
        self.line.clear();
        self.number += 1;
        // Two more bytes, for the end of the longest line.
        let most = LINE_BYTES as u64 + 2;
        self.log.by_ref().take(most).read_until(b'\n', &mut self.line).map_err(AuditError::unreadable)?;
        if self.line.is_empty() {
            return Ok(None);
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > LINE_BYTES {
            let what = format!("line {} is longer than {LINE_BYTES} bytes", self.number);
            return Err(AuditError::new(codes::AUDIT_LINE, what));
        }
        let not_text = |error| AuditError::unreadable(io::Error::new(io::ErrorKind::InvalidData, error));
        std::str::from_utf8(line).map(Some).map_err(not_text)
    }
}
