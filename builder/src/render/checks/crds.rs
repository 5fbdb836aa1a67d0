//! Custom resources, against the schemas of the `CustomResourceDefinition`s that the release brings.

use std::collections::HashMap;

use jsonschema::{Draft, Validator};
use landfall_error_codes::codes;
use serde_json::{Map, Value, json};

use super::{items, text};
use crate::error::{BuildError, Result};
use crate::render::Rendered;

/// Schemas by group, kind and version.
pub struct Crds(HashMap<(String, String), Crd>);

/// A kind that a component brings.
pub struct Crd {
    /// The component, as an index of the definition.
    pub component: usize,
    /// By name of the version; none where the version has no schema.
    versions: HashMap<String, Option<Validator>>,
}

impl Crds {
    /// The definitions that the components bring.
    pub fn of(components: &[Rendered]) -> Result<Self> {
        let mut found = HashMap::new();
        for component in components {
            for object in component.objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition") {
                let key = (text(object, "/spec/group").to_owned(), text(object, "/spec/names/kind").to_owned());
                found.insert(key, Crd::of(component, object)?);
            }
        }
        Ok(Self(found))
    }

    /// The definition of an object's kind.
    pub fn of_object(&self, object: &Value) -> Option<&Crd> {
        let (group, _) = text(object, "/apiVersion").split_once('/')?;
        self.0.get(&(group.to_owned(), text(object, "/kind").to_owned()))
    }
}

impl Crd {
    fn of(component: &Rendered, crd: &Value) -> Result<Self> {
        let mut versions = HashMap::new();
        for version in items(&crd["spec"], "versions").filter(|version| version["served"] != false) {
            let name = text(version, "/name").to_owned();
            let validator = version.pointer("/schema/openAPIV3Schema").map(|schema| {
                let schema = root(schema);
                jsonschema::options().with_draft(Draft::Draft4).build(&schema).map_err(|error| {
                    let what = format!("the schema of version {name} cannot be used: {error}");
                    BuildError::at(codes::OBJECT_UNFIT, component.place(crd, ""), what)
                })
            });
            versions.insert(name, validator.transpose()?);
        }
        Ok(Self { component: component.index, versions })
    }

    /// Refuses an object that the API server would refuse by the schema, or whose version is not served.
    pub fn check(&self, component: &Rendered, object: &Value) -> Result<()> {
        let refused =
            |field: &str, what| Err(BuildError::at(codes::OBJECT_UNFIT, component.place(object, field), what));
        let version = text(object, "/apiVersion").rsplit('/').next().unwrap_or_default();
        let Some(validator) = self.versions.get(version) else {
            let mut served: Vec<_> = self.versions.keys().map(String::as_str).collect();
            served.sort_unstable();
            return refused("", format!("its kind has no version {version}, only {}", served.join(", ")));
        };
        match validator.as_ref().and_then(|validator| validator.iter_errors(object).next()) {
            None => Ok(()),
            Some(error) => refused(&format!(": {}", error.instance_path()), format!("{error}")),
        }
    }
}

/// A structural schema as JSON Schema; every object has these three fields beside those that its schema names.
fn root(schema: &Value) -> Value {
    let mut schema = strict(schema);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, any) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            properties.insert(name.to_owned(), json!({ "type": any }));
        }
    }
    schema
}

/// What JSON Schema says differently from Kubernetes: unknown fields are refused unless they are kept, a field with a
/// default may be missing, and some values are of either of two types.
fn strict(schema: &Value) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    let mut strict = Map::new();
    for (key, value) in fields {
        let value = match (key.as_str(), value) {
            ("properties" | "patternProperties" | "definitions", Value::Object(map)) => {
                Value::Object(map.iter().map(|(name, schema)| (name.clone(), self::strict(schema))).collect())
            }
            ("items" | "additionalProperties", value) => self::strict(value),
            // They repeat parts of the schema around them, so unknown fields are not theirs to refuse.
            ("allOf" | "anyOf" | "oneOf" | "not", value) => value.clone(),
            ("default" | "example" | "format" | "description" | "title" | "nullable", _) => continue,
            (key, _) if key.starts_with("x-kubernetes-") => continue,
            (_, value) => value.clone(),
        };
        strict.insert(key.clone(), value);
    }
    let is = |key: &str| fields.get(key) == Some(&Value::Bool(true));
    let is_open = is("x-kubernetes-preserve-unknown-fields") || is("x-kubernetes-embedded-resource");
    if strict.contains_key("properties") && !strict.contains_key("additionalProperties") && !is_open {
        strict.insert("additionalProperties".to_owned(), json!(false));
    }
    require_without_defaults(fields, &mut strict);
    if is("x-kubernetes-int-or-string") {
        strict.insert("type".to_owned(), json!(["integer", "string"]));
    }
    if is("nullable")
        && let Some(kind) = strict.get("type").cloned()
    {
        return json!({ "anyOf": [{ "type": "null" }, if kind.is_null() { json!({}) } else { Value::Object(strict) }] });
    }
    Value::Object(strict)
}

fn require_without_defaults(fields: &Map<String, Value>, strict: &mut Map<String, Value>) {
    let Some(required) = fields.get("required").and_then(Value::as_array) else { return };
    let has_default = |name: &&Value| {
        let property = name.as_str().and_then(|name| fields.get("properties")?.get(name));
        property.is_some_and(|property| property.get("default").is_some())
    };
    let left: Vec<_> = required.iter().filter(|name| !has_default(name)).cloned().collect();
    if left.is_empty() {
        strict.remove("required");
    } else {
        strict.insert("required".to_owned(), Value::Array(left));
    }
}
