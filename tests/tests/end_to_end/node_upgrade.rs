//! Upgrades of the node itself: Kubernetes, etcd, the registry and containerd change under pods that continue. After a
//! power cut, the upgrade finishes. An abort and a rollback restore every file. The later node pack has NVIDIA's tools,
//! with which its pods get GPUs.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use landfall_xtask::printer;
use landfall_xtask::proofs::{administer, sql};
use landfall_xtask::site::wait_until;
use landfall_xtask::writer;
use serde_json::{Value, json};

use super::cut::{CutPoint, Moment, boot, cut_during};
use super::engineer::{Engineer, STICK};
use super::fixture::machine_with_stick;
use super::gpu_devices;
use super::later_releases::{NODE, ensure_node_release};

/// Time limit for an upgrade that the agent continues after a boot.
const SELF_LIMIT: Duration = Duration::from_mins(10);

/// Time for which a site must stay ready after its kubelet was started. Until then, the cluster's state of pods may be
/// outdated.
const STAYS: Duration = Duration::from_secs(20);

/// Command that prints the digest of every file that determines the node's software. Backups and what the agent derives
/// from journals are no part of it.
const NODE_FILES: &str = "sha256sum /etc/kubernetes/manifests/* /var/lib/kubelet/config.yaml \
    /var/lib/kubelet/kubeadm-flags.env /etc/landfall/agent.json /etc/landfall/containerd.toml \
    /etc/landfall/registry.yaml /etc/landfall/certs.d/*/* \
    /etc/systemd/system/landfall-*.service /var/lib/landfall/node/kubeadm.yaml; \
    readlink /var/lib/landfall/node/current; ls -A /var/lib/landfall | grep -vwE 'backups|activity'";

/// Command that lists the folders of node packs.
const PACKS: &str = "ls /var/lib/landfall/node | grep ^v | sort";

/// Command that lists the pinned images, which a shortage of space never removes.
const PINNED_IMAGES: &str = "/var/lib/landfall/node/current/ctr --address /run/landfall/containerd/containerd.sock \
    --namespace k8s.io images list | grep pinned=pinned | cut -d ' ' -f 1 | grep -v ^sha256 | grep -v @ | sort";

