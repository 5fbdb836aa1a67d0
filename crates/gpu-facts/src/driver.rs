//! NVIDIA's driver as the kernel shows it: whether it is loaded, its version, its device files, and Fabric Manager.

use serde::{Deserialize, Serialize};

use crate::hardware::PciAddress;
use crate::version::DriverVersion;

/// The driver of a host, without querying it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DriverState {
    /// Version of the loaded kernel driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<DriverVersion>,
    /// Flavor of the loaded kernel driver. GPUs since Blackwell need the open one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flavor: Option<Flavor>,
    /// True if the module `nvidia` is loaded.
    pub module_loaded: bool,
    /// True if `nouveau` is loaded, which holds GPUs, so that NVIDIA's driver cannot use them.
    pub nouveau_loaded: bool,
    /// The driver's device files.
    pub device_files: Vec<DeviceFile>,
    /// GPUs that the driver holds.
    pub gpus: Vec<DriverGpu>,
    /// State of Fabric Manager, which NVLink switches need.
    pub fabric_manager: FabricManager,
}

impl DriverState {
    /// Returns true if NVIDIA's driver is loaded.
    pub fn is_loaded(&self) -> bool {
        self.version.is_some() || self.module_loaded
    }

    /// Returns true if NVML may be queried. Without the driver, starting NVML would load it, which changes the machine.
    pub fn can_be_queried(&self) -> bool {
        self.is_loaded() || self.device_files.iter().any(|file| file.name == "nvidiactl")
    }
}

/// The part of the driver's state that determines which devices containers can get: if it changes, the devices change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuLayout {
    /// Version of the loaded kernel driver.
    pub version: Option<DriverVersion>,
    /// GPUs that the driver holds and does not ignore.
    pub gpus: Vec<DriverGpu>,
    /// MIG devices, each by its folders below `/proc/driver/nvidia/capabilities`, such as `gpu0/mig/gi1/ci0`.
    pub parts: Vec<String>,
}

/// NVIDIA's two kernel drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Flavor {
    /// The open kernel modules.
    Open,
    /// The proprietary kernel modules.
    Proprietary,
}

/// A device file of the driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceFile {
    /// Name below `/dev`.
    pub name: String,
    /// True if this process may open it for reading and writing.
    pub is_accessible: bool,
}

/// A GPU in the driver's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DriverGpu {
    /// PCI address.
    pub address: PciAddress,
    /// Model of the GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Number in the name of its device file: 0 for `/dev/nvidia0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minor: Option<u32>,
    /// True if the driver is configured to ignore the GPU.
    pub is_excluded: bool,
}

/// The state of NVIDIA's Fabric Manager.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FabricManager {
    /// Its process exists.
    Running,
    /// The host has no such process.
    NotRunning,
    /// The processes of the host are not visible, as in a container.
    #[default]
    NotSeen,
}
