//! Comparison of versions in different spellings, as specified by PEP 440.

use std::str::FromStr;

use pep440_rs::Version;

/// Returns true if both texts are the same version: `1.0` and `1.0.0`, or `2.0-RC_1` and `2.0rc1`. File names have `_`
/// where versions have `-`. A version from before PEP 440 has only one spelling.
pub fn is_same(one: &str, other: &str) -> bool {
    match (Version::from_str(one), Version::from_str(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equivalent_spellings_are_equal() {
        let same = [
            ("1.0", "1.0.0"),
            ("v2.1", "2.1"),
            ("2024.01.1", "2024.1.1"),
            ("2.0-RC_1", "2.0rc1"),
            ("1.0.alpha.2", "1.0a2"),
            ("2.9.1+cu128", "2.9.1+CU128"),
            ("1.0+ubuntu_1", "1.0+ubuntu.1"),
            ("1!1.0", "1!1"),
            ("1.0.post1", "1.0-r1"),
        ];
        for (one, other) in same {
            assert!(is_same(one, other), "{one} and {other}");
        }
        let different = [
            ("1.0", "1.1"),
            ("1.0", "1.0.dev0"),
            ("1.0", "1.0+cpu"),
            ("1!1", "1"),
            ("1.0rc1", "1.0b1"),
            ("10", "1"),
            ("nightly", "Nightly"),
        ];
        for (one, other) in different {
            assert!(!is_same(one, other), "{one} and {other}");
        }
    }

    proptest! {
        #[test]
        fn comparison_is_symmetric(one in "\\PC{0,30}", other in "[0-9a-z.+!_-]{0,30}") {
            prop_assert!(is_same(&one, &one));
            prop_assert_eq!(is_same(&one, &other), is_same(&other, &one));
        }
    }
}
