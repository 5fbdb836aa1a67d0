//! A canary on a real API server: the states of its pod are written as a kubelet would write them, and a server on
//! loopback answers for it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};
use std::time::Duration;

use landfall_cluster::{Canaries, CanaryForm, Cluster, ObjectName, Owner};
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_error_codes::{CodedError, codes};
use landfall_lifecycle::context::Site;
use landfall_lifecycle::steps::canary::Canary;
use landfall_lifecycle::steps::component::Component;
use landfall_lifecycle::steps::stop::Stop;
use serde_json::{Value, json};

use crate::drills::wait_for;
use crate::fixture::{ControlPlane, release};

/// The component in one of its forms, whose pods answer at this port.
fn form(number: u32, port: u16) -> Value {
    json!([
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "default"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "default"},
            "data": {"form": number.to_string()}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"serviceAccountName": "web", "containers": [{
                    "name": "web", "image": format!("docker.io/library/web:{number}"),
                    "ports": [{"name": "http", "containerPort": port}],
                    "envFrom": [{"configMapRef": {"name": "settings"}}],
                }]},
            }}},
    ])
}

/// A program that answers every request with the status that it has now, and what a kubelet would report of the
/// canary's pod.
struct Node<'a> {
    plane: &'a ControlPlane,
    listener: TcpListener,
    status: AtomicU16,
    restarts: AtomicU32,
    is_over: AtomicBool,
}

impl<'a> Node<'a> {
    fn new(plane: &'a ControlPlane) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (status, restarts, is_over) = (AtomicU16::new(200), AtomicU32::new(0), AtomicBool::new(false));
        Self { plane, listener, status, restarts, is_over }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    fn answer(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let Ok((mut stream, _)) = self.listener.accept() else {
                std::thread::sleep(Duration::from_millis(50));
                continue;
            };
            stream.set_nonblocking(false).unwrap();
            let _read = stream.read(&mut [0; 4096]).unwrap();
            let status = self.status.load(Ordering::Relaxed);
            let body = format!("form 2 says {status}");
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    }

    fn report(&self, cluster: &Cluster) {
        let pod = ObjectName::new("v1", "Pod", "default", "web-canary");
        while !self.is_over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(200));
            let Ok(Some(live)) = cluster.get(&pod) else { continue };
            let is_proved = is_true(&live, "landfall.dev/proved");
            let state = |is_true: bool| if is_true { "True" } else { "False" };
            let mut conditions = vec![
                json!({"type": "ContainersReady", "status": "True"}),
                json!({"type": "Ready", "status": state(is_proved)}),
            ];
            if is_proved {
                conditions.push(json!({"type": "landfall.dev/proved", "status": "True"}));
            }
            let status = json!({"status": {
                "phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}], "conditions": conditions,
                "containerStatuses": [{
                    "name": "web", "image": "docker.io/library/web:2", "imageID": "", "ready": true,
                    "state": {"running": {}},
                    "restartCount": self.restarts.load(Ordering::Relaxed),
                }],
            }});
            // The pod may be gone by now, or be another one that is only being looked at.
            let arguments = ["patch", "pod", "web-canary", "--subresource=status", "--type=strategic", "--patch"];
            let _gone = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                self.plane.kubectl(&[arguments.as_slice(), &[&status.to_string()]].concat(), None)
            }));
        }
    }
}

fn is_true(pod: &Value, condition: &str) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|one| one["type"] == condition && one["status"] == "True")
}

fn component(objects: &str) -> Component {
    Component {
        owner: Owner { release: "sample".to_owned(), component: "web".to_owned() },
        namespace: "default".to_owned(),
        objects: objects.to_owned(),
        patches: Vec::new(),
        read_only_claims: Vec::new(),
        claims: std::collections::BTreeMap::new(),
        editable: Vec::new(),
        edits: landfall_cluster::Edits::Refuse,
        secrets: std::collections::BTreeMap::new(),
    }
}

fn canary(soak_seconds: u64) -> Canary {
    let declared =
        json!({"workload": {"kind": "Deployment", "name": "web"}, "proofs": ["answers"], "soak_seconds": soak_seconds});
    Canary { component: component("two"), canary: serde_json::from_value(declared).unwrap(), seconds: 30 }
}

