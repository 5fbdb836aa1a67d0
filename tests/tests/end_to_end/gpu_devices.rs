//! A container gets the device that the GPU specification (CDI) names. NVIDIA's own container toolkit and device plugin
//! take part, as do the site's agent, kubelet, containerd and runc. No test machine has a GPU, so null devices stand in
//! for GPUs, and another library for the driver's. The configuration of containerd gets the line that a plan adds if
//! the node pack has NVIDIA's tools.

use std::time::Duration;

use anyhow::{Result, ensure};
use landfall_xtask::gpu::driver;
use landfall_xtask::proofs::{admin_output, run_pod};
use landfall_xtask::site::{Machine, wait_until};
use landfall_xtask::{images, printer};
use serde_json::json;

use super::engineer::Engineer;
use super::helper_pods;

/// Folder in which the agent finds NVIDIA's programs.
const PROGRAMS: &str = "/var/lib/landfall/node/current";
/// Specification that the agent writes.
const SPECIFICATION: &str = "/run/landfall/cdi/nvidia.json";
/// Folder of the driver's libraries.
const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";
/// Time limit for the agent to notice a change, and for the kubelet to notice a resource.
const SEEN_LIMIT: Duration = Duration::from_mins(1);

/// Script that presents the driver with two GPUs as the kernel would.
const DRIVER: &str = r"set -e
    mount -t tmpfs none /proc/driver
    for n in 0 1; do
        gpu=/proc/driver/nvidia/gpus/0000:0$((n + 1)):00.0
        mkdir --parents $gpu
        printf 'Device Minor: \t %s\nGPU Excluded:\t No\n' $n > $gpu/information
    done
    echo 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build' \
        > /proc/driver/nvidia/version";

/// Command that runs NVIDIA's device plugin as in `docs/examples/gpu`. Its own specification folder is the one that the
/// site's containerd reads.
const PLUGIN: &str = "systemd-run --quiet --unit test-device-plugin --property BindPaths=/run/landfall/cdi:/run/cdi \
    --setenv MIG_STRATEGY=none --setenv DEVICE_DISCOVERY_STRATEGY=nvml --setenv DEVICE_ID_STRATEGY=uuid \
    --setenv DEVICE_LIST_STRATEGY=cdi-cri --setenv NVIDIA_DRIVER_ROOT=/ --setenv NVIDIA_DEV_ROOT=/ \
    --setenv NVIDIA_CDI_HOOK_PATH=/var/lib/landfall/node/current/nvidia-cdi-hook --setenv DRIVER_ROOT_CTR_PATH=/ \
    --setenv DP_DISABLE_HEALTHCHECKS=all /root/nvidia-device-plugin";

/// Fails unless a pod that requests a GPU gets one of two, and one that requests none gets none. Adds the tools to
/// those of the node pack. Afterwards, only a line of containerd's configuration stays changed.
pub(crate) fn reach_containers(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    add_tools(machine)?;
    reach_containers_by_the_node_pack(engineer)?;
    machine.run(&format!("rm {PROGRAMS}/nvidia-ctk {PROGRAMS}/nvidia-cdi-hook")).map(drop)
}

