//! The objects of a cluster that a backup has: what people made is in it, what controllers made is not, and what was
//! deleted comes back as it was.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use landfall_cluster::{Cluster, ListedKind, ObjectName, applicable};
use serde_json::{Value, json};

use crate::fixture::ControlPlane;

/// How long controllers may take.
const LIMIT: Duration = Duration::from_secs(90);

/// What an administrator has made beside the release.
fn team() -> Value {
    let labels = json!({"app": "web"});
    let pod = json!({"metadata": {"labels": labels}, "spec": {"restartPolicy": "Never",
        "containers": [{"name": "web", "image": "docker.io/library/web:1"}]}});
    let mut served = pod.clone();
    served["spec"]["restartPolicy"] = json!("Always");
    let named = |kind: &str, version: &str, name: &str| {
        json!({"apiVersion": version, "kind": kind,
        "metadata": {"name": name, "namespace": "team"}})
    };
    let with = |mut object: Value, fields: Value| {
        for (field, value) in fields.as_object().unwrap() {
            object[field] = value.clone();
        }
        object
    };
    let replicas = json!({"replicas": 2, "selector": {"matchLabels": labels}, "template": served});
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team", "labels": {"owner": "research"}}},
        with(named("ConfigMap", "v1", "settings"), json!({"data": {"mode": "fast"}})),
        with(named("Secret", "v1", "token"), json!({"stringData": {"token": "known-to-the-administrator-alone"}})),
        named("ServiceAccount", "v1", "robot"),
        with(named("Service", "v1", "web"), json!({"spec": {"selector": labels, "ports": [{"port": 80}]}})),
        with(named("PersistentVolumeClaim", "v1", "papers"), json!({"spec": claim})),
        with(named("Deployment", "apps/v1", "web"), json!({"spec": replicas})),
        with(named("Job", "batch/v1", "once"), json!({"spec": {"template": pod}})),
    ]})
}

/// A kind that other software adds, and an object of it.
fn widget() -> (Value, Value) {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]},
    });
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "spec": {"size": 7}, "status": {"turns": 3},
        "metadata": {"name": "wheel", "namespace": "team"}});
    (definition, widget)
}

fn list_kinds(cluster: &Cluster) -> Vec<ListedKind> {
    cluster.saved_objects().unwrap().map(Result::unwrap).collect()
}

/// The objects of the namespace as they are applied, without what a cluster adds to each namespace by itself.
fn of_team(kinds: &[ListedKind]) -> BTreeMap<String, Value> {
    let objects = kinds.iter().flat_map(|kind| &kind.objects);
    let named = objects.map(|object| (ObjectName::of(object).unwrap(), applicable(object.clone())));
    let of_team = named.filter(|(name, _)| {
        let is_own = name.kind == "Namespace" && name.name == "team";
        is_own || (name.namespace.as_deref() == Some("team") && name.name != "default")
    });
    of_team.map(|(name, object)| (name.to_string(), object)).collect()
}

