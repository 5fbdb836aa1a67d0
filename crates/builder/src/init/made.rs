//! Secrets that software creates at the site: one of its programs receives the name, and a role of the component allows
//! it to create Secrets.

use serde_json::Value;

/// Container fields that programs receive.
const TOLD: [&str; 3] = ["args", "command", "env"];

/// Returns true if software among these objects creates the Secret with this name.
pub fn is_made(objects: &[Value], name: &str) -> bool {
    objects.iter().any(may_create) && objects.iter().any(|object| tells(object, name, false))
}

/// Returns true if an object is a role that allows the creation of Secrets.
fn may_create(object: &Value) -> bool {
    let is_role = ["Role", "ClusterRole"].iter().any(|kind| object["kind"] == *kind);
    let has = |rule: &Value, field: &str, wanted: &str| {
        let mut listed = rule[field].as_array().into_iter().flatten();
        listed.any(|listed| listed == wanted || listed == "*")
    };
    let mut rules = object["rules"].as_array().into_iter().flatten();
    is_role
        && rules
            .any(|rule| has(rule, "apiGroups", "") && has(rule, "resources", "secrets") && has(rule, "verbs", "create"))
}

/// Returns true if a program's arguments or variables contain a name as a word. A variable with a value from a Secret
/// does not count.
fn tells(value: &Value, name: &str, is_told: bool) -> bool {
    match value {
        Value::String(text) => is_told && has_word(text, name),
        Value::Array(items) => items.iter().any(|item| tells(item, name, is_told)),
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| *key != "valueFrom")
            .any(|(key, field)| tells(field, name, is_told || TOLD.contains(&key.as_str()))),
        _ => false,
    }
}

fn has_word(text: &str, name: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '.';
    text.split(|letter: char| !is_part(letter)).any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn created_secret_needs_named_job() {
        let job = |args: Value| {
            let spec = json!({ "containers": [{ "args": args,
                "env": [{ "name": "A", "valueFrom": { "secretKeyRef": { "name": "other" } } }] }] });
            json!({ "kind": "Job", "spec": { "template": { "spec": spec } } })
        };
        let role = |verbs: Value| {
            json!({ "kind": "Role",
            "rules": [{ "apiGroups": [""], "resources": ["secrets"], "verbs": verbs }] })
        };
        let makes = job(json!(["create", "--secret-name=web-admission"]));
        let creates = role(json!(["get", "create"]));
        assert!(is_made(&[makes.clone(), creates.clone()], "web-admission"));
        assert!(is_made(&[makes.clone(), role(json!(["*"]))], "web-admission"));
        for (objects, name) in [
            (vec![makes.clone(), role(json!(["get"]))], "web-admission"),
            (vec![makes.clone(), creates.clone()], "web"),
            (vec![makes, creates.clone()], "other"),
            (vec![job(json!([])), creates], "web-admission"),
        ] {
            assert!(!is_made(&objects, name), "{objects:?}");
        }
    }
}
