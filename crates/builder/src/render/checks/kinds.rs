//! Checks objects of Kubernetes' own kinds against the rules of the site's API server.

use landfall_error_codes::codes;
use landfall_kinds::Fault;
use serde_json::Value;

use crate::error::{BuildError, Result};
use crate::rendered::RenderedComponent;

/// Returns an error for an object of a Kubernetes kind with unknown, mistyped or missing fields, and for an unknown
/// version or kind.
pub fn check(component: &RenderedComponent, object: &Value) -> Result<()> {
    landfall_kinds::check(object).map_err(|fault| object_error(component, object, fault))
}

/// Error for an object that the API server would refuse.
pub(super) fn object_error(component: &RenderedComponent, object: &Value, fault: Fault) -> BuildError {
    let (field, what) = describe_fault(fault);
    BuildError::at(codes::OBJECT_UNFIT, component.place(object, &field), what)
}

/// The field in the form of a place, and the error text.
fn describe_fault(fault: Fault) -> (String, String) {
    match fault {
        Fault::UnknownKind { version, kind, known } => {
            let near = landfall_suggestion::nearest(&kind, known.iter().copied());
            let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            (String::new(), format!("{version} has no kind {kind}{near}"))
        }
        fault @ Fault::UnknownVersion { .. } => (String::new(), fault.to_string()),
        Fault::Field { pointer, what } if pointer.is_empty() => (pointer, what),
        Fault::Field { pointer, what } => (format!(": {pointer}"), what),
    }
}
