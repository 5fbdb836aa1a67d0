//! Versions of npm packages: those of Semantic Versioning 2.0, in the form that a registry uses.

use semver::{BuildMetadata, Version};

use crate::limits;

/// Largest number in a version that JavaScript represents exactly.
const LARGEST: u64 = (1 << 53) - 1;

/// Returns the version that a registry derives from a field: without leading spaces and `v`, and without build
/// metadata.
pub fn parse_clean(text: &str) -> Option<Version> {
    let text = text.trim().trim_start_matches(['=', 'v']).trim_start();
    if text.len() > limits::NPM_VERSION_BYTES {
        return None;
    }
    let version = Version { build: BuildMetadata::EMPTY, ..Version::parse(text).ok()? };
    [version.major, version.minor, version.patch].iter().all(|number| *number <= LARGEST).then_some(version)
}

/// Parses a version that is written exactly as a registry writes it.
pub fn exact(text: &str) -> Option<Version> {
    parse_clean(text).filter(|version| version.to_string() == text)
}

/// Returns true if a text is a version in the form of `package-lock.json`: as a registry writes it, with optional build
/// metadata.
pub fn is_version(text: &str) -> bool {
    let plain = text.split_once('+').map_or(text, |(plain, _)| plain);
    parse_clean(text).is_some() && exact(plain).is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_are_cleaned_like_registry() {
        let clean = |text| parse_clean(text).map(|version| version.to_string());
        for (text, wanted) in [
            ("1.2.3", "1.2.3"),
            (" v1.2.3 ", "1.2.3"),
            ("=1.2.3", "1.2.3"),
            ("1.2.3-rc.1", "1.2.3-rc.1"),
            ("1.2.3+build.5", "1.2.3"),
            ("0.0.0-a-b.0+c", "0.0.0-a-b.0"),
        ] {
            assert_eq!(clean(text).as_deref(), Some(wanted), "{text}");
        }
        for wrong in
            ["", "1", "1.2", "01.2.3", "1.2.3-01", "1.2.3beta", "latest", "^1.0.0", "1.2.3/..", "9007199254740992.0.0"]
        {
            assert_eq!(clean(wrong), None, "{wrong}");
        }
        assert!(parse_clean(&format!("1.0.0-{}", "a".repeat(300))).is_none());
        assert!(exact("1.0.0").is_some() && exact("v1.0.0").is_none() && exact("1.0.0+b").is_none());
        for version in ["1.0.0", "1.0.0+b", "1.0.0-rc.1+b-5.c"] {
            assert!(is_version(version) && parse_clean(version).is_some(), "{version}");
        }
        for wrong in ["", "v1.0.0", " 1.0.0", "1.0.0 ", "=1.0.0", "1.0.0+", "1.0.0+a/b", "1.0", "1.0.0+a+b"] {
            assert!(!is_version(wrong), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn cleaning_is_idempotent(
            text in "v?[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}(-[a-z0-9.-]{1,8})?([+][a-z0-9.]{1,5})?|\\PC{0,20}",
        ) {
            if let Some(version) = parse_clean(&text) {
                let text = version.to_string();
                prop_assert_eq!(exact(&text), Some(version));
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)));
            }
        }
    }
}
