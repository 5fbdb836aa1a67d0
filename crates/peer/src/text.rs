//! Invisible characters, in untrusted texts that people read.

use std::fmt::Write as _;

/// Returns true if a character is invisible, or changes how others are shown. These are controls, the format characters
/// of Unicode (`Cf`), and the separators of lines and paragraphs. U+202E, for example, shows the following text from
/// right to left, so that a page reads differently.
pub fn is_hidden(letter: char) -> bool {
    letter.is_control() || is_format(letter)
}

/// Returns true if a character is hidden but not a control.
fn is_format(letter: char) -> bool {
    matches!(
        u32::from(letter),
        0xad | 0x61c | 0x6dd | 0x70f | 0x8e2 | 0x180e | 0xfeff | 0x110bd | 0x110cd | 0xe0001
            | 0x600..=0x605
            | 0x890..=0x891
            | 0x200b..=0x200f
            | 0x2028..=0x202e
            | 0x2060..=0x206f
            | 0xfff9..=0xfffb
            | 0x13430..=0x1343f
            | 0x1bca0..=0x1bca3
            | 0x1d173..=0x1d17a
            | 0xe0020..=0xe007f
    )
}

/// Spells out the format characters of a text, as in `[U+202E]`. Controls remain: log formats escape them.
pub fn spelled_out(text: &str) -> String {
    let mut said = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_format(letter) {
            // Writing to a string cannot fail.
            let _written = write!(said, "[U+{:04X}]", u32::from(letter));
        } else {
            said.push(letter);
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_spelled_out() {
        for letter in "\n\
            \u{1b}\u{7f}\u{85}\u{ad}\u{200b}\u{200d}\u{200e}\u{2028}\u{202a}\u{202e}\u{2066}\u{2069}\u{feff}\u{e0041}"
            .chars()
        {
            assert!(is_hidden(letter), "{:x}", u32::from(letter));
        }
        for letter in " aäß字א‘’–…€😀".chars() {
            assert!(!is_hidden(letter), "{letter}");
        }
        assert_eq!(spelled_out("annual\u{202e}dnalfdnal.\tä"), "annual[U+202E]dnalfdnal.\tä");
    }
}
