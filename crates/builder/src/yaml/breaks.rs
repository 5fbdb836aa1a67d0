//! Line breaks of YAML 1.1 that YAML 1.2 lacks: U+0085, U+2028 and U+2029. A program that writes YAML 1.1 indents the
//! text after them, and this indentation is not part of the text.

use std::borrow::Cow;

use granit_parser::ScalarStyle;

/// Separators that stay in a text, unlike the other line breaks.
const SEPARATORS: [char; 2] = ['\u{2028}', '\u{2029}'];

/// A line break that becomes an ordinary one.
const NEXT_LINE: char = '\u{85}';

/// A text with the line breaks of YAML 1.2, and placeholder characters for separators.
pub struct Plain<'t> {
    /// The converted text.
    pub text: Cow<'t, str>,
    marks: Option<[char; 2]>,
}

impl<'t> Plain<'t> {
    /// Converts a text for a reader of YAML 1.2: each separator becomes a placeholder and a line break.
    pub fn of(text: &'t str) -> Self {
        if !text.contains([NEXT_LINE, SEPARATORS[0], SEPARATORS[1]]) {
            return Self { text: text.into(), marks: None };
        }
        let mut unused = ('\u{e000}'..='\u{f8ff}').filter(|mark| !text.contains(*mark));
        let (Some(line), Some(paragraph)) = (unused.next(), unused.next()) else {
            return Self { text: text.into(), marks: None };
        };
        let mut plain = String::with_capacity(text.len() + 16);
        for letter in text.chars() {
            match letter {
                NEXT_LINE => plain.push('\n'),
                letter if letter == SEPARATORS[0] => plain.extend([line, '\n']),
                letter if letter == SEPARATORS[1] => plain.extend([paragraph, '\n']),
                letter => plain.push(letter),
            }
        }
        Self { text: plain.into(), marks: Some([line, paragraph]) }
    }

    /// Restores the separators in a scalar, and removes the line breaks (in a literal scalar) or spaces that were added
    /// for them.
    pub fn restore_breaks(&self, scalar: Cow<'_, str>, style: ScalarStyle) -> String {
        let Some(marks) = self.marks.filter(|marks| scalar.contains(*marks)) else { return scalar.into_owned() };
        let end = if style == ScalarStyle::Literal { '\n' } else { ' ' };
        let mut restored = String::with_capacity(scalar.len());
        let mut letters = scalar.chars().peekable();
        while let Some(letter) = letters.next() {
            let separator = marks.iter().position(|mark| *mark == letter).map(|index| SEPARATORS[index]);
            restored.push(separator.unwrap_or(letter));
            if separator.is_some() {
                letters.next_if_eq(&end);
            }
        }
        restored
    }
}