/// Like [`reach_containers`], with the node pack's own tools and configuration. Leaves the site unchanged.
pub(crate) fn reach_containers_by_the_node_pack(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    add_driver(machine)?;
    ensure!(!has_specification(machine)?, "there is a specification without a GPU");
    machine.run(DRIVER)?;
    wait_until("the specification", SEEN_LIMIT, || {
        has_specification(machine).map(|is_written| is_written.then_some(()))
    })?;
    let specification = machine.run(&format!("cat {SPECIFICATION}"))?.stdout;
    for uuid in driver::UUIDS {
        ensure!(specification.contains(uuid), "the specification lacks {uuid}: {specification}");
    }
    machine.copy_in(&images::ensure_device_plugin()?, "/root/nvidia-device-plugin", 0o755)?;
    machine.run(PLUGIN)?;
    wait_until("the resource of the node", SEEN_LIMIT, || {
        let line = r"kubectl get nodes --output jsonpath='{.items[0].status.allocatable.nvidia\.com/gpu}'";
        Ok((admin_output(machine, line)?.trim() == "2").then_some(()))
    })?;
    expect_devices(machine)?;
    machine.run("umount /proc/driver")?;
    wait_until("the end of the specification", SEEN_LIMIT, || {
        has_specification(machine).map(|is_written| (!is_written).then_some(()))
    })?;
    machine.run(&format!(
        "systemctl stop test-device-plugin && rm /dev/nvidia0 /dev/nvidia1 /dev/nvidiactl /root/nvidia-device-plugin \
         /run/landfall/cdi/k8s.device-plugin.nvidia.com-gpu.json {LIBRARIES}/libnvidia-ml.so.* \
         {LIBRARIES}/libcuda.so.* && ldconfig && rm /var/cache/ldconfig/aux-cache && rmdir /run/cdi"
    ))?;
    printer::note(
        "proved: NVIDIA's toolkit and device plugin give a container one GPU of two, and another container none",
    );
    engineer.wait_ready("the GPUs were removed").map(drop)
}

fn has_specification(machine: &Machine) -> Result<bool> {
    Ok(machine.try_run(&format!("test -e {SPECIFICATION}"))?.status.success())
}

/// Adds NVIDIA's tools, and the line of containerd's configuration.
fn add_tools(machine: &Machine) -> Result<()> {
    let tools = images::ensure_container_toolkit()?;
    for tool in ["nvidia-ctk", "nvidia-cdi-hook"] {
        machine.copy_in(&tools.join(tool), &format!("{PROGRAMS}/{tool}"), 0o755)?;
    }
    let line = "cdi_spec_dirs = ['/run/landfall/cdi']";
    machine.run(&format!("sed -i \"/^restrict_oom_score_adj/a {line}\" /etc/landfall/containerd.toml"))?;
    machine.run("systemctl restart landfall-containerd").map(drop)
}

/// Adds the stand-ins for GPUs and driver.
fn add_driver(machine: &Machine) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for library in ["libnvidia-ml.so", "libcuda.so"] {
        let name = format!("{library}.1");
        driver::compile(&name, &folder.path().join(&name))?;
        let path = format!("{LIBRARIES}/{library}.{}", driver::VERSION);
        machine.copy_in(&folder.path().join(&name), &path, 0o644)?;
    }
    machine.run("ldconfig && for n in 0 1 ctl; do mknod -m 666 /dev/nvidia$n c 1 3; done").map(drop)
}

/// Fails unless a pod that requests a GPU has one device, can write to it, and finds the driver's library by name. A
/// pod that requests none must have none of these.
fn expect_devices(machine: &Machine) -> Result<()> {
    let script = "ls /dev | grep nvidia | tr '\n' ' '; for file in /dev/nvidia[0-9]; do echo lost > $file || exit 1; \
        done; ls /usr/lib/x86_64-linux-gnu | grep -c libcuda.so.1; echo visible: $NVIDIA_VISIBLE_DEVICES";
    let said = pod(machine, "gpu", &json!({"limits": {"nvidia.com/gpu": "1"}}), script)?;
    let expected = [0, 1].map(|number| format!("nvidia{number} nvidiactl 1\nvisible: void\n"));
    ensure!(expected.contains(&said), "the pod that asks for a GPU says {said:?}");
    let script = "ls /dev /usr/lib/x86_64-linux-gnu 2> /dev/null | grep -c -e nvidia -e libcuda || true";
    let said = pod(machine, "no-gpu", &json!({}), script)?;
    ensure!(said == "0\n", "the pod that asks for no GPU says {said:?}");
    Ok(())
}

/// Runs a script once in a pod with these resources, and returns its output.
fn pod(machine: &Machine, name: &str, resources: &serde_json::Value, script: &str) -> Result<String> {
    let container = json!({
        "name": "main",
        "image": helper_pods::image(machine)?,
        "command": ["sh", "-uc", script],
        "resources": resources,
    });
    run_pod(machine, name, &json!({"restartPolicy": "Never", "containers": [container]}))
}