#[test]
#[ignore = "needs cargo xtask test"]
fn node_upgrades_under_running_pods() -> Result<()> {
    ensure_node_release()?;
    let (_site, machine) = machine_with_stick("e2e-node")?;
    let engineer = Engineer::at(&machine);
    engineer.install()?;
    engineer.wait_ready("the install")?;
    sql(&machine, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")?;
    writer::start(&machine)?;
    let first = Node::of(engineer)?;
    first.expect_versions(["v1.36.3", "containerd://2.4.2", "3.7.3-0", "3.1.2"])?;
    ensure!(first.images.lines().count() == 7, "other images are also pinned: {}", first.images);
    says_what_will_change(engineer)?;

    goes_back_on_request(engineer)?;
    first.expect_same(&Node::of(engineer)?, "an abort whose power was cut")?;
    ensure!(first.images == machine.run(PINNED_IMAGES)?.stdout, "an abort left or lost images");
    let second = changes_under_its_pods(engineer)?;
    let report = engineer.landfall(&["rollback"])?.report("rollback")?;
    ensure!(report["version"] == "1.0.0" && report["kubernetes"] == "v1.36.3", "{report}");
    engineer.wait_ready("a rollback")?;
    first.expect_same(&Node::of(engineer)?, "a rollback")?;
    pods_outlive_containerd(engineer)?;
    changes_through_a_power_cut(engineer)?;
    second.expect_same(&Node::of(engineer)?, "an upgrade whose power was cut")?;
    ensure!(machine.run(PACKS)?.stdout.lines().count() == 2, "the kept releases have two node packs");
    gpu_devices::reach_containers_by_the_node_pack(engineer)?;
    writer::acknowledgments(&machine)?.expect_kept(&machine)?;
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after changes of the node and an uninstall", &["/var/log/landfall"])
}

/// Software of the node.
struct Node {
    files: String,
    images: String,
    /// Versions of the kubelet and of containerd.
    kubelet: Value,
    /// Images of the pods in `kube-system`.
    running: String,
}

impl Node {
    fn of(engineer: Engineer<'_>) -> Result<Self> {
        let machine = engineer.machine();
        let kubectl = |arguments: &str| -> Result<String> {
            let line = format!("kubectl {arguments}");
            let output = administer(machine, &line)?;
            ensure!(output.status.success(), "{line}: {}", output.stderr);
            Ok(output.stdout)
        };
        let pods = "--namespace kube-system get pods --output \
            jsonpath='{range .items[*]}{.spec.containers[0].image}{\"\\n\"}{end}'";
        Ok(Self {
            files: machine.run(NODE_FILES)?.stdout,
            images: machine.run(PINNED_IMAGES)?.stdout,
            kubelet: serde_json::from_str(&kubectl("get nodes --output jsonpath='{.items[0].status.nodeInfo}'")?)?,
            running: kubectl(pods)?,
        })
    }

    /// Fails unless the node runs these versions of Kubernetes, containerd, etcd and the registry.
    fn expect_versions(&self, [kubernetes, containerd, etcd, registry]: [&str; 4]) -> Result<()> {
        let Self { kubelet, running, images, .. } = self;
        ensure!(kubelet["kubeletVersion"] == kubernetes, "the kubelet is {}", kubelet["kubeletVersion"]);
        let runtime = &kubelet["containerRuntimeVersion"];
        ensure!(*runtime == containerd, "the runtime is {runtime}, not {containerd}");
        for name in ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"] {
            let image = format!("registry.k8s.io/{name}:{kubernetes}");
            ensure!(running.lines().filter(|line| **line == image).count() == 1, "{image} does not run: {running}");
            ensure!(images.lines().any(|line| line == image), "{image} is not pinned: {images}");
        }
        for image in [format!("registry.k8s.io/etcd:{etcd}"), format!("docker.io/library/registry:{registry}")] {
            ensure!(running.lines().any(|line| line == image), "{image} does not run: {running}");
        }
        Ok(())
    }

    fn expect_same(&self, other: &Self, after: &str) -> Result<()> {
        let differs = |one: &str, other: &str| {
            one.lines().filter(|line| !other.contains(line)).map(str::to_owned).collect::<Vec<_>>()
        };
        ensure!(
            self.files == other.files,
            "after {after} there is {:?}, not {:?}",
            differs(&other.files, &self.files),
            differs(&self.files, &other.files)
        );
        ensure!(self.kubelet == other.kubelet, "after {after} the kubelet says {}", other.kubelet);
        let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        ensure!(sorted(&self.running) == sorted(&other.running), "after {after} there runs: {}", other.running);
        Ok(())
    }
}

/// Checks that a dry run names versions and images, and changes nothing.
fn says_what_will_change(engineer: Engineer<'_>) -> Result<()> {
    let dry_run = engineer.landfall(&["upgrade", NODE, "--dry-run"])?.report("upgrade --dry-run")?;
    let node = &dry_run["node"];
    ensure!(node["kubernetesBefore"] == "v1.36.3" && node["kubernetesAfter"] == "v1.36.4", "{node}");
    ensure!(node["replacesControlPlane"] == true, "{node}");
    let images = node["imagesAfter"].as_array().context("the dry run lists no images")?;
    ensure!(images.len() == 6 && images.contains(&json!("registry.k8s.io/etcd:3.7.3-1")), "{node}");
    let changed = dry_run["components"].as_array().context("the dry run lists no components")?;
    ensure!(changed.iter().all(|change| change["fate"] == "unchanged"), "components change: {changed:?}");
    Ok(())
}

/// Returns the ID of each container of the database, with its number of restarts.
fn containers(engineer: Engineer<'_>) -> Result<String> {
    let line = "kubectl --namespace postgres get pod postgres-0 --output \
        jsonpath='{.status.containerStatuses[*].containerID} {.status.containerStatuses[*].restartCount}'";
    Ok(administer(engineer.machine(), line)?.stdout)
}

