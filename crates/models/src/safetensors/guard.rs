//! A guard that checks the JSON of a header before the deserializer receives it.
//!
//! Threats: a header may consist of a single text or number, or of many open brackets. The deserializer holds an entire
//! text or number, and a byte for each open bracket, before its caller can refuse them. So the guard counts bytes
//! first.

use std::io::{self, Read};

use super::METADATA;
use crate::limits;

/// Maximum length of a text in bytes as written: a character takes up to six (`\u0041`).
const TEXT_BYTES: usize = 6 * limits::NAME_BYTES;

/// Maximum length of a number in bytes: one of 64 bits has 20 digits.
const NUMBER_BYTES: usize = 64;

/// Reads JSON up to an element that is too long. Texts of the metadata may have any length: they are skipped.
pub(super) struct Guard<R> {
    json: R,
    /// Number of open brackets.
    depth: usize,
    /// Bytes of the current text or number so far.
    length: usize,
    is_text: bool,
    is_escaped: bool,
    /// True if the latest text of the outer object is the name of the metadata, as far as it was read.
    is_metadata: bool,
    refusal: Option<String>,
}

impl<R> Guard<R> {
    pub(super) fn new(json: R) -> Self {
        let (is_text, is_escaped, is_metadata) = (false, false, false);
        Self { json, depth: 0, length: 0, is_text, is_escaped, is_metadata, refusal: None }
    }

    /// Returns the reason why reading stopped, if an element was too long.
    pub(super) fn refusal(self) -> Option<String> {
        self.refusal
    }

    /// Processes a byte. Returns a description if this byte makes an element too long.
    fn follow(&mut self, byte: u8) -> Option<String> {
        if self.is_text {
            return self.follow_text(byte);
        }
        match byte {
            b'"' => {
                (self.is_text, self.length) = (true, 0);
                self.is_metadata |= self.depth == 1;
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => self.length = 0,
            _ => self.length += 1,
        }
        if self.depth > limits::JSON_NESTING {
            return Some(format!("its values are nested more than {} deep", limits::JSON_NESTING));
        }
        let is_long = !self.is_text && self.length > NUMBER_BYTES;
        is_long.then(|| format!("a number has more than {NUMBER_BYTES} bytes"))
    }

    fn follow_text(&mut self, byte: u8) -> Option<String> {
        let is_end = byte == b'"' && !self.is_escaped;
        self.is_escaped = byte == b'\\' && !self.is_escaped;
        if is_end {
            self.is_metadata &= self.depth > 1 || self.length == METADATA.len();
            (self.is_text, self.length) = (false, 0);
            return None;
        }
        self.is_metadata &= self.depth > 1 || METADATA.as_bytes().get(self.length) == Some(&byte);
        self.length += 1;
        let is_passed_over = self.is_metadata && self.depth > 1;
        (!is_passed_over && self.length > TEXT_BYTES).then(|| format!("a text has more than {TEXT_BYTES} bytes"))
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.json.read(buffer)?;
        for byte in &buffer[..count] {
            if let Some(refusal) = self.follow(*byte) {
                self.refusal = Some(refusal);
                return Err(io::Error::other("refused"));
            }
        }
        Ok(count)
    }
}
