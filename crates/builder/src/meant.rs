//! Suggestions for unknown names.

use crate::error::BuildError;

/// The most similar known name, if one is similar enough.
fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= known.len() / 3 + 1)
        .min()
        .map(|(_, known)| known)
}

/// Adds a hint to an error about an unknown name: the similar name, or all known names.
pub(crate) fn add_name_hint<'a>(
    error: BuildError,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> BuildError {
    if let Some(near) = near(name, known.clone()) {
        return error.hint(format!("Did you mean `{near}`?"));
    }
    let names: Vec<_> = known.map(|name| format!("`{name}`")).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    error.hint(format!("Name one that exists: {names}."))
}
