//! Valid forms of names, versions and paths in the documents of a bundle.

use crate::limits;

/// Prefix of the name of every small document.
pub const DOCUMENTS_FOLDER: &str = "documents/";

/// Returns true if the text is a DNS label: at most 63 lower-case letters, digits, and `-` inside.
pub fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// Returns true if the text is a version: 1 to 64 letters, digits and `.+-_`, beginning with a letter or digit.
pub fn is_version(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b".+-_".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(inner) && text.as_bytes()[0].is_ascii_alphanumeric()
}

/// Returns true if the text is the name of a small document: `documents/` and segments of lower-case letters, digits
/// and `.-_` that begin with a letter or digit.
pub fn is_document_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    let segment = |segment: &str| {
        segment.bytes().all(inner) && segment.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
    };
    name.len() <= limits::NAME_BYTES
        && name.strip_prefix(DOCUMENTS_FOLDER).is_some_and(|rest| rest.split('/').all(segment))
}

/// Returns true if the text names a file in its own folder. It must not be empty, `.` or `..`, nor contain `/`, control
/// characters or characters that look like `/`. It has at most 255 bytes, the limit of filesystems.
pub fn is_file_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && ![".", ".."].contains(&text)
        && text.chars().all(|letter| letter != '/' && letter != '\\' && !letter.is_control())
}

/// Returns true if the text is a relative path: file names joined by `/`. It never leads out of its folder.
pub fn is_relative_path(text: &str) -> bool {
    text.len() <= 4096 && text.split('/').all(is_file_name)
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_versions_are_validated() {
        for good in ["1.0.0-rc.1+b", "v1.36.3", "1"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["1 0", "", "-1", "../1", &"1".repeat(65)] {
            assert!(!is_version(bad), "{bad}");
        }
        assert!(is_dns_label("starter") && !is_dns_label("Starter") && !is_dns_label("-a") && !is_dns_label(""));
        assert!(is_relative_path("onnx/model.onnx") && is_relative_path("a"));
        for bad in ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a\0b", "a\nb", "a\\b", &"a".repeat(256)] {
            assert!(!is_relative_path(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn relative_path_stays_in_folder(text in "[a./\\\\\u{1b}\0é]{0,12}") {
            if is_relative_path(&text) {
                prop_assert!(Path::new(&text).components().all(|part| matches!(part, Component::Normal(_))));
                prop_assert_eq!(Path::new("/folder").join(&text).components().count(), 2 + text.split('/').count());
            }
        }
    }
}
