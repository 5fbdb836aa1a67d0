//! What looks like a secret, whoever made it. Each pattern begins with a word; what follows decides. A pattern that reaches the end of
//! the bytes so far asks for more of them, so that a stream finds what a whole text would show.

use aho_corasick::AhoCorasick;

/// The longest secret that a pattern covers. Keys of 16,384 bits in PEM have a fifth of it.
const LIMIT: usize = 64 << 10;

/// The longest distance between a name and its value: quotes, spaces, a separator.
const GAP: usize = 24;

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
#[derive(Debug, Clone, Copy)]
pub(super) enum Pattern {
    /// A private key in PEM, with its first and last line.
    Pem,
    /// The password in a URL, or a long user's name alone, which is a token.
    Url,
    /// A JSON Web Token: three parts of base64.
    Jwt,
    /// A key of a service with a prefix of its own, exactly as written, and at least so many more characters.
    Prefixed(&'static str, usize),
    /// What follows the word `Bearer`.
    Bearer,
    /// The value that belongs to a name, such as `password=…`.
    Named,
    /// The same, up to the end of the line.
    NamedLine,
}

const TABLE: &[(&str, Pattern)] = &[
    ("-----begin ", Pattern::Pem),
    ("://", Pattern::Url),
    ("eyj", Pattern::Jwt),
    ("akia", Pattern::Prefixed("AKIA", 16)),
    ("asia", Pattern::Prefixed("ASIA", 16)),
    ("ghp_", Pattern::Prefixed("ghp_", 20)),
    ("gho_", Pattern::Prefixed("gho_", 20)),
    ("ghs_", Pattern::Prefixed("ghs_", 20)),
    ("github_pat_", Pattern::Prefixed("github_pat_", 20)),
    ("glpat-", Pattern::Prefixed("glpat-", 16)),
    ("xoxb-", Pattern::Prefixed("xoxb-", 16)),
    ("xoxp-", Pattern::Prefixed("xoxp-", 16)),
    ("hf_", Pattern::Prefixed("hf_", 24)),
    ("sk-", Pattern::Prefixed("sk-", 24)),
    ("aiza", Pattern::Prefixed("AIza", 30)),
    ("age-secret-key-1", Pattern::Prefixed("AGE-SECRET-KEY-1", 20)),
    ("bearer ", Pattern::Bearer),
    ("password", Pattern::Named),
    ("passwd", Pattern::Named),
    ("passphrase", Pattern::Named),
    ("pwd", Pattern::Named),
    ("secret", Pattern::Named),
    ("token", Pattern::Named),
    ("api_key", Pattern::Named),
    ("api-key", Pattern::Named),
    ("apikey", Pattern::Named),
    ("access_key", Pattern::Named),
    ("access-key", Pattern::Named),
    ("accesskey", Pattern::Named),
    ("secret_key", Pattern::Named),
    ("secret-key", Pattern::Named),
    ("secretkey", Pattern::Named),
    ("encryption_key", Pattern::Named),
    ("private_key", Pattern::Named),
    ("private-key", Pattern::Named),
    ("privatekey", Pattern::Named),
    ("client-key-data", Pattern::Named),
    ("authorization", Pattern::NamedLine),
    ("cookie", Pattern::NamedLine),
];

/// The patterns of the table.
pub(super) struct Patterns(AhoCorasick);

impl Patterns {
    pub(super) fn new() -> Result<Self, aho_corasick::BuildError> {
        let words = TABLE.iter().map(|(word, _)| word);
        AhoCorasick::builder().ascii_case_insensitive(true).build(words).map(Self)
    }

    /// The longest word.
    #[expect(clippy::unused_self, reason = "the table belongs to whoever has built its automaton")]
    pub(super) fn longest(&self) -> usize {
        TABLE.iter().map(|(word, _)| word.len()).max().unwrap_or_default()
    }

    /// The words at or behind `from`, each with its pattern, its beginning and its end.
    pub(super) fn begin<'a>(
        &'a self,
        bytes: &'a [u8],
        from: usize,
    ) -> impl Iterator<Item = (Pattern, usize, usize)> + 'a {
        let words = self.0.find_overlapping_iter(&bytes[from..]);
        words.map(move |word| (TABLE[word.pattern().as_usize()].1, word.start() + from, word.end() + from))
    }
}