/// A site with the later release, whose component has the earlier form.
fn site(plane: &ControlPlane, port: u16) -> Site {
    let entry = json!({"name": "web", "namespace": "default", "needs": [], "objects": "two",
        "pod_security": "restricted",
        "ready_seconds": 60});
    let mut release = release(&json!([entry]), &json!([]), &json!([]));
    let proof = json!({"name": "answers", "component": "web", "shows": "It answers", "limit_seconds": 10,
        "trial": {"request": {
        "service": "web", "port": 80, "method": "GET", "path": "/", "expect": {"status": 200}}}});
    release.proofs.push(serde_json::from_value(proof).unwrap());
    plane.site(release, &[("one", form(1, port)), ("two", form(2, port))])
}

fn remaining_canaries(cluster: &Cluster) -> Vec<String> {
    let name = |object: &Value| {
        format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
    };
    cluster.canaries(Canaries::All).unwrap().iter().map(name).collect()
}

/// What running pods read and are made from is as the earlier release has it.
#[track_caller]
fn expect_earlier_form(plane: &ControlPlane) {
    let image = "jsonpath={.spec.template.spec.containers[0].image}";
    assert_eq!(plane.kubectl(&["get", "deployment", "web", "-o", image], None), "docker.io/library/web:1");
    assert_eq!(plane.kubectl(&["get", "configmap", "settings", "-o", "jsonpath={.data.form}"], None), "1");
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn canary_leaves_nothing() {
    let plane = ControlPlane::start();
    let (cluster, node) = (plane.cluster(), Node::new(&plane));
    let site = &mut site(&plane, node.port());
    component("one").act(site, &Value::Null).unwrap();
    let watcher = plane.cluster();
    std::thread::scope(|scope| {
        scope.spawn(|| node.answer());
        scope.spawn(|| node.report(&watcher));
        let tested = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            passes(&plane, &cluster, site);
            fails(&plane, &cluster, &node, site);
            is_removed_wherever_it_was_cut_off(&cluster, site);
        }));
        node.is_over.store(true, Ordering::Relaxed);
        tested.unwrap();
    });
}

