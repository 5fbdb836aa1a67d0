//! Patterns of secrets, independent of their origin. Each starts with a word; the following bytes decide. A pattern
//! that reaches the end of the available bytes asks for more, so that a stream finds the same secrets as a complete
//! text.

use aho_corasick::AhoCorasick;

use super::table::table;

/// Maximum length in bytes of a secret that a pattern covers. PEM keys of 16,384 bits are a fifth of that.
pub(super) const LIMIT: usize = 64 << 10;

/// Result of a pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MatchResult {
    Nothing,
    /// More bytes are needed to decide.
    More,
    /// Start and end of the secret.
    Secret(usize, usize),
}

/// The available bytes, and a mark for the end of the text.
#[derive(Clone, Copy)]
pub(super) struct Haystack<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) is_end: bool,
}

/// Kinds of patterns that judge the bytes after a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    /// The key of a service with its own prefix, matched exactly, and at least this many more characters.
    Prefixed(&'static str, usize),
    Kind(Kind),
}

/// Kinds of patterns without parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A private key in PEM, SSH2 or PGP form, including its first and last line.
    Pem,
    /// A PEM key in base64, as in Secrets and kubeconfigs.
    EncodedPem,
    /// The private lines of a `PuTTY` key.
    Putty,
    /// The password in a URL, or a long user name without password, which is a token.
    Url,
    /// A JSON Web Token: three parts in base64.
    Jwt,
    /// The path of a webhook, which is enough to post to it.
    Hook,
    /// The text after the word `Bearer`.
    Bearer,
    /// User and password in base64.
    Basic,
    /// The signature of a signed URL.
    Signature,
    /// The value of a cookie whose name starts with the word.
    Cookie,
    /// The text after the word and a space, such as `requirepass x`.
    Directive,
    /// The value that belongs to a name, such as `password=…`.
    Named,
    /// The value of a short name, which must be a separate word.
    Short,
    /// The value of a name, up to the end of the line.
    NamedLine,
}

/// The patterns of the table, with an automaton for their words.
pub(super) struct Patterns {
    words: AhoCorasick,
    table: Vec<(&'static str, Pattern)>,
}

/// A word in a text, with its pattern.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) pattern: Pattern,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Patterns {
    pub(super) fn new() -> Result<Self, aho_corasick::BuildError> {
        let table = table();
        let words = AhoCorasick::builder().ascii_case_insensitive(true).build(table.iter().map(|(word, _)| word))?;
        Ok(Self { words, table })
    }

    /// Length of the longest word.
    pub(super) fn longest(&self) -> usize {
        self.table.iter().map(|(word, _)| word.len()).max().unwrap_or_default()
    }

    /// Words at or after `from`.
    pub(super) fn begin<'a>(&'a self, bytes: &'a [u8], from: usize) -> impl Iterator<Item = Word> + 'a {
        let words = self.words.find_overlapping_iter(&bytes[from..]);
        words.map(move |word| Word {
            pattern: self.table[word.pattern().as_usize()].1,
            start: word.start() + from,
            end: word.end() + from,
        })
    }

    /// Secrets in a complete text, as start and end.
    pub(super) fn secrets(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let hay = Haystack { bytes, is_end: true };
        let mut covered = CoveredSecrets::default();
        let words = self.begin(bytes, 0);
        words
            .filter_map(|word| match covered.judge(word, hay) {
                MatchResult::Secret(start, end) => Some((start, end)),
                MatchResult::Nothing | MatchResult::More => None,
            })
            .collect()
    }
}

/// End of the last secret of each kind. A word of the same kind inside it reveals nothing new and is skipped, which
/// keeps the time linear for texts that repeat a word.
#[derive(Default)]
pub(super) struct CoveredSecrets(Vec<(Pattern, usize)>);

impl CoveredSecrets {
    /// Judges a word.
    pub(super) fn judge(&mut self, word: Word, hay: Haystack<'_>) -> MatchResult {
        let covered = self.0.iter_mut().find(|(pattern, _)| *pattern == word.pattern);
        if covered.as_ref().is_some_and(|(_, end)| word.end <= *end) {
            return MatchResult::Nothing;
        }
        let found = word.pattern.at(hay, word.start, word.end);
        if let MatchResult::Secret(_, end) = found {
            match covered {
                Some(covered) => covered.1 = end,
                None => self.0.push((word.pattern, end)),
            }
        }
        found
    }
}

impl Pattern {
    /// Judges the word from `start` to `end`.
    fn at(self, hay: Haystack<'_>, start: usize, end: usize) -> MatchResult {
        let found = match self {
            Self::Prefixed(prefix, least) => hay.prefixed_value(start, prefix.as_bytes(), least),
            Self::Kind(kind) => kind.at(hay, start, end),
        };
        found.unwrap_or(MatchResult::More)
    }
}

impl Kind {
    fn at(self, hay: Haystack<'_>, start: usize, end: usize) -> Decision<MatchResult> {
        match self {
            Self::Pem => hay.pem(start, end),
            Self::EncodedPem => hay.encoded_pem(start),
            Self::Putty => hay.putty(end),
            Self::Url => hay.url(end),
            Self::Jwt => hay.jwt(start),
            Self::Hook => hay.hook(end),
            Self::Bearer => hay.bearer(end),
            Self::Basic => hay.basic(end),
            Self::Signature => hay.signature(end),
            Self::Cookie => hay.cookie(end),
            Self::Directive => hay.directive(end),
            Self::Named => hay.named_value(start, end, false),
            Self::Short => hay.short(start, end),
            Self::NamedLine => hay.named_value(start, end, true),
        }
    }
}

/// A result; `None` if more bytes are needed to decide.
pub(super) type Decision<T> = Option<T>;

impl Haystack<'_> {
    /// The byte at an index; `Some(None)` at the end of the text.
    pub(super) fn byte(&self, at: usize) -> Decision<Option<u8>> {
        match self.bytes.get(at) {
            Some(byte) => Some(Some(*byte)),
            None if self.is_end => Some(None),
            None => None,
        }
    }

    /// End of the bytes for which `belongs` holds, at most [`LIMIT`] after `from`.
    pub(super) fn run(&self, from: usize, belongs: impl Fn(u8) -> bool) -> Decision<usize> {
        self.run_within(from, LIMIT, belongs)
    }

    /// End of the bytes for which `belongs` holds, at most `within` after `from`.
    pub(super) fn run_within(&self, from: usize, within: usize, belongs: impl Fn(u8) -> bool) -> Decision<usize> {
        let mut at = from;
        while at - from < within && self.byte(at)?.is_some_and(&belongs) {
            at += 1;
        }
        Some(at)
    }

    /// Index of a text, at most `within` bytes after `from`.
    pub(super) fn find(&self, from: usize, within: usize, text: &[u8]) -> Decision<Option<usize>> {
        let end = from + within + text.len();
        let seen = &self.bytes[from.min(self.bytes.len())..end.min(self.bytes.len())];
        match seen.windows(text.len()).position(|window| window == text) {
            Some(at) => Some(Some(from + at)),
            None if self.is_end || self.bytes.len() >= end => Some(None),
            None => None,
        }
    }
}
