//! Form of objects in a backup, and their form for a cluster in which they do not exist.

use serde_json::Value;

/// Metadata fields that people and programs set.
const METADATA: [&str; 6] = ["name", "namespace", "labels", "annotations", "ownerReferences", "finalizers"];

/// Labels by which a Job finds its pods. The cluster chooses their values.
const OF_JOBS: [&str; 4] =
    ["controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name"];

/// Type of a Secret that the cluster fills with a token.
const TOKEN: &str = "kubernetes.io/service-account-token";

/// Returns an object as a backup saves it: without the API server's additions, so that an unchanged object is the same
/// bytes each night. The status of Kubernetes' own kinds is dropped, because it is reported again. In a custom kind, it
/// is kept: only that kind's software knows what `status` means.
pub(super) fn saved_form(mut object: Value, is_added: bool) -> Value {
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

/// Returns a saved object in a form that can be applied to a cluster that lacks it. Its references to objects of the
/// old cluster are removed, because they would make the API server refuse or delete it.
#[must_use]
pub fn applicable(mut object: Value) -> Value {
    // The owner has a new ID, and the controllers that finalizers wait for may not run.
    remove(&mut object, "/metadata", &["ownerReferences", "finalizers"]);
    match (object["apiVersion"].as_str(), object["kind"].as_str()) {
        // A headless Service has no address, and declares that.
        (Some("v1"), Some("Service")) if object["spec"]["clusterIP"] != "None" => {
            remove(&mut object, "/spec", &["clusterIP", "clusterIPs"]);
        }
        (Some("v1"), Some("Pod")) => remove(&mut object, "/spec", &["nodeName"]),
        // The volume was lost with the claim; the claim gets a new, empty one.
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
