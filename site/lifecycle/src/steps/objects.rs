//! Shared code of steps on objects: comparison of wanted objects with the cluster.

use landfall_error_codes::codes;
use serde_json::Value;

use landfall_cluster::{Applied, Cluster, ClusterError, Edited, Edits, ObjectName};
use landfall_engine::step::{Observed, StepError};

/// Seconds until a deleted object must be gone.
pub(super) const DELETION_SECONDS: u64 = 180;

/// An object that a step requires.
pub(super) struct Wanted {
    pub object: Value,
    /// True if Kubernetes creates an object of this name, which Landfall then adopts.
    pub adopted: bool,
    /// JSON Pointers to its fields that the site may change.
    pub editable: Vec<String>,
    /// Treatment of edits of other fields.
    pub edits: Edits,
}

impl Wanted {
    pub(super) fn new(object: Value) -> Self {
        Self { object, adopted: false, editable: Vec::new(), edits: Edits::Refuse }
    }
}

/// Applies objects in their order.
pub(super) fn apply(cluster: &Cluster, wanted: &[Wanted]) -> Result<(), ClusterError> {
    for Wanted { object, adopted, .. } in wanted {
        if *adopted {
            cluster.adopt(object)?
        } else {
            cluster.apply(object)?
        };
    }
    Ok(())
}

/// Returns Absent if none of the objects exists, Done if all match, Foreign if one belongs to another manager.
pub(super) fn observe(cluster: &Cluster, wanted: &[Wanted]) -> Result<Observed, StepError> {
    let (mut absent, mut different) = (Vec::new(), Vec::new());
    for Wanted { object, adopted, editable, edits } in wanted {
        let name = ObjectName::of(object)?;
        match cluster.compare_edited(&Edited { object, editable, edits: *edits }) {
            Ok(Applied::Same) => {}
            Ok(Applied::Absent) => absent.push(name),
            Ok(Applied::Different) => different.push(name),
            Ok(Applied::Foreign { .. }) if *adopted => different.push(name),
            Ok(Applied::Foreign { manager }) => {
                return Ok(Observed::Foreign(ClusterError::Foreign { object: name.into(), manager }.to_string()));
            }
            Err(conflict @ ClusterError::Conflict { .. }) => return Ok(Observed::Foreign(conflict.to_string())),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(match (absent.first(), different.first()) {
        (None, None) => Observed::Done,
        (Some(_), None) if absent.len() == wanted.len() => Observed::Absent,
        (Some(first), None) => {
            Observed::Partial(format!("{} of {} objects are missing, {first} first", absent.len(), wanted.len()))
        }
        (_, Some(first)) => Observed::Partial(format!("{first} is not as it should be")),
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
