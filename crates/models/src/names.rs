//! File names, and texts from files.

use crate::limits;

/// Returns a text from a file, shortened for an error or a document.
pub fn shorten(text: &str) -> String {
    if text.len() <= limits::TEXT_BYTES / 4 {
        return text.to_owned();
    }
    let short: String = text.chars().take(limits::TEXT_BYTES / 16).collect();
    format!("{short}…")
}

/// Splits a path into its folder, which may be empty, and the file's name.
pub fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Returns true if a path ends with an extension, in any case.
pub fn has_extension(path: &str, extension: &str) -> bool {
    let end = path.len().checked_sub(extension.len()).and_then(|at| path.as_bytes().get(at..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(extension.as_bytes()))
}

/// Returns a file's name without its extension, in any case.
pub fn stem<'a>(name: &'a str, extension: &str) -> Option<&'a str> {
    let at = name.len().checked_sub(extension.len())?;
    let matches = name.is_char_boundary(at) && name[at..].eq_ignore_ascii_case(extension) && at > 0;
    matches.then(|| &name[..at])
}

/// Parses the name of a part, such as `model-00002-of-00004`: the common name, the number of the part, and the number
/// of parts.
pub fn part(stem: &str) -> Option<(&str, u32, u32)> {
    let (rest, total) = stem.rsplit_once("-of-")?;
    let (common, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| {
        let plain = text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten()
    };
    Some((common, digits(number)?, digits(total)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_extensions_are_recognized() {
        assert_eq!(part("model-00002-of-00004"), Some(("model", 2, 4)));
        assert_eq!(part("model"), None);
        assert_eq!(part("model-2-of-4"), None);
        assert_eq!(stem("a.GGUF", ".gguf"), Some("a"));
        assert_eq!(stem(".gguf", ".gguf"), None);
        assert!(has_extension("a/.GGUF", ".gguf") && has_extension("é.gguf", ".gguf"));
        assert!(!has_extension("é.bin", ".gguf") && !has_extension("gguf", ".gguf"));
        assert_eq!(stem("é.bin", ".gguf"), None);
        assert_eq!(split("a/b/c"), ("a/b", "c"));
    }

    #[test]
    fn long_texts_are_shortened() {
        assert_eq!(shorten("short"), "short");
        assert!(shorten(&"é".repeat(10_000)).len() < 300);
    }
}
