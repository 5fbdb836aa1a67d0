//! Writes resolved values into the text of a lock, and keeps order, comments and layout.

use serde_saphyr::Spanned;

use super::Lock;
use super::pinned::quote;

/// A replacement of a byte range in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// Start of the byte range.
    from: usize,
    to: usize,
    value: String,
}

impl Replacement {
    /// Replaces the value of a field; `None` if the parser does not know its byte range.
    pub fn new<T>(field: &Spanned<T>, value: impl Into<String>) -> Option<Self> {
        let span = field.referenced.span();
        let from = usize::try_from(span.byte_offset()?).ok()?;
        let length = usize::try_from(span.byte_len()?).ok()?;
        Some(Self { from, to: from + length, value: value.into() })
    }

    /// Replaces the value of a field; quotes the new value if the old one is quoted.
    pub fn in_style<T>(lock: &Lock, field: &Spanned<T>, value: &str) -> Option<Self> {
        let plain = Self::new(field, value)?;
        let is_quoted = lock.text.get(plain.from..)?.starts_with(['\'', '"']);
        Some(if is_quoted { Self { value: quote(value), ..plain } } else { plain })
    }

    /// Replaces the bytes from `from` to `to`.
    pub fn between(from: usize, to: usize, value: String) -> Self {
        Self { from, to, value }
    }
}

/// Inserts fields after an existing one, in the same style; `None` if its position is unknown.
pub fn insert_after(lock: &Lock, field: &Spanned<String>, new: &[(&str, String)]) -> Option<Replacement> {
    let text = lock.text.as_str();
    let known = Replacement::new(field, "")?;
    let quoted = text[known.to..].starts_with(['\'', '"']) && text[..known.from].ends_with(['\'', '"']);
    let end = known.to + usize::from(quoted);
    if text[end..].trim_start().starts_with([',', '}']) {
        let fields: Vec<_> = new.iter().map(|(key, value)| format!("{key}: '{value}'")).collect();
        return Some(Replacement { from: end, to: end, value: format!(", {}", fields.join(", ")) });
    }
    let line = text[..known.from].rfind('\n').map_or(0, |newline| newline + 1);
    let before = &text[line..known.from];
    if !before.contains(':') {
        return None;
    }
    let indentation = before.len() - before.trim_start_matches([' ', '-']).len();
    let (at, newline) = match text[end..].find('\n') {
        Some(newline) => (end + newline + 1, ""),
        None => (text.len(), "\n"),
    };
    let lines: Vec<_> = new.iter().map(|(key, value)| format!("{:indentation$}{key}: {value}\n", "")).collect();
    Some(Replacement { from: at, to: at, value: newline.to_owned() + &lines.concat() })
}

/// Applies the replacements to the text of a lock.
pub fn apply(lock: &Lock, mut replacements: Vec<Replacement>) -> String {
    replacements.sort_by_key(|replacement| replacement.from);
    let mut text = String::with_capacity(lock.text.len());
    let mut position = 0;
    for replacement in replacements {
        text.push_str(&lock.text[position..replacement.from]);
        text.push_str(&replacement.value);
        position = replacement.to;
    }
    text.push_str(&lock.text[position..]);
    text
}
