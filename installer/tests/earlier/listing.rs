//! Fields of JSON Schemas, as rows of a table.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Properties of a field.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    /// Types of JSON; empty if every value is allowed.
    pub(crate) types: BTreeSet<String>,
    /// Named values.
    pub(crate) values: BTreeSet<String>,
    /// True if the field may be missing.
    pub(crate) is_optional: bool,
}

/// Fields by path: `.name` is a field of an object, `[]` an item of a list, and `{}` a value of a map.
pub(crate) type Fields = BTreeMap<String, Field>;

/// Reads rows of a path, types with values, and the word `required`.
pub(crate) fn parse(text: &str) -> Fields {
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let [path, words, required] = cells[..] else { panic!("not three cells: {line}") };
        let (values, types): (Vec<&str>, Vec<&str>) = words.split_whitespace().partition(|word| word.starts_with('='));
        let set = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect();
        let field = Field { types: set(types), values: set(values), is_optional: required.is_empty() };
        (path.to_owned(), field)
    };
    text.lines().map(row).collect()
}

/// Listing of the fields of one document's schemas.
pub(crate) struct Listing<'a> {
    /// The document, to which references point.
    document: &'a Value,
    fields: Fields,
    /// References in which the walk is, because a type may contain itself.
    inside: Vec<String>,
}

impl<'a> Listing<'a> {
    pub(crate) fn of(document: &'a Value) -> Self {
        Self { document, fields: Fields::new(), inside: Vec::new() }
    }

    pub(crate) fn fields(self) -> Fields {
        self.fields
    }

    /// Adds a path without a value of its own.
    pub(crate) fn add_path(&mut self, path: &str) {
        self.fields.entry(path.to_owned()).or_default();
    }

    /// Adds a schema and everything inside.
    pub(crate) fn add(&mut self, schema: &Value, path: &str) {
        if let Some(reference) = schema["$ref"].as_str() {
            if self.inside.iter().any(|known| known == reference) {
                return;
            }
            self.inside.push(reference.to_owned());
            let document = self.document;
            let named = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
            self.add(named.expect("a schema"), path);
            self.inside.pop();
        }
        let field = self.fields.entry(path.to_owned()).or_default();
        field.types.extend(words(&schema["type"]));
        field.values.extend(list(&schema["enum"]).chain(schema.get("const")).map(named_value));
        for choice in ["anyOf", "oneOf", "allOf"].into_iter().flat_map(|name| list(&schema[name])) {
            self.add(choice, path);
        }
        self.add_properties(schema, path);
        for (name, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
            if schema[name].is_object() {
                self.add(&schema[name], &format!("{path}{mark}"));
            }
        }
        for item in list(&schema["prefixItems"]) {
            self.add(item, &format!("{path}[]"));
        }
    }

    fn add_properties(&mut self, schema: &Value, path: &str) {
        let required: Vec<String> = words(&schema["required"]).collect();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            self.add(property, &path);
            self.fields.entry(path).or_default().is_optional |= !required.contains(name);
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Words of a word or a list.
fn words(value: &Value) -> impl Iterator<Item = String> {
    value.as_str().into_iter().chain(list(value).filter_map(Value::as_str)).map(str::to_owned)
}

/// Value with a mark that no type has. Cells have words.
fn named_value(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    format!("={}", text.replace(' ', "_"))
}
