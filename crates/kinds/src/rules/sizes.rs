//! Maximum sizes of objects, and maximum lengths of names from which a controller derives others. Each limit was
//! observed: an API server and the controllers of 1.36.3 accept it, and refuse one more.

use serde_json::Value;

use super::relations::word;
use super::{RuleResult, wrong};

/// Maximum total bytes of the keys and values of an object's annotations.
const ANNOTATIONS_BYTES: usize = 256 << 10;

/// Maximum total bytes of the values of a `ConfigMap` or a Secret.
const CONFIG_BYTES: usize = 1 << 20;

/// Maximum bytes of a request to etcd, which stores definitions and custom resources as JSON.
const STORED_BYTES: usize = 3 << 19;

/// Bytes of such a request in addition to the object and its managed fields: times, the object's own key, and so on.
/// Measured: 470.
const AROUND_BYTES: usize = 512;

/// Maximum bytes of a request to the API server.
const REQUEST_BYTES: usize = 3 << 20;

/// Maximum number of characters of a label's value.
const LABEL: usize = 63;

/// Maximum number of characters of an object's name.
const NAME: usize = 253;

/// Number of characters that a controller adds to a name: a hyphen and a hash.
const HASH: usize = 11;

/// Checks the total size of an object's annotations.
pub(super) fn annotations(annotations: &Value) -> RuleResult {
    let fields = annotations.as_object().into_iter().flatten();
    let bytes: usize = fields.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    at_most(bytes, ANNOTATIONS_BYTES, "", "the annotations have")
}

/// Checks the total size of a `ConfigMap`'s values.
pub(super) fn config(config: &Value) -> RuleResult {
    at_most(texts(&config["data"]) + decoded_bytes(&config["binaryData"]), CONFIG_BYTES, "", "its values have")
}

/// Checks the total size of a Secret's values.
pub(super) fn secret(secret: &Value) -> RuleResult {
    at_most(decoded_bytes(&secret["data"]) + texts(&secret["stringData"]), CONFIG_BYTES, "", "its values have")
}

/// Checks the size of an object that is stored as JSON, with the data that the API server adds.
pub(super) fn check_stored_size(object: &Value) -> RuleResult {
    let most = STORED_BYTES.saturating_sub(AROUND_BYTES + managed_bytes(object));
    at_most(bytes(object), most, "", "as JSON, it has")
}

/// Returns the bytes of an object's managed fields; a list counts as one field.
fn managed_bytes(value: &Value) -> usize {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(key, value)| key.len() + r#""f:":{},"#.len() + managed_bytes(value)).sum()
}

/// Checks the size of an object in a request.
pub(super) fn request(object: &Value) -> RuleResult {
    at_most(bytes(object), REQUEST_BYTES, "", "as JSON, it has")
}

/// Checks the name of a `DaemonSet`, whose revision is named after it, with a hash. For a Deployment, the name of a
/// `ReplicaSet` is truncated to fit.
pub(super) fn name_of_daemons(object: &Value) -> RuleResult {
    let most = NAME - HASH;
    let length = word(&object["metadata"], "name").len();
    name(length, most, "its revision has this name and 11 characters, which may be 253 together")
}

/// Checks the name of a `StatefulSet`. Its pods have a label with this name and a hash, and could not be created if it
/// were longer.
pub(super) fn name_of_set(object: &Value) -> RuleResult {
    let length = word(&object["metadata"], "name").len();
    let why =
        "the label `controller-revision-hash` of its pods has this name and 11 characters, which may be 63 together";
    name(length, LABEL - HASH, why)
}

/// Checks the name of a Job: its pods have a label with this name, and also a host name if they are indexed.
pub(super) fn name_of_job(job: &Value) -> RuleResult {
    let (found, spec) = (word(&job["metadata"], "name"), &job["spec"]);
    if spec["manualSelector"] != true {
        name(found.len(), LABEL, "the label `batch.kubernetes.io/job-name` of its pods has this name")?;
    }
    // Without both fields, the API server assumes one completion.
    let completions = spec["completions"].as_u64().or_else(|| spec["parallelism"].is_null().then_some(1));
    let last = completions.and_then(|completions| completions.checked_sub(1));
    let Some(last) = last.filter(|_| spec["completionMode"] == "Indexed") else { return Ok(()) };
    let host = format!("{found}-{last}");
    match super::forms::LABEL.wrong_in(&host) {
        Some(what) => Err(wrong("/metadata/name", format!("the host of its last pod would not be a host: {what}"))),
        None => Ok(()),
    }
}

fn name(length: usize, most: usize, why: &str) -> RuleResult {
    if length <= most {
        return Ok(());
    }
    Err(wrong("/metadata/name", format!("the name has {length} characters, and may have at most {most}: {why}")))
}

fn at_most(found: usize, most: usize, pointer: &str, what: &str) -> RuleResult {
    if found <= most {
        return Ok(());
    }
    Err(wrong(pointer, format!("{what} {found} bytes; the API server takes at most {most}")))
}

