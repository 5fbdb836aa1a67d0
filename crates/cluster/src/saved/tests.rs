use serde_json::{Value, json};

use super::form::{applicable, saved_form};
use super::{Resource, derived, served_elsewhere};

fn left_out(group: &str, kind: &str, metadata: &Value) -> bool {
    let object = json!({"kind": kind, "metadata": metadata});
    derived::object(group, &object).is_some()
}

#[test]
fn derived_objects_are_left_out() {
    let controlled = json!({"name": "a", "ownerReferences": [{"kind": "ReplicaSet", "name": "b", "controller": true}]});
    let owned = json!({"name": "a", "ownerReferences": [{"kind": "ReplicaSet", "name": "b"}]});
    for (group, kind) in [("", "Pod"), ("apps", "ReplicaSet"), ("batch", "Job"), ("discovery.k8s.io", "EndpointSlice")]
    {
        assert!(left_out(group, kind, &controlled), "{kind}");
        assert!(!left_out(group, kind, &owned), "{kind}");
        assert!(!left_out(group, kind, &json!({"name": "made-by-hand"})), "{kind}");
    }
    // The same kind name in another group is another kind.
    assert!(!left_out("jobs.example.com", "Job", &controlled));
    for kind in ["Secret", "PersistentVolumeClaim", "ConfigMap"] {
        assert!(!left_out("", kind, &controlled), "{kind}");
    }
    assert!(left_out("", "ConfigMap", &json!({"name": "kube-root-ca.crt"})));
    let managed = |by: &str| json!({"labels": {"endpoints.kubernetes.io/managed-by": by}});
    assert!(
        left_out("", "Endpoints", &managed("endpoint-controller")) && !left_out("", "Endpoints", &managed("staff"))
    );
    assert!(left_out("", "Secret", &json!({"deletionTimestamp": "2026-11-22T02:00:00Z"})));
    let service = |labels: Value| left_out("apiregistration.k8s.io", "APIService", &json!({"labels": labels}));
    assert!(service(json!({"kube-aggregator.kubernetes.io/automanaged": "onstart"})) && !service(json!({})));
    assert!(derived::kind("", "Event").is_some() && derived::kind("events.k8s.io", "Event").is_some());
    assert!(derived::kind("", "Pod").is_none() && derived::kind("", "Secret").is_none());
}

#[test]
fn unchanged_object_saves_equal_bytes() {
    let live = |version: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": "Yg=="}, "status": {"at": version},
            "metadata": {"name": "a", "namespace": "b", "labels": {"c": "d"}, "annotations": {"e": "f"}, "uid": version,
                "resourceVersion": version, "generation": 1, "creationTimestamp": version, "managedFields": []}})
    };
    let expected = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": "Yg=="},
        "metadata": {"name": "a", "namespace": "b", "labels": {"c": "d"}, "annotations": {"e": "f"}}});
    assert_eq!(saved_form(live("1"), false), expected);
    assert_eq!(saved_form(live("1"), false).to_string(), saved_form(live("2"), false).to_string());
    assert_eq!(saved_form(live("1"), true)["status"], json!({"at": "1"}), "only its own software knows what it means");
}

#[test]
fn cluster_specific_fields_are_not_applied() {
    let owned = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"},
        "metadata": {"name": "a", "ownerReferences": [{"uid": "1"}], "finalizers": ["example.com/wait"]}});
    assert_eq!(
        applicable(owned),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}, "metadata": {"name": "a"}})
    );
    let service = |address: &str| {
        applicable(json!({"apiVersion": "v1", "kind": "Service",
            "spec": {"clusterIP": address, "clusterIPs": [address], "ports": []}}))["spec"]
            .clone()
    };
    assert_eq!(service("10.96.0.7"), json!({"ports": []}));
    assert_eq!(service("None"), json!({"clusterIP": "None", "clusterIPs": ["None"], "ports": []}));
    let claim = applicable(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes", "a": "b"}},
        "spec": {"volumeName": "pvc-1"}}));
    assert_eq!((&claim["metadata"]["annotations"], &claim["spec"]), (&json!({"a": "b"}), &json!({})));
    let volume = applicable(json!({"apiVersion": "v1", "kind": "PersistentVolume",
        "spec": {"claimRef": {"name": "a", "namespace": "b", "uid": "1", "resourceVersion": "2"}}}));
    assert_eq!(volume["spec"]["claimRef"], json!({"name": "a", "namespace": "b"}));
    let token = applicable(json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "data": {"token": "YQ=="}, "metadata": {"annotations": {
            "kubernetes.io/service-account.name": "a", "kubernetes.io/service-account.uid": "1"}}}));
    assert_eq!(token["metadata"]["annotations"], json!({"kubernetes.io/service-account.name": "a"}));
    assert!(token["data"].is_null());
    let job = |manual: bool| {
        applicable(
            json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"manualSelector": manual, "selector": {"a": "b"},
            "template": {"metadata": {"labels": {"batch.kubernetes.io/controller-uid": "1", "app": "a"}}}}}),
        )["spec"]
            .clone()
    };
    assert_eq!(job(false)["template"]["metadata"]["labels"], json!({"app": "a"}));
    assert!(job(false)["selector"].is_null() && job(true)["selector"].is_object());
}

#[test]
fn aggregated_apis_are_not_saved() {
    let service = |service: Value| {
        served_elsewhere(&json!({"spec": {"group": "metrics.k8s.io", "version": "v1beta1", "service": service}}))
    };
    assert_eq!(service(json!({"name": "metrics-server"})).as_deref(), Some("metrics.k8s.io/v1beta1"));
    assert_eq!(service(Value::Null), None);
}

#[test]
fn namespaces_and_definitions_come_first() {
    let kind = |api_version: &str, kind: &str| Resource {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        plural: String::new(),
        namespaced: true,
        listable: true,
    };
    let mut kinds = [
        kind("apps/v1", "Deployment"),
        kind("v1", "ConfigMap"),
        kind("v1", "ServiceAccount"),
        kind("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        kind("v1", "Namespace"),
    ];
    kinds.sort_by_cached_key(Resource::order);
    let names: Vec<&str> = kinds.iter().map(|kind| kind.kind.as_str()).collect();
    assert_eq!(names, ["Namespace", "CustomResourceDefinition", "ServiceAccount", "ConfigMap", "Deployment"]);
}
