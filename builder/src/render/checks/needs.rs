//! A custom resource can be applied only where its kind is known: the component that brings the kind must come before.

use landfall_error_codes::codes;
use serde_json::Value;

use crate::definition::Definition;
use crate::error::{BuildError, Result};
use crate::render::Rendered;

/// Refuses an object whose kind another component brings that its own does not need, directly or indirectly.
pub fn check(definition: &Definition, component: &Rendered, object: &Value, brought_by: usize) -> Result<()> {
    if brought_by == component.index || reaches(definition, component.index, brought_by) {
        return Ok(());
    }
    let components = &definition.release.components;
    let (own, other) = (&components[component.index].name.value, &components[brought_by].name.value);
    let what = format!("its kind comes with the component `{other}`, which `{own}` does not need");
    let hint = format!("Add `{other}` to `needs` of the component `{own}`.");
    Err(BuildError::at(codes::NEED_MISSING, component.place(object, ""), what).hint(hint))
}

/// Whether one component needs another, directly or indirectly. The needs of a release have no cycles.
fn reaches(definition: &Definition, from: usize, to: usize) -> bool {
    let components = &definition.release.components;
    components[from].needs.iter().any(|need| {
        let next = components.iter().position(|component| component.name.value == need.value);
        next.is_some_and(|next| next == to || reaches(definition, next, to))
    })
}
