//! Server-side apply, ownership and deletion.

use std::time::Duration;

use landfall_cluster::{Cluster, ClusterError, Comparison, Inventory, ObjectName, Owner};
use landfall_error_codes::CodedError;
use serde_json::{Value, json};

use crate::fixture::ControlPlane;

fn owner() -> Owner {
    Owner { release: "sample".to_owned(), component: "web".to_owned() }
}

fn labeled_object(mut object: Value) -> Value {
    owner().mark(&mut object);
    object
}

fn deployment(replicas: u32) -> Value {
    labeled_object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "front", "namespace": "default"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "front"}},
            "template": {"metadata": {"labels": {"app": "front"}},
                "spec": {"containers": [{"name": "front", "image": "docker.io/library/web:1"}]}},
        },
    }))
}

fn live(cluster: &Cluster, object: &Value) -> Value {
    cluster.get(&ObjectName::of(object).unwrap()).unwrap().unwrap()
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn objects_are_applied_and_compared() {
    let plane = ControlPlane::start();
    let cluster = plane.cluster();

    // Declared once, the same again changes nothing, another value does.
    assert_eq!(cluster.compare(&deployment(2)).unwrap(), Comparison::Absent);
    cluster.apply(&deployment(2)).unwrap();
    assert_eq!(cluster.compare(&deployment(2)).unwrap(), Comparison::Same);
    assert_eq!(cluster.compare(&deployment(3)).unwrap(), Comparison::Different);
    assert_eq!(live(&cluster, &deployment(2))["spec"]["replicas"], 2);

    // A person scales it: their value is a conflict that names their tool and the field, and stays.
    plane.kubectl(&["scale", "deployment", "front", "--replicas=5"], None);
    let error = cluster.apply(&deployment(2)).unwrap_err();
    assert_eq!(error.code().id, "LF4204");
    assert_eq!(error.to_string(), "cannot apply apps/Deployment default/front: .spec.replicas is owned by kubectl");
    assert!(matches!(cluster.compare(&deployment(2)), Err(ClusterError::Conflict { .. })));
    assert_eq!(live(&cluster, &deployment(2))["spec"]["replicas"], 5);
    // They may set fields that Landfall does not set.
    plane.kubectl(&["annotate", "deployment", "front", "note=theirs"], None);
    cluster.apply(&deployment(5)).unwrap();
    assert_eq!(live(&cluster, &deployment(5))["metadata"]["annotations"]["note"], "theirs");

    foreign_objects_are_left_alone(&plane, &cluster);
    bad_objects_are_named(&cluster);
    deletion_waits_and_spares_foreign(&plane, &cluster);
    inventories_are_kept(&cluster);
}

fn foreign_objects_are_left_alone(plane: &ControlPlane, cluster: &Cluster) {
    plane.kubectl(&["create", "configmap", "theirs", "--from-literal=a=1"], None);
    let object = labeled_object(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": "default"},
            "data": {"a": "2"}}),
    );
    assert_eq!(cluster.compare(&object).unwrap(), Comparison::Foreign { manager: "kubectl-create".to_owned() });
    let error = cluster.apply(&object).unwrap_err();
    assert_eq!(
        (error.code().id, error.to_string().as_str()),
        ("LF4207", "ConfigMap default/theirs exists and belongs to kubectl-create")
    );
    assert!(!cluster.delete(&ObjectName::of(&object).unwrap(), Duration::from_secs(5)).unwrap());
    assert_eq!(plane.kubectl(&["get", "configmap", "theirs", "-o", "jsonpath={.data.a}"], None), "1");
}

fn bad_objects_are_named(cluster: &Cluster) {
    let misspelled = labeled_object(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bad", "namespace": "default"},
            "dada": {}}),
    );
    let error = cluster.apply(&misspelled).unwrap_err();
    assert_eq!(error.code().id, "LF4203");
    assert!(error.to_string().contains("ConfigMap default/bad") && error.to_string().contains(".dada"), "{error}");
    let impatient = cluster.with_patience(Duration::from_secs(1));
    let unknown = labeled_object(
        json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "a", "namespace": "default"}}),
    );
    let error = impatient.apply(&unknown).unwrap_err();
    assert_eq!(
        (error.code().id, error.to_string().as_str()),
        ("LF4205", "the cluster does not know the kind Thing of example.org/v1")
    );
    assert_eq!(cluster.compare(&unknown).unwrap(), Comparison::Absent);
    let astray = labeled_object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bad"}}));
    assert_eq!(cluster.apply(&astray).unwrap_err().code().id, "LF4206");
}