fn passes(plane: &ControlPlane, cluster: &Cluster, site: &mut Site) {
    let step = canary(2);
    assert_eq!(step.observe(site).unwrap(), ObservedState::Absent);
    let output = std::thread::scope(|scope| {
        let seen = scope.spawn(|| {
            let pod = ObjectName::new("v1", "Pod", "default", "web-canary");
            let live = wait_for("the canary", || cluster.get(&pod).unwrap());
            let settings = ObjectName::new("v1", "ConfigMap", "default", "settings-canary");
            (live, cluster.get(&settings).unwrap().unwrap())
        });
        let output = step.act(site, &Value::Null).unwrap();
        let (pod, settings) = seen.join().unwrap();
        assert_eq!(pod["metadata"]["labels"], json!({"app": "web", "landfall.dev/canary": "web"}));
        let container = &pod["spec"]["containers"][0];
        assert_eq!(container["image"], "docker.io/library/web:2");
        assert_eq!(container["envFrom"][0]["configMapRef"]["name"], "settings-canary");
        assert_eq!(settings["data"]["form"], "2");
        assert_eq!(pod["spec"]["serviceAccountName"], "web", "it has not changed, so there is no copy");
        output
    });
    let proofs: Vec<&str> =
        output["proofs"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(proofs, ["answers", "answers"], "before it serves, and after the watch");
    assert_eq!(remaining_canaries(cluster), Vec::<String>::new());
    expect_earlier_form(plane);
}

#[track_caller]
fn failure(step: &Canary, site: &mut Site, parts: &[&str]) -> StepError {
    let error = step.act(site, &Value::Null).unwrap_err();
    assert_eq!(error.code(), codes::CANARY_FAILED, "{error}");
    let said = error.to_string();
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    error
}

fn fails(plane: &ControlPlane, cluster: &Cluster, node: &Node<'_>, site: &mut Site) {
    let step = canary(20);
    node.status.store(500, Ordering::Relaxed);
    let parts =
        ["canary of component web failed", "web-canary", "proof answers", "expected status 200", "form 2 says 500"];
    failure(&step, site, &parts);
    assert!(matches!(step.observe(site).unwrap(), ObservedState::Partial(_)));
    let pod = cluster.get(&ObjectName::new("v1", "Pod", "default", "web-canary")).unwrap().unwrap();
    assert!(!is_true(&pod, "landfall.dev/proved"), "a pod that failed its proof must get no requests");
    // Whatever is left, undo removes it, once or twice; a resume begins with a new pod.
    step.undo(site, &Value::Null).unwrap();
    step.undo(site, &Value::Null).unwrap();
    assert_eq!(remaining_canaries(cluster), Vec::<String>::new());
    failure(&step, site, &parts);
    node.status.store(200, Ordering::Relaxed);
    canary(0).act(site, &Value::Null).unwrap();
    assert_eq!(remaining_canaries(cluster), Vec::<String>::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let pod = ObjectName::new("v1", "Pod", "default", "web-canary");
            wait_for("a pod that serves", || cluster.get(&pod).unwrap().filter(|pod| is_true(pod, "Ready")));
            node.restarts.store(1, Ordering::Relaxed);
        });
        failure(&step, site, &["web-canary", "ended and was started again"]);
    });
    node.restarts.store(0, Ordering::Relaxed);
    step.undo(site, &Value::Null).unwrap();
    // The quota of the namespace leaves no room: nothing is waited for.
    plane.kubectl(&["create", "quota", "full", "--hard=pods=2"], None);
    wait_for("the quota", || {
        let used = plane.kubectl(&["get", "quota", "full", "-o", "jsonpath={.status.used.pods}"], None);
        (used == "2").then_some(())
    });
    let refused = failure(&step, site, &["web-canary cannot be made"]);
    assert!(std::error::Error::source(&refused).unwrap().to_string().contains("quota"), "{refused:?}");
    plane.kubectl(&["delete", "quota", "full"], None);
    step.undo(site, &Value::Null).unwrap();
    expect_earlier_form(plane);
}

/// A power cut after each of its objects; what is left is removed by the undo, by the change of the component, and
/// before the component stops.
fn is_removed_wherever_it_was_cut_off(cluster: &Cluster, site: &mut Site) {
    let objects = component("two").resolve_objects(&site.releases.own.documents).unwrap();
    let workload = ObjectName::new("apps/v1", "Deployment", "default", "web");
    let form = CanaryForm { component: "web", workload: &workload, objects: &objects };
    let made = form.objects(|_| Ok(true)).unwrap().unwrap();
    let names = ["ConfigMap settings-canary", "ServiceAccount web-canary", "Pod web-canary"];
    assert_eq!(made.len(), names.len());
    for count in 0..=made.len() {
        let cut = |site: &mut Site, remove: &dyn Fn(&mut Site)| {
            made[..count].iter().for_each(|object| drop(cluster.apply(object).unwrap()));
            assert_eq!(remaining_canaries(cluster).len(), count);
            remove(site);
            assert_eq!(remaining_canaries(cluster), Vec::<String>::new(), "cut off after {count} objects");
        };
        cut(site, &|site| canary(0).undo(site, &Value::Null).unwrap());
        cut(site, &|site| drop(canary(0).act(site, &Value::Null).unwrap()));
        cut(site, &|site| drop(component("two").act(site, &Value::Null).unwrap()));
    }
    // Its pod counts as one of the workload's, which a stop waits for.
    for object in &made {
        cluster.apply(object).unwrap();
    }
    let remains = cluster.wait_for_no_pods("default", "app=web,landfall.dev/canary", Duration::ZERO).unwrap_err();
    assert_eq!(remains.code().id, "LF4210");
    let stop = Stop { workload, pods: "app=web".to_owned(), replicas: 2 };
    stop.act(site, &Value::Null).unwrap();
    assert_eq!(remaining_canaries(cluster), Vec::<String>::new());
}
