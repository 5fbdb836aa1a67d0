//! Images in rendered objects: found, looked up in the lock, and bound to platform digests.

use std::collections::BTreeMap;

use landfall_error_codes::codes;
use serde_json::Value;

use super::{Rendered, escape, title};
use crate::definition::{Definition, ReferenceDefinition};
use crate::error::{BuildError, Place, Result};
use crate::lock::Pin;
use crate::reference::Reference;

/// One place where an image is named.
#[derive(Debug, Clone)]
pub struct Usage {
    /// Where, for messages.
    pub place: Place,
    /// What is named, made full.
    pub reference: Reference,
}

/// Every image that the objects of a component name, in `image` fields and declared references.
pub fn usages(definition: &Definition, component: &Rendered) -> Result<Vec<Usage>> {
    let mut found = Vec::new();
    for object in &component.objects {
        visit(object, "", &mut |pointer, text| {
            let place = component.place(object, &format!(": {pointer}"));
            match text.parse() {
                Ok(reference) => found.push(Ok(Usage { place, reference })),
                Err(error) => {
                    let error: crate::reference::InvalidReference = error;
                    found.push(Err(BuildError::at(codes::MANIFEST_INVALID, place, error.to_string())));
                }
            }
        });
    }
    for (number, declared) in definition.release.components[component.index].references.iter().enumerate() {
        let place = declared_place(definition, component.index, number, declared);
        let reference = declared.reference.value.parse::<Reference>();
        found.push(match reference {
            Ok(reference) => Ok(Usage { place, reference }),
            Err(error) => Err(BuildError::at(codes::RELEASE_INVALID, place, error.to_string())),
        });
    }
    found.into_iter().collect()
}

fn declared_place(definition: &Definition, index: usize, number: usize, declared: &ReferenceDefinition) -> Place {
    definition.place(&declared.reference, format!("components[{index}].references[{number}]"))
}

/// Binds every image that the objects name to what is pinned; `pins` is keyed by the reference as it is written.
pub fn bind(definition: &Definition, component: &mut Rendered, pins: &BTreeMap<Reference, Pin>) -> Result<()> {
    let pinned =
        |reference: &Reference| pins.get(reference).map(|pin| pin.reference.with_digest(pin.digest).to_string());
    for object in &mut component.objects {
        replace(object, "", &mut |text| text.parse().ok().as_ref().and_then(pinned));
    }
    let declared = &definition.release.components[component.index].references;
    for (number, declaration) in declared.iter().enumerate() {
        let place = declared_place(definition, component.index, number, declaration);
        let bound = declaration.reference.value.parse().ok().as_ref().and_then(pinned);
        let Some(bound) = bound else {
            return Err(BuildError::at(codes::IMAGE_NOT_LOCKED, place, "the image is not pinned"));
        };
        bind_declared(component, declaration, &bound)
            .map_err(|what| BuildError::at(codes::MANIFEST_INVALID, place, what))?;
    }
    Ok(())
}

fn bind_declared(
    component: &mut Rendered,
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

/// Whether a string at this place names an image: the key is `image`, or `reference` of an image volume, anywhere
/// but in the free text of a `ConfigMap`.
fn names_image(pointer: &str, key: &str) -> bool {
    let free_text = pointer.starts_with("/data/") || pointer.starts_with("/metadata/");
    !free_text && (key == "image" || (key == "reference" && pointer.ends_with("/image/reference")))
}

fn visit(value: &Value, pointer: &str, found: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let pointer = format!("{pointer}/{}", escape(key));
                match field {
                    Value::String(text) if names_image(&pointer, key) => found(&pointer, text),
                    field => visit(field, &pointer, found),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                visit(item, &format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn replace(value: &mut Value, pointer: &str, bound: &mut dyn FnMut(&str) -> Option<String>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let pointer = format!("{pointer}/{}", escape(key));
                match field {
                    Value::String(text) if names_image(&pointer, key) => {
                        if let Some(new) = bound(text) {
                            *text = new;
                        }
                    }
                    field => replace(field, &pointer, bound),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                replace(item, &format!("{pointer}/{index}"), bound);
            }
        }
        _ => {}
    }
}
