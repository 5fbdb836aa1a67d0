//! Views of a text in which other encodings are decoded: escapes of programming languages, URLs and HTML, and wrapped
//! base64, which is joined. Secrets are searched for in each view, so that no list of escaped forms has to be complete.
//! A view records the origin of its bytes.

use std::borrow::Cow;

/// Maximum length of one escape sequence.
const LONGEST_ESCAPE: usize = 12;

/// Maximum growth of one byte in an encoding; a secret with a larger average growth is not found.
pub(super) const GROWTH: usize = 12;

/// Number of bytes without an escape after which no escape of any view is incomplete.
const QUIET: usize = 10 * LONGEST_ESCAPE;

/// Maximum distance before a limit at which a position between two escapes is searched for.
const SEARCH: usize = 4096;

/// Minimum number of letters before a line break in base64.
const JOINED: usize = 16;

/// Encodings that are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EncodingKind {
    /// Escapes with a backslash: JSON, Go, Python, PHP, JavaScript, C, Rust, shells.
    Backslash,
    /// `%2F`, as in URLs and forms.
    Percent,
    /// Character references, as in HTML and XML.
    Html,
    /// Base64 with line breaks.
    Lines,
}

/// Number of views.
pub(super) const COUNT: usize = 10;

/// The views, each as a chain of encodings that are decoded one after the other; the first is the text itself. A chain
/// is tried only if its beginning found escapes. Each follows those that it may be equal to.
const CHAINS: [&[EncodingKind]; COUNT] = [
    &[],
    &[EncodingKind::Backslash],
    &[EncodingKind::Percent],
    &[EncodingKind::Html],
    &[EncodingKind::Lines],
    &[EncodingKind::Backslash, EncodingKind::Backslash],
    &[EncodingKind::Backslash, EncodingKind::Html],
    &[EncodingKind::Backslash, EncodingKind::Lines],
    &[EncodingKind::Percent, EncodingKind::Percent],
    &[EncodingKind::Html, EncodingKind::Backslash],
];

/// Decoded bytes.
pub(super) struct View<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// The range of the text for each byte; `None` for the text itself.
    origins: Option<Vec<(u32, u32)>>,
}

impl View<'_> {
    /// Range of the text for a part of the view, which must not be empty.
    pub(super) fn origin(&self, start: usize, end: usize) -> (usize, usize) {
        let Some(origins) = &self.origins else { return (start, end) };
        (origins[start].0 as usize, origins[end - 1].1 as usize)
    }

    /// Index in the view of the first byte that originates at or after `from`.
    pub(super) fn at_or_after(&self, from: usize) -> usize {
        self.origins.as_ref().map_or(from, |origins| origins.partition_point(|(start, _)| (*start as usize) < from))
    }
}

/// Views of a text, by their number.
pub(super) struct Views<'a> {
    /// `None` for each that is equal to an earlier one.
    decoded: [Option<View<'a>>; COUNT],
}

impl<'a> Views<'a> {
    /// Decodes a text. Unless it is complete, an escape that is cut off at its end is in no view.
    pub(super) fn new(text: &'a [u8], is_end: bool) -> Self {
        let mut decoded: [Option<View<'a>>; COUNT] = Default::default();
        for (number, chain) in CHAINS.iter().enumerate() {
            decoded[number] = match chain.split_last() {
                None => Some(View { bytes: Cow::Borrowed(text), origins: None }),
                Some((last, before)) => {
                    position(before).and_then(|base| decode_view(decoded[base].as_ref()?, *last, is_end))
                }
            };
        }
        Self { decoded }
    }

    /// A view, unless it is equal to an earlier one.
    pub(super) fn decoded(&self, number: usize) -> Option<&View<'a>> {
        self.decoded[number].as_ref()
    }

    /// Number of the view that was decoded and is equal to this one.
    pub(super) fn equal(&self, number: usize) -> usize {
        let Some((last, before)) = CHAINS[number].split_last() else { return number };
        let equal = [Some(number), position(before), position(&[*last])];
        equal.into_iter().flatten().find(|equal| self.decoded[*equal].is_some()).unwrap_or_default()
    }
}

