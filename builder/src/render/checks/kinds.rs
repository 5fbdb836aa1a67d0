//! Kubernetes' own kinds: objects of a release that the site's API server would not take.

use landfall_error_codes::codes;
use landfall_kinds::Fault;
use serde_json::Value;

pub use landfall_kinds::served;

use crate::error::{BuildError, Result};
use crate::render::Rendered;

/// Refuses an object of a kind of Kubernetes with fields that the kind does not have, or of other types, or without ones
/// that it must have; and a version or a kind that Kubernetes does not have.
pub fn check(component: &Rendered, object: &Value) -> Result<()> {
    landfall_kinds::check(object).map_err(|fault| refused(component, object, fault))
}

/// The error about an object that the API server would not take.
pub(super) fn refused(component: &Rendered, object: &Value, fault: Fault) -> BuildError {
    let (field, what) = described(fault);
    BuildError::at(codes::OBJECT_UNFIT, component.place(object, &field), what)
}

/// The field, as a place names it, and what is wrong.
fn described(fault: Fault) -> (String, String) {
    match fault {
        Fault::UnknownKind { version, kind, known } => {
            let near = crate::nearest::nearest(&kind, known.iter().copied());
            let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            (String::new(), format!("{version} has no kind {kind}{near}"))
        }
        fault @ Fault::UnknownVersion { .. } => (String::new(), fault.to_string()),
        Fault::Field { pointer, what } if pointer.is_empty() => (pointer, what),
        Fault::Field { pointer, what } => (format!(": {pointer}"), what),
    }
}
