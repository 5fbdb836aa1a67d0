//! Images in rendered objects: collected, looked up in the lock, and bound to platform digests.

use std::collections::BTreeMap;

use landfall_error_codes::codes;
use serde_json::Value;

use super::fields::of_definition;
use super::spots::{Spot, is_custom, spots};
use crate::definition::{ComponentDefinition, Definition, ReferenceDefinition};
use crate::error::{BuildError, Place, Result};
use crate::pins::Pin;
use crate::reference::Reference;
use crate::rendered::{RenderedComponent, title};

/// A field that names an image.
#[derive(Debug, Clone)]
pub struct Usage {
    /// Place of the field, for messages.
    pub place: Place,
    /// Full reference of the image.
    pub reference: Reference,
}

/// All images that the objects of a component name, in known fields and in declared references.
pub fn usages(definition: &Definition, component: &RenderedComponent) -> Result<Vec<Usage>> {
    each_usage(definition, component).into_iter().collect()
}

/// Like [`usages`], with a separate error for each text that is not an image reference.
pub fn each_usage(definition: &Definition, component: &RenderedComponent) -> Vec<Result<Usage>> {
    let mut found = Vec::new();
    let written = &definition.release.components[component.index];
    for object in &component.objects {
        let named = spots(object, &definition.release.image_fields);
        for spot in named.into_iter().filter(|spot| !is_exempt(written, object, spot)) {
            let place = component.place(object, &format!(": {}", spot.pointer));
            found.push(match spot.written.parse::<Reference>() {
                Ok(reference) => Ok(Usage { place, reference }),
                Err(error) => Err(BuildError::at(codes::MANIFEST_INVALID, place, error.to_string())),
            });
        }
    }
    for (number, declared) in written.references.iter().enumerate() {
        let place = declared_place(definition, component.index, number, declared);
        let reference = declared.reference.value.parse::<Reference>();
        found.push(match reference {
            Ok(reference) => Ok(Usage { place, reference }),
            Err(error) => Err(BuildError::at(codes::RELEASE_INVALID, place, error.to_string())),
        });
    }
    found
}

/// A copy of a component without the texts that are known to be images, so that the remaining candidates are in doubt.
pub fn without_images(definition: &Definition, component: &RenderedComponent) -> RenderedComponent {
    let mut left = component.clone();
    let written = &definition.release.components[component.index];
    for object in &mut left.objects {
        let mut known = spots(object, &definition.release.image_fields);
        known.retain(|spot| spot.is_one_text() && !is_exempt(written, object, spot));
        for spot in known {
            if let Some(field) = object.pointer_mut(&spot.pointer) {
                *field = Value::String(String::new());
            }
        }
    }
    for declaration in &written.references {
        // A build refuses a declaration that matches nothing.
        let _ = bind_declared(&mut left, declaration, "");
    }
    left
}

/// Returns an error for a line in the release's table of fields that matches nothing. A site would lack the image for
/// which it was written.
pub fn check_fields(definition: &Definition, components: &[RenderedComponent]) -> Result<()> {
    for (index, field) in definition.release.image_fields.iter().enumerate() {
        let mut objects = components.iter().flat_map(|component| &component.objects);
        if !objects.any(|object| !of_definition(object, field).is_empty()) {
            let place = definition.place(&field.path, format!("imageFields[{index}]"));
            let begins =
                field.prefix.as_ref().map(|prefix| format!(" that begins with `{prefix}`")).unwrap_or_default();
            let what = format!("no {} of the release has a text{begins} at {}", field.kind, field.path.value);
            return Err(BuildError::at(codes::IMAGE_FIELD_UNUSED, place, what));
        }
    }
    Ok(())
}

fn declared_place(definition: &Definition, index: usize, number: usize, declared: &ReferenceDefinition) -> Place {
    definition.place(&declared.reference, format!("components[{index}].references[{number}]"))
}

/// Binds every image in the objects to its pin; the keys of `pins` are references as written.
pub fn bind(definition: &Definition, component: &mut RenderedComponent, pins: &BTreeMap<Reference, Pin>) -> Result<()> {
    let pin_of = |text: &str| pins.get(&text.parse::<Reference>().ok()?);
    let written = &definition.release.components[component.index];
    for object in &mut component.objects {
        let mut bound = spots(object, &definition.release.image_fields);
        bound.retain(|spot| !is_exempt(written, object, spot));
        for spot in bound {
            if let (Some(pin), Some(field)) = (pin_of(&spot.written), object.pointer_mut(&spot.pointer)) {
                *field = Value::String(spot.pinned_value(&pin.reference, pin.digest));
            }
        }
    }
    for (number, declaration) in written.references.iter().enumerate() {
        let place = declared_place(definition, component.index, number, declaration);
        let bound = pin_of(&declaration.reference.value).map(|pin| pin.reference.with_digest(pin.digest).to_string());
        let Some(bound) = bound else {
            return Err(BuildError::at(codes::IMAGE_NOT_LOCKED, place, "the image is not pinned"));
        };
        bind_declared(component, declaration, &bound)
            .map_err(|what| BuildError::at(codes::MANIFEST_INVALID, place, what))?;
    }
    Ok(())
}

fn bind_declared(
    component: &mut RenderedComponent,
    declaration: &ReferenceDefinition,
    bound: &str,
) -> std::result::Result<(), String> {
    let wanted = format!("{}/{}", declaration.kind, declaration.name);
    let object = component.objects.iter_mut().find(|object| title(object) == wanted);
    let object = object.ok_or_else(|| format!("the component renders no {wanted}"))?;
    let path = &declaration.path.value;
    let Some(Value::String(text)) = object.pointer_mut(path) else {
        return Err(format!("{wanted} has no text at {path}"));
    };
    match &declaration.text {
        None => bound.clone_into(text),
        Some(part) if !part.is_empty() && text.contains(part.as_str()) => *text = text.replace(part.as_str(), bound),
        Some(part) => return Err(format!("the text of {wanted} at {path} does not hold `{part}`")),
    }
    Ok(())
}

/// Returns true if the component declares that a field of a custom resource is not an image, or binds it itself.
fn is_exempt(component: &ComponentDefinition, object: &Value, spot: &Spot) -> bool {
    let is_declared = |declared: &ReferenceDefinition| {
        declared.path.value == spot.pointer && format!("{}/{}", declared.kind, declared.name) == title(object)
    };
    let is_no_image = is_custom(object) && component.not_images.iter().any(|word| word.value == spot.written);
    is_no_image || component.references.iter().any(is_declared)
}
