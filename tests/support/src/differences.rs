//! Comparison of documents: what the earlier program wrote, and what this program writes.

use serde_json::Value;

/// Returns the differences between documents. Fields that only the present one has do not count.
pub fn differences(earlier: &Value, present: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(earlier, present, "", &mut found);
    found
}

fn compare(earlier: &Value, present: &Value, at: &str, found: &mut Vec<String>) {
    match (earlier, present) {
        (Value::Object(fields), Value::Object(others)) => {
            for (name, value) in fields {
                compare(value, others.get(name).unwrap_or(&Value::Null), &format!("{at}/{name}"), found);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                compare(item, other, &format!("{at}/{index}"), found);
            }
        }
        _ if earlier == present => {}
        _ => found.push(format!("{at} was {earlier} and is {present}")),
    }
}
