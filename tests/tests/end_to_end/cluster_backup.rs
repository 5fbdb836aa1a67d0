//! Backups of the cluster itself: objects that an administrator deleted are restored, and so is a damaged etcd. The
//! commands are those of the handbook.

use std::time::Duration;

use anyhow::{Result, ensure};
use landfall_xtask::printer;
use landfall_xtask::proofs::{admin_output, administer};
use landfall_xtask::site::{Machine, wait_until};

use super::engineer::Engineer;
use super::handbook;

/// Heading of the page about objects that do not belong to the release.
const OBJECTS: &str = "operate/objects";

/// Heading of the page about etcd.
const ETCD: &str = "field/runbooks/broken-etcd";

/// Time limit for the API server to start, or to be reported missing.
const LIMIT: Duration = Duration::from_mins(5);

/// Command that creates an administrator's objects.
const MAKE: &str = "kubectl create namespace team && kubectl label namespace team owner=research && \
    kubectl --namespace team create secret generic token --from-literal=token=known-to-one-person && \
    kubectl --namespace team create configmap settings --from-literal=mode=fast";

/// Command that prints the remaining ones in one line.
const SHOW: &str = "kubectl get namespace team --output jsonpath='{.metadata.labels.owner} ' && \
    kubectl --namespace team get secret token --output jsonpath='{.data.token} ' && \
    kubectl --namespace team get configmap settings --output jsonpath='{.data.mode}'";

const SHOWN: &str = "research a25vd24tdG8tb25lLXBlcnNvbg== fast";

/// Fails unless the objects exist as they were created.
fn expect_objects(machine: &Machine) -> Result<()> {
    let shown = admin_output(machine, SHOW)?;
    ensure!(shown.trim() == SHOWN, "the objects are {shown}");
    Ok(())
}

/// Creates objects that do not belong to the release.
pub(crate) fn make_objects(machine: &Machine) -> Result<()> {
    admin_output(machine, MAKE)?;
    expect_objects(machine)
}

/// Deletes the namespace, and restores it with the page's commands.
pub(crate) fn objects_come_back(machine: &Machine) -> Result<()> {
    remove_objects(machine)?;
    for command in handbook::commands(OBJECTS)? {
        machine.run(&command)?;
    }
    expect_objects(machine)?;
    let mode = machine.run("stat --format %a /root/team.json && rm /root/team.json")?.stdout;
    ensure!(mode.trim() == "600", "others may read the Secrets: {mode}");
    printer::note("proved: a namespace with its Secrets that was deleted came back from a backup");
    Ok(())
}

/// Removes the objects that [`make_objects`] created.
pub(crate) fn remove_objects(machine: &Machine) -> Result<()> {
    admin_output(machine, "kubectl delete namespace team").map(drop)
}

/// Overwrites etcd's data, and restores it with the page's commands. Objects created since the backup are gone, but
/// data stays.
pub(crate) fn a_broken_etcd_comes_back(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    // The backup is made and proven, but the disk of the copies is disconnected.
    engineer.landfall(&["backup", "run"])?.expect_refusal("backup run before etcd breaks", "LF4622", 4)?;
    admin_output(machine, "kubectl create namespace later")?;
    machine.run(
        "head -c 65536 /dev/urandom | dd of=/var/lib/landfall/etcd/member/snap/db conv=notrunc status=none && sync && \
         kill -9 $(pgrep --exact etcd)",
    )?;
    wait_until("the cluster to be missed", LIMIT, || {
        let asked = administer(machine, "kubectl get namespaces --request-timeout=5s")?;
        Ok((!asked.status.success()).then_some(()))
    })?;
    let commands = handbook::commands(ETCD)?;
    machine.run(&format!("set -e\n{}", commands.join("\n")))?;
    // Control plane processes that exited in the meantime are restarted with increasing delays.
    wait_until("the site to be ready", 2 * LIMIT, || Ok((engineer.status()?["ready"] == true).then_some(())))?;
    expect_objects(machine)?;
    let later = administer(machine, "kubectl get namespace later")?;
    ensure!(!later.status.success(), "a namespace from after the backup exists: {}", later.stdout);
    machine.run("rm -r /var/lib/landfall/etcd-broken")?;
    remove_objects(machine)?;
    printer::note("proved: a cluster whose etcd had lost its data came back from a backup");
    Ok(())
}
