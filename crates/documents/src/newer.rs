//! Reader for documents of a newer program: their known part, by the same strict types.
//!
//! Landfall's types refuse unknown fields, because a program that continues an operation must understand all of it.
//! Documents about closed operations are only looked up, even by an older program after a rollback. In those, unknown
//! fields are found and dropped. The type reports an unknown field together with those that it knows. A probe under
//! another name shows which object has it. This also works through tagged and flattened types, whose contents serde
//! buffers.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

/// Reads a document strictly, or without the fields that `T` does not know at any level. An unknown variant is still an
/// error. The returned error is the one from the strict reading.
pub fn known_part<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(json).or_else(|strict| {
        let document = strict.is_data().then(|| serde_json::from_slice(json).ok()).flatten();
        document.and_then(without_unknown).ok_or(strict)
    })
}

/// Reads a parsed document strictly, or without the fields that `T` does not know at any level. The returned error is
/// that of the strict reading.
pub fn known_value<T: DeserializeOwned>(document: &Value) -> serde_json::Result<T> {
    T::deserialize(document).or_else(|strict| without_unknown(document.clone()).ok_or(strict))
}

/// Reads a list without items that this version cannot read, such as those with a variant of a newer version.
pub(crate) fn known_items<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let items = Vec::<Value>::deserialize(deserializer)?;
    Ok(items.iter().filter_map(|item| known_value(item).ok()).collect())
}

/// Reads a parsed document without unknown fields; `None` if it does not match `T` even then.
pub fn without_unknown<T: DeserializeOwned>(mut document: Value) -> Option<T> {
    // Objects that have a field of this name in their type.
    let mut known = BTreeSet::new();
    loop {
        match T::deserialize(Node(&document)) {
            Ok(read) => return Some(read),
            Err(Problem::Unknown { field, .. }) => forget::<T>(&mut document, &field, &mut known)?,
            Err(Problem::Other(_)) => return None,
        }
    }
}

/// Drops a field from an object whose type does not know it; `None` if there is no such object.
fn forget<T: DeserializeOwned>(
    document: &mut Value,
    field: &str,
    known: &mut BTreeSet<(String, String)>,
) -> Option<()> {
    let mut candidates = Vec::new();
    objects_with(document, field, "", &mut candidates);
    // A name that no type has is tried in one object after another.
    let probe = format!("{field}\u{1f}");
    for pointer in candidates {
        let is_known = known.contains(&(pointer.clone(), field.to_owned()));
        let Some(value) = (!is_known).then(|| object(document, &pointer)?.remove(field)).flatten() else { continue };
        object(document, &pointer)?.insert(probe.clone(), value);
        let found = T::deserialize(Node(document)).err();
        let value = object(document, &pointer)?.remove(&probe)?;
        match found {
            Some(Problem::Unknown { field: named, expected }) if named == probe && !expected.contains(&field) => {
                return Some(());
            }
            Some(Problem::Unknown { field: named, .. }) if named == probe => {
                known.insert((pointer.clone(), field.to_owned()));
            }
            // This object's type is not strict, or the error is about a later object.
            _ => {}
        }
        object(document, &pointer)?.insert(field.to_owned(), value);
    }
    None
}

fn object<'a>(document: &'a mut Value, pointer: &str) -> Option<&'a mut Map<String, Value>> {
    document.pointer_mut(pointer)?.as_object_mut()
}

/// Collects pointers to the objects that have this field, in reading order.
fn objects_with(value: &Value, field: &str, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if object.contains_key(field) {
                found.push(pointer.to_owned());
            }
            for (name, value) in object {
                let name = name.replace('~', "~0").replace('/', "~1");
                objects_with(value, field, &format!("{pointer}/{name}"), found);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                objects_with(value, field, &format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// Reason why a document does not match a type.
#[derive(Debug)]
enum Problem {
    /// A strict type does not know the field; it knows those that it expected.
    Unknown { field: String, expected: &'static [&'static str] },
    /// Any other error.
    Other(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { field, .. } => write!(formatter, "unknown field `{field}`"),
            Self::Other(text) => formatter.write_str(text),
        }
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::Other(text.to_string())
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::Unknown { field: field.to_owned(), expected }
    }
}

/// Value as serde reads it, with [`Problem`] as the error type.
struct Node<'a>(&'a Value);

