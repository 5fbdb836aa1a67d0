//! Fields of objects as the API server names them in conflicts, such as
//! `.spec.ports[port=80,protocol="TCP"].targetPort`.
//!
//! The names are ambiguous, because a key may contain dots. Therefore a name is resolved against an object that has the
//! field.

use serde_json::{Value, json};

/// Returns the JSON Pointer (RFC 6901) to the field of this name; `None` if the object does not have it.
pub fn pointer_of(object: &Value, field: &str) -> Option<String> {
    if field.is_empty() {
        return Some(String::new());
    }
    let (token, found) = match object {
        Value::Object(fields) => {
            let after = field.strip_prefix('.')?;
            // The longest key that leads to the end wins.
            let mut keys: Vec<(&String, &Value)> =
                fields.iter().filter(|(key, _)| after.starts_with(key.as_str())).collect();
            keys.sort_by_key(|(key, _)| std::cmp::Reverse(key.len()));
            keys.into_iter().find_map(|(key, value)| {
                let rest = &after[key.len()..];
                Some((escape_key(key), pointer_of(value, rest)?))
            })?
        }
        Value::Array(items) => {
            let (selector, rest) = selector(field)?;
            let index = items.iter().enumerate().position(|(index, item)| selector.selects(index, item))?;
            (index.to_string(), pointer_of(&items[index], rest)?)
        }
        _ => return None,
    };
    Some(format!("/{token}{found}"))
}

