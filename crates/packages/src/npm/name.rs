//! Names of npm packages: `name`, or `@scope/name`.

use super::TARBALL_ENDING;
use crate::limits;

/// Returns true if a text is a valid npm package name. Old names, from before npm refused capital letters, may contain
/// them.
pub fn is_name(text: &str) -> bool {
    if text.len() > limits::NPM_NAME_BYTES {
        return false;
    }
    match text.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| is_segment(scope) && is_segment(name)),
        None => is_segment(text) && !text.starts_with('_') && !matches!(text, "node_modules" | "favicon.ico"),
    }
}

/// Returns the name without its scope; file names begin with it.
pub fn without_scope(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, name)| name)
}

/// Returns the address of a version's tarball relative to its registry: `@scope/name/-/name-1.0.0.tgz`.
pub fn tarball_of(name: &str, version: &str) -> String {
    format!("{name}/-/{}", file_name_of(name, version))
}

/// Returns the last part of that address.
pub fn file_name_of(name: &str, version: &str) -> String {
    format!("{}-{version}{TARBALL_ENDING}", without_scope(name))
}

/// Returns true for letters, digits and characters that no address encodes. A leading hyphen is reserved for the
/// registry's own addresses.
fn is_segment(text: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_usual) && !text.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_match_npm_rules() {
        for name in [
            "left-pad",
            "lodash.merge",
            "JSONStream",
            "@types/node",
            "@babel/helper-plugin-utils",
            "a",
            "@a/_b",
            "7zip",
        ] {
            assert!(is_name(name), "{name}");
        }
        for wrong in [
            "",
            ".",
            "..",
            ".a",
            "_a",
            "-",
            "-a",
            "a/b",
            "@a",
            "@/a",
            "@a/",
            "@a/b/c",
            "@a/..",
            "@../a",
            "@a/-",
            "a b",
            "ä",
            "a%2fb",
            "a\\b",
            "node_modules",
            "favicon.ico",
            "a\0",
            "a\"b",
            "a?b",
            "a#b",
        ] {
            assert!(!is_name(wrong), "{wrong:?}");
        }
        assert!(is_name(&"a".repeat(214)) && !is_name(&"a".repeat(215)));
        assert_eq!((without_scope("@types/node"), without_scope("node")), ("node", "node"));
    }

    proptest! {
        #[test]
        fn valid_name_is_safe_path(name in "\\PC{0,40}|@?[a-z./~_-]{1,20}") {
            if is_name(&name) {
                prop_assert!(!name.contains(['\\', '<', '>', '"', '&', '%', '#', '?', ' ']));
                prop_assert!(name.split('/').all(|segment| !matches!(segment, "" | "." | ".." | "-")));
            }
        }
    }
}