/// Upgrades Kubernetes, etcd, the registry and containerd, while the database's container continues.
fn changes_under_its_pods(engineer: Engineer<'_>) -> Result<Node> {
    let machine = engineer.machine();
    let before = containers(engineer)?;
    let begun = Timestamp::now();
    let report = engineer.landfall(&["upgrade", NODE])?.report("upgrade")?;
    let seconds = Timestamp::now().duration_since(begun).as_secs_f64();
    let pause = writer::next_acknowledged(machine)?.longest_pause(begun);
    printer::note(format!("the node changed in {seconds:.0} s; its database acknowledged nothing for {pause:.1} s"));
    ensure!(report["version"] == "1.0.1" && report["kubernetes"] == "v1.36.4", "{report}");
    engineer.wait_ready("a change of the node")?;
    let node = Node::of(engineer)?;
    // Images of both kept releases, one of which is shared.
    ensure!(node.images.lines().count() == 13, "other images are pinned: {}", node.images);
    node.expect_versions(["v1.36.4", "containerd://2.4.3", "3.7.3-1", "3.1.3"])?;
    let after = containers(engineer)?;
    ensure!(!before.trim().is_empty() && before == after, "the database was restarted: {before}, then {after}");
    Ok(node)
}

/// Checks that containers started under either containerd continue under the running one, because none depends on a
/// folder that a change removes.
fn pods_outlive_containerd(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let paths = machine.run("cat /run/landfall/containerd/io.containerd.runtime.v2.task/k8s.io/*/shim-binary-path")?;
    ensure!(!paths.stdout.is_empty() && !paths.stdout.contains("node/v"), "shims are in {}", paths.stdout);
    let before = containers(engineer)?;
    machine.run("systemctl restart landfall-containerd landfall-kubelet")?;
    wait_until("a site that stays ready after a restart of containerd", SELF_LIMIT, || {
        engineer.wait_ready("a restart of containerd")?;
        std::thread::sleep(STAYS);
        Ok((engineer.status()?["ready"] == true).then_some(()))
    })?;
    let after = containers(engineer)?;
    ensure!(before == after, "the database was restarted: {before}, then {after}");
    Ok(())
}

/// Breaks the later API server permanently once the whole node has changed. A user undoes the upgrade, and the power is
/// cut during the undo. The control plane must be restored before anything queries it.
fn goes_back_on_request(engineer: Engineer<'_>) -> Result<()> {
    let run = format!("{STICK}/landfall upgrade {NODE}");
    engineer.machine().run(&format!("setsid --fork sh -c '{run}' > /dev/null 2>&1 < /dev/null"))?;
    wait_until("the proofs", SELF_LIMIT, || {
        let step = engineer.status()?["operation"]["step"]["id"].clone();
        let step = step.as_str().unwrap_or_default();
        Ok((step == "prove" || step.starts_with("still-ready/")).then_some(()))
    })?;
    engineer
        .machine()
        .run("sed -i 's/--profiling=false/--unknown-flag/' /etc/kubernetes/manifests/kube-apiserver.yaml")?;
    let at = CutPoint { step: "agent".to_owned(), moment: Moment::Undoing(Duration::from_secs(1)) };
    cut_during(engineer, &["upgrade", "--abort"], &at)?;
    let status = ends_by_itself(engineer)?;
    ensure!(status["release"]["version"] == "1.0.0", "{}", status["release"]);
    Ok(())
}

/// Cuts the power while etcd is replaced; the upgrade finishes automatically.
fn changes_through_a_power_cut(engineer: Engineer<'_>) -> Result<()> {
    let at = CutPoint { step: "control-plane".to_owned(), moment: Moment::After(Duration::from_secs(3)) };
    cut_during(engineer, &["upgrade", NODE], &at)?;
    let status = ends_by_itself(engineer)?;
    ensure!(status["release"]["version"] == "1.0.1", "{}", status["release"]);
    Ok(())
}

/// Boots after a power cut. Returns the status once no operation is open and everything is ready.
fn ends_by_itself(engineer: Engineer<'_>) -> Result<Value> {
    boot(engineer.machine())?;
    wait_until("the change to resume and end", SELF_LIMIT, || {
        let status = engineer.status()?;
        let state = status["state"].as_str().unwrap_or_default();
        ensure!(["changing", "change-interrupted", "installed"].contains(&state), "the status is {state}");
        Ok((state == "installed").then_some(()))
    })?;
    engineer.wait_ready("a change that was resumed")
}
