//! Line ends of YAML 1.1 that YAML 1.2 has not: U+0085, U+2028 and U+2029. A program that writes YAML 1.1 indents what
//! follows them, and the indentation is no part of the text.

use std::borrow::Cow;

use granit_parser::ScalarStyle;

/// Separators that stay in a text, unlike the other line ends.
const SEPARATORS: [char; 2] = ['\u{2028}', '\u{2029}'];

/// Another line end, which becomes a usual one.
const NEXT_LINE: char = '\u{85}';

/// A text in which every line ends as in YAML 1.2, and the characters that stand for separators.
pub struct Plain<'t> {
    /// The text.
    pub text: Cow<'t, str>,
    marks: Option<[char; 2]>,
}

impl<'t> Plain<'t> {
    /// The same text for a reader of YAML 1.2: a mark and a line end for each separator.
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

    /// A scalar with its separators. Its line ends are kept in a literal one, and spaces in any other.
    pub fn restored(&self, scalar: Cow<'_, str>, style: ScalarStyle) -> String {
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
