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
        let mut secrets = Vec::new();
        for word in self.begin(bytes, 0) {
            if let MatchResult::Secret(start, end) = covered.judge(word, hay, |start, end| (start, end)) {
                secrets.push((start, end));
            }
        }
        secrets
    }
}

impl Word {
    /// Judges the bytes at the word.
    fn judge(self, hay: Haystack<'_>) -> MatchResult {
        let found = match self.pattern {
            Pattern::Prefixed(prefix, least) => hay.prefixed_value(self.start, prefix.as_bytes(), least),
            Pattern::Kind(kind) => kind.at(hay, self.start, self.end),
        };
        found.unwrap_or(MatchResult::More)
    }
}

/// Secrets of each kind in the order in which they were found. A word of the same kind inside the last one reveals
/// nothing new and is skipped, which keeps the time linear for texts that repeat a word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CoveredSecrets(Vec<(Pattern, Vec<CoveredSecret>)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CoveredSecret {
    /// Start of the word that revealed it.
    begins: usize,
    end: usize,
}

impl CoveredSecrets {
    /// Judges a word, unless it is inside the last secret of its kind. `origin` returns the range of the text for a
    /// range of the haystack.
    pub(super) fn judge(
        &mut self,
        word: Word,
        hay: Haystack<'_>,
        origin: impl Fn(usize, usize) -> (usize, usize),
    ) -> MatchResult {
        let (begins, ends) = origin(word.start, word.end);
        if self.contain(word.pattern, ends) {
            return MatchResult::Nothing;
        }
        let found = word.judge(hay);
        if let MatchResult::Secret(start, end) = found
            && start < end
        {
            self.add(word.pattern, begins, origin(start, end).1);
        }
        found
    }

    /// Returns true if a word that ends at `end` is inside the last secret of its kind.
    fn contain(&self, pattern: Pattern, end: usize) -> bool {
        let of_kind = self.0.iter().find(|(kind, _)| *kind == pattern);
        of_kind.and_then(|(_, secrets)| secrets.last()).is_some_and(|last| end <= last.end)
    }

    fn add(&mut self, pattern: Pattern, begins: usize, end: usize) {
        let secret = CoveredSecret { begins, end };
        match self.0.iter_mut().find(|(kind, _)| *kind == pattern) {
            Some((_, secrets)) => secrets.push(secret),
            None => self.0.push((pattern, vec![secret])),
        }
    }

    /// Keeps secrets that reach beyond `limit` and were revealed before it; others are found again. Indexes then count
    /// from `kept_from`.
    pub(super) fn keep(&mut self, limit: usize, kept_from: usize) {
        for (_, secrets) in &mut self.0 {
            secrets.retain(|secret| secret.begins < limit && secret.end > limit);
            for secret in secrets {
                *secret = CoveredSecret { begins: 0, end: secret.end - kept_from };
            }
        }
        self.0.retain(|(_, secrets)| !secrets.is_empty());
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