impl Pattern {
    /// What the word from `start` to `end` leads to.
    pub(super) fn at(self, hay: Haystack<'_>, start: usize, end: usize) -> Found {
        let found = match self {
            Self::Pem => hay.pem(start, end),
            Self::Url => hay.url(end),
            Self::Jwt => hay.jwt(start),
            Self::Prefixed(prefix, least) => hay.prefixed(start, prefix.as_bytes(), least),
            Self::Bearer => hay.bearer(end),
            Self::Named => hay.named(start, end, false),
            Self::NamedLine => hay.named(start, end, true),
        };
        found.unwrap_or(Found::More)
    }
}

/// None where more bytes decide.
type Decided<T> = Option<T>;

impl Haystack<'_> {
    /// The byte at a place: the inner none is the end of the text.
    fn byte(&self, at: usize) -> Decided<Option<u8>> {
        match self.bytes.get(at) {
            Some(byte) => Some(Some(*byte)),
            None if self.is_end => Some(None),
            None => None,
        }
    }

    /// Where the bytes end that belong to it, at most [`LIMIT`] behind `from`.
    fn run(&self, from: usize, belongs: impl Fn(u8) -> bool) -> Decided<usize> {
        let mut at = from;
        while at - from < LIMIT && self.byte(at)?.is_some_and(&belongs) {
            at += 1;
        }
        Some(at)
    }

    fn pem(&self, start: usize, end: usize) -> Decided<Found> {
        let Some(label) = self.find(end, 64, b"-----")? else { return Some(Found::Nothing) };
        if !self.bytes[end..label].to_ascii_uppercase().ends_with(b"PRIVATE KEY") {
            return Some(Found::Nothing);
        }
        let Some(last) = self.find(label + 5, LIMIT, b"-----END ")? else {
            // Its end was cut off: nothing that may belong to it stays.
            return Some(Found::Secret(start, self.bytes.len().min(label + 5 + LIMIT)));
        };
        let begin = last + b"-----END ".len();
        let closed = self.find(begin, 64, b"-----")?.map_or(begin, |at| at + 5);
        Some(Found::Secret(start, closed))
    }

    /// Where a text is, at most so many bytes behind `from`.
    fn find(&self, from: usize, within: usize, text: &[u8]) -> Decided<Option<usize>> {
        let end = from + within + text.len();
        let seen = &self.bytes[from.min(self.bytes.len())..end.min(self.bytes.len())];
        match seen.windows(text.len()).position(|window| window == text) {
            Some(at) => Some(Some(from + at)),
            None if self.is_end || self.bytes.len() >= end => Some(None),
            None => None,
        }
    }

    fn url(&self, from: usize) -> Decided<Found> {
        let end = self.run(from, |byte| byte.is_ascii_graphic() && !b"/?#@\"'<>\\`,".contains(&byte))?;
        if self.byte(end)? != Some(b'@') {
            return Some(Found::Nothing);
        }
        let user = &self.bytes[from..end];
        Some(match user.iter().position(|byte| *byte == b':') {
            Some(colon) if colon + 1 < user.len() => Found::Secret(from + colon + 1, end),
            None if user.len() >= 20 => Found::Secret(from, end),
            _ => Found::Nothing,
        })
    }

    fn jwt(&self, start: usize) -> Decided<Found> {
        let mut at = start;
        if self.byte(start + 2)? != Some(b'J') || self.byte(start)? != Some(b'e') {
            return Some(Found::Nothing);
        }
        for is_last in [false, false, true] {
            let end = self.run(at, |byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))?;
            if end - at < 6 {
                // Without its signature it is still what it says.
                return Some(if is_last { Found::Secret(start, end) } else { Found::Nothing });
            }
            if is_last || self.byte(end)? != Some(b'.') {
                return Some(if is_last { Found::Secret(start, end) } else { Found::Nothing });
            }
            at = end + 1;
        }
        Some(Found::Nothing)
    }

    fn prefixed(&self, start: usize, prefix: &[u8], least: usize) -> Decided<Found> {
        let is_within_word = start > 0 && self.bytes[start - 1].is_ascii_alphanumeric();
        let from = start + prefix.len();
        if is_within_word || self.bytes.get(start..from) != Some(prefix) {
            return Some(Found::Nothing);
        }
        let end = self.run(from, |byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))?;
        Some(if end - from >= least { Found::Secret(start, end) } else { Found::Nothing })
    }

    fn bearer(&self, from: usize) -> Decided<Found> {
        let end = self.run(from, |byte| byte.is_ascii_alphanumeric() || b"._~+/=-".contains(&byte))?;
        Some(if end - from >= 8 { Found::Secret(from, end) } else { Found::Nothing })
    }

    fn named(&self, start: usize, end: usize, to_end_of_line: bool) -> Decided<Found> {
        let Some(from) = self.separated(start, end)? else { return Some(Found::Nothing) };
        let Some((from, quote)) = self.quoted(from)? else { return Some(Found::Nothing) };
        let first = self.byte(from)?;
        // The value is a structure, or a reference to another place.
        if quote.is_none() && first.is_none_or(|byte| b"{[$|>(".contains(&byte)) {
            return Some(Found::Nothing);
        }
        let end = match quote {
            Some(quote) => self.run(from, |byte| byte != quote && byte != b'\n')?,
            None if to_end_of_line => self.run(from, |byte| !b"\n\r\"'".contains(&byte))?,
            None => self.run(from, |byte| !byte.is_ascii_whitespace() && !b",;&\"'`)}]<>".contains(&byte))?,
        };
        // The backslashes before an escaped quote belong to the quote.
        let value = self.bytes[from..end].trim_ascii_end();
        let value = &value[..value.iter().rposition(|byte| *byte != b'\\').map_or(0, |last| last + 1)];
        let is_word = matches!(value, b"" | b"null" | b"nil" | b"true" | b"false" | b"none" | b"<nil>");
        // `PWD` is a folder in every environment.
        let is_folder = self.bytes[start..start + 3].eq_ignore_ascii_case(b"pwd") && value.starts_with(b"/");
        Some(if is_word || is_folder { Found::Nothing } else { Found::Secret(from, from + value.len()) })
    }

    /// Where the value begins that belongs to a name: behind `=`, `:`, or as the next argument of an option.
    fn separated(&self, start: usize, end: usize) -> Decided<Option<usize>> {
        let is_filler = |byte: u8| b" \t\"'\\".contains(&byte);
        let mut at = end;
        while at - end < GAP && self.byte(at)?.is_some_and(is_filler) {
            at += 1;
        }
        if self.byte(at)?.is_some_and(|byte| b":=".contains(&byte)) {
            at += 1;
            // `:=`, `=>`, `==`
            if self.byte(at)?.is_some_and(|byte| b"=>".contains(&byte)) {
                at += 1;
            }
            return Some(Some(at));
        }
        // `--password value`, or `["--password", "value"]`.
        let is_option = self.bytes[start.saturating_sub(CONTEXT_OF_OPTION)..start].windows(2).any(|pair| pair == b"--");
        if is_option && at > end {
            return Some(Some(if self.byte(at)? == Some(b',') { at + 1 } else { at }));
        }
        Some(None)
    }

    /// Behind spaces, backslashes and a quote: where the value begins, and the quote that ends it.
    fn quoted(&self, from: usize) -> Decided<Option<(usize, Option<u8>)>> {
        let mut at = from;
        while at - from < GAP && self.byte(at)?.is_some_and(|byte| b" \t\\".contains(&byte)) {
            at += 1;
        }
        Some(match self.byte(at)? {
            Some(quote) if quote == b'"' || quote == b'\'' => Some((at + 1, Some(quote))),
            Some(byte) if !byte.is_ascii_whitespace() => Some((at, None)),
            _ => None,
        })
    }
}

/// How far before a name the dashes of its option may be; a stream keeps that many bytes.
const CONTEXT_OF_OPTION: usize = 12;
