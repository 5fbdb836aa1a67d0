//! Checks that the kind of a custom resource is defined before it is applied: its component must need the one that
//! defines the kind.

use landfall_error_codes::codes;
use serde_json::Value;

use crate::definition::Definition;
use crate::error::{BuildError, Result};
use crate::rendered::RenderedComponent;

/// Returns an error if another component defines the kind of an object, but the object's component does not need it,
/// directly or transitively.
pub fn check(definition: &Definition, component: &RenderedComponent, object: &Value, brought_by: usize) -> Result<()> {
    if brought_by == component.index || reaches(definition, component.index, brought_by) {
        return Ok(());
    }
    let components = &definition.release.components;
    let (own, other) = (&components[component.index].name.value, &components[brought_by].name.value);
    let what = format!("its kind comes with the component `{other}`, which `{own}` does not need");
    let hint = format!("Add `{other}` to `needs` of the component `{own}`.");
    Err(BuildError::at(codes::NEED_MISSING, component.place(object, ""), what).hint(hint))
}

/// Prefix in `madeOnSite` for a kind that running software defines.
const DEFINITION: &str = "CustomResourceDefinition/";

/// Returns an error if no component defines the kind of an object, unless a needed component declares that its software
/// defines it.
pub fn check_is_brought(definition: &Definition, component: &RenderedComponent, object: &Value) -> Result<()> {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let Some((group, _)) = version.split_once('/').filter(|(group, _)| !landfall_kinds::is_of_kubernetes(group)) else {
        return Ok(());
    };
    let is_of_group = |made: &str| {
        let name = made.strip_prefix(DEFINITION).and_then(|name| name.strip_suffix(group));
        name.is_some_and(|plural| plural.ends_with('.'))
    };
    let components = &definition.release.components;
    let maker = components.iter().position(|one| one.made_on_site.iter().any(|made| is_of_group(&made.value)));
    if let Some(maker) = maker {
        return check(definition, component, object, maker);
    }
    let hint = format!(
        "Bring its CustomResourceDefinition in a component; or list it as `{DEFINITION}PLURAL.{group}` under \
         `madeOnSite` of the component whose software makes it."
    );
    Err(BuildError::at(codes::OBJECT_UNFIT, component.place(object, ""), "no component brings its kind").hint(hint))
}

/// Returns true if one component needs another, directly or transitively. Dependencies of a release have no cycles.
fn reaches(definition: &Definition, from: usize, to: usize) -> bool {
    let components = &definition.release.components;
    components[from].needs.iter().any(|need| {
        let next = components.iter().position(|component| component.name.value == need.value);
        next.is_some_and(|next| next == to || reaches(definition, next, to))
    })
}
