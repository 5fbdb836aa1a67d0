//! Patterns of texts. The API server reads them with Go's syntax. With few exceptions, the crate `regex` has the same
//! syntax. JSON Schema does not: for example, a group may begin with flags, as in `(?i)january`.

use jsonschema::paths::Location;
use jsonschema::{Keyword, ValidationError};
use regex::Regex;
use serde_json::{Map, Value};

/// Keyword under which this crate keeps a schema's pattern.
pub(super) const KEYWORD: &str = "x-landfall-pattern";

/// A pattern; `None` for one that only Go can read, which is left to the API server.
struct Pattern(Option<Regex>);

impl<'i> Keyword<'i> for Pattern {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if <Self as Keyword<'i>>::is_valid(self, instance) {
            return Ok(());
        }
        let pattern = self.0.as_ref().map_or("", Regex::as_str);
        Err(ValidationError::custom(format!("{instance} does not match \"{pattern}\"")))
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        match (&self.0, instance) {
            (Some(pattern), Value::String(text)) => pattern.is_match(text),
            _ => true,
        }
    }
}

/// Compiles a pattern of a schema.
#[expect(clippy::unnecessary_wraps, reason = "the signature that the library requires of a keyword")]
pub(super) fn compile<'a>(
    _schema: &'a Map<String, Value>,
    pattern: &'a Value,
    _path: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    Ok(Box::new(Pattern(pattern.as_str().and_then(|pattern| Regex::new(pattern).ok()))))
}

/// Returns a schema that has its patterns, including nested ones, under [`KEYWORD`].
pub(super) fn rename_patterns(schema: &Value) -> Value {
    match schema {
        Value::Array(schemas) => Value::Array(schemas.iter().map(rename_patterns).collect()),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| match (key.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    let properties = properties.iter().map(|(name, schema)| (name.clone(), rename_patterns(schema)));
                    (key.clone(), Value::Object(properties.collect()))
                }
                ("pattern", Value::String(_)) => (KEYWORD.to_owned(), value.clone()),
                ("enum" | "default" | "example" | "required", _) => (key.clone(), value.clone()),
                _ => (key.clone(), rename_patterns(value)),
            });
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}
