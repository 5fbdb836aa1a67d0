//! Documents of the simulated host: the console's samples, with all times shifted so that they look current.

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use landfall_xtask::workspace;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Time of the samples.
const THEN: &str = "2026-11-20T08:00:00Z";

/// Returns a sample as a value of a type.
pub(crate) fn sample<T: DeserializeOwned>(name: &str) -> Result<T> {
    let path = workspace::root().join("appliance/samples").join(name).with_extension("json");
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut value = serde_json::from_slice(&text).with_context(|| format!("{name} is no JSON"))?;
    let since = Timestamp::now().duration_since(THEN.parse()?);
    shift(&mut value, SignedDuration::from_secs(since.as_secs()));
    serde_json::from_value(value).with_context(|| format!("{name} is of another type"))
}

fn shift(value: &mut Value, since: SignedDuration) {
    match value {
        Value::String(text) => *text = shift_times(text, since),
        Value::Array(items) => items.iter_mut().for_each(|item| shift(item, since)),
        Value::Object(fields) => fields.values_mut().for_each(|field| shift(field, since)),
        _ => {}
    }
}

/// Returns the text with every time in it shifted.
fn shift_times(text: &str, since: SignedDuration) -> String {
    let mut rest = text;
    let mut moved = String::new();
    while let Some(letter) = rest.chars().next() {
        let time = rest.get(..THEN.len()).filter(|time| time.ends_with('Z')).and_then(|time| time.parse().ok());
        let after = time.and_then(|time: Timestamp| time.checked_add(since).ok());
        let taken = if after.is_some() { THEN.len() } else { letter.len_utf8() };
        match after {
            Some(after) => moved.push_str(&after.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            None => moved.push(letter),
        }
        rest = &rest[taken..];
    }
    moved
}

#[test]
fn times_inside_text_are_shifted() {
    let since = SignedDuration::from_hours(48);
    assert_eq!(shift_times("2026-11-20T08:00:00Z", since), "2026-11-22T08:00:00Z");
    assert_eq!(shift_times("ends “soon”, on 2026-12-01T00:00:00Z.", since), "ends “soon”, on 2026-12-03T00:00:00Z.");
    assert_eq!(shift_times("starter-1.2.0", since), "starter-1.2.0");
}