impl<'de> IntoDeserializer<'de, Problem> for Node<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Returns the fields of an object as a deserializer.
fn fields(object: &Map<String, Value>) -> MapDeserializer<'_, impl Iterator<Item = (&str, Node<'_>)>, Problem> {
    MapDeserializer::new(object.iter().map(|(name, value)| (name.as_str(), Node(value))))
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => visitor.visit_u64(value),
                (None, Some(value)) => visitor.visit_i64(value),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(values) => visitor.visit_seq(SeqDeserializer::new(values.iter().map(Node))),
            Value::Object(object) => visitor.visit_map(fields(object)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match self.0 {
            Value::String(text) => text.as_str().into_deserializer().deserialize_enum(name, variants, visitor),
            Value::Object(object) => visitor.visit_enum(MapAccessDeserializer::new(fields(object))),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        name: String,
        #[serde(default)]
        inner: Vec<Action>,
        #[serde(default)]
        labels: BTreeMap<String, Leaf>,
        loose: Option<LooseDocument>,
        kind: Option<Kind>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "action", rename_all = "kebab-case")]
    enum Action {
        Write(Leaf),
        Nested { leaf: Box<Action> },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Kind {
        Plain,
        Sized { bytes: u64 },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Leaf {
        path: String,
        #[serde(default)]
        mode: u32,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct LooseDocument {
        #[serde(default)]
        name: String,
        leaf: Leaf,
    }

    fn read(document: &Value) -> serde_json::Result<Outer> {
        known_part(document.to_string().as_bytes())
    }

    fn sample() -> Value {
        json!({
            "name": "a", "kind": {"sized": {"bytes": 7}}, "loose": {"name": "b", "leaf": {"path": "/c"}},
            "inner": [{"action": "write", "path": "/d", "mode": 420},
                {"action": "nested", "leaf": {"action": "write", "path": "/e"}}],
            "labels": {"name": {"path": "/f", "mode": 1}, "mode": {"path": "/g"}},
        })
    }

    /// Collects pointers to all objects of a document.
    fn objects(value: &Value, pointer: &str, found: &mut Vec<String>) {
        if value.is_object() {
            found.push(pointer.to_owned());
        }
        let children: Vec<(String, &Value)> = match value {
            Value::Object(object) => object.iter().map(|(name, value)| (name.clone(), value)).collect(),
            Value::Array(values) => {
                values.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
            }
            _ => Vec::new(),
        };
        for (name, value) in children {
            objects(value, &format!("{pointer}/{name}"), found);
        }
    }

    /// New names, and names that other types have, which are the easiest to confuse.
    #[test]
    fn unknown_fields_are_dropped_everywhere() {
        let expected = read(&sample()).unwrap();
        let mut pointers = Vec::new();
        objects(&sample(), "", &mut pointers);
        // A map accepts any name, and the object that wraps a variant has exactly one.
        pointers.retain(|pointer| !["/labels", "/kind"].contains(&pointer.as_str()));
        assert_eq!(pointers.len(), 9);
        for field in ["later", "bytes"] {
            let mut document = sample();
            for pointer in &pointers {
                object(&mut document, pointer).unwrap().entry(field).or_insert(json!({"deep": [1, {"name": 2}]}));
            }
            assert_eq!(read(&document).unwrap(), expected, "{field}");
        }
        for (pointer, field) in [
            ("/inner/0", "name"),
            ("/inner/1", "path"),
            ("/loose/leaf", "name"),
            ("/labels/name", "name"),
            ("", "mode"),
        ] {
            let mut document = sample();
            object(&mut document, pointer).unwrap().insert(field.to_owned(), json!(null));
            assert_eq!(read(&document).unwrap(), expected, "{field} at {pointer}");
        }
    }

    #[test]
    fn other_faults_stay_errors() {
        let mut document = sample();
        document["later"] = json!(1);
        document["inner"][0]["action"] = json!("teleport");
        assert!(read(&document).unwrap_err().to_string().contains("teleport"), "the error of the strict reader");
        let mut document = sample();
        document["loose"]["leaf"] = json!({"mode": 1, "later": 2});
        assert!(read(&document).unwrap_err().to_string().contains("later"));
        assert!(known_part::<Outer>(b"no JSON").unwrap_err().is_syntax());
    }
}
