//! Release notes: the vendor's text about a release for the people of a site. They are a separate document of the head,
//! which a reader that does not know it ignores.

/// Name of the document in the bundle's head: Markdown, unchanged.
pub const NOTES_DOCUMENT_NAME: &str = "documents/notes.md";

/// Maximum size of release notes in bytes.
pub const NOTES_BYTES: usize = 64 << 10;

/// The reason why a text cannot be release notes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotesFault {
    /// Line, counted from 1, if the fault is in one.
    pub line: Option<u64>,
    /// Description of the fault.
    pub what: String,
}

/// Returns true for a character that is not visible, but controls a terminal or the display of other characters. These
/// are control characters, changes of direction, zero-width characters, line separators, and tags.
pub fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Returns the text of release notes, which must be short, valid UTF-8, not empty, and fully visible. Lines end with a
/// line feed; tabs are allowed.
///
/// # Errors
///
/// Returns the fault, and its line if the fault is in one.
pub fn check_notes(bytes: &[u8]) -> Result<&str, NotesFault> {
    let fault = |line, what: String| Err(NotesFault { line, what });
    if bytes.len() > NOTES_BYTES {
        return fault(None, format!("the notes are longer than {} KiB", NOTES_BYTES >> 10));
    }
    let Ok(text) = str::from_utf8(bytes) else { return fault(None, "the notes are not UTF-8".to_owned()) };
    if text.trim().is_empty() {
        return fault(None, "the notes are empty".to_owned());
    }
    for (number, line) in (1..).zip(text.split('\n')) {
        if let Some(letter) = line.chars().find(|letter| *letter != '\t' && is_invisible(*letter)) {
            let code = u32::from(letter);
            return fault(Some(number), format!("line {number} of the notes has U+{code:04X}, which is invisible"));
        }
    }
    Ok(text)
}

/// Returns the first line of release notes that has text, without the marks of a heading.
pub fn notes_title(notes: &str) -> &str {
    let mut lines = notes.lines().map(|line| line.trim_start_matches('#').trim());
    lines.find(|line| !line.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_bounded_plain_text() {
        let text = "# 1.1.0\n\n- faster\n\t- twice as fast, ✓ é 漢\n";
        assert_eq!(check_notes(text.as_bytes()), Ok(text));
        assert_eq!(notes_title(text), "1.1.0");
        assert_eq!(notes_title("\n##\n  plain words \nmore"), "plain words");
        let longest = "a".repeat(NOTES_BYTES);
        assert!(check_notes(longest.as_bytes()).is_ok());
        let refused = |bytes: &[u8]| check_notes(bytes).unwrap_err();
        assert!(refused(format!("{longest}a").as_bytes()).what.contains("longer than 64 KiB"));
        assert!(refused(b"\xff\xfe").what.contains("not UTF-8"));
        assert!(refused(b" \n\t\n").what.contains("empty"));
    }

    #[test]
    fn invisible_characters_are_located() {
        for letter in ['\u{1b}', '\0', '\r', '\u{202e}', '\u{200b}', '\u{feff}', '\u{2028}', '\u{e0041}'] {
            let fault = check_notes(format!("fine\n\nodd{letter}").as_bytes()).unwrap_err();
            assert_eq!(fault.line, Some(3), "{letter:?}");
            assert!(fault.what.contains(&format!("U+{:04X}", u32::from(letter))), "{fault:?}");
        }
    }
}
