//! A probe of a cluster's nodes. No kubelet runs, so that no pod ever starts: this is about what a probe needs, makes
//! and removes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use landfall_cluster::Cluster;
use landfall_error_codes::{CodedError as _, codes};
use landfall_host::paths::SitePaths;
use landfall_lifecycle::operations::{Operations, ProbeOutcome, ProbeReport, ProbeRequest};
use landfall_media::counters::IoCounters;
use landfall_media::progress::SilentProgress;
use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};

use crate::drills::wait_for;
use crate::fixture::ControlPlane;

/// Longer than any test waits.
const LONG: Duration = Duration::from_mins(10);

fn request(kubeconfig: PathBuf, limit: Duration) -> ProbeRequest {
    ProbeRequest { kubeconfig, image: "registry.corp.example/facts:1".to_owned(), limit }
}

fn operations(plane: &ControlPlane) -> Operations {
    Operations { paths: SitePaths::below(plane.root()), progress: Arc::new(SilentProgress), io: IoCounters::default() }
}

/// Probes as the administrator; returns what was found, and the names of the nodes in the order in which they were
/// passed on.
fn probe(plane: &ControlPlane, limit: Duration) -> (ProbeReport, Vec<String>) {
    let mut passed_on = Vec::new();
    let kubeconfig = SitePaths::below(plane.root()).admin_kubeconfig();
    let report = operations(plane)
        .probe(&request(kubeconfig, limit), &mut |node| {
            passed_on.push(node.name.clone());
            Ok(())
        })
        .unwrap();
    (report, passed_on)
}

fn node(name: &str, os: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/os": os}}})
}

/// The namespaces of probes.
fn namespaces(cluster: &Cluster) -> Vec<Value> {
    let all = cluster.list(&cluster.resource("v1", "Namespace").unwrap(), None, "landfall.dev/temporary=probe");
    all.unwrap()
}

/// The pods of the one probe that runs, once there is one.
fn pods(cluster: &Cluster) -> Option<Vec<Value>> {
    let namespace = namespaces(cluster).pop()?["metadata"]["name"].as_str()?.to_owned();
    let pods = cluster.probe_pods(&namespace).unwrap();
    (!pods.is_empty()).then_some(pods)
}

/// Code and reason of a node without facts.
fn absent<'a>(report: &'a ProbeReport, name: &str) -> (&'a str, &'a str) {
    let node = report.nodes.iter().find(|node| node.name == name).unwrap();
    let ProbeOutcome::Absent(absent) = &node.probed else { panic!("{name} has facts") };
    (&absent.code, &absent.reason)
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn failed_probe_leaves_nothing() {
    let plane = ControlPlane::start();
    let cluster = plane.cluster();
    for node in [node("worker-1", "linux"), node("win-1", "windows")] {
        plane.kubectl(&["create", "-f", "-"], Some(&node));
    }

    let _writes_a_kubeconfig = plane.cluster_of("guests");
    let guest = request(plane.root().join("guests.conf"), LONG);
    let refused = operations(&plane).probe(&guest, &mut |_| Ok(())).unwrap_err();
    assert_eq!(refused.code(), codes::PROBE_NOT_PERMITTED);
    for right in ["list nodes", "create namespaces", "create pods in the namespace landfall-probe-", "get pods/log in"]
    {
        assert!(refused.to_string().contains(right), "{refused}");
    }
    assert_eq!(namespaces(&cluster), Vec::<Value>::new());

    let (report, passed_on) = probe(&plane, Duration::from_secs(5));
    assert_eq!(passed_on, ["win-1", "worker-1"]);
    assert_eq!((report.with_facts(), report.exit_code(), &report.leftover), (0, 4, &None));
    assert_eq!(absent(&report, "win-1"), ("LF3077", "it runs windows, and facts are of Linux"));
    let (code, reason) = absent(&report, "worker-1");
    assert!(code == "LF3077" && reason.starts_with("after 5 s: "), "{code}: {reason}");
    assert_eq!(namespaces(&cluster), Vec::<Value>::new());

    std::thread::scope(|scope| {
        let begun = Instant::now();
        let probing = scope.spawn(|| probe(&plane, LONG));
        let pods = wait_for("a pod", || pods(&cluster));
        assert_eq!(pods.iter().map(|pod| &pod["spec"]["nodeName"]).collect::<Vec<_>>(), ["worker-1"]);
        assert!(pods[0]["spec"]["hostPID"] == true, "{}", pods[0]);
        // Interrupts are held since before the namespace was made.
        kill_process(getpid(), Signal::INT).unwrap();
        let (report, _) = probing.join().unwrap();
        assert_eq!(absent(&report, "worker-1"), ("LF3077", "the probe was interrupted"));
        assert!(report.leftover.is_none() && begun.elapsed() < LONG);
    });
    assert_eq!(namespaces(&cluster), Vec::<Value>::new());
}
