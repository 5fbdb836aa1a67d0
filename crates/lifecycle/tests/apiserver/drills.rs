//! What drills and restores need of a cluster: scaling, namespaces that are thrown away, pods after workloads, and pods
//! that no controller replaces. There is no node, so that no pod ever runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use landfall_cluster::drill::{DataVolume, DrillNamespace, DrillPod, LeftoverDrill, RUNTIME_CLASS};
use landfall_cluster::{Cluster, ClusterError, Comparison, Inventory, ObjectName, Owner};
use landfall_error_codes::CodedError;
use serde_json::{Value, json};

use crate::fixture::ControlPlane;

/// How long controllers may take.
const LIMIT: Duration = Duration::from_mins(1);

pub fn owner() -> Owner {
    Owner { release: "sample".to_owned(), component: "db".to_owned() }
}

fn workload(kind: &str, image: &str, replicas: u32) -> Value {
    let mut workload = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "db", "namespace": "default"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {
                "containers": [{
                    "name": "main", "image": image, "env": [{"name": "A", "value": "1"}],
                    "securityContext": {
                        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "readinessProbe": {"tcpSocket": {"port": 5432}},
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "db"}}],
            }},
        },
    });
    if kind == "StatefulSet" {
        workload["spec"]["serviceName"] = json!("db");
    }
    owner().mark(&mut workload);
    workload
}

fn name_of(object: &Value) -> ObjectName {
    ObjectName::of(object).unwrap()
}

pub fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "{what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn pods(cluster: &Cluster) -> Vec<Value> {
    cluster.list(&cluster.resource("v1", "Pod").unwrap(), Some("default"), "app=db").unwrap()
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn scaling_yields_to_later_apply() {
    let plane = ControlPlane::start();
    let cluster = plane.cluster();
    let deployment = |replicas| workload("Deployment", "docker.io/library/db:1", replicas);
    let name = name_of(&deployment(1));
    assert_eq!(cluster.replicas(&name).unwrap(), None);
    cluster.apply(&deployment(1)).unwrap();
    assert_eq!(cluster.replicas(&name).unwrap(), Some(1));
    wait_for("a pod", || pods(&cluster).pop());
    let remains = cluster.wait_for_no_pods("default", "app=db", Duration::from_millis(500)).unwrap_err();
    assert_eq!(remains.code().id, "LF4210");

    cluster.scale(&name, 0).unwrap();
    assert_eq!(cluster.replicas(&name).unwrap(), Some(0));
    cluster.wait_for_no_pods("default", "app=db", LIMIT).unwrap();
    assert!(pods(&cluster).is_empty());

    // What was scaled is Landfall's own: it is compared and applied without a conflict, also to a third number.
    assert_eq!(cluster.compare(&deployment(1)).unwrap(), Comparison::Different);
    assert_eq!(cluster.replicas(&name).unwrap(), Some(0));
    cluster.apply(&deployment(3)).unwrap();
    assert_eq!(cluster.replicas(&name).unwrap(), Some(3));
    assert_eq!(cluster.compare(&deployment(3)).unwrap(), Comparison::Same);

    // Another manager's number still is a conflict, whatever Landfall set before.
    cluster.scale(&name, 2).unwrap();
    plane.kubectl(&["scale", "deployment", "db", "--replicas=5"], None);
    assert!(matches!(cluster.apply(&deployment(3)), Err(ClusterError::Conflict { .. })));
    assert_eq!(cluster.replicas(&name).unwrap(), Some(5));
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn drill_namespace_leaves_nothing() {
    let plane = ControlPlane::start();
    let cluster = plane.cluster();
    let owner = owner();
    let quota =
        BTreeMap::from([("pods", "2"), ("limits.memory", "1Gi")].map(|(key, value)| (key.into(), value.into())));
    let drill = DrillNamespace {
        name: "drill-db",
        owner: &owner,
        pod_security: "restricted",
        pod_security_version: "v1.36",
        quota: &quota,
        has_runtime: true,
    };
    cluster.make_drill(&drill, LIMIT).unwrap();
    cluster.make_drill(&drill, LIMIT).unwrap();

    let workload = workload("StatefulSet", "docker.io/library/db:1", 1);
    let empty = DataVolume::Empty { size_limit: "1Gi".to_owned() };
    let volumes = BTreeMap::from([("data".to_owned(), empty)]);
    let pod = |namespace, name| DrillPod {
        workload: &workload,
        container: None,
        namespace,
        name,
        owner: &owner,
        volumes: &volumes,
        has_runtime: true,
        lifetime: LIMIT,
    };
    cluster.apply(&pod("drill-db", "both").loader_before_server().unwrap()).unwrap();
    cluster.apply(&pod("drill-db", "loader").loader().unwrap()).unwrap();
    let refused = cluster.apply(&pod("drill-db", "third").server().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("exceeded quota"), "{refused}");

    // Beside the workload, the pod belongs to a restore, and is found as such.
    let beside = pod("default", "db-restore").loader().unwrap();
    cluster.apply(&beside).unwrap();
    assert_eq!(cluster.leftover_pods().unwrap(), [name_of(&beside)]);
    assert!(cluster.delete(&name_of(&beside), LIMIT).unwrap());
    assert!(cluster.leftover_pods().unwrap().is_empty());

    let left = LeftoverDrill { namespace: "drill-db".to_owned(), owner: owner.clone() };
    assert_eq!(cluster.leftover_drills().unwrap(), [left]);
    let class = ObjectName::new("node.k8s.io/v1", "RuntimeClass", "", RUNTIME_CLASS);
    assert!(cluster.get(&class).unwrap().is_some());
    cluster.delete_drill("drill-db", LIMIT).unwrap();
    assert_eq!(cluster.get(&class).unwrap(), None);
    assert!(cluster.leftover_drills().unwrap().is_empty());
    assert_eq!(cluster.get(&ObjectName::new("v1", "Namespace", "", "drill-db")).unwrap(), None);
    cluster.delete_drill("drill-db", LIMIT).unwrap();

    let component = DrillNamespace { name: "default", ..drill };
    assert!(matches!(cluster.make_drill(&component, LIMIT), Err(ClusterError::Foreign { .. })));
    assert!(matches!(cluster.delete_drill("default", LIMIT), Err(ClusterError::Foreign { .. })));
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn stuck_pod_is_replaced() {
    let plane = ControlPlane::start();
    let cluster = plane.cluster();
    let set = |image| workload("StatefulSet", image, 2);
    let inventory = Inventory {
        owner: owner(),
        namespace: "default".to_owned(),
        objects: vec![name_of(&set("docker.io/library/db:1"))],
    };
    cluster.apply(&set("docker.io/library/db:broken")).unwrap();
    let image = |pod: &Value| pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
    wait_for("the first pod", || pods(&cluster).pop());
    assert!(cluster.delete_stuck_pods(&inventory, LIMIT).unwrap().is_empty(), "it has the latest template");

    cluster.apply(&set("docker.io/library/db:1")).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let found = pods(&cluster);
    assert_eq!(found.iter().map(image).collect::<Vec<_>>(), ["docker.io/library/db:broken"], "Kubernetes waits");
    let deleted = cluster.delete_stuck_pods(&inventory, LIMIT).unwrap();
    assert_eq!(deleted, [ObjectName::new("v1", "Pod", "default", "db-0")]);
    wait_for("a pod of the latest template", || {
        pods(&cluster).iter().map(image).all(|image| image == "docker.io/library/db:1").then_some(())
    });
    assert!(cluster.delete_stuck_pods(&inventory, LIMIT).unwrap().is_empty());
}
