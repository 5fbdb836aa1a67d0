//! Text that is safe for a terminal. Whatever a stick contains, it cannot move the cursor, set colors, forge a line or
//! flood the screen.

use std::fmt::Write;

use landfall_release_document::is_invisible;

/// Maximum length of a line in characters.
const LINE_CHARACTERS: usize = 1000;

/// Maximum length in characters of a paragraph: what failed, a cause, or the next step.
const PARAGRAPH_CHARACTERS: usize = 8000;

/// Returns true if a text has no invisible characters.
pub fn is_plain(text: &str) -> bool {
    !text.chars().any(is_invisible)
}

/// Returns one safe line, truncated if it is too long.
pub fn line(text: &str) -> String {
    limit_text(text, LINE_CHARACTERS)
}

/// Returns several safe lines, for texts whose line breaks come from this program.
pub fn block(text: &str) -> String {
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Returns a safe text that may quote anything: its later lines are marked, so that none looks like a line of this
/// program.
pub fn paragraph(text: &str) -> String {
    let text: String = match text.char_indices().nth(PARAGRAPH_CHARACTERS) {
        Some((end, _)) => format!("{} [{} more bytes]", &text[..end], text.len() - end),
        None => text.to_owned(),
    };
    text.trim_end().split('\n').map(line).collect::<Vec<_>>().join("\n    | ")
}

/// Returns JSON with invisible characters escaped by JSON's rules: the same document for a program, and safe for a
/// terminal.
pub fn json(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter == '\n' || !is_invisible(letter) {
            plain.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            let _infallible = write!(plain, "\\u{unit:04x}");
        }
    }
    plain
}

fn limit_text(text: &str, characters: usize) -> String {
    let mut plain = String::new();
    let mut rest = text.chars();
    for letter in rest.by_ref().take(characters) {
        if is_invisible(letter) {
            plain.extend(letter.escape_unicode());
        } else {
            plain.push(letter);
        }
    }
    let more = rest.count();
    if more > 0 {
        let _infallible = write!(plain, "… [{more} more characters]");
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(line("\u{1b}[32mok\u{9b}0m\r\n"), "\\u{1b}[32mok\\u{9b}0m\\u{d}\\u{a}");
        assert_eq!(block("a\nb\tc"), "a\nb\\u{9}c");
        assert_eq!(paragraph("it failed\nverified: all\n"), "it failed\n    | verified: all");
        assert_eq!(line("größe 12 – ok"), "größe 12 – ok");
        assert_eq!(
            json("{\n  \"a\": \"\u{202e}\u{e0041}\u{7f}é\"\n}"),
            "{\n  \"a\": \"\\u202e\\udb40\\udc41\\u007fé\"\n}"
        );
        let long = line(&"x".repeat(1 << 20));
        assert!(long.chars().count() < 1100 && long.ends_with("more characters]"), "{}", long.len());
        assert!(paragraph(&"x\n".repeat(1 << 20)).len() < 40_000);
    }

    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<char>().prop_map(String::from),
            (0_u32..0xa0).prop_filter_map("a character", char::from_u32).prop_map(String::from),
            "[\u{200b}-\u{206f}\u{feff}\u{e0020}-\u{e0040}]",
            "[a-z ]{1,8}",
            Just("\u{1b}]8;;http://x\u{7}".to_owned()),
        ];
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn printed_text_has_no_invisible_characters(text in hostile()) {
            prop_assert!(!line(&text).chars().any(is_invisible));
            let shown = block(&text);
            prop_assert!(!shown.chars().any(|letter| letter != '\n' && is_invisible(letter)));
            let quoted = paragraph(&text);
            prop_assert!(quoted.lines().skip(1).all(|line| line.starts_with("    | ")));
            prop_assert!(!quoted.chars().any(|letter| letter != '\n' && is_invisible(letter)));
        }

        #[test]
        fn escaped_json_means_same(text in hostile()) {
            let document = serde_json::to_string_pretty(&serde_json::json!({ &text: [&text] })).unwrap();
            let shown = json(&document);
            prop_assert!(!shown.chars().any(|letter| letter != '\n' && is_invisible(letter)));
            let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
            prop_assert_eq!(read[&text][0].as_str(), Some(text.as_str()));
        }
    }
}
