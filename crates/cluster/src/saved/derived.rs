//! Objects that a backup of the cluster leaves out, with reasons. If it is uncertain whether the cluster recreates an
//! object, the backup includes it. That applies above all to Secrets and claims, including those that a controller
//! owns.

use serde_json::Value;

/// Objects of a kind that are left out.
struct LeftOut {
    group: &'static str,
    kind: &'static str,
    which: Selection,
    reason: &'static str,
}

/// Selection of objects of a kind.
enum Selection {
    /// All objects; they are not even listed.
    All,
    /// Objects that another object controls.
    Controlled,
    /// Objects with this label, whatever its value.
    Labeled(&'static str),
    /// Objects with this value of a label.
    LabeledAs(&'static str, &'static str),
    /// Objects with this name.
    Named(&'static str),
}

const CONTROLLED: &str = "the object that controls it makes it again";
const PASSING: &str = "it says what happened or who was at work at the time";
const OF_SERVICES: &str = "it is made from Services and pods";
const OF_NODES: &str = "the node's own programs report it again";
const OF_SERVER: &str = "the control plane makes it again";

/// All objects that are left out.
const TABLE: [LeftOut; 19] = [
    entry("", "Event", Selection::All, PASSING),
    entry("events.k8s.io", "Event", Selection::All, PASSING),
    entry("coordination.k8s.io", "Lease", Selection::All, PASSING),
    entry("coordination.k8s.io", "LeaseCandidate", Selection::All, PASSING),
    entry("certificates.k8s.io", "CertificateSigningRequest", Selection::All, PASSING),
    entry("", "ComponentStatus", Selection::All, PASSING),
    entry("", "Pod", Selection::Controlled, CONTROLLED),
    entry("apps", "ReplicaSet", Selection::Controlled, CONTROLLED),
    entry("apps", "ControllerRevision", Selection::Controlled, CONTROLLED),
    entry("batch", "Job", Selection::Controlled, CONTROLLED),
    entry("resource.k8s.io", "ResourceClaim", Selection::Controlled, CONTROLLED),
    entry("discovery.k8s.io", "EndpointSlice", Selection::Controlled, OF_SERVICES),
    entry(
        "",
        "Endpoints",
        Selection::LabeledAs("endpoints.kubernetes.io/managed-by", "endpoint-controller"),
        OF_SERVICES,
    ),
    entry("networking.k8s.io", "IPAddress", Selection::All, OF_SERVICES),
    entry("resource.k8s.io", "ResourceSlice", Selection::All, OF_NODES),
    entry("storage.k8s.io", "CSINode", Selection::All, OF_NODES),
    entry("storage.k8s.io", "VolumeAttachment", Selection::All, OF_NODES),
    entry(
        "apiregistration.k8s.io",
        "APIService",
        Selection::Labeled("kube-aggregator.kubernetes.io/automanaged"),
        OF_SERVER,
    ),
    entry("", "ConfigMap", Selection::Named("kube-root-ca.crt"), OF_SERVER),
];

const DELETED: &str = "it was being deleted";

const fn entry(group: &'static str, kind: &'static str, which: Selection, reason: &'static str) -> LeftOut {
    LeftOut { group, kind, which, reason }
}

/// Returns why no object of a kind is saved; `None` if some are.
pub(super) fn kind(group: &str, kind: &str) -> Option<&'static str> {
    let found = TABLE.iter().find(|entry| (entry.group, entry.kind) == (group, kind))?;
    matches!(found.which, Selection::All).then_some(found.reason)
}

/// Returns why an object of this group is not saved; `None` if it is.
pub(super) fn object(group: &str, object: &Value) -> Option<&'static str> {
    if object["metadata"]["deletionTimestamp"].is_string() {
        return Some(DELETED);
    }
    let found = TABLE.iter().find(|entry| entry.group == group && object["kind"] == entry.kind)?;
    let metadata = &object["metadata"];
    let is_left_out = match found.which {
        Selection::All => true,
        Selection::Controlled => {
            metadata["ownerReferences"].as_array().into_iter().flatten().any(|owner| owner["controller"] == true)
        }
        Selection::Labeled(label) => !metadata["labels"][label].is_null(),
        Selection::LabeledAs(label, value) => metadata["labels"][label] == value,
        Selection::Named(name) => metadata["name"] == name,
    };
    is_left_out.then_some(found.reason)
}
