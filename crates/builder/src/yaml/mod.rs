//! YAML as read by Kubernetes' own programs, in Go's dialect of YAML 1.1: Helm and kubectl write it, and the API server
//! receives what they read.
//!
//! Threats: a text may nest without end, or contain aliases of aliases that become a million values. Depth and number
//! of values are bounded; aliases count as the values that they stand for.

mod breaks;
mod compose;
mod scalar;
#[cfg(test)]
mod tests;

use serde_json::Value;

/// Maximum number of values in one text: the limit of a document in a bundle.
pub const VALUES: usize = landfall_bundle_spec::limits::VALUES;

/// Maximum nesting. The deepest schemas in definitions use a third of it.
pub const DEPTH: usize = 100;

/// Words that some parsers do not read as text.
const WORDS: [&str; 9] = ["false", "n", "no", "null", "off", "on", "true", "y", "yes"];

/// A YAML scalar for a text: in single quotes, unless it is a plain word. The text must not have control characters.
pub fn quote_scalar(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"./_-".contains(&byte);
    let is_word = text.bytes().all(is_plain)
        && text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '.')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_word { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

/// Parses the non-empty documents of a text to JSON. Errors name the line. Does not access the disk.
///
/// For a key that occurs twice, the last value applies. A whole number is an integer, however it is written.
pub fn read(text: &str) -> Result<Vec<Value>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let plain = breaks::Plain::of(text);
    let documents = compose::documents(&plain)?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}
