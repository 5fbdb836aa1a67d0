//! YAML as Kubernetes' own programs read it, which is the YAML 1.1 of Go: Helm and kubectl write it, and the API server
//! gets what they read.
//!
//! Threats: a text may nest without end, or have aliases of aliases that become a million values. Depth and values are
//! bounded, aliases counted as what they stand for.

mod breaks;
mod compose;
mod scalar;
#[cfg(test)]
mod tests;

use serde_json::Value;

/// The maximum number of values in one text: what a document of a bundle may hold.
pub const VALUES: usize = landfall_bundle_spec::limits::VALUES;

/// The maximum nesting. Definitions with the deepest schemas have a third of it.
pub const DEPTH: usize = 100;

/// Words that some readers take for something else than text.
const WORDS: [&str; 9] = ["false", "n", "no", "null", "off", "on", "true", "y", "yes"];

/// A text as YAML has it: in single quotes, unless it is a plain word. It has no control characters.
pub fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"./_-".contains(&byte);
    let is_word = text.bytes().all(is_plain)
        && text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '.')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_word { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

/// The documents of a text as JSON, without empty ones. An error names the line, and reaches no disk.
///
/// A key that occurs twice has its last value. A whole number is an integer, however it is written.
pub fn read(text: &str) -> Result<Vec<Value>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let plain = breaks::Plain::of(text);
    let documents = compose::documents(&plain)?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}
