//! Content of a document beyond what this console knows, in the document's own words. Each text is truncated
//! separately, so that a long one hides no other.

use serde_json::{Map, Value};

use crate::console::moment::length;
use crate::console::units::bytes;

/// Maximum number of fields, and of parts of one field.
const MOST: usize = 40;
/// Maximum length of a single text, in characters.
const LONGEST: usize = 300;

/// A further statement of the host about the plan.
pub struct PlanStatement {
    pub name: String,
    pub values: Vec<String>,
}

/// Returns the contents of the fields, without empty ones.
pub fn further(fields: &Map<String, Value>) -> Vec<PlanStatement> {
    let rest = fields.iter().filter(|(_, value)| !is_nothing(value));
    rest.take(MOST)
        .map(|(name, value)| {
            let values = match value {
                Value::Array(items) => parts(items.iter().map(|item| format_value(name, item)), items.len()),
                other => vec![format_value(name, other)],
            };
            PlanStatement { name: words(name), values }
        })
        .collect()
}

/// Returns the first parts, and the number of further ones.
fn parts(all: impl Iterator<Item = String>, count: usize) -> Vec<String> {
    let mut parts: Vec<_> = all.take(MOST).collect();
    if count > MOST {
        parts.push(format!("and {} more", count - MOST));
    }
    parts
}

pub fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Formats a value, with the unit that ends its name.
pub fn format_value(name: &str, value: &Value) -> String {
    match value {
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => cut(text),
        Value::Number(number) => match number.as_u64() {
            Some(count) if name.ends_with("Bytes") => bytes(count),
            Some(seconds) if name.ends_with("Seconds") => length(seconds),
            _ => number.to_string(),
        },
        Value::Null => "none".to_owned(),
        Value::Array(items) => parts(items.iter().map(|item| format_value(name, item)), items.len()).join(", "),
        Value::Object(fields) => {
            let filled: Vec<_> = fields.iter().filter(|(_, value)| !is_nothing(value)).collect();
            let all = filled.iter().map(|(name, value)| format!("{}: {}", words(name), format_value(name, value)));
            parts(all, filled.len()).join(" · ")
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Formats a field's name as words, without the unit: `peakSpaceBytes` becomes `Peak space`.
fn words(name: &str) -> String {
    let name = cut(name);
    let bare = ["Bytes", "Seconds"].into_iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(&name);
    let mut words = String::new();
    for letter in bare.chars() {
        if words.is_empty() {
            words.extend(letter.to_uppercase());
        } else if letter.is_uppercase() {
            words.push(' ');
            words.extend(letter.to_lowercase());
        } else {
            words.push(letter);
        }
    }
    words
}