/// Returns the size of an object as compact JSON in bytes.
fn bytes(object: &Value) -> usize {
    serde_json::to_vec(object).map_or(0, |bytes| bytes.len())
}

fn texts(map: &Value) -> usize {
    map.as_object().into_iter().flatten().map(|(_, value)| value.as_str().map_or(0, str::len)).sum()
}

/// Returns the total bytes that values in base64 encode.
fn decoded_bytes(map: &Value) -> usize {
    let of = |text: &str| {
        let digits = text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').count();
        digits * 3 / 4
    };
    map.as_object().into_iter().flatten().map(|(_, value)| value.as_str().map_or(0, of)).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::check;
    use crate::custom::CustomKinds;

    fn named_object(version: &str, kind: &str, name: &str, spec: &Value) -> Value {
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec})
    }

    fn fault_of(object: &Value) -> String {
        check(object).err().map(|fault| fault.to_string()).unwrap_or_default()
    }

    #[test]
    fn config_map_size_is_limited() {
        let map = |bytes: usize| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
                "data": {"a": "x".repeat(bytes - 3)},
                   "binaryData": {"b": "AAAA"}})
        };
        assert_eq!(fault_of(&map(1 << 20)), "");
        assert_eq!(
            fault_of(&map((1 << 20) + 1)),
            "its values have 1048577 bytes; the API server takes at most 1048576"
        );
    }

    #[test]
    fn annotations_are_summed() {
        let map = |bytes: usize| {
            json!({"apiVersion": "v1", "kind": "ConfigMap",
                   "metadata": {"name": "a", "annotations": {"a": "x".repeat(bytes - 2), "b": ""}}})
        };
        assert_eq!(fault_of(&map(256 << 10)), "");
        let expected = "/metadata/annotations: the annotations have 262145 bytes; the API server takes at most 262144";
        assert_eq!(fault_of(&map((256 << 10) + 1)), expected);
    }

    #[test]
    fn custom_resource_size_is_limited() {
        let definition = json!({
            "kind": "CustomResourceDefinition",
            "spec": {"group": "example.com", "names": {"kind": "Thing"}, "versions": [{"name": "v1", "schema": {
                "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
        });
        let kinds = CustomKinds::among([&definition]);
        let said = |thing: &Value| kinds.check(thing).err().map(|fault| fault.to_string()).unwrap_or_default();
        let thing =
            |name: &str, bytes: usize| named_object("example.com/v1", "Thing", name, &json!({"a": "x".repeat(bytes)}));
        assert_eq!(said(&thing("a", 1)), "");
        assert!(said(&thing("A", 1)).starts_with("/metadata/name: `A` is not a name"));
        assert_eq!(said(&thing("a", 1_572_000)), "");
        assert!(
            said(&thing("a", 1_572_500)).ends_with("bytes; the API server takes at most 1572273"),
            "{}",
            said(&thing("a", 1_572_500))
        );
    }

    #[test]
    fn names_leave_room_for_suffixes() {
        let pod = json!({"containers": [{"name": "a", "image": "a"}]});
        let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": pod});
        let selector = json!({"matchLabels": {"app": "a"}});
        let set = json!({"serviceName": "a", "selector": selector, "template": template});
        let set = |length: usize| named_object("apps/v1", "StatefulSet", &"a".repeat(length), &set);
        assert_eq!(fault_of(&set(52)), "");
        assert!(
            fault_of(&set(53)).starts_with("/metadata/name: the name has 53 characters, and may have at most 52: ")
        );
        let plain = json!({"selector": selector, "template": template});
        let plain = |kind: &str, length: usize| fault_of(&named_object("apps/v1", kind, &"a".repeat(length), &plain));
        assert_eq!(plain("DaemonSet", 242), "");
        assert!(
            plain("DaemonSet", 243)
                .starts_with("/metadata/name: the name has 243 characters, and may have at most 242: ")
        );
        assert_eq!(plain("Deployment", 253), "", "the name of its ReplicaSet is cut");
        assert!(plain("Deployment", 254).starts_with("/metadata/name: "));
    }

    #[test]
    fn job_name_is_label_and_host() {
        let pod = json!({"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]});
        let job = |name: &str, more: &Value| {
            let mut spec = json!({"template": {"spec": pod}});
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            fault_of(&named_object("batch/v1", "Job", name, &spec))
        };
        assert_eq!(job(&"a".repeat(63), &json!({})), "");
        assert!(job(&"a".repeat(64), &json!({})).starts_with("/metadata/name: the name has 64 characters"));
        let indexed = json!({"completionMode": "Indexed", "completions": 11});
        assert_eq!(job(&"a".repeat(60), &indexed), "");
        assert!(job(&"a".repeat(61), &indexed).starts_with("/metadata/name: the host of its last pod"));
        assert!(job("a.b", &indexed).starts_with("/metadata/name: the host of its last pod"));
        assert!(
            job("a.b", &json!({"completionMode": "Indexed"})).starts_with("/metadata/name: the host of its last pod")
        );
    }
}