/// Returns true if patterns apply to a view; joined lines have no structure.
pub(super) fn has_structure(number: usize) -> bool {
    !CHAINS[number].contains(&EncodingKind::Lines)
}

fn position(chain: &[EncodingKind]) -> Option<usize> {
    CHAINS.iter().position(|one| *one == chain)
}

/// Moves a limit back to a position that is inside no escape of any view. The bytes after it are then decoded in the
/// same way later.
pub(super) fn between_escapes(text: &[u8], limit: usize) -> usize {
    let quiet_from = limit.saturating_sub(QUIET);
    let is_quiet = !text[quiet_from..limit].iter().any(|byte| is_escape(*byte));
    if is_quiet && text[..limit].last().is_some_and(u8::is_ascii_graphic) {
        return limit;
    }
    let is_between = |at: usize| {
        text.get(at).is_none_or(|byte| !byte.is_ascii_whitespace())
            && is_separator(text[at - 1])
            && (at < 2 || text[at - 2] != b'\\')
    };
    (limit.saturating_sub(SEARCH) + 1..=limit).rev().find(|at| is_between(*at)).unwrap_or(limit)
}

fn is_escape(byte: u8) -> bool {
    matches!(byte, b'\\' | b'%' | b'&')
}

/// Returns true for bytes that neither end nor continue an escape, unless a backslash precedes them.
fn is_separator(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b",=:?!()[]<>|*~^@".contains(&byte)
}

/// A step of a decoder.
enum Step {
    /// The first byte is literal.
    Literal,
    /// This many bytes encode these ones.
    Escape(usize, Vec<u8>),
    /// More bytes are needed to decide.
    More,
}

fn decode_view(base: &View<'_>, writing: EncodingKind, is_end: bool) -> Option<View<'static>> {
    let begins = |byte: u8| match writing {
        EncodingKind::Backslash => byte == b'\\',
        EncodingKind::Percent => byte == b'%',
        EncodingKind::Html => byte == b'&',
        EncodingKind::Lines => byte == b'\n' || byte == b'\r',
    };
    let origin = |at: usize, length: usize| {
        let (start, end) = base.origin(at, at + length);
        (u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(end).unwrap_or(u32::MAX))
    };
    let text = &*base.bytes;
    if !text.iter().any(|byte| begins(*byte)) {
        return None;
    }
    let (mut bytes, mut origins) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()));
    let (mut at, mut differs) = (0, false);
    while at < text.len() {
        let step = if begins(text[at]) { writing.step(text, at, is_end) } else { Step::Literal };
        match step {
            Step::Literal => {
                bytes.push(text[at]);
                origins.push(origin(at, 1));
                at += 1;
            }
            Step::Escape(length, decoded) => {
                origins.extend(decoded.iter().map(|_| origin(at, length)));
                bytes.extend(decoded);
                at += length;
                differs = true;
            }
            // The view ends here, so that no secret ends at an escape that may continue it.
            Step::More => {
                differs = true;
                break;
            }
        }
    }
    (differs && !bytes.is_empty()).then_some(View { bytes: Cow::Owned(bytes), origins: Some(origins) })
}

impl EncodingKind {
    fn step(self, text: &[u8], at: usize, is_end: bool) -> Step {
        let rest = &text[at..];
        let seen = &rest[..rest.len().min(4 * LONGEST_ESCAPE)];
        let step = match self {
            Self::Backslash => backslash(seen),
            Self::Percent => percent(seen),
            Self::Html => html(seen),
            Self::Lines => lines(text, at),
        };
        match step {
            Some((length, bytes)) => Step::Escape(length, bytes),
            // The missing bytes may still follow.
            None if !is_end && rest.len() < LONGEST_ESCAPE => Step::More,
            None => Step::Literal,
        }
    }
}

/// An escape: its length, and the decoded bytes.
type Escape = Option<(usize, Vec<u8>)>;

