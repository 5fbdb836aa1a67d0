//! What two snapshots differ in.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::Snapshot;

/// One thing in which two snapshots differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "difference")]
pub enum Difference {
    /// There are more objects of a name in one than in the other.
    Count {
        /// Their name in the snapshot.
        object: String,
        /// How many the first has.
        first: usize,
        /// How many the second has.
        second: usize,
    },
    /// A field differs.
    Field {
        /// The object's name in the snapshot.
        object: String,
        /// JSON Pointer of the field.
        path: String,
        /// The first one's value; null if it has none.
        first: Value,
        /// The second one's value.
        second: Value,
    },
    /// An image is on a node in one of them only.
    Image {
        /// The node.
        node: String,
        /// The image, with its digest.
        image: String,
        /// Whether the first has it.
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

/// Everything in which two snapshots differ; nothing means that they are equal. Digests of Secrets are left out, since
/// every site has its own.
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
