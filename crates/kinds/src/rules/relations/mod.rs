//! Relations between fields of one object.

mod objects;
mod pods;
mod workloads;

pub(super) use objects::*;
pub(super) use pods::*;
use serde_json::Value;
pub(super) use workloads::*;

use super::{RuleResult, wrong};

/// Returns an error, with a reason, if a field is present.
fn absent(value: &Value, name: &str, why: &str) -> RuleResult {
    if value[name].is_null() { Ok(()) } else { Err(wrong(format!("/{name}"), why)) }
}

/// The items of a list; none if it is missing.
fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    value[name].as_array().into_iter().flatten().enumerate()
}

pub(super) fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Returns an error for the second of two equal texts.
fn different<'a>(texts: impl Iterator<Item = (String, &'a str)>) -> RuleResult {
    let mut seen = std::collections::HashSet::new();
    for (pointer, text) in texts {
        if !seen.insert(text) {
            return Err(wrong(pointer, format!("`{text}` is here twice")));
        }
    }
    Ok(())
}
