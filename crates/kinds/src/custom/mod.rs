//! Validation of custom resources against the schemas of the `CustomResourceDefinition`s in a release.

mod expressions;
mod nulls;
mod patterns;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use self::rules::CustomRules;
use crate::{Fault, text};

/// The kinds that definitions define.
#[derive(Debug, Default)]
pub struct CustomKinds<'a>(HashMap<GroupKind, &'a Value>);

/// A group and a kind.
pub type GroupKind = (String, String);

/// A kind that a definition defines.
#[derive(Debug)]
pub struct CustomKind {
    /// Versions by name.
    versions: HashMap<String, Version>,
}

/// The requirements of a version of a kind for its objects; none if it has no schema.
#[derive(Debug, Default)]
struct Version {
    schema: Option<Validator>,
    /// The original schema.
    written: Option<Value>,
    rules: Option<CustomRules>,
}

/// Returns true if an object defines a kind.
pub fn is_definition(object: &Value) -> bool {
    object["kind"] == "CustomResourceDefinition"
}

/// Returns the group and kind that a definition defines.
pub fn defined_kind(definition: &Value) -> GroupKind {
    (text(definition, "/spec/group").to_owned(), text(definition, "/spec/names/kind").to_owned())
}

/// Returns the group and kind of an object; `None` for the core group, whose kinds are all Kubernetes' own.
pub fn group_kind(object: &Value) -> Option<GroupKind> {
    let (group, _) = text(object, "/apiVersion").split_once('/')?;
    Some((group.to_owned(), text(object, "/kind").to_owned()))
}

impl<'a> CustomKinds<'a> {
    /// Collects the kinds of all definitions among these objects.
    pub fn among(objects: impl IntoIterator<Item = &'a Value>) -> Self {
        let definitions = objects.into_iter().filter(|object| is_definition(object));
        Self(definitions.map(|object| (defined_kind(object), object)).collect())
    }

    /// Returns an error if [`crate::check`] refuses the object, or if its kind is one of these and it does not fit the
    /// schema. A definition with an unusable schema is ignored here: the build, with the schemas of its own time, would
    /// have refused it.
    pub fn check(&self, object: &Value) -> Result<(), Fault> {
        match group_kind(object).and_then(|key| CustomKind::of(self.0.get(&key)?).ok()) {
            Some(kind) => kind.check(object),
            None => crate::check(object),
        }
    }
}

impl CustomKind {
    /// Reads a definition. Returns an error if one of its schemas is unusable.
    pub fn of(definition: &Value) -> Result<Self, Fault> {
        let all = definition.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
        let served = all.filter(|version| version["served"] != false);
        let versions = served.map(|version| {
            let name = text(version, "/name");
            let schema = version.pointer("/schema/openAPIV3Schema");
            let version = schema.map(|schema| Version::of(name, schema)).transpose()?;
            Ok((name.to_owned(), version.unwrap_or_default()))
        });
        Ok(Self { versions: versions.collect::<Result<_, Fault>>()? })
    }

    /// Returns an error if the version of the object is not served, or if the API server would refuse the object by the
    /// schema or one of its rules.
    pub fn check(&self, object: &Value) -> Result<(), Fault> {
        let name = text(object, "/apiVersion").rsplit('/').next().unwrap_or_default();
        let Some(version) = self.versions.get(name) else {
            let mut served: Vec<_> = self.versions.keys().map(String::as_str).collect();
            served.sort_unstable();
            return Err(Fault::field("", format!("its kind has no version {name}, only {}", served.join(", "))));
        };
        version.check(object)
    }
}

impl Version {
    fn of(name: &str, schema: &Value) -> Result<Self, Fault> {
        let options = jsonschema::options().with_draft(Draft::Draft4);
        let built = options.with_keyword(patterns::KEYWORD, patterns::compile).build(&root(schema));
        let unusable = |error| Fault::field("", format!("the schema of version {name} cannot be used: {error}"));
        let rules = CustomRules::of(schema);
        Ok(Self { schema: Some(built.map_err(unusable)?), written: Some(schema.clone()), rules })
    }

    /// Rules are checked last, because they may rely on the schema.
    fn check(&self, object: &Value) -> Result<(), Fault> {
        crate::rules::check_custom(object)?;
        let without = self.written.as_ref().map(|schema| nulls::drop_nulls(object, schema));
        let object = without.as_ref().unwrap_or(object);
        let error = self.schema.as_ref().and_then(|schema| schema.iter_errors(object).next());
        if let Some(error) = error {
            return Err(Fault::field(error.instance_path().to_string(), error.to_string()));
        }
        self.rules.as_ref().map_or(Ok(()), |rules| rules.check(object))
    }
}

/// Converts a structural schema to JSON Schema. Every object has these three fields in addition to those of its schema.
fn root(schema: &Value) -> Value {
    let mut schema = strict(schema);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, any) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            properties.insert(name.to_owned(), json!({ "type": any }));
        }
    }
    schema
}

/// Converts a schema where JSON Schema differs from Kubernetes. Unknown fields are errors unless they are preserved, a
/// field with a default may be missing, and some values may have either of two types.
fn strict(schema: &Value) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    let mut strict = Map::new();
    for (key, value) in fields {
        let value = match (key.as_str(), value) {
            ("properties" | "patternProperties" | "definitions", Value::Object(map)) => {
                Value::Object(map.iter().map(|(name, schema)| (name.clone(), self::strict(schema))).collect())
            }
            ("items" | "additionalProperties", value) => self::strict(value),
            // These repeat parts of the surrounding schema, so they do not refuse unknown fields.
            ("allOf" | "anyOf" | "oneOf" | "not", value) => patterns::rename_patterns(value),
            ("pattern", value) => {
                strict.insert(patterns::KEYWORD.to_owned(), value.clone());
                continue;
            }
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
