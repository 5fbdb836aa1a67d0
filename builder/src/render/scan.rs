//! Looks for images that are named where no `image` field is: in arguments, environment and `ConfigMap`s. They would be
//! missing at the site, so an undeclared one fails the build.

use landfall_bundle_spec::codes;
use serde_json::Value;

use super::{Rendered, escape, title};
use crate::error::{BuildError, Result};
use crate::lock::{List, Lock};
use crate::reference::Reference;

/// Fields of containers whose texts are searched.
const CONTAINER_FIELDS: [&str; 3] = ["args", "command", "env"];

/// Refuses an object that names an image in a text, unless the text is bound to what the lock pins.
///
/// Runs after binding: what was declared names a digest then.
pub fn scan(component: &Rendered, index: usize, lock: &Lock) -> Result<()> {
    for object in &component.objects {
        let is_config_map = object["kind"] == "ConfigMap";
        let mut texts = Vec::new();
        if is_config_map {
            strings(&object["data"], "/data", &mut texts);
        } else {
            container_texts(object, "", &mut texts);
        }
        for (pointer, text) in texts {
            if let Some(found) = undeclared(text, lock) {
                let what = format!(
                    "`{found}` names an image outside an `image` field; declare it under components[{index}].references"
                );
                return Err(BuildError::at(
                    codes::REFERENCE_UNDECLARED,
                    component.place(object, &format!(": {pointer}")),
                    what,
                )
                .hint(format!(
                    "references: [{{kind: {}, name: {}, path: {pointer}, reference: …, text: \"{found}\"}}]",
                    object["kind"].as_str().unwrap_or("?"),
                    title(object).split('/').nth(1).unwrap_or("?")
                )));
            }
        }
    }
    Ok(())
}

fn strings<'a>(value: &'a Value, pointer: &str, texts: &mut Vec<(String, &'a str)>) {
    match value {
        Value::String(text) => texts.push((pointer.to_owned(), text)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                strings(item, &format!("{pointer}/{index}"), texts);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                strings(field, &format!("{pointer}/{}", escape(key)), texts);
            }
        }
        _ => {}
    }
}

fn container_texts<'a>(value: &'a Value, pointer: &str, texts: &mut Vec<(String, &'a str)>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let pointer = format!("{pointer}/{}", escape(key));
                if CONTAINER_FIELDS.contains(&key.as_str()) {
                    strings(field, &pointer, texts);
                } else {
                    container_texts(field, &pointer, texts);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                container_texts(item, &format!("{pointer}/{index}"), texts);
            }
        }
        _ => {}
    }
}

/// The first word of a text that names an image which is not bound to its pin.
fn undeclared<'a>(text: &'a str, lock: &Lock) -> Option<&'a str> {
    let separator = |letter: char| letter.is_whitespace() || "\"'`,;=()[]{}<>|".contains(letter);
    let mut after_image = false;
    for word in text.split(separator).filter(|word| !word.is_empty()) {
        let is_value_of_image = std::mem::replace(&mut after_image, matches!(word, "image:" | "image" | "--image"));
        let word = word.trim_end_matches(['.', ':', '/']);
        if is_value_of_image && word == ":" {
            after_image = true;
            continue;
        }
        let Ok(reference) = word.parse::<Reference>() else { continue };
        if suspicious(word, &reference, lock, is_value_of_image) && !is_bound(&reference, lock) {
            return Some(word);
        }
    }
    None
}

fn suspicious(word: &str, reference: &Reference, lock: &Lock, is_value_of_image: bool) -> bool {
    if is_value_of_image || reference.digest.is_some() {
        return true;
    }
    let entries = lock.list(List::Images).iter().filter_map(|entry| entry.reference.value.parse::<Reference>().ok());
    let mut of_repository = entries.filter(|entry| entry.name() == reference.name());
    if word.contains('/') {
        // A host and a tag make an image of anything; without them it must be one that the lock knows.
        let has_host = word.split('/').next().is_some_and(|host| host.contains(['.', ':']));
        return (has_host && reference.tag.is_some()) || of_repository.next().is_some();
    }
    // A single word such as `python` is a program more often than an image: its tag must be the lock's as well.
    reference.tag.is_some() && of_repository.any(|entry| entry.tag == reference.tag)
}

fn is_bound(reference: &Reference, lock: &Lock) -> bool {
    let Some(digest) = reference.digest else { return false };
    lock.list(List::Images).iter().any(|entry| entry.digest() == Some(digest))
}
