//! Patterns that select files by name.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use landfall_error_codes::codes;

use crate::error::BuildError;

/// A file in every repository that says how Git stores the others; no program at a site reads it.
const GIT_ATTRIBUTES: &str = ".gitattributes";

/// Maximum length of a pattern in bytes, and maximum number of patterns.
const PATTERN_BYTES: usize = 256;
const PATTERNS: usize = 64;

/// Maximum number of file names in a message.
const NAMES_LISTED: usize = 12;

/// Patterns of file names. `*` matches any characters including `/`, `?` matches one, `[ab]` one of the listed ones.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    matcher: GlobMatcher,
}

impl Patterns {
    /// Parses patterns. Returns an error text for the first invalid one. Without patterns to include, every file is
    /// included.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, String> {
        if include.len() + exclude.len() > PATTERNS {
            return Err(format!("there are more than {PATTERNS} patterns"));
        }
        let read = |texts: &[String]| texts.iter().map(|text| pattern(text)).collect::<Result<Vec<_>, _>>();
        Ok(Self { include: read(include)?, exclude: read(exclude)? })
    }

    /// Returns true if a file is selected.
    pub fn takes(&self, path: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matcher.is_match(path));
        path != GIT_ATTRIBUTES && (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }

    /// Patterns to include that match no path: a mistyped one would omit files.
    pub fn idle<'a>(&'a self, paths: &[&str]) -> Vec<&'a str> {
        let is_idle = |pattern: &&Pattern| !paths.iter().any(|path| pattern.matcher.is_match(path));
        self.include.iter().filter(is_idle).map(|pattern| pattern.text.as_str()).collect()
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (word, patterns) in [("include", &self.include), ("exclude", &self.exclude)] {
            if !patterns.is_empty() {
                write!(formatter, " {word}")?;
            }
            for pattern in patterns {
                write!(formatter, " {}", pattern.text)?;
            }
        }
        Ok(())
    }
}

/// Error if nothing matches the patterns, or one of them. The message starts with `what`, and ends with the given
/// names, or with `none`.
pub fn not_taken(what: &str, names: impl ExactSizeIterator<Item = impl fmt::Display>, none: &str) -> BuildError {
    let more = if names.len() > NAMES_LISTED { ", …" } else { "" };
    let listed: Vec<_> = names.take(NAMES_LISTED).map(|name| format!("`{name}`")).collect();
    let has = if listed.is_empty() { none.to_owned() } else { format!("{}{more}", listed.join(", ")) };
    BuildError::new(codes::FILE_MISSING, format!("{what}; it has {has}"))
}

fn pattern(text: &str) -> Result<Pattern, String> {
    let shown = text.escape_default();
    let is_plain = |letter: char| !letter.is_whitespace() && !letter.is_control();
    if !(1..=PATTERN_BYTES).contains(&text.len()) || !text.chars().all(is_plain) {
        return Err(format!("`{shown}` is not a pattern: write `?` for a space"));
    }
    let glob = GlobBuilder::new(text).literal_separator(false).backslash_escape(false).build();
    match glob {
        Ok(glob) => Ok(Pattern { text: text.to_owned(), matcher: glob.compile_matcher() }),
        Err(error) => Err(format!("`{shown}` is not a pattern: {}", error.kind())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(include: &[&str], exclude: &[&str]) -> Result<Patterns, String> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Patterns::new(&owned(include), &owned(exclude))
    }

    #[test]
    fn patterns_select_files() {
        let all = patterns(&[], &[]).expect("good");
        assert!(all.takes("model.safetensors") && all.takes("onnx/model.onnx") && !all.takes(".gitattributes"));
        let some = patterns(&["*.json", "model*.safetensors"], &["onnx/*"]).expect("good");
        for (path, is_taken) in [
            ("config.json", true),
            ("1_Pooling/config.json", true),
            ("onnx/config.json", false),
            ("model-00001-of-00002.safetensors", true),
            ("pytorch_model.bin", false),
        ] {
            assert_eq!(some.takes(path), is_taken, "{path}");
        }
        assert_eq!(some.to_string(), " include *.json model*.safetensors exclude onnx/*");
        assert_eq!(some.idle(&["config.json"]), ["model*.safetensors"]);
    }

    #[test]
    fn bad_patterns_are_refused() {
        for text in ["", "a b", "[", "a\nb"] {
            let refused = patterns(&[text], &[]).expect_err(text);
            assert!(refused.contains("` is not a pattern: "), "{refused}");
        }
        assert_eq!(patterns(&["*"; 65], &[]).expect_err("too many"), "there are more than 64 patterns");
    }
}
