//! Names of Python packages.

/// Normalizes a name by PEP 503: lower case, with a hyphen for each run of `-`, `_` and `.`.
pub fn normalize_name(name: &str) -> String {
    let mut normalized = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '-' | '_' | '.' if normalized.ends_with('-') => {}
            '-' | '_' | '.' => normalized.push('-'),
            letter => normalized.extend(letter.to_lowercase()),
        }
    }
    normalized
}

/// Returns true if a text is a package's name: letters and digits, with `.`, `-` and `_` between them.
pub fn is_name(text: &str) -> bool {
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && ends(text.bytes().next())
        && ends(text.bytes().last())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_normalize_per_pep_503() {
        for name in ["Friendly-Bard", "friendly.bard", "FRIENDLY_BARD", "friendly--bard", "FrIeNdLy-._.-bArD"] {
            assert_eq!(normalize_name(name), "friendly-bard", "{name}");
        }
        assert!(is_name("zope.interface") && is_name("a") && is_name("typing_extensions"));
        for wrong in ["", "-a", "a_", "a/b", "a b", "ä", ".."] {
            assert!(!is_name(wrong), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn normalization_is_idempotent(name in "[A-Za-z0-9._-]{1,40}") {
            let once = normalize_name(&name);
            prop_assert_eq!(normalize_name(&once), once.clone());
            prop_assert!(!once.contains("--"));
        }
    }
}
