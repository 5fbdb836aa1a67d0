//! What a license limits, counted in a real cluster: its nodes, and namespaces without Kubernetes' own and those of
//! drills.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_cluster::Owner;
use landfall_cluster::drill::DrillNamespace;
use landfall_site::license::usage::cluster_counts;
use serde_json::json;

use crate::fixture::ControlPlane;

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn usage_excludes_system_and_drill_namespaces() {
    let plane = ControlPlane::start();
    let cluster = plane.cluster();
    let counted = || {
        let counts = cluster_counts(&cluster).unwrap();
        (counts.nodes, counts.namespaces)
    };
    assert_eq!(counted(), (Some(0), Some(0)), "a control plane without nodes");
    for name in ["shop", "team"] {
        cluster.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).unwrap();
    }
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}});
    plane.kubectl(&["create", "--filename=-"], Some(&node));
    assert_eq!(counted(), (Some(1), Some(2)));
    let owner = Owner { release: "sample".to_owned(), component: "shop".to_owned() };
    let drill = DrillNamespace {
        name: "drill-shop",
        owner: &owner,
        pod_security: "restricted",
        pod_security_version: "v1.36",
        quota: &BTreeMap::new(),
        has_runtime: false,
    };
    cluster.make_drill(&drill, Duration::from_mins(1)).unwrap();
    assert_eq!(counted(), (Some(1), Some(2)), "a drill takes nothing from anyone");
    plane.kubectl(&["delete", "namespace", "team"], None);
    assert_eq!(counted(), (Some(1), Some(1)));
}
