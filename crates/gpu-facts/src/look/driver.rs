//! NVIDIA's driver in `/proc/driver/nvidia`, `/sys/module` and `/dev`, and Fabric Manager among the processes.

use rustix::fs::{Access, access};

use super::{Root, names, text};
use crate::driver::{DeviceFile, DriverGpu, DriverState, FabricManager, Flavor, GpuLayout};
use crate::hardware::PciAddress;
use crate::version::DriverVersion;

/// File with the loaded driver's version.
const VERSION: &str = "proc/driver/nvidia/version";
/// Folder with a folder for each GPU that the driver holds.
const GPUS: &str = "proc/driver/nvidia/gpus";
/// Folder with a folder for each divisible GPU, which contains folders for that GPU's parts.
const CAPABILITIES: &str = "proc/driver/nvidia/capabilities";
/// Words before the version in [`VERSION`] that indicate the open kernel modules.
const OPEN: &str = "Open Kernel Module";
/// Name of Fabric Manager's process, which the kernel truncates to 15 characters.
const FABRIC_MANAGER: &str = "nv-fabricmanage";
/// Name of the first process of a host or of a container.
const FIRST_PROCESS: &str = "proc/1/comm";
/// Names of first processes that indicate a whole machine, whose processes are all visible.
const INITS: &[&str] = &["systemd", "init"];

/// Reads the driver's state from the kernel's files.
pub fn driver(root: Root<'_>) -> DriverState {
    let (version, flavor) = text(&root.path(VERSION)).map_or((None, None), |text| version_of(&text));
    DriverState {
        version,
        flavor,
        module_loaded: root.path("sys/module/nvidia").is_dir(),
        nouveau_loaded: root.path("sys/module/nouveau").is_dir(),
        device_files: device_files(root),
        gpus: names(&root.path(GPUS)).iter().filter_map(|name| gpu(root, name)).collect(),
        fabric_manager: fabric_manager(root),
    }
}

/// Reads the layout, which determines the devices that containers can get.
pub fn layout(root: Root<'_>) -> Option<GpuLayout> {
    let version = text(&root.path(VERSION)).and_then(|text| version_of(&text).0);
    let gpus = names(&root.path(GPUS));
    let gpus: Vec<_> = gpus.iter().filter_map(|name| gpu(root, name)).filter(|gpu| !gpu.is_excluded).collect();
    (!gpus.is_empty()).then(|| GpuLayout { version, gpus, parts: parts(root) })
}

/// Lists the parts of divided GPUs: a GPU's folder `mig` has a folder for each GPU instance (`gi1`), and that one has a
/// folder for each compute instance (`ci0`).
fn parts(root: Root<'_>) -> Vec<String> {
    let numbered = |folder: &str, prefix: &'static str| {
        let folder = folder.to_owned();
        let found = names(&root.path(CAPABILITIES).join(&folder)).into_iter();
        found.filter(move |name| name.starts_with(prefix)).map(move |name| format!("{folder}/{name}"))
    };
    let gpus = names(&root.path(CAPABILITIES)).into_iter().filter(|name| name.starts_with("gpu"));
    let instances = gpus.flat_map(|gpu| numbered(&format!("{gpu}/mig"), "gi"));
    instances.flat_map(|instance| numbered(&instance, "ci")).collect()
}

/// Parses version and flavor from a text such as `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04
/// Release …`.
fn version_of(text: &str) -> (Option<DriverVersion>, Option<Flavor>) {
    let Some(line) = text.lines().find(|line| line.starts_with("NVRM version:")) else { return (None, None) };
    let version = line.split_ascii_whitespace().find_map(|word| word.parse().ok());
    let flavor = if line.contains(OPEN) { Flavor::Open } else { Flavor::Proprietary };
    (version, Some(flavor))
}

/// Lists `/dev/nvidia*`, without the folder of MIG's capabilities. No file is opened: that would start a GPU.
fn device_files(root: Root<'_>) -> Vec<DeviceFile> {
    let folder = root.path("dev");
    let is_accessible = |name: &str| access(folder.join(name), Access::READ_OK | Access::WRITE_OK).is_ok();
    names(&folder)
        .into_iter()
        .filter(|name| name.starts_with("nvidia") && !folder.join(name).is_dir())
        .map(|name| DeviceFile { is_accessible: is_accessible(&name), name })
        .collect()
}

/// Reads a GPU of the driver's: lines of a name, a colon and a value.
fn gpu(root: Root<'_>, name: &str) -> Option<DriverGpu> {
    let address: PciAddress = name.parse().ok()?;
    let information = text(&root.path(GPUS).join(name).join("information")).unwrap_or_default();
    let value = |wanted: &str| {
        information.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
            let value = value.trim();
            (name.trim() == wanted && !value.is_empty()).then(|| value.to_owned())
        })
    };
    Some(DriverGpu {
        address,
        model: value("Model"),
        minor: value("Device Minor").and_then(|minor| minor.parse().ok()),
        is_excluded: value("GPU Excluded").is_some_and(|answer| answer == "Yes"),
    })
}

/// Looks for Fabric Manager among the processes. In a container it would not be visible, running or not.
fn fabric_manager(root: Root<'_>) -> FabricManager {
    let processes = names(&root.path("proc"));
    let runs = processes
        .iter()
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .any(|name| text(&root.path("proc").join(name).join("comm")).is_some_and(|name| name == FABRIC_MANAGER));
    let sees_all = text(&root.path(FIRST_PROCESS)).is_some_and(|name| INITS.contains(&name.as_str()));
    match (runs, sees_all) {
        (true, _) => FabricManager::Running,
        (false, true) => FabricManager::NotRunning,
        (false, false) => FabricManager::NotSeen,
    }
}

/// Returns the name of a process, if it is visible.
pub fn process_name(root: Root<'_>, pid: u32) -> Option<String> {
    text(&root.path("proc").join(pid.to_string()).join("comm"))
}
