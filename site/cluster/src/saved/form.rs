//! What of an object is saved, and what of a saved object is applied to a cluster in which it does not exist.

use serde_json::Value;

/// Fields of the metadata that people and programs set.
const METADATA: [&str; 6] = ["name", "namespace", "labels", "annotations", "ownerReferences", "finalizers"];

/// Labels by which a Job finds its pods. The cluster chooses their values.
const OF_JOBS: [&str; 4] =
    ["controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name"];

/// The type of a Secret that the cluster fills with a token.
const TOKEN: &str = "kubernetes.io/service-account-token";

/// An object as it is saved: without what the API server adds, so that one that did not change is the same bytes each night. The state of
/// Kubernetes' own kinds is reported again; what `status` means in a kind that other software has added, only that knows.
pub(super) fn saved(mut object: Value, is_added: bool) -> Value {
    if let Value::Object(fields) = &mut object
        && !is_added
    {
        fields.remove("status");
    }
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.retain(|field, _| METADATA.contains(&field.as_str()));
    }
    object
}

/// A saved object as it can be applied where it does not exist: without what ties it to the cluster's objects of that time, which would
/// make the API server refuse it or delete it at once.
#[must_use]
pub fn applicable(mut object: Value) -> Value {
    // An owner is named by an id that it has no longer, and what finalizers wait for may not run.
    remove(&mut object, "/metadata", &["ownerReferences", "finalizers"]);
    match (object["apiVersion"].as_str(), object["kind"].as_str()) {
        // A headless Service has no address, and says so.
        (Some("v1"), Some("Service")) if object["spec"]["clusterIP"] != "None" => {
            remove(&mut object, "/spec", &["clusterIP", "clusterIPs"]);
        }
        (Some("v1"), Some("Pod")) => remove(&mut object, "/spec", &["nodeName"]),
        // The volume went with the claim: the claim gets a new, empty one.
        (Some("v1"), Some("PersistentVolumeClaim")) => {
            remove(&mut object, "/spec", &["volumeName"]);
            retain(&mut object, "/metadata/annotations", |name| !name.starts_with("pv.kubernetes.io/"));
        }
        (Some("v1"), Some("PersistentVolume")) => {
            remove(&mut object, "/spec/claimRef", &["uid", "resourceVersion"]);
        }
        (Some("v1"), Some("Secret")) if object["type"] == TOKEN => {
            remove(&mut object, "", &["data"]);
            remove(&mut object, "/metadata/annotations", &["kubernetes.io/service-account.uid"]);
        }
        (Some("batch/v1"), Some("Job")) if object["spec"]["manualSelector"] != true => {
            remove(&mut object, "/spec", &["selector"]);
            for labels in ["/metadata/labels", "/spec/template/metadata/labels"] {
                remove(&mut object, labels, &OF_JOBS);
            }
        }
        _ => {}
    }
    object
}

fn remove(object: &mut Value, at: &str, fields: &[&str]) {
    retain(object, at, |name| !fields.contains(&name));
}

fn retain(object: &mut Value, at: &str, is_kept: impl Fn(&str) -> bool) {
    if let Some(fields) = object.pointer_mut(at).and_then(Value::as_object_mut) {
        fields.retain(|name, _| is_kept(name));
    }
}
