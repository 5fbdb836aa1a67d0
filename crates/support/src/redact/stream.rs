//! Redaction of a stream of bytes. The result does not depend on how the bytes were split: a byte is written only when
//! every secret that could start before it is known.

use super::Redactor;
use super::named::BEFORE;
use super::patterns::{CoveredSecrets, Haystack, MatchResult};
use super::views::{COUNT, GROWTH, View, Views, between_escapes, has_structure};

/// Bytes before the first undecided one that patterns may examine, with room for an escape that is cut off.
const CONTEXT: usize = (BEFORE + 1) * GROWTH;

/// Number of bytes that are collected before a search, so that few are searched twice.
const BATCH: usize = 64 << 10;

/// A secret in the buffer.
#[derive(Debug)]
struct Span {
    /// Start of the word that reveals the secret, or of the secret itself.
    begins: usize,
    start: usize,
    end: usize,
    is_known: bool,
    /// Number of its view; among equal secrets, the first decides.
    view: usize,
    token: String,
}

/// A stream during redaction.
#[derive(Debug)]
pub struct Stream<'a> {
    redactor: &'a Redactor,
    /// Number of undecided bytes before a search.
    batch: usize,
    /// Up to [`CONTEXT`] decided bytes, followed by the undecided ones.
    buffer: Vec<u8>,
    decided: usize,
    /// End in the buffer of the bytes that the last token replaces.
    covered: usize,
    /// Secrets with a later start, found by an earlier name.
    later: Vec<Span>,
    /// Secrets that reach beyond the decided bytes, for each view.
    reaching: [CoveredSecrets; COUNT],
    output: Vec<u8>,
}

impl<'a> Stream<'a> {
    pub(super) fn new(redactor: &'a Redactor) -> Self {
        Self {
            redactor,
            batch: BATCH,
            buffer: Vec::new(),
            decided: 0,
            covered: 0,
            later: Vec::new(),
            reaching: Default::default(),
            output: Vec::new(),
        }
    }

    /// A stream that searches often.
    #[cfg(test)]
    pub(super) fn eager(redactor: &'a Redactor) -> Self {
        Self { batch: 512, ..Self::new(redactor) }
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(self.batch) {
            self.buffer.extend_from_slice(part);
            if self.buffer.len() - self.decided >= self.batch + self.redactor.longest {
                self.decide(false);
            }
        }
    }

    /// Takes the decided output.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Ends the stream; returns the rest of its output.
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
        // Bytes after the limit are searched again, and must then be decoded in the same way.
        let limit = if is_end { limit } else { between_escapes(&self.buffer, limit).max(self.decided) };
        self.later.retain(|span| span.begins < limit);
        self.write_until(limit);
        self.forget(limit);
    }

    /// Finds secrets that start before `limit`, or before the returned limit: the first index at which more bytes are
    /// needed.
    fn look(&mut self, limit: usize, is_end: bool) -> usize {
        let mut search = Search { redactor: self.redactor, limit, decided: self.decided, is_end, found: Vec::new() };
        let views = Views::new(&self.buffer, is_end);
        let before = self.reaching.clone();
        for number in 0..COUNT {
            if let Some(view) = views.decoded(number) {
                search.find_known(number, view);
            }
            if !has_structure(number) {
                continue;
            }
            let equal = views.equal(number);
            if equal != number && before[equal] == before[number] {
                self.reaching[number] = self.reaching[equal].clone();
            } else if let Some(view) = views.decoded(equal) {
                search.patterns(number, view, &mut self.reaching[number]);
            }
        }
        let Search { limit, found, .. } = search;
        // Secrets that start after the limit are found again later.
        self.later.extend(found.into_iter().filter(|span| span.begins < limit));
        limit
    }

    fn write_until(&mut self, limit: usize) {
        self.later.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end), !span.is_known, span.view));
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
        for secrets in &mut self.reaching {
            secrets.keep(limit, kept_from);
        }
    }
}

/// A search in the buffer and its views. Found indexes refer to the buffer.
struct Search<'a> {
    redactor: &'a Redactor,
    limit: usize,
    decided: usize,
    is_end: bool,
    found: Vec<Span>,
}

impl Search<'_> {
    fn patterns(&mut self, number: usize, view: &View<'_>, covered: &mut CoveredSecrets) {
        let hay = Haystack { bytes: &view.bytes, is_end: self.is_end };
        let redactor = self.redactor;
        for word in redactor.patterns.begin(&view.bytes, view.at_or_after(self.decided)) {
            let (begins, _) = view.origin(word.start, word.end);
            if begins >= self.limit {
                continue;
            }
            match covered.judge(word, hay, |start, end| view.origin(start, end)) {
                MatchResult::Secret(start, end) if start < end => {
                    let token = redactor.token(&view.bytes[start..end]);
                    let (start, end) = view.origin(start, end);
                    self.found.push(Span { begins, start, end, is_known: false, view: number, token });
                }
                MatchResult::Nothing | MatchResult::Secret(..) => {}
                MatchResult::More => self.limit = begins.max(self.decided),
            }
        }
    }

    fn find_known(&mut self, number: usize, view: &View<'_>) {
        let from = view.at_or_after(self.decided);
        for known in self.redactor.known.find_overlapping_iter(&view.bytes[from..]) {
            let found = (known.start() + from, known.end() + from);
            let (start, end) = view.origin(found.0, found.1);
            // A longer spelling exceeds the bytes that are kept, and the result must not depend on how the text was
            // split.
            if start < self.limit && end - start <= self.redactor.longest {
                let token = self.redactor.token(&view.bytes[found.0..found.1]);
                self.found.push(Span { begins: start, start, end, is_known: true, view: number, token });
            }
        }
    }
}
