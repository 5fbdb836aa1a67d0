//! Shared code of steps on objects: comparison of wanted objects with the cluster.

use landfall_error_codes::codes;
use serde_json::Value;

use landfall_cluster::{Cluster, ClusterError, Comparison, EditableObject, Edits, ObjectName};
use landfall_engine::step::{ObservedState, StepError};

/// Seconds until a deleted object must be gone.
pub(super) const DELETION_SECONDS: u64 = 180;

/// An object that a step requires.
pub(super) struct RequiredObject {
    pub object: Value,
    /// True if Kubernetes creates an object of this name, which Landfall then adopts.
    pub adopted: bool,
    /// JSON Pointers to its fields that the site may change.
    pub editable: Vec<String>,
    /// Treatment of edits of other fields.
    pub edits: Edits,
}

impl RequiredObject {
    pub(super) fn new(object: Value) -> Self {
        Self { object, adopted: false, editable: Vec::new(), edits: Edits::Refuse }
    }
}

/// Applies objects in their order.
pub(super) fn apply(cluster: &Cluster, wanted: &[RequiredObject]) -> Result<(), ClusterError> {
    for RequiredObject { object, adopted, .. } in wanted {
        if *adopted {
            cluster.adopt(object)?
        } else {
            cluster.apply(object)?
        };
    }
    Ok(())
}

/// Returns Absent if none of the objects exists, Done if all match, Foreign if one belongs to another manager.
pub(super) fn observe(cluster: &Cluster, wanted: &[RequiredObject]) -> Result<ObservedState, StepError> {
    let (mut absent, mut different) = (Vec::new(), Vec::new());
    for RequiredObject { object, adopted, editable, edits } in wanted {
        let name = ObjectName::of(object)?;
        match cluster.compare_edited(&EditableObject { object, editable, edits: *edits }) {
            Ok(Comparison::Same) => {}
            Ok(Comparison::Absent) => absent.push(name),
            Ok(Comparison::Different) => different.push(name),
            Ok(Comparison::Foreign { .. }) if *adopted => different.push(name),
            Ok(Comparison::Foreign { manager }) => {
                return Ok(ObservedState::Foreign(ClusterError::Foreign { object: name.into(), manager }.to_string()));
            }
            Err(conflict @ ClusterError::Conflict { .. }) => return Ok(ObservedState::Foreign(conflict.to_string())),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(match (absent.first(), different.first()) {
        (None, None) => ObservedState::Done,
        (Some(_), None) if absent.len() == wanted.len() => ObservedState::Absent,
        (Some(first), None) => {
            ObservedState::Partial(format!("{} of {} objects are missing, {first} first", absent.len(), wanted.len()))
        }
        (_, Some(first)) => ObservedState::Partial(format!("{first} is not as it should be")),
    })
}

/// Reads the rendered objects of a component from the release's documents.
pub(crate) fn read_document(
    documents: &std::collections::BTreeMap<String, Vec<u8>>,
    name: &str,
) -> Result<Vec<Value>, StepError> {
    let bytes =
        documents.get(name).ok_or_else(|| StepError::new(codes::BUG, format!("the release has no document {name}")))?;
    serde_json::from_slice(bytes).map_err(|error| {
        StepError::new(codes::CLUSTER_BAD_OBJECT, format!("{name} is not a list of objects")).because(error)
    })
}