fn deletion_waits_and_spares_foreign(plane: &ControlPlane, cluster: &Cluster) {
    let held = labeled_object(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "namespace": "default",
            "finalizers": ["example.org/hold"]}}),
    );
    cluster.apply(&held).unwrap();
    let error = cluster.delete(&ObjectName::of(&held).unwrap(), Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.code().id, "LF4210");
    assert!(error.to_string().ends_with("held by the finalizers example.org/hold"), "{error}");
    plane.kubectl(
        &["patch", "configmap", "held", "--type=json", "-p", r#"[{"op": "remove", "path": "/metadata/finalizers"}]"#],
        None,
    );
    assert!(cluster.delete(&ObjectName::of(&held).unwrap(), Duration::from_secs(10)).unwrap());
    // The controller manager collects what hangs on a deployment before the deployment itself is gone.
    cluster.delete(&ObjectName::of(&deployment(5)).unwrap(), Duration::from_mins(1)).unwrap();
    assert_eq!(plane.kubectl(&["get", "deployments,replicasets", "-o", "name"], None), "");
}

fn inventories_are_kept(cluster: &Cluster) {
    let objects = vec![
        ObjectName::new("v1", "Service", "default", "a"),
        ObjectName::new("apps/v1", "Deployment", "default", "b"),
    ];
    let inventory = Inventory { owner: owner(), namespace: "default".to_owned(), objects };
    assert_eq!(Inventory::read(cluster, "default", "web").unwrap(), None);
    inventory.write(cluster).unwrap();
    assert_eq!(Inventory::read(cluster, "default", "web").unwrap().as_ref(), Some(&inventory));
    assert_eq!(Inventory::all(cluster).unwrap(), [inventory]);
    let status = &cluster.components().unwrap()[0];
    assert_eq!((status.component.as_str(), status.ready, status.total), ("web", 0, 2));
    assert_eq!(status.reasons[0], "Service default/a: it does not exist");
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn apply_waits_for_restarting_server() {
    let mut plane = ControlPlane::start();
    let cluster = plane.cluster();
    cluster.apply(&deployment(1)).unwrap();
    plane.stop_api_server();

    let impatient = cluster.with_patience(Duration::from_secs(1));
    let error = impatient.apply(&deployment(2)).unwrap_err();
    assert_eq!(error.code().id, "LF4202");
    assert!(
        error
            .to_string()
            .starts_with("cannot read apps/Deployment default/front: the API server at https://127.0.0.1:"),
        "{error}"
    );

    let applying = std::thread::spawn(move || cluster.apply(&deployment(2)));
    std::thread::sleep(Duration::from_secs(2));
    plane.start_api_server();
    let applied = applying.join().unwrap().unwrap();
    assert_eq!(applied["spec"]["replicas"], 2);
}

/// It serves before it has loaded RBAC, and refuses every request until then.
#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn starting_server_refusal_is_transient() {
    let mut plane = ControlPlane::start();
    plane.kubectl(&["create", "clusterrolebinding", "some", "--clusterrole=cluster-admin", "--group=some"], None);
    let object = ObjectName::new("v1", "ConfigMap", "kube-system", "extension-apiserver-authentication");
    // Each request is made once, as in a wait for readiness.
    let cluster = plane.cluster_of("some").with_patience(Duration::ZERO);
    while cluster.get(&object).is_err() {
        std::thread::sleep(Duration::from_millis(100));
    }
    plane.stop_api_server();
    plane.start_api_server();
    let started = std::time::Instant::now();
    let mut refusals = 0;
    while let Err(error) = cluster.get(&object) {
        assert!(error.is_transient(), "{error}");
        assert!(started.elapsed() < Duration::from_secs(90), "{error}");
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        refusals += usize::from(cause.contains("it is still starting"));
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(refusals > 0, "it never refused: this test shows nothing");

    let begun = std::time::Instant::now();
    let error = plane.cluster_of("others").get(&object).unwrap_err();
    assert_eq!((error.code().id, error.is_transient()), ("LF4203", false), "a user without rights is refused");
    assert!(begun.elapsed() < Duration::from_secs(10), "at once");
}
