//! Specifications of the Container Device Interface (CDI), version 1.1.0 and older, in the form of NVIDIA's container
//! toolkit: the device files, libraries and hooks that a container gets with a GPU.
//!
//! Threats: root carries out a specification outside of containers, before a container starts. So it is valid only if
//! it uses the node pack's program for its hooks, device files below `/dev`, and absolute paths for its mounts.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use serde::Deserialize;

use crate::judge::gpus;
use crate::nvml::Gpu;
use crate::report::GpuReport;

/// NVIDIA's program that writes specifications.
pub const GENERATOR: &str = "nvidia-ctk";

/// NVIDIA's program that prepares a container for a GPU's libraries; specifications name it.
pub const HOOK: &str = "nvidia-cdi-hook";

/// Vendor and class of the devices.
pub const KIND: &str = "nvidia.com/gpu";

/// Hook stages, from OCI's runtime specification.
const HOOK_NAMES: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// A specification. Fields that are not checked are left out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Specification {
    cdi_version: String,
    kind: String,
    devices: Vec<Device>,
    #[serde(default)]
    container_edits: Edits,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    name: String,
    container_edits: Edits,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Edits {
    env: Vec<String>,
    device_nodes: Vec<DeviceNode>,
    mounts: Vec<Mount>,
    hooks: Vec<Hook>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceNode {
    path: String,
    #[serde(default)]
    host_path: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    host_path: String,
    container_path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hook {
    hook_name: String,
    path: String,
}

impl Specification {
    /// Reads a specification as JSON, and checks it; `hook` is the only program that it may run. The fault is a noun
    /// phrase, for a message that ends with "with …".
    pub fn read(bytes: &[u8], hook: &Path) -> Result<Self, String> {
        let specification: Self = serde_json::from_slice(bytes).map_err(|error| format!("other content: {error}"))?;
        let Self { cdi_version, kind, devices, container_edits } = &specification;
        require(is_version(cdi_version), || format!("the version `{cdi_version}`, which is not valid"))?;
        require(kind == KIND, || format!("devices of the kind `{kind}`, not {KIND}"))?;
        require(!devices.is_empty(), || "no device".to_owned())?;
        container_edits.check(hook)?;
        let mut names = BTreeSet::new();
        for Device { name, container_edits } in devices {
            require(is_name(name), || format!("the device `{name}`, which is not a name"))?;
            require(names.insert(name), || format!("the device `{name}` twice"))?;
            require(*container_edits != Edits::default(), || format!("nothing in the device `{name}`"))?;
            container_edits.check(hook)?;
        }
        Ok(specification)
    }

    /// Returns the UUIDs of GPUs and MIG devices that NVML reports and the specification lacks.
    pub fn lacks(&self, report: &GpuReport) -> BTreeSet<String> {
        // Names are UUIDs, indexes, and `all`.
        let names: BTreeSet<&str> = self.devices.iter().map(|device| device.name.as_str()).collect();
        uuids(report).into_iter().filter(|uuid| !names.contains(uuid.as_str())).collect()
    }
}

impl Edits {
    fn check(&self, hook: &Path) -> Result<(), String> {
        for DeviceNode { path, host_path } in &self.device_nodes {
            let host_path = host_path.as_ref().unwrap_or(path);
            require(is_device_file(path) && is_device_file(host_path), || {
                format!("the device file `{host_path}` as `{path}`, which is not below /dev")
            })?;
        }
        for Mount { host_path, container_path } in &self.mounts {
            require(is_absolute(host_path) && is_absolute(container_path), || {
                format!("the mount of `{host_path}` at `{container_path}`, which are not absolute paths")
            })?;
        }
        for Hook { hook_name, path } in &self.hooks {
            require(HOOK_NAMES.contains(&hook_name.as_str()), || format!("the hook `{hook_name}`, which OCI lacks"))?;
            require(Path::new(path) == hook, || format!("a hook that is {path}, not {}", hook.display()))?;
        }
        for variable in &self.env {
            require(variable.contains('='), || format!("the variable `{variable}` without a value"))?;
        }
        Ok(())
    }
}

/// Returns the UUIDs of the devices that containers can get: undivided GPUs, and MIG devices.
pub fn uuids(report: &GpuReport) -> BTreeSet<String> {
    let of = |gpu: &Gpu| -> Vec<String> {
        if gpu.is_divided() {
            gpu.parts().iter().filter_map(|part| part.uuid.value().cloned()).collect()
        } else {
            gpu.uuid.value().cloned().into_iter().collect()
        }
    };
    gpus(report).flat_map(of).collect()
}

fn require(is_right: bool, fault: impl FnOnce() -> String) -> Result<(), String> {
    if is_right { Ok(()) } else { Err(fault()) }
}

/// Returns true for three numbers, as in semantic versions.
fn is_version(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split('.').count() == 3 && text.split('.').all(is_number)
}

/// Returns true for letters, digits, `_`, `-`, `.` and `:`, with a letter or digit at each end.
fn is_name(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.bytes().all(is_inner) && is_end(text.bytes().next()) && is_end(text.bytes().next_back())
}

/// Returns true for an absolute path without `..`.
fn is_absolute(path: &str) -> bool {
    Path::new(path).is_absolute() && Path::new(path).components().all(|part| part != Component::ParentDir)
}

fn is_device_file(path: &str) -> bool {
    is_absolute(path) && Path::new(path).starts_with("/dev") && path != "/dev"
}

#[cfg(test)]
mod tests;
