//! Writes found values into the text of a lock, so that order, comments and layout stay as a person left them.

use serde_saphyr::Spanned;

use super::Lock;

/// One value that takes the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// Bytes of the text.
    from: usize,
    to: usize,
    value: String,
}

impl Replacement {
    /// Puts `value` where the field stands; none where the reader does not know its bytes.
    pub fn new<T>(field: &Spanned<T>, value: impl Into<String>) -> Option<Self> {
        let span = field.referenced.span();
        let from = usize::try_from(span.byte_offset()?).ok()?;
        let length = usize::try_from(span.byte_len()?).ok()?;
        Some(Self { from, to: from + length, value: value.into() })
    }
}

/// The text of a lock with the replacements applied.
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
