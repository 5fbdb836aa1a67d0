//! Volumes to which pods write: claims, whose data stays, and temporary ones, whose data is removed with the pod.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use landfall_host::space;
use landfall_kinds::amount::parse_whole;
use landfall_peer::{VolumeKind, VolumeResources};
use serde_json::Value;

use super::pods::{find_measurements, items};

/// Claims of pods by namespace and name, each with the pods that use it.
pub(super) type Claims = BTreeMap<(String, String), BTreeSet<String>>;

/// Returns the claims of these pods.
pub(super) fn claims(pods: &[Value]) -> Claims {
    let mut found = Claims::new();
    for pod in pods {
        let (namespace, name) = name_of(pod);
        for volume in items(&pod["spec"]["volumes"]) {
            let own = volume["name"].as_str().unwrap_or_default();
            let claim = match volume["persistentVolumeClaim"]["claimName"].as_str() {
                Some(claim) => claim.to_owned(),
                // Kubernetes creates its claim under this name.
                None if volume["ephemeral"].is_object() => format!("{name}-{own}"),
                None => continue,
            };
            found.entry((namespace.to_owned(), claim)).or_default().insert(name.to_owned());
        }
    }
    found
}

/// Returns the bytes of a claim's volume; the requested bytes if it has none yet.
pub(super) fn size_of_claim(claim: &Value) -> Option<u64> {
    let size = |pointer: &str| claim.pointer(pointer).and_then(Value::as_str).and_then(parse_whole);
    size("/status/capacity/storage").or_else(|| size("/spec/resources/requests/storage"))
}

/// Returns the kubelet's measurement of a claim, from any of its summaries. A folder of the host has no such figure:
/// the kubelet reports its whole filesystem, if anything.
pub(super) fn measured_of_claim(
    summaries: &BTreeMap<String, Value>,
    (namespace, name): (&str, &str),
    volume: &Value,
) -> Option<u64> {
    if ["hostPath", "local"].iter().any(|kind| volume["spec"][*kind].is_object()) {
        return None;
    }
    let pods = summaries.values().flat_map(|summary| items(&summary["pods"]));
    let mut volumes = pods.flat_map(|pod| items(&pod["volume"]));
    let found = volumes.find(|entry| entry["pvcRef"]["namespace"] == namespace && entry["pvcRef"]["name"] == name)?;
    found["usedBytes"].as_u64()
}

/// Returns the temporary volumes of a pod. Files of Secrets and settings are not included, because nothing is written
/// there.
pub(super) fn temporary(pod: &Value, summary: Option<&Value>) -> Vec<VolumeResources> {
    let (namespace, name) = name_of(pod);
    let entry = summary.and_then(|summary| find_measurements(summary, pod));
    let empty = items(&pod["spec"]["volumes"]).filter(|volume| volume["emptyDir"].is_object());
    let each = empty.map(|volume| {
        let own = volume["name"].as_str().unwrap_or_default();
        let found = entry.and_then(|entry| items(&entry["volume"]).find(|measured| measured["name"] == own));
        VolumeResources {
            kind: VolumeKind::Temporary,
            namespace: namespace.to_owned(),
            name: own.to_owned(),
            pods: vec![name.to_owned()],
            size_bytes: volume["emptyDir"]["sizeLimit"].as_str().and_then(parse_whole),
            used_bytes: found.and_then(|measured| measured["usedBytes"].as_u64()),
        }
    });
    each.collect()
}

fn name_of(pod: &Value) -> (&str, &str) {
    let text = |name: &str| pod["metadata"][name].as_str().unwrap_or_default();
    (text("namespace"), text("name"))
}

/// Returns the bytes of a folder and its contents; `None` if counting takes too long. Files that disappear in the
/// meantime do not count.
pub(super) fn bytes_of(folder: &Path, until: Instant) -> Option<u64> {
    folder.symlink_metadata().ok()?;
    space::tree_until(folder, until).ok()?.map(|space| space.bytes)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use landfall_media::durable;
    use serde_json::json;

    use super::*;

    fn pod(name: &str) -> Value {
        json!({
            "metadata": {"namespace": "shop", "name": name, "uid": name},
            "spec": {"volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "shared"}},
                {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}},
                {"name": "run", "emptyDir": {"sizeLimit": "64Mi"}},
                {"name": "cache", "emptyDir": {}},
                {"name": "password", "secret": {"secretName": "password"}},
            ]},
        })
    }

    fn summaries() -> BTreeMap<String, Value> {
        let summary = json!({"pods": [{"podRef": {"uid": "a"}, "volume": [
            {"name": "data", "usedBytes": 7, "pvcRef": {"namespace": "shop", "name": "shared"}},
            {"name": "run", "usedBytes": 0},
        ]}]});
        BTreeMap::from([("node-1".to_owned(), summary)])
    }

    #[test]
    fn shared_claim_is_counted_once() {
        let found = claims(&[pod("a"), pod("b")]);
        let names: Vec<&str> = found.keys().map(|(_, claim)| claim.as_str()).collect();
        assert_eq!(names, ["a-scratch", "b-scratch", "shared"]);
        assert_eq!(found[&("shop".to_owned(), "shared".to_owned())].len(), 2);
    }

    #[test]
    fn temporary_volumes_show_kubelet_figures() {
        let found = temporary(&pod("a"), summaries().get("node-1"));
        let figures: Vec<_> =
            found.iter().map(|volume| (volume.name.as_str(), volume.size_bytes, volume.used_bytes)).collect();
        assert_eq!(figures, [("run", Some(64 << 20), Some(0)), ("cache", None, None)]);
        assert!(temporary(&pod("b"), summaries().get("node-1")).iter().all(|volume| volume.used_bytes.is_none()));
    }

    #[test]
    fn folder_volumes_ignore_kubelet_figures() {
        let of = |spec: Value| measured_of_claim(&summaries(), ("shop", "shared"), &json!({"spec": spec}));
        assert_eq!(of(json!({"csi": {"driver": "d"}})), Some(7));
        assert_eq!((of(json!({"local": {"path": "/x"}})), of(json!({"hostPath": {"path": "/x"}}))), (None, None));
        assert_eq!(measured_of_claim(&summaries(), ("shop", "other"), &json!({})), None);
    }

    #[test]
    fn claim_size_prefers_bound_volume() {
        let asked = json!({"spec": {"resources": {"requests": {"storage": "8Gi"}}}});
        let mut bound = asked.clone();
        bound["status"] = json!({"capacity": {"storage": "10Gi"}});
        assert_eq!((size_of_claim(&asked), size_of_claim(&bound)), (Some(8 << 30), Some(10 << 30)));
        assert_eq!(size_of_claim(&json!({})), None);
    }

    #[test]
    fn folder_counted_too_late_is_unmeasured() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("base/1");
        durable::create_folder(&folder.path().join("base")).unwrap();
        durable::create_folder(&deep).unwrap();
        durable::write_file(&deep.join("rows"), "x".repeat(100_000).as_bytes(), 0o600).unwrap();
        let later = Instant::now() + Duration::from_mins(1);
        assert!(bytes_of(folder.path(), later).unwrap() >= 100_000);
        assert_eq!(bytes_of(folder.path(), Instant::now()), None);
        assert_eq!(bytes_of(&folder.path().join("missing"), later), None);
    }
}
