//! A stream of bytes on its way through the redactor. What is decided about a byte never depends on how the bytes were split: a byte
//! is written once everything that could begin before it is known.

use super::Redactor;
use super::patterns::{Found, Haystack};

/// Bytes before the first undecided one that patterns may look at.
const CONTEXT: usize = 16;

/// Bytes that are collected before they are looked at, to look at few of them twice.
const BATCH: usize = 64 << 10;

/// A secret in the buffer.
#[derive(Debug)]
struct Span {
    start: usize,
    end: usize,
    is_known: bool,
    token: String,
}

/// A stream that is being redacted.
#[derive(Debug)]
pub struct Stream<'a> {
    redactor: &'a Redactor,
    /// Up to [`CONTEXT`] bytes that are decided, and those that are not.
    buffer: Vec<u8>,
    decided: usize,
    /// Up to where in the buffer the last token replaces the bytes.
    covered: usize,
    /// Secrets that begin later, found by a name before them.
    later: Vec<Span>,
    output: Vec<u8>,
}

impl<'a> Stream<'a> {
    pub(super) fn new(redactor: &'a Redactor) -> Self {
        Self { redactor, buffer: Vec::new(), decided: 0, covered: 0, later: Vec::new(), output: Vec::new() }
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(BATCH) {
            self.buffer.extend_from_slice(part);
            if self.buffer.len() - self.decided >= BATCH + self.redactor.longest {
                self.decide(false);
            }
        }
    }

    /// What is decided so far, and was not taken yet.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Ends the stream: the rest of its output.
    pub fn finish(mut self) -> Vec<u8> {
        self.decide(true);
        self.output
    }

    fn decide(&mut self, is_end: bool) {
        let ahead = if is_end { 0 } else { self.redactor.longest };
        let limit = self.buffer.len().saturating_sub(ahead);
        if limit <= self.decided {
            return;
        }
        let limit = self.look(limit, is_end);
        self.write_until(limit);
        self.forget(limit);
    }

    /// Finds the secrets that begin before `limit`, or before what is returned: the first place about which more bytes decide.
    fn look(&mut self, mut limit: usize, is_end: bool) -> usize {
        let redactor = self.redactor;
        let hay = Haystack { bytes: &self.buffer, is_end };
        let mut found = Vec::new();
        for (pattern, start, end) in redactor.patterns.begin(&self.buffer, self.decided) {
            if start >= limit {
                continue;
            }
            match pattern.at(hay, start, end) {
                Found::Nothing => {}
                Found::More => limit = start,
                Found::Secret(start_of_secret, end_of_secret) => found.push((start, start_of_secret..end_of_secret)),
            }
        }
        for (begins, range) in found {
            // What begins behind the limit is looked at again.
            if begins < limit {
                let token = redactor.token(&self.buffer[range.clone()]);
                self.later.push(Span { start: range.start, end: range.end, is_known: false, token });
            }
        }
        for known in redactor.known.find_overlapping_iter(&self.buffer[self.decided..]) {
            let (start, end) = (known.start() + self.decided, known.end() + self.decided);
            if start < limit {
                let token = redactor.token(&self.buffer[start..end]);
                self.later.push(Span { start, end, is_known: true, token });
            }
        }
        limit
    }

    fn write_until(&mut self, limit: usize) {
        self.later.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end), !span.is_known));
        let count = self.later.partition_point(|span| span.start < limit);
        let mut at = self.decided.max(self.covered);
        for span in self.later.drain(..count).filter(|span| span.end > self.covered) {
            if span.end <= at {
                continue;
            }
            if span.start > at {
                self.output.extend_from_slice(&self.buffer[at..span.start]);
            }
            self.output.extend_from_slice(span.token.as_bytes());
            at = span.end;
        }
        if at < limit {
            self.output.extend_from_slice(&self.buffer[at..limit]);
        }
        self.covered = at.max(self.covered);
    }

    fn forget(&mut self, limit: usize) {
        let kept_from = limit.saturating_sub(CONTEXT);
        self.buffer.drain(..kept_from);
        self.decided = limit - kept_from;
        self.covered = self.covered.saturating_sub(kept_from);
        for span in &mut self.later {
            span.start -= kept_from;
            span.end -= kept_from;
        }
    }
}
