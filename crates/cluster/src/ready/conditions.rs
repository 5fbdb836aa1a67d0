//! Conditions of a status, which have the same form in most kinds.

use serde_json::Value;

/// Returns the condition of this type, if the object has it.
pub(super) fn condition<'a>(object: &'a Value, condition_type: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| condition["type"] == condition_type)
}

/// Returns the text of a condition for people.
pub(super) fn message(condition: &Value) -> String {
    let text = |field: &str| condition[field].as_str().filter(|text| !text.is_empty());
    match (text("reason"), text("message")) {
        (_, Some(message)) => message.to_owned(),
        (Some(reason), None) => reason.to_owned(),
        (None, None) => {
            format!("{} is {}", text("type").unwrap_or("a condition"), text("status").unwrap_or("not set"))
        }
    }
}
