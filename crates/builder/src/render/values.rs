//! Checks values that a site may set against their schemas and the rendered objects, and creates the schema of
//! `site.yaml`.

use landfall_error_codes::codes;
use landfall_release_document::{COMPUTED_PREFIX, SiteSecret};
use serde_json::{Map, Value, json};

use super::checks;
use crate::definition::{Definition, ValueDefinition};
use crate::error::{BuildError, Result};
use crate::rendered::{RenderedComponent, title};

/// Returns an error for a value with an invalid schema, a default that violates it, or missing targets.
pub fn check(definition: &Definition, components: &[RenderedComponent]) -> Result<()> {
    for (index, value) in definition.release.values.iter().enumerate() {
        let field = format!("values[{index}]");
        check_default(definition, value, &field)?;
        for (number, target) in value.targets.iter().enumerate() {
            let place = definition.place(&target.path, format!("{field}.targets[{number}]"));
            let wanted = format!("{}/{}", target.kind, target.name);
            let object = components
                .iter()
                .filter(|component| definition.release.components[component.index].name.value == target.component.value)
                .flat_map(|component| &component.objects)
                .find(|object| title(object) == wanted);
            let Some(object) = object else {
                let what = format!("the component `{}` renders no {wanted}", target.component.value);
                return Err(BuildError::at(codes::VALUE_INVALID, place, what));
            };
            if object.pointer(&target.path.value).is_none() {
                let what = format!("{wanted} has no field {}", target.path.value);
                return Err(BuildError::at(codes::VALUE_INVALID, place, what));
            }
        }
    }
    Ok(())
}

/// Returns an error for a default that makes an object invalid for the API server or the site's policies. The objects
/// are valid without defaults.
pub fn check_defaults(definition: &Definition, components: &[RenderedComponent]) -> Result<()> {
    let all: Vec<&ValueDefinition> = definition.release.values.iter().collect();
    let together = checks::check(definition, &with_defaults(definition, components, &all));
    if together.is_ok() {
        return together;
    }
    for (index, value) in definition.release.values.iter().enumerate() {
        let Some(default) = &value.default else { continue };
        checks::check(definition, &with_defaults(definition, components, &[value])).map_err(|error| {
            let place = definition.place(default, format!("values[{index}].default"));
            BuildError::at(codes::VALUE_INVALID, place, format!("does not fit its object: {error}"))
        })?;
    }
    // Each default is valid alone, but not all together.
    together
}

/// The components with the defaults of these values.
fn with_defaults(
    definition: &Definition,
    components: &[RenderedComponent],
    values: &[&ValueDefinition],
) -> Vec<RenderedComponent> {
    let mut changed = components.to_vec();
    for value in values {
        let Some(default) = &value.default else { continue };
        for target in &value.targets {
            let wanted = format!("{}/{}", target.kind, target.name);
            let objects = changed
                .iter_mut()
                .filter(|rendered| definition.release.components[rendered.index].name.value == target.component.value)
                .flat_map(|rendered| &mut rendered.objects);
            for object in objects.filter(|object| title(object) == wanted) {
                if let Some(field) = object.pointer_mut(&target.path.value) {
                    *field = default.value.clone();
                }
            }
        }
    }
    changed
}

/// Returns an error for an editable field that does not exist: if it is misspelled, an upgrade would overwrite the real
/// field.
pub fn check_editable(definition: &Definition, components: &[RenderedComponent]) -> Result<()> {
    for rendered in components {
        for (number, field) in definition.release.components[rendered.index].editable.iter().enumerate() {
            let place = definition.place(&field.path, format!("components[{}].editable[{number}]", rendered.index));
            let wanted = format!("{}/{}", field.kind, field.name);
            let what = match rendered.objects.iter().find(|object| title(object) == wanted) {
                None => format!("the component renders no {wanted}"),
                Some(_) if field.path.value.is_empty() => format!("the whole of {wanted} cannot be editable"),
                Some(object) if object.pointer(&field.path.value).is_none() => {
                    format!("{wanted} has no field {}", field.path.value)
                }
                Some(_) => continue,
            };
            return Err(BuildError::at(codes::EDITABLE_INVALID, place, what));
        }
    }
    Ok(())
}

fn check_default(definition: &Definition, value: &ValueDefinition, field: &str) -> Result<()> {
    let schema_place = definition.place(&value.schema, format!("{field}.schema"));
    let validator = jsonschema::validator_for(&value.schema.value).map_err(|error| {
        BuildError::at(codes::VALUE_INVALID, schema_place, format!("is not a JSON Schema: {error}"))
    })?;
    let Some(default) = &value.default else { return Ok(()) };
    validator.validate(&default.value).map_err(|error| {
        let place = definition.place(default, format!("{field}.default"));
        BuildError::at(codes::VALUE_INVALID, place, format!("does not fit the schema: {error}"))
    })
}

/// JSON Schema of `site.yaml`: the release's values, and the part that all releases have in common.
pub fn site_schema(definition: &Definition) -> Result<Value> {
    let release = &definition.release;
    let properties: Map<String, Value> = release
        .values
        .iter()
        .filter(|value| !value.name.value.starts_with(COMPUTED_PREFIX))
        .map(|value| {
            let mut schema = value.schema.value.clone();
            if let (Some(default), Some(fields)) = (&value.default, schema.as_object_mut()) {
                fields.insert("default".to_owned(), default.value.clone());
            }
            (value.name.value.clone(), schema)
        })
        .collect();
    let mut schema = fixed_part()?;
    schema["title"] = json!(format!("Site configuration of {} {}", release.name.value, release.version.value));
    schema["properties"]["values"] =
        json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let secrets = secret_files(definition);
    if !secrets.is_empty() {
        schema["properties"]["secrets"] =
            json!({ "type": "object", "additionalProperties": false, "properties": secrets });
    }
    Ok(schema)
}

/// The part that all releases have in common.
fn fixed_part() -> Result<Value> {
    serde_json::from_str(include_str!("site.schema.json"))
        .map_err(|error| BuildError::new(codes::BUG, "the schema of site.yaml is not JSON").because(error))
}

/// Schema of the site secrets, with their sources.
fn secret_files(definition: &Definition) -> Map<String, Value> {
    let secrets = definition.release.components.iter().flat_map(|component| &component.site_secrets);
    let file = json!({ "type": "string", "pattern": "^/" });
    let source = |secret: &SiteSecret| {
        json!({
            "type": "object",
            "description": secret.meaning,
            "additionalProperties": false,
            "required": ["fromFile"],
            "properties": { "fromFile": file, "keyFromFile": file },
        })
    };
    secrets.map(|secret| (secret.value.name.clone(), source(&secret.value))).collect()
}
