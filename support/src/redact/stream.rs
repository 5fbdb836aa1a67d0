//! A stream of bytes on its way through the redactor. What is decided about a byte never depends on how the bytes were split: a byte
//! is written once everything that could begin before it is known.

use super::Redactor;
use super::patterns::{Covered, Found, Haystack};
use super::views::{between_escapes, views};

/// Bytes before the first undecided one that patterns may look at.
const CONTEXT: usize = 64;

/// Bytes that are collected before they are looked at, to look at few of them twice.
const BATCH: usize = 64 << 10;

/// A secret in the buffer.
#[derive(Debug)]
struct Span {
    /// Where the word begins that shows it, or the secret itself.
    begins: usize,
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
        // What is behind the limit is decoded alike when it is looked at again.
        let limit = if is_end { limit } else { between_escapes(&self.buffer, limit).max(self.decided) };
        self.later.retain(|span| span.begins < limit);
        self.write_until(limit);
        self.forget(limit);
    }

    /// Finds the secrets that begin before `limit`, or before what is returned: the first place about which more bytes decide.
    fn look(&mut self, limit: usize, is_end: bool) -> usize {
        let mut search = Search { redactor: self.redactor, limit, decided: self.decided, is_end, found: Vec::new() };
        search.patterns(&self.buffer, self.decided, |start, end| (start, end));
        search.known(&self.buffer, self.decided, |start, end| (start, end));
        for view in views(&self.buffer, is_end) {
            let from = view.at_or_after(self.decided);
            if view.has_structure {
                search.patterns(&view.bytes, from, |start, end| view.origin(start, end));
            }
            search.known(&view.bytes, from, |start, end| view.origin(start, end));
        }
        let Search { limit, found, .. } = search;
        // What begins behind the limit is looked at again.
        self.later.extend(found.into_iter().filter(|span| span.begins < limit));
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
            span.begins = 0;
            span.start -= kept_from;
            span.end -= kept_from;
        }
    }
}

/// A search in the buffer and its views. Places in what it found are those of the buffer.
struct Search<'a> {
    redactor: &'a Redactor,
    limit: usize,
    decided: usize,
    is_end: bool,
    found: Vec<Span>,
}

impl Search<'_> {
    fn patterns(&mut self, bytes: &[u8], from: usize, origin: impl Fn(usize, usize) -> (usize, usize)) {
        let hay = Haystack { bytes, is_end: self.is_end };
        let mut covered = Covered::default();
        let redactor = self.redactor;
        for word in redactor.patterns.begin(bytes, from) {
            let (begins, _) = origin(word.start, word.end);
            if begins >= self.limit {
                continue;
            }
            match covered.judge(word, hay) {
                Found::Secret(start, end) if start < end => {
                    let (is_known, token) = (false, redactor.token(&bytes[start..end]));
                    let (start, end) = origin(start, end);
                    self.found.push(Span { begins, start, end, is_known, token });
                }
                Found::Nothing | Found::Secret(..) => {}
                Found::More => self.limit = begins.max(self.decided),
            }
        }
    }

    fn known(&mut self, bytes: &[u8], from: usize, origin: impl Fn(usize, usize) -> (usize, usize)) {
        for known in self.redactor.known.find_overlapping_iter(&bytes[from..]) {
            let found = (known.start() + from, known.end() + from);
            let (start, end) = origin(found.0, found.1);
            // Longer than what is kept ahead: how the text was split must not decide.
            if start < self.limit && end - start <= self.redactor.longest {
                let token = self.redactor.token(&bytes[found.0..found.1]);
                self.found.push(Span { begins: start, start, end, is_known: true, token });
            }
        }
    }
}
