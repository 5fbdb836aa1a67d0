//! The network of drills on a running node. It connects pods only with their node.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use landfall_xtask::printer;
use landfall_xtask::proofs::{admin_output, in_pod};
use landfall_xtask::site::{Machine, wait_until};
use serde_json::{Value, json};

use super::helper_pods;

/// Name of the drills' runtime class, which exists during a drill, and of the bridge of its pods.
const NAME: &str = "landfall-drill";
/// Runtime class that this test creates for the same runtime.
const CLASS: &str = "apart-test";
/// Namespace of the pods.
const NAMESPACE: &str = "default";
/// Names of the pod that is queried, of one on the pod network, and of one on the drill network.
const PEER: &str = "apart-test-peer";
const COMMON: &str = "apart-test-common";
const APART: &str = "apart-test-apart";
/// Port of every pod.
const PORT: u16 = 8080;
/// Time limit for pods to be ready.
const READY_LIMIT: Duration = Duration::from_mins(2);

/// Fails unless a drill has used the network.
pub(crate) fn was_used(machine: &Machine) -> Result<()> {
    let shown = machine.try_run(&format!("ip link show {NAME}"))?;
    ensure!(shown.status.success(), "no drill created the bridge {NAME}: {}", shown.stderr);
    let classes = admin_output(machine, "kubectl get runtimeclasses --output name")?;
    ensure!(classes.trim().is_empty(), "a drill has left {classes}");
    Ok(())
}

/// Fails unless a pod on the drill network is reachable only from its node, and reaches neither a pod nor a service. A
/// pod on the pod network must reach both.
pub(crate) fn leads_nowhere(machine: &Machine) -> Result<()> {
    let image = helper_pods::image(machine)?;
    let class = json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": CLASS}, "handler": NAME,
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": PEER, "namespace": NAMESPACE},
        "spec": {"selector": {"apart-test": PEER}, "ports": [{"port": PORT}]},
    });
    let pods = [(PEER, None), (COMMON, None), (APART, Some(CLASS))].map(|(name, class)| pod(name, &image, class));
    let items = [vec![class, service], pods.to_vec()].concat();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    machine.write_file("/tmp/apart.json", list.to_string(), 0o600)?;
    admin_output(machine, "kubectl create --filename /tmp/apart.json")?;
    // The kubelet's probes connect from the node.
    let limit = READY_LIMIT.as_secs();
    admin_output(
        machine,
        &format!("kubectl wait --for condition=Ready --timeout {limit}s pod {PEER} {COMMON} {APART}"),
    )?;
    let address = |kind: &str, path: &str| -> Result<String> {
        let line = format!("kubectl get {kind} {PEER} --output jsonpath='{{{path}}}'");
        Ok(admin_output(machine, &line)?.trim().to_owned())
    };
    for address in [address("pod", ".status.podIP")?, address("service", ".spec.clusterIP")?] {
        // A service knows its pods shortly after they are ready.
        let what = format!("a common pod reaches {address}");
        wait_until(&what, READY_LIMIT, || Ok(reaches(machine, COMMON, &address)?.then_some(())))?;
        ensure!(!reaches(machine, APART, &address)?, "a pod on the network of drills reaches {address}");
    }
    let routes = in_pod(machine, NAMESPACE, APART, "ip route")?.stdout;
    ensure!(routes.lines().count() == 1 && !routes.contains("default"), "its routes are {routes}");
    admin_output(machine, "kubectl delete --filename /tmp/apart.json --grace-period 1")?;
    printer::note("proved: a pod on the network of drills is reached by its node, and reaches no pod and no service");
    Ok(())
}

/// Returns a pod that serves a page.
fn pod(name: &str, image: &str, class: Option<&str>) -> Value {
    let serve = format!("echo here >/tmp/index.html; exec httpd -f -p {PORT} -h /tmp");
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"apart-test": name}},
        "spec": {
            "runtimeClassName": class,
            "containers": [{
                "name": "main", "image": image, "command": ["sh", "-c", serve],
                "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
            }],
        },
    })
}

/// Returns true if a pod can get the page at an address.
fn reaches(machine: &Machine, pod: &str, address: &str) -> Result<bool> {
    let asked = format!("wget -q -T 3 -O - http://{address}:{PORT}/ || echo unreached");
    let said = in_pod(machine, NAMESPACE, pod, &asked)?;
    ensure!(said.status.success(), "nothing can be run in {pod}: {}", said.stderr);
    match said.stdout.trim() {
        "here" => Ok(true),
        "unreached" => Ok(false),
        other => bail!("{pod} said {other}: {}", said.stderr),
    }
}
