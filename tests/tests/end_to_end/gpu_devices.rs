//! A container gets the device that the specification of GPUs (CDI) names: by the site's own agent, kubelet, containerd and runc. No machine
//! of the tests has a GPU, so three things stand in for NVIDIA's: a null device for the GPU, a script for the tool that writes the
//! specification, and a device plugin that offers one `nvidia.com/gpu`. containerd's configuration gets the line that the plan gives it where
//! the node pack has NVIDIA's tools.

use std::time::Duration;

use anyhow::{Result, ensure};
use landfall_tests::proofs::administered;
use landfall_tests::site::{Machine, wait_until};
use landfall_tests::{images, printer};
use serde_json::{Value, json};

use super::engineer::Engineer;
use super::helper_pods;

/// Where the agent finds NVIDIA's programs.
const PROGRAMS: &str = "/var/lib/landfall/node/current";
/// What the agent writes.
const SPECIFICATION: &str = "/run/landfall/cdi/nvidia.json";
/// Where the hook notes that it ran; containerd reads no file of this name.
const HOOK_RAN: &str = "/run/landfall/cdi/hook-ran";
const UUID: &str = "GPU-00000000-0000-0000-0000-000000000001";
/// How long the agent may take to see a change, and the kubelet to see a resource.
const SEEN_LIMIT: Duration = Duration::from_mins(1);

/// The driver as the kernel shows it, with one GPU.
const DRIVER: &str = r"set -e
    mount -t tmpfs none /proc/driver
    mkdir --parents /proc/driver/nvidia/gpus/0000:01:00.0
    printf 'Device Minor: \t 0\nGPU Excluded:\t No\n' > /proc/driver/nvidia/gpus/0000:01:00.0/information
    echo 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build' > /proc/driver/nvidia/version";

/// Fails unless a pod that asks for a GPU gets the device of the specification. Leaves the site as it was, but for a line of containerd's
/// configuration.
pub(crate) fn reach_containers(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    prepare(machine)?;
    ensure!(!written(machine)?, "there is a specification without a GPU");
    machine.run(DRIVER)?;
    wait_until("the specification", SEEN_LIMIT, || written(machine).map(|is_written| is_written.then_some(())))?;
    machine.copy_in(&images::ensure_device_plugin()?, "/root/device-plugin", 0o755)?;
    machine.run(&format!("systemd-run --quiet --unit test-device-plugin /root/device-plugin {UUID}"))?;
    wait_until("the resource of the node", SEEN_LIMIT, || {
        let line = r"kubectl get nodes --output jsonpath='{.items[0].status.allocatable.nvidia\.com/gpu}'";
        Ok((administered(machine, line)?.trim() == "1").then_some(()))
    })?;
    expect_device(machine)?;
    machine.run("umount /proc/driver")?;
    wait_until("the end of the specification", SEEN_LIMIT, || {
        written(machine).map(|is_written| (!is_written).then_some(()))
    })?;
    let made = format!("{PROGRAMS}/nvidia-ctk {PROGRAMS}/nvidia-cdi-hook /dev/nvidia0 /root/device-plugin {HOOK_RAN}");
    machine.run(&format!("systemctl stop test-device-plugin && rm {made}"))?;
    printer::note("proved: a container has the device, variable and hook of the specification of GPUs");
    engineer.wait_ready("the GPU was removed").map(drop)
}

fn written(machine: &Machine) -> Result<bool> {
    Ok(machine.try_run(&format!("test -e {SPECIFICATION}"))?.status.success())
}

/// The stand-ins for GPU and tool, and the line of containerd's configuration.
fn prepare(machine: &Machine) -> Result<()> {
    let tool =
        format!("#!/bin/sh\n[ \"$1\" = system ] || cat << 'SPECIFICATION'\n{}\nSPECIFICATION\n", specification());
    machine.write_file(&format!("{PROGRAMS}/nvidia-ctk"), tool, 0o755)?;
    let hook = format!("#!/bin/sh\n/bin/cat > /dev/null\necho \"$@\" >> {HOOK_RAN}\n");
    machine.write_file(&format!("{PROGRAMS}/nvidia-cdi-hook"), hook, 0o755)?;
    machine.run("mknod -m 666 /dev/nvidia0 c 1 3")?;
    let line = "cdi_spec_dirs = ['/run/landfall/cdi']";
    machine.run(&format!("sed -i \"/^restrict_oom_score_adj/a {line}\" /etc/landfall/containerd.toml"))?;
    machine.run("systemctl restart landfall-containerd").map(drop)
}

/// In the form that NVIDIA's tool gives it.
fn specification() -> Value {
    json!({
        "cdiVersion": "0.5.0",
        "kind": "nvidia.com/gpu",
        "devices": [{"name": UUID, "containerEdits": {"deviceNodes": [{"path": "/dev/nvidia0"}]}}],
        "containerEdits": {
            "env": ["NVIDIA_VISIBLE_DEVICES=void"],
            "hooks": [{
                "hookName": "createContainer",
                "path": format!("{PROGRAMS}/nvidia-cdi-hook"),
                "args": ["nvidia-cdi-hook", "update-ldcache"],
            }],
        },
    })
}

/// A pod that asks for a GPU has the device, and can write to it.
fn expect_device(machine: &Machine) -> Result<()> {
    let container = json!({
        "name": "gpu",
        "image": helper_pods::image(machine)?,
        "command": ["sh", "-euc", "ls /dev/nvidia*; echo lost > /dev/nvidia0; echo visible: $NVIDIA_VISIBLE_DEVICES"],
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
    });
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "gpu", "namespace": "default"},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    });
    administered(machine, &format!("kubectl create --filename - <<'OBJECT'\n{pod}\nOBJECT"))?;
    let ended = administered(
        machine,
        "kubectl --namespace default wait --for=jsonpath='{.status.phase}'=Succeeded pod/gpu --timeout=120s",
    );
    let said = administered(machine, "kubectl --namespace default logs gpu")?;
    ended?;
    ensure!(said == "/dev/nvidia0\nvisible: void\n", "the pod says {said:?}");
    let ran = machine.run(&format!("cat {HOOK_RAN}"))?.stdout;
    ensure!(ran == "update-ldcache\n", "the hook notes {ran:?}");
    administered(machine, "kubectl --namespace default delete pod gpu").map(drop)
}