fn backslash(text: &[u8]) -> Escape {
    let byte = |value: u8| Some((2, vec![value]));
    match *text.get(1)? {
        b'n' => byte(b'\n'),
        b't' => byte(b'\t'),
        b'r' => byte(b'\r'),
        b'b' => byte(8),
        b'f' => byte(12),
        b'a' => byte(7),
        b'v' => byte(11),
        b'e' => byte(27),
        b'u' if text.get(2) == Some(&b'{') => {
            let end = text.iter().take(LONGEST_ESCAPE).position(|byte| *byte == b'}')?;
            Some((end + 1, character(number(text.get(3..end)?, 16)?)?))
        }
        b'u' => unicode(text),
        b'U' => Some((10, character(number(text.get(2..10)?, 16)?)?)),
        b'x' => in_bytes(text, 4, |digits| number(digits, 16)),
        b'0'..=b'3' => {
            in_bytes(text, 4, |digits| number(&digits[1..], 8)).or_else(|| (text[1] == b'0').then(|| (2, vec![0])))
        }
        other if other.is_ascii_punctuation() || other == b' ' => byte(other),
        _ => None,
    }
}

/// Decodes `\u00e9`, or a surrogate pair.
fn unicode(text: &[u8]) -> Escape {
    let first = number(text.get(2..6)?, 16)?;
    if (0xd800..0xdc00).contains(&first) {
        let second = text.get(6..8).filter(|begin| *begin == b"\\u").and_then(|_| number(text.get(8..12)?, 16))?;
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        return Some((12, character(0x10000 + ((first - 0xd800) << 10) + low)?));
    }
    Some((6, character(first)?))
}

/// Decodes an escape of one byte. A value outside of ASCII is part of a UTF-8 sequence if its neighbors complete it,
/// otherwise the character with its number.
fn in_bytes(text: &[u8], length: usize, read: impl Fn(&[u8]) -> Option<u32>) -> Escape {
    let byte_at = |index: usize| {
        let part = text.get(index * length..(index + 1) * length)?;
        let is_alike = part[0] == b'\\' && (part[1] == b'x') == (text[1] == b'x');
        let digits = if text[1] == b'x' { &part[2..] } else { part };
        is_alike.then(|| read(digits)).flatten().and_then(|value| u8::try_from(value).ok())
    };
    let first = byte_at(0)?;
    let count = match first {
        0..0x80 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    let bytes: Vec<u8> = (0..count).map_while(byte_at).collect();
    if bytes.len() == count && std::str::from_utf8(&bytes).is_ok() {
        return Some((count * length, bytes));
    }
    Some((length, character(u32::from(first))?))
}

fn percent(text: &[u8]) -> Escape {
    if text.get(1) == Some(&b'u') {
        return Some((6, character(number(text.get(2..6)?, 16)?)?));
    }
    let value = number(text.get(1..3)?, 16)?;
    Some((3, vec![u8::try_from(value).ok()?]))
}

fn html(text: &[u8]) -> Escape {
    let end = text.iter().take(LONGEST_ESCAPE).position(|byte| *byte == b';')?;
    let name = &text[1..end];
    let bytes = match name {
        b"amp" => vec![b'&'],
        b"lt" => vec![b'<'],
        b"gt" => vec![b'>'],
        b"quot" => vec![b'"'],
        b"apos" => vec![b'\''],
        [b'#', b'x' | b'X', digits @ ..] => character(number(digits, 16)?)?,
        [b'#', digits @ ..] => character(number(digits, 10)?)?,
        _ => return None,
    };
    Some((end + 1, bytes))
}

/// Decodes a line break within base64, with the indentation of the next line.
fn lines(text: &[u8], at: usize) -> Escape {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte);
    if at < JOINED || !text[at - JOINED..at].iter().all(is_base64) {
        return None;
    }
    let rest = &text[at..];
    let length = if rest.starts_with(b"\r\n") { 2 } else { usize::from(rest[0] == b'\n') };
    let indentation = rest[length..].iter().take(LONGEST_ESCAPE * 2).take_while(|byte| **byte == b' ').count();
    let is_continued = length > 0 && rest.get(length + indentation).is_some_and(is_base64);
    is_continued.then(|| (length + indentation, Vec::new()))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.iter().all(|digit| char::from(*digit).is_digit(radix));
    u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| is_number)?, radix).ok()
}

fn character(code: u32) -> Option<Vec<u8>> {
    char::from_u32(code).map(|character| character.to_string().into_bytes())
}
