//! Suggestions for unknown names.

use landfall_suggestion::nearest;

use crate::error::BuildError;

/// Adds a hint to an error about an unknown name: the similar name, or all known names.
pub(crate) fn add_name_hint<'a>(
    error: BuildError,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> BuildError {
    if let Some(near) = nearest(name, known.clone()) {
        return error.hint(format!("Did you mean `{near}`?"));
    }
    let names: Vec<_> = known.map(|name| format!("`{name}`")).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    error.hint(format!("Name one that exists: {names}."))
}