/// Removes the field at a JSON Pointer. Returns true if it existed.
pub fn remove(object: &mut Value, pointer: &str) -> bool {
    let Some((parent, token)) = pointer.rsplit_once('/') else { return false };
    match object.pointer_mut(parent) {
        Some(Value::Object(fields)) => fields.remove(&token.replace("~1", "/").replace("~0", "~")).is_some(),
        Some(Value::Array(items)) => match token.parse::<usize>() {
            Ok(index) if index < items.len() => {
                items.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

/// Returns true if the field at a JSON Pointer is in a list, at any level.
pub fn passes_list(object: &Value, pointer: &str) -> bool {
    let parents = pointer.match_indices('/').map(|(end, _)| &pointer[..end]);
    parents.filter_map(|parent| object.pointer(parent)).any(Value::is_array)
}

/// Returns JSON Patch operations that set the field at a JSON Pointer, and create the missing maps around it.
pub fn set_operations(object: &Value, pointer: &str, value: &Value) -> Vec<Value> {
    let parents = pointer.match_indices('/').map(|(end, _)| &pointer[..end]);
    let missing = parents.filter(|parent| object.pointer(parent).is_none_or(Value::is_null));
    let mut operations: Vec<Value> = missing.map(|parent| json!({"op": "add", "path": parent, "value": {}})).collect();
    operations.push(json!({"op": "add", "path": pointer, "value": value}));
    operations
}

fn escape_key(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Selector of a list item in a field name.
enum Selector {
    /// The item with these fields, of a list that is a map keyed by them.
    Keys(Vec<(String, Value)>),
    /// The item of this value, of a list that is a set.
    Value(Value),
    /// The item at this index.
    Index(usize),
}

impl Selector {
    fn selects(&self, index: usize, item: &Value) -> bool {
        match self {
            // A key with its default value may be missing in the applied object.
            Self::Keys(keys) => {
                let is_equal = |(key, value): &(String, Value)| item.get(key).is_none_or(|found| found == value);
                keys.iter().any(|(key, _)| item.get(key).is_some()) && keys.iter().all(is_equal)
            }
            Self::Value(value) => item == value,
            Self::Index(wanted) => index == *wanted,
        }
    }
}

/// Parses the selector at the beginning of a name, and returns it with the rest.
fn selector(field: &str) -> Option<(Selector, &str)> {
    let inner = field.strip_prefix('[')?;
    let end = outside_of_strings(inner, ']').next()?;
    let (inside, rest) = (&inner[..end], &inner[end + 1..]);
    if let Some(value) = inside.strip_prefix('=') {
        return Some((Selector::Value(serde_json::from_str(value).ok()?), rest));
    }
    if let Ok(index) = inside.parse() {
        return Some((Selector::Index(index), rest));
    }
    let mut keys = Vec::new();
    let mut begin = 0;
    for end in outside_of_strings(inside, ',').chain([inside.len()]) {
        let (key, value) = inside[begin..end].split_once('=')?;
        keys.push((key.to_owned(), serde_json::from_str(value).ok()?));
        begin = end + 1;
    }
    Some((Selector::Keys(keys), rest))
}

/// Returns the positions of a character outside of JSON strings.
fn outside_of_strings(text: &str, wanted: char) -> impl Iterator<Item = usize> {
    let (mut is_string, mut is_escaped) = (false, false);
    text.char_indices().filter_map(move |(place, found)| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match found {
            '"' if !was_escaped => is_string = !is_string,
            '\\' if is_string && !was_escaped => is_escaped = true,
            _ => {}
        }
        (found == wanted && !is_string).then_some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> Value {
        json!({
            "metadata": {"annotations": {"a.b/c": "1"}, "finalizers": ["x", "y"]},
            "data": {"app": "short", "app.properties": "a=1"},
            "spec": {
                "replicas": 2,
                "containers": [
                    {"name": "side", "env": [{"name": "A", "value": "1"}]},
                    {"name": "we]b,\"", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
                ],
                "ports": [{"port": 80, "targetPort": 1}, {"port": 53, "protocol": "UDP", "targetPort": 2}],
            },
        })
    }

    #[test]
    fn field_names_become_pointers() {
        let found = |field: &str| pointer_of(&object(), field);
        let names = [
            (".spec.replicas", "/spec/replicas"),
            (".metadata.annotations.a.b/c", "/metadata/annotations/a.b~1c"),
            (".data.app", "/data/app"),
            (".data.app.properties", "/data/app.properties"),
            (r#".spec.containers[name="side"].env[name="A"].value"#, "/spec/containers/0/env/0/value"),
            (r#".spec.containers[name="we]b,\""].env[name="B"]"#, "/spec/containers/1/env/1"),
            (r#".spec.ports[port=80,protocol="TCP"].targetPort"#, "/spec/ports/0/targetPort"),
            (r#".spec.ports[port=53,protocol="UDP"].targetPort"#, "/spec/ports/1/targetPort"),
            (r#".metadata.finalizers[="y"]"#, "/metadata/finalizers/1"),
            (".metadata.finalizers[0]", "/metadata/finalizers/0"),
        ];
        for (field, pointer) in names {
            assert_eq!(found(field).as_deref(), Some(pointer), "{field}");
            assert!(object().pointer(pointer).is_some(), "{pointer}");
        }
        for field in [
            ".spec.missing",
            ".data.ap",
            r#".spec.containers[name="other"]"#,
            ".spec.replicas.x",
            "spec",
            ".a[",
            ".spec.ports[port=80",
        ] {
            assert_eq!(found(field), None, "{field}");
        }
    }

    #[test]
    fn setting_field_adds_missing_maps() {
        assert!(
            passes_list(&object(), "/spec/containers/0/env/0/value")
                && passes_list(&object(), "/metadata/finalizers/1")
        );
        assert!(!passes_list(&object(), "/metadata/annotations/a.b~1c") && !passes_list(&object(), "/spec/containers"));
        let paths = |pointer: &str| -> Vec<String> {
            let operations = set_operations(&object(), pointer, &json!("x"));
            operations.iter().map(|operation| operation["path"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(paths("/data/app"), ["/data/app"]);
        assert_eq!(paths("/metadata/labels/a.b~1c"), ["/metadata/labels", "/metadata/labels/a.b~1c"]);
        let made = ["/status", "/status/some", "/status/some/field"];
        assert_eq!(paths("/status/some/field"), made);
    }

    #[test]
    fn field_is_removed_once() {
        let mut object = object();
        assert!(remove(&mut object, "/metadata/annotations/a.b~1c"));
        assert_eq!(object["metadata"]["annotations"], json!({}));
        assert!(remove(&mut object, "/spec/containers/0"));
        assert_eq!(object["spec"]["containers"].as_array().unwrap().len(), 1);
        for missing in ["/spec/containers/7", "/spec/missing", "", "/spec/replicas/x"] {
            assert!(!remove(&mut object, missing), "{missing}");
        }
    }
}
