//! Comparison of two snapshots.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::Snapshot;

/// One difference between two snapshots.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "difference")]
pub enum Difference {
    /// The two have different numbers of objects with one name.
    Count {
        /// Name of the objects in the snapshot.
        object: String,
        /// Number of them in the first snapshot.
        first: usize,
        /// Number of them in the second snapshot.
        second: usize,
    },
    /// A field differs.
    Field {
        /// Name of the object in the snapshot.
        object: String,
        /// JSON Pointer of the field.
        path: String,
        /// Value in the first snapshot; null if it has none.
        first: Value,
        /// Value in the second snapshot; null if it has none.
        second: Value,
    },
    /// An image is on a node in only one of them.
    Image {
        /// Name of the node.
        node: String,
        /// Name of the image, with its digest.
        image: String,
        /// True if the first snapshot has it.
        in_first: bool,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { object, first, second } => {
                write!(formatter, "{object}: {first} in the first, {second} in the second")
            }
            Self::Field { object, path, first, second } => {
                write!(formatter, "{object}: {path} is {first} in the first, {second} in the second")
            }
            Self::Image { node, image, in_first } => {
                write!(
                    formatter,
                    "image {image} is on {node} in the {} only",
                    if *in_first { "first" } else { "second" }
                )
            }
        }
    }
}

/// Returns all differences between two snapshots; the result is empty if they are equal. Digests of Secrets are
/// ignored, because every site has its own.
pub fn difference(first: &Snapshot, second: &Snapshot) -> Vec<Difference> {
    let mut differences = Vec::new();
    let keys: BTreeSet<&String> = first.objects.keys().chain(second.objects.keys()).collect();
    for key in keys {
        let of = |snapshot: &Snapshot| snapshot.objects.get(key).cloned().unwrap_or_default();
        let (left, right) = (of(first), of(second));
        if left.len() != right.len() {
            differences.push(Difference::Count { object: key.clone(), first: left.len(), second: right.len() });
        }
        for (left, right) in left.iter().zip(&right) {
            compare(key, String::new(), left, right, &mut differences);
        }
    }
    let nodes: BTreeSet<&String> = first.images.keys().chain(second.images.keys()).collect();
    for node in nodes {
        let of = |snapshot: &Snapshot| snapshot.images.get(node).cloned().unwrap_or_default();
        let (left, right) = (of(first), of(second));
        differences.extend(left.symmetric_difference(&right).map(|image| Difference::Image {
            node: node.clone(),
            image: image.clone(),
            in_first: left.contains(image),
        }));
    }
    differences
}

fn compare(object: &str, path: String, first: &Value, second: &Value, differences: &mut Vec<Difference>) {
    match (first, second) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let of = |fields: &serde_json::Map<String, Value>| fields.get(key).cloned().unwrap_or_default();
                let step = key.replace('~', "~0").replace('/', "~1");
                compare(object, format!("{path}/{step}"), &of(left), &of(right), differences);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                compare(object, format!("{path}/{index}"), left, right, differences);
            }
        }
        _ if first == second => {}
        _ => differences.push(Difference::Field {
            object: object.to_owned(),
            path,
            first: first.clone(),
            second: second.clone(),
        }),
    }
}
