use serde_json::json;

use super::*;

fn site(seed: u32) -> Vec<Value> {
    let uid = format!("{seed:08x}-1111-2222-3333-444444444444");
    let metadata = |name: &str, more: Value| {
        let mut metadata = json!({"name": name, "namespace": "web", "uid": uid, "resourceVersion": seed.to_string(),
            "creationTimestamp": format!("2026-11-20T08:00:{seed:02}Z"), "managedFields": [{"time": seed}]});
        for (key, value) in more.as_object().unwrap() {
            metadata[key] = value.clone();
        }
        metadata
    };
    let pod = |index: u32| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": metadata(&format!("front-5c9-{seed}{index}"),
                json!({"generateName": "front-5c9-", "labels": {"app": "front"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "front-5c9",
                    "uid": uid}]})),
            "spec": {"volumes": [{"name": format!("kube-api-access-{seed}")}, {"name": "data"}],
                "containers": [{"name": "front", "image": "docker.io/library/web:1@sha256:aa",
                    "volumeMounts": [{"name": format!("kube-api-access-{seed}")}]}]},
            "status": {"podIP": format!("10.244.0.{seed}")}
        })
    };
    vec![
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("front", json!({})),
            "spec": {"replicas": 2}, "status": {"replicas": seed}}),
        pod(1),
        pod(2),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("settings", json!({})),
            "data": {"mode": "fast"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("cluster-info", json!({})),
            "data": {"jws-kubeconfig-abc": seed.to_string(), "kept": "yes"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata("password", json!({})),
            "data": {"password": format!("c2VjcmV0{seed:04}")}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": format!("pvc-{uid}"), "uid": uid},
            "spec": {"claimRef": {"kind": "PersistentVolumeClaim", "namespace": "web", "name": "data", "uid": uid,
                "resourceVersion": seed.to_string()},
                "hostPath": {"path": format!("/var/lib/landfall/storage/pvc-{uid}_web_data")}}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IPAddress",
            "metadata": {"name": format!("10.96.0.{seed}")},
            "spec": {"parentRef": {"resource": "services", "namespace": "web", "name": "front"}}}),
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"}, "spec": {},
            "status": {"images": [{"names": ["docker.io/library/web:1", "docker.io/library/web@sha256:aa"]}]}}),
    ]
}

fn snapshot(objects: Vec<Value>) -> Snapshot {
    Snapshot::of(objects).unwrap()
}

fn differences(objects: Vec<Value>) -> Vec<String> {
    difference(&snapshot(site(11)), &snapshot(objects)).iter().map(ToString::to_string).collect()
}

#[test]
fn every_rule_has_a_reason() {
    assert!(Rules::checked_in().reasons().all(|reason| reason.split(' ').count() >= 3));
    assert!(Rules::checked_in().fields.len() > 20);
}

#[test]
fn random_differences_are_ignored() {
    let mut other = site(12);
    other.push(json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "one", "namespace": "web"}}));
    other.reverse();
    assert_eq!(differences(other), Vec::<String>::new());
    let (first, second) = (snapshot(site(11)), snapshot(site(12)));
    assert_ne!(first.secrets, second.secrets);
    assert_eq!(serde_json::to_vec(&first.objects).unwrap(), serde_json::to_vec(&second.objects).unwrap());
    let keys: Vec<&str> = first.objects.keys().map(String::as_str).collect();
    assert!(keys.contains(&"Pod web/front-5c9-* of apps/ReplicaSet front-5c9"), "{keys:?}");
    assert!(keys.contains(&"networking.k8s.io/IPAddress * of services web/front"), "{keys:?}");
    assert!(keys.contains(&"PersistentVolume * of PersistentVolumeClaim web/data"), "{keys:?}");
}

/// Changes one field of another site's objects and returns the differences found.
#[track_caller]
fn differences_after_change(index: usize, pointer: &str, value: Value) -> Vec<String> {
    let mut objects = site(12);
    *objects[index].pointer_mut(pointer).unwrap() = value;
    differences(objects)
}

#[test]
fn planted_differences_are_found() {
    assert_eq!(
        differences_after_change(0, "/spec/replicas", json!(3)),
        ["apps/Deployment web/front: /spec/replicas is 2 in the first, 3 in the second"]
    );
    assert_eq!(
        differences_after_change(3, "/data/mode", json!("slow")),
        ["ConfigMap web/settings: /data/mode is \"fast\" in the first, \"slow\" in the second"]
    );
    assert_eq!(
        differences_after_change(8, "/status/images/0/names/1", json!("docker.io/library/web@sha256:bb")),
        [
            "image docker.io/library/web@sha256:aa is on node in the first only",
            "image docker.io/library/web@sha256:bb is on node in the second only"
        ]
    );
    assert_eq!(
        differences_after_change(1, "/spec/containers/0/image", json!("docker.io/library/web:1@sha256:bb")).len(),
        1
    );
    assert_eq!(differences_after_change(4, "/data/kept", json!("no")).len(), 1);
    assert_eq!(differences_after_change(5, "/data/password", json!("c2hvcnQ=")).len(), 1);
    assert_eq!(differences_after_change(6, "/spec/hostPath/path", json!("/elsewhere")).len(), 1);
}

#[test]
fn empty_annotations_equal_missing_ones() {
    let endpoints = |annotations: Value| {
        let metadata = json!({"name": "front", "namespace": "web", "annotations": annotations});
        vec![json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata})]
    };
    let time = json!({"endpoints.kubernetes.io/last-change-trigger-time": "2026-11-20T08:00:01Z"});
    let none =
        vec![json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "front", "namespace": "web"}})];
    assert_eq!(difference(&snapshot(endpoints(time)), &snapshot(none.clone())).len(), 0);
    let planted = endpoints(json!({"kept": "yes"}));
    assert_eq!(difference(&snapshot(planted), &snapshot(none)).len(), 1);
}

#[test]
fn missing_and_surplus_objects_are_found() {
    let mut objects = site(12);
    objects.remove(2);
    assert_eq!(
        differences(objects),
        ["Pod web/front-5c9-* of apps/ReplicaSet front-5c9: 2 in the first, 1 in the second"]
    );
    let mut objects = site(12);
    objects[3]["metadata"]["name"] = json!("renamed");
    assert_eq!(
        differences(objects),
        [
            "ConfigMap web/renamed: 0 in the first, 1 in the second",
            "ConfigMap web/settings: 1 in the first, 0 in the second"
        ]
    );
}
