//! What the kernel shows of NVIDIA's driver: whether it is loaded, which, its device files, and Fabric Manager.

use serde::{Deserialize, Serialize};

use crate::hardware::PciAddress;
use crate::version::DriverVersion;

/// The driver of a host, without querying it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DriverState {
    /// The version of the loaded kernel driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<DriverVersion>,
    /// Which of NVIDIA's two kernel drivers is loaded. GPUs since Blackwell need the open one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flavor: Option<Flavor>,
    /// Whether the module `nvidia` is loaded.
    pub module_loaded: bool,
    /// Whether `nouveau` is loaded, which holds GPUs that NVIDIA's driver then cannot use.
    pub nouveau_loaded: bool,
    /// The driver's device files.
    pub device_files: Vec<DeviceFile>,
    /// The GPUs that the driver holds.
    pub gpus: Vec<DriverGpu>,
    /// The program that NVLink switches need.
    pub fabric_manager: FabricManager,
}

impl DriverState {
    /// Whether NVIDIA's driver is loaded.
    pub fn is_loaded(&self) -> bool {
        self.version.is_some() || self.module_loaded
    }

    /// Whether NVML may be queried. Without the driver, starting it would load the driver, which changes the machine.
    pub fn can_be_queried(&self) -> bool {
        self.is_loaded() || self.device_files.iter().any(|file| file.name == "nvidiactl")
    }
}

/// What of the driver decides which devices containers can get: with another layout, they get others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuLayout {
    /// The version of the loaded kernel driver.
    pub version: Option<DriverVersion>,
    /// The GPUs that the driver holds and does not ignore.
    pub gpus: Vec<DriverGpu>,
    /// The MIG devices, each as its folders below `/proc/driver/nvidia/capabilities`, such as `gpu0/mig/gi1/ci0`.
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

/// One of the driver's device files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceFile {
    /// Its name below `/dev`.
    pub name: String,
    /// Whether this process may open it for reading and writing.
    pub is_accessible: bool,
}

/// A GPU as the driver lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DriverGpu {
    /// Where it is.
    pub address: PciAddress,
    /// Its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The number in the name of its device file: 0 for `/dev/nvidia0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minor: Option<u32>,
    /// Whether the driver is configured to ignore it.
    pub is_excluded: bool,
}

/// Whether NVIDIA's Fabric Manager runs.
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
