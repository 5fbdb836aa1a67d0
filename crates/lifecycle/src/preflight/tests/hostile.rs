//! Fuzzed facts: preflight returns findings for any numbers and text in them.

use serde_json::{Value, json};

use super::spoiled::{good, look};
use super::*;

/// Maximum length of the measured value in a finding.
const MEASURED_BYTES: usize = 1 << 20;

/// Collects the paths (RFC 6901) of all numbers, texts and lists of a document, except the report about GPUs.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter().filter(|(name, _)| *name != "gpus") {
                places(field, &format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            found.push(path.to_owned());
            for (item, index) in items.iter().zip(0..) {
                places(item, &format!("{path}/{index}"), found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn hostile_facts_never_stop_preflight() {
    let document = serde_json::to_value(good()).unwrap();
    let mut found = Vec::new();
    places(&document, "", &mut found);
    assert!(found.len() > 50, "{found:?}");
    let long = "a/b 9.9 ".repeat(2000);
    let others = [
        json!(0),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("\u{1b}[2J\n'; rm -rf / #ü"),
        json!(long),
        json!([]),
    ];
    let mut read = 0;
    for place in &found {
        for other in &others {
            let mut changed = document.clone();
            *changed.pointer_mut(place).unwrap() = other.clone();
            let Ok(facts) = serde_json::from_value::<Facts>(changed) else { continue };
            read += 1;
            for finding in look(&facts) {
                assert!(finding.measured.len() < MEASURED_BYTES && !finding.message.is_empty(), "{place}: {finding}");
            }
        }
    }
    assert!(read > 100, "only {read} of the documents were facts");
}