fn wait_for(what: &str, is_it: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_it() {
        assert!(begun.elapsed() < LIMIT, "{what}");
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Whether controllers have made what they make of these objects.
fn is_settled(cluster: &Cluster) -> bool {
    let count = |version: &str, kind: &str| {
        let resource = cluster.resource(version, kind).unwrap();
        cluster.list(&resource, Some("team"), "").unwrap().len()
    };
    (count("v1", "Pod"), count("apps/v1", "ReplicaSet"), count("discovery.k8s.io/v1", "EndpointSlice")) == (3, 1, 1)
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn deleted_namespace_returns_as_saved() {
    let plane = ControlPlane::start();
    let cluster = plane.cluster();
    let (definition, widget) = widget();
    let apply = |objects: &Value| plane.kubectl(&["apply", "--server-side", "-f", "-"], Some(objects));
    apply(&definition);
    plane.kubectl(&["wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=60s"], None);
    apply(&team());
    apply(&widget);
    wait_for("the controllers' objects", || is_settled(&cluster));

    let kinds = list_kinds(&cluster);
    let saved = of_team(&kinds);
    let names: Vec<&str> = saved.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "ConfigMap team/settings",
            "Namespace team",
            "PersistentVolumeClaim team/papers",
            "Secret team/token",
            "Service team/web",
            "ServiceAccount team/robot",
            "apps/Deployment team/web",
            "batch/Job team/once",
            "example.com/Widget team/wheel",
        ]
    );
    assert_eq!(saved["Secret team/token"]["data"]["token"], "a25vd24tdG8tdGhlLWFkbWluaXN0cmF0b3ItYWxvbmU=");
    let first: Vec<&str> =
        kinds.iter().filter(|kind| !kind.objects.is_empty()).map(|kind| kind.kind.as_str()).collect();
    assert_eq!(first[..2], ["v1 Namespace", "apiextensions.k8s.io/v1 CustomResourceDefinition"]);
    for kind in [
        "v1 Event",
        "v1 Pod",
        "apps/v1 ReplicaSet",
        "discovery.k8s.io/v1 EndpointSlice",
        "coordination.k8s.io/v1 Lease",
    ] {
        let found = kinds.iter().find(|listed| listed.kind == kind).unwrap_or_else(|| panic!("{kind} is not listed"));
        assert!(!found.left_out.is_empty(), "{kind}");
        assert!(kind != "v1 Pod" || found.objects.is_empty(), "{:?}", found.objects);
    }
    assert!(kinds.iter().all(|kind| kind.unreadable.is_none()), "{kinds:?}");
    assert_eq!(of_team(&list_kinds(&cluster)), saved, "what does not change is saved as it was");

    plane.kubectl(&["delete", "namespace", "team", "--timeout=90s"], None);
    assert!(of_team(&list_kinds(&cluster)).is_empty());
    let items: Vec<Value> = kinds
        .iter()
        .flat_map(|kind| &kind.objects)
        .filter(|object| saved.contains_key(&ObjectName::of(object).unwrap().to_string()))
        .map(|object| applicable(object.clone()))
        .collect();
    apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
    wait_for("the controllers' objects", || is_settled(&cluster));
    assert_eq!(of_team(&list_kinds(&cluster)), saved);
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn silent_software_hides_only_own_objects() {
    let plane = ControlPlane::start();
    let cluster = plane.cluster();
    let (mut definition, widget) = widget();
    let apply = |objects: &Value| plane.kubectl(&["apply", "--server-side", "-f", "-"], Some(objects));
    apply(&definition);
    plane.kubectl(&["wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=60s"], None);
    apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}));
    apply(&widget);
    // A second version, to which nothing converts; and a group that a program which is not there serves.
    let mut second = definition["spec"]["versions"][0].clone();
    (second["name"], second["storage"]) = (json!("v2"), json!(false));
    definition["spec"]["versions"].as_array_mut().unwrap().push(second);
    definition["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": "team", "name": "nobody", "path": "/"}}}});
    apply(&definition);
    apply(&json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1beta1.metrics.example.com"},
        "spec": {"group": "metrics.example.com", "version": "v1beta1", "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": true, "service": {"namespace": "team", "name": "nobody"}}}));
    wait_for("the second version", || cluster.resource("example.com/v2", "Widget").is_ok());

    let kinds = list_kinds(&cluster);
    let widgets = kinds.iter().find(|kind| kind.kind == "example.com/v2 Widget").expect("a kind");
    assert!(widgets.objects.is_empty() && widgets.unreadable.is_some(), "{widgets:?}");
    assert!(kinds.iter().any(|kind| kind.kind == "v1 Secret" && kind.unreadable.is_none()));
    assert!(kinds.iter().all(|kind| !kind.kind.starts_with("metrics.example.com")), "{kinds:?}");
}
