//! What looks like a secret, whoever made it. Each pattern begins with a word; what follows decides. A pattern that reaches the end of
//! the bytes so far asks for more of them, so that a stream finds what a whole text would show.

use aho_corasick::AhoCorasick;

use super::table::table;

/// The longest secret that a pattern covers. Keys of 16,384 bits in PEM have a fifth of it.
pub(super) const LIMIT: usize = 64 << 10;

/// What a pattern found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// More bytes decide.
    More,
    /// Where the secret begins and ends.
    Secret(usize, usize),
}

/// The bytes so far.
#[derive(Clone, Copy)]
pub(super) struct Haystack<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) is_end: bool,
}

/// How what follows a word is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    /// A key of a service with a prefix of its own, exactly as written, and at least so many more characters.
    Prefixed(&'static str, usize),
    Kind(Kind),
}

/// Patterns without parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A private key in PEM, SSH2's form or PGP's, with its first and last line.
    Pem,
    /// The same in base64, as Secrets and kubeconfigs have it.
    EncodedPem,
    /// The private lines of a key of `PuTTY`.
    Putty,
    /// The password in a URL, or a long user's name alone, which is a token.
    Url,
    /// A JSON Web Token: three parts of base64.
    Jwt,
    /// The path of a web hook: who knows it may post.
    Hook,
    /// What follows the word `Bearer`.
    Bearer,
    /// A user and a password in base64.
    Basic,
    /// The signature of a signed URL.
    Signature,
    /// The value of a cookie, whose name begins with the word.
    Cookie,
    /// What follows the word and a space, such as `requirepass x`.
    Directive,
    /// The value that belongs to a name, such as `password=…`.
    Named,
    /// The same for a short name, which counts only as a word by itself.
    Short,
    /// The same, up to the end of the line.
    NamedLine,
}

/// The patterns of the table.
pub(super) struct Patterns {
    words: AhoCorasick,
    table: Vec<(&'static str, Pattern)>,
}

/// A word in a text.
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

    /// The longest word.
    pub(super) fn longest(&self) -> usize {
        self.table.iter().map(|(word, _)| word.len()).max().unwrap_or_default()
    }

    /// The words at or behind `from`.
    pub(super) fn begin<'a>(&'a self, bytes: &'a [u8], from: usize) -> impl Iterator<Item = Word> + 'a {
        let words = self.words.find_overlapping_iter(&bytes[from..]);
        words.map(move |word| Word {
            pattern: self.table[word.pattern().as_usize()].1,
            start: word.start() + from,
            end: word.end() + from,
        })
    }

    /// The secrets of a whole text, and where each begins and ends.
    pub(super) fn secrets(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let hay = Haystack { bytes, is_end: true };
        let mut covered = Covered::default();
        let words = self.begin(bytes, 0);
        words
            .filter_map(|word| match covered.judge(word, hay) {
                Found::Secret(start, end) => Some((start, end)),
                Found::Nothing | Found::More => None,
            })
            .collect()
    }
}

/// Where the last secret of each kind ends. A word of the same kind within it shows nothing more, and is not judged: that keeps the
/// time linear in texts that repeat a word.
#[derive(Default)]
pub(super) struct Covered(Vec<(Pattern, usize)>);

impl Covered {
    /// What a word leads to.
    pub(super) fn judge(&mut self, word: Word, hay: Haystack<'_>) -> Found {
        let covered = self.0.iter_mut().find(|(pattern, _)| *pattern == word.pattern);
        if covered.as_ref().is_some_and(|(_, end)| word.end <= *end) {
            return Found::Nothing;
        }
        let found = word.pattern.at(hay, word.start, word.end);
        if let Found::Secret(_, end) = found {
            match covered {
                Some(covered) => covered.1 = end,
                None => self.0.push((word.pattern, end)),
            }
        }
        found
    }
}

impl Pattern {
    /// What the word from `start` to `end` leads to.
    fn at(self, hay: Haystack<'_>, start: usize, end: usize) -> Found {
        let found = match self {
            Self::Prefixed(prefix, least) => hay.prefixed(start, prefix.as_bytes(), least),
            Self::Kind(kind) => kind.at(hay, start, end),
        };
        found.unwrap_or(Found::More)
    }
}

impl Kind {
    fn at(self, hay: Haystack<'_>, start: usize, end: usize) -> Decided<Found> {
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
            Self::Named => hay.named(start, end, false),
            Self::Short => hay.short(start, end),
            Self::NamedLine => hay.named(start, end, true),
        }
    }
}

/// None where more bytes decide.
pub(super) type Decided<T> = Option<T>;

impl Haystack<'_> {
    /// The byte at a place: the inner none is the end of the text.
    pub(super) fn byte(&self, at: usize) -> Decided<Option<u8>> {
        match self.bytes.get(at) {
            Some(byte) => Some(Some(*byte)),
            None if self.is_end => Some(None),
            None => None,
        }
    }

    /// Where the bytes end that belong to it, at most [`LIMIT`] behind `from`.
    pub(super) fn run(&self, from: usize, belongs: impl Fn(u8) -> bool) -> Decided<usize> {
        self.run_within(from, LIMIT, belongs)
    }

    /// Where the bytes end that belong to it, at most so many behind `from`.
    pub(super) fn run_within(&self, from: usize, within: usize, belongs: impl Fn(u8) -> bool) -> Decided<usize> {
        let mut at = from;
        while at - from < within && self.byte(at)?.is_some_and(&belongs) {
            at += 1;
        }
        Some(at)
    }

    /// Where a text is, at most so many bytes behind `from`.
    pub(super) fn find(&self, from: usize, within: usize, text: &[u8]) -> Decided<Option<usize>> {
        let end = from + within + text.len();
        let seen = &self.bytes[from.min(self.bytes.len())..end.min(self.bytes.len())];
        match seen.windows(text.len()).position(|window| window == text) {
            Some(at) => Some(Some(from + at)),
            None if self.is_end || self.bytes.len() >= end => Some(None),
            None => None,
        }
    }
}
