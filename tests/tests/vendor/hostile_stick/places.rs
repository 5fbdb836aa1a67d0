//! All places of a document where an attacker may write a text: its strings, and the names of its fields. Actual
//! documents are walked, so that fields added later are also covered.

use std::collections::BTreeSet;

use serde_json::Value;

/// The replaced part of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The string.
    Text,
    /// The name of the object's first field.
    Name,
}

/// Kind of a place: its path without indexes, and true if it is the name of a field.
pub type Kind = (String, bool);

/// One place of a document.
#[derive(Debug, Clone)]
pub struct Place {
    /// JSON Pointer of the string or of the object.
    pointer: String,
    part: Part,
}

impl Place {
    /// Returns one place of each kind. Places at the same path within a list's elements have the same kind.
    pub fn of(document: &Value) -> Vec<Self> {
        Self::new_in(document, &mut BTreeSet::new())
    }

    /// Like [`of`](Self::of), without kinds in `known`, which come from other documents of the same form. Adds this
    /// document's kinds to it.
    pub fn new_in(document: &Value, known: &mut BTreeSet<Kind>) -> Vec<Self> {
        let mut places = Vec::new();
        find(document, "", &mut places);
        places.retain(|place| known.insert((kind_of(&place.pointer), place.part == Part::Name)));
        places
    }

    /// Writes a text at this place.
    pub fn write(&self, document: &mut Value, text: &str) {
        match (document.pointer_mut(&self.pointer), self.part) {
            (Some(string), Part::Text) => *string = text.into(),
            (Some(Value::Object(fields)), Part::Name) => {
                let first = fields.keys().next().cloned();
                let value = first.and_then(|name| fields.remove(&name)).unwrap_or_default();
                fields.insert(text.to_owned(), value);
            }
            _ => {}
        }
    }

    /// Describes the place in an error message.
    pub fn describe(&self, document: &str) -> String {
        match self.part {
            Part::Text => format!("{document}{}", self.pointer),
            Part::Name => format!("{document}{}, the name of a field", self.pointer),
        }
    }
}

fn find(value: &Value, at: &str, found: &mut Vec<Place>) {
    let place = |part| Place { pointer: at.to_owned(), part };
    match value {
        Value::String(_) => found.push(place(Part::Text)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| find(item, &format!("{at}/{index}"), found));
        }
        Value::Object(fields) => {
            if !fields.is_empty() {
                found.push(place(Part::Name));
            }
            for (name, item) in fields {
                find(item, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        _ => {}
    }
}

fn kind_of(pointer: &str) -> String {
    let kinds = pointer.split('/').map(|part| if part.parse::<u32>().is_ok() { "*" } else { part });
    kinds.collect::<Vec<_>>().join("/")
}

#[test]
fn each_kind_of_place_occurs_once() {
    let document = serde_json::json!({"a": ["x", "y"], "b": {"c/d": "z", "e": 1}, "f": {}});
    let places = Place::of(&document);
    let described: Vec<_> = places.iter().map(|place| place.describe("it")).collect();
    assert_eq!(described, ["it, the name of a field", "it/a/0", "it/b, the name of a field", "it/b/c~1d"]);
    let written = places.iter().map(|place| {
        let mut document = document.clone();
        place.write(&mut document, "!");
        document
    });
    let expected = [
        serde_json::json!({"!": ["x", "y"], "b": {"c/d": "z", "e": 1}, "f": {}}),
        serde_json::json!({"a": ["!", "y"], "b": {"c/d": "z", "e": 1}, "f": {}}),
        serde_json::json!({"a": ["x", "y"], "b": {"!": "z", "e": 1}, "f": {}}),
        serde_json::json!({"a": ["x", "y"], "b": {"c/d": "!", "e": 1}, "f": {}}),
    ];
    assert!(written.eq(expected));
}
