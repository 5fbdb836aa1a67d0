//! NVML's facts about each GPU. A fact that a device lacks is absent, with its reason; no single failure discards the
//! others.

use serde::{Deserialize, Serialize};

use crate::hardware::PciAddress;
use crate::reading::{Absence, Reading};
use crate::version::{ComputeCapability, CudaVersion, DriverVersion};

/// All of NVML's answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NvmlFacts {
    /// Version of the library.
    pub library_version: Reading<String>,
    /// Version of the driver.
    pub driver_version: Reading<DriverVersion>,
    /// Newest CUDA that the driver's own libraries support.
    pub cuda_version: Reading<CudaVersion>,
    /// Every GPU that the library counts, by its index.
    pub gpus: Vec<GpuEntry>,
}

/// A GPU that the library counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GpuEntry {
    /// It answers.
    Answers(Box<Gpu>),
    /// It does not answer, or no longer does.
    Fails(FailedGpu),
}

/// A GPU that does not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FailedGpu {
    /// Number of the GPU in the library.
    pub index: u32,
    /// PCI address.
    pub pci_address: Reading<PciAddress>,
    /// Error of the library.
    pub failure: Absence,
}

/// A GPU that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gpu {
    /// Number of the GPU in the library.
    pub index: u32,
    /// Model, such as `NVIDIA H200`.
    pub model: Reading<String>,
    /// Identifier, which never changes: `GPU-` and 32 hexadecimal digits in five groups.
    pub uuid: Reading<String>,
    /// PCI address.
    pub pci_address: Reading<PciAddress>,
    /// Number in the name of its device file.
    pub minor: Reading<u32>,
    /// Compute capability: the machine code that it runs.
    pub compute_capability: Reading<ComputeCapability>,
    /// Memory of the GPU.
    pub memory: Reading<Memory>,
    /// Virtualization: whether it is passed into a virtual machine, or is a part of a GPU there.
    pub virtualization: Reading<Virtualization>,
    /// Processes that may use it.
    pub compute_mode: Reading<ComputeMode>,
    /// True if the driver stays initialized while the GPU is idle.
    pub persistence: Reading<bool>,
    /// Division into independent parts.
    pub mig: Reading<Mig>,
    /// Error correction of its memory.
    pub ecc: Ecc,
    /// Memory pages taken out of use (before Ampere).
    pub retired_pages: RetiredPages,
    /// Memory rows replaced by spare ones (since Ampere).
    pub remapped_rows: RemappedRows,
    /// Links to other GPUs and to switches.
    pub nvlinks: Reading<Vec<NvLink>>,
    /// Power consumption and limits.
    pub power: Power,
    /// Temperatures.
    pub temperature: Temperature,
    /// Clocks.
    pub clocks: Clocks,
    /// Connectors.
    pub display: Display,
    /// Processes that hold its memory.
    pub processes: Reading<Vec<GpuProcess>>,
}

impl Gpu {
    /// Returns true if the GPU is divided (MIG).
    pub fn is_divided(&self) -> bool {
        self.mig.value().is_some_and(|mig| mig.is_enabled)
    }

    /// The known MIG devices of a divided GPU; empty for an undivided one.
    pub fn parts(&self) -> &[MigDevice] {
        let mig = self.mig.value().filter(|mig| mig.is_enabled);
        mig.and_then(|mig| mig.devices.value()).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Memory of a GPU or of a MIG device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Memory {
    /// Total bytes.
    pub total_bytes: u64,
    /// Bytes that the driver reserves.
    pub reserved_bytes: u64,
    /// Allocated bytes.
    pub used_bytes: u64,
    /// Free bytes.
    pub free_bytes: u64,
}

/// The virtualization of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Virtualization {
    /// It is not virtualized.
    None,
    /// The whole GPU is passed into this virtual machine.
    PassThrough,
    /// It is a part of a GPU in this virtual machine. Its features depend on its license.
    Vgpu,
    /// This host assigns parts of it to virtual machines.
    HostVgpu,
    /// This host shares it for graphics.
    HostVsga,
}

/// The processes that may use a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ComputeMode {
    /// Any number of processes.
    Shared,
    /// One thread (no longer supported by the driver).
    ExclusiveThread,
    /// One process.
    ExclusiveProcess,
    /// No process.
    Prohibited,
}

/// The division of a GPU into independent parts (MIG).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mig {
    /// True if the GPU is divided now.
    pub is_enabled: bool,
    /// True if the GPU will be divided after the next reset.
    pub is_enabled_after_reset: bool,
    /// MIG devices into which it is divided.
    pub devices: Reading<Vec<MigDevice>>,
    /// Possible divisions.
    pub profiles: Reading<Vec<MigProfile>>,
}

/// A part of a GPU that software sees as a separate GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MigDevice {
    /// Number of the device on the GPU.
    pub index: u32,
    /// Name, which ends in its profile.
    pub name: Reading<String>,
    /// Identifier: `MIG-` and a UUID.
    pub uuid: Reading<String>,
    /// Memory of the device.
    pub memory: Reading<Memory>,
    /// Number of its slices of the GPU's memory.
    pub memory_slices: Reading<u32>,
    /// Number of its slices of the GPU's compute units.
    pub compute_slices: Reading<u32>,
}

/// A possible division of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MigProfile {
    /// Name that `nvidia-smi` prints, such as `1g.18gb`; see [`crate::mig::profile_name`].
    pub name: Reading<String>,
    /// Number of the kind of profile in the library.
    pub kind: u32,
    /// Number by which the driver's tools create a device of this profile.
    pub id: u32,
    /// Number of slices of the GPU that a device takes.
    pub slices: u32,
    /// Number of devices that fit on the undivided GPU.
    pub max_instances: u32,
    /// Number of multiprocessors of a device.
    pub multiprocessors: u32,
    /// Memory of a device in MiB.
    pub memory_mib: u64,
}

/// The error correction of a GPU's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ecc {
    /// Mode now, and after a reboot.
    pub mode: Reading<EccMode>,
    /// Errors corrected since the driver was loaded.
    pub corrected_since_load: Reading<u64>,
    /// Uncorrectable errors since the driver was loaded.
    pub uncorrected_since_load: Reading<u64>,
    /// Errors corrected in the GPU's lifetime.
    pub corrected_ever: Reading<u64>,
    /// Uncorrectable errors in the GPU's lifetime.
    pub uncorrected_ever: Reading<u64>,
}

/// The mode of error correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EccMode {
    /// True if it is on now.
    pub is_enabled: bool,
    /// True if it will be on after the next reboot.
    pub is_enabled_after_reboot: bool,
}

/// Memory pages taken out of use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetiredPages {
    /// Pages with many corrected errors.
    pub single_bit: Reading<u64>,
    /// Pages with an uncorrectable error.
    pub double_bit: Reading<u64>,
    /// True if more pages wait for a reboot.
    pub is_pending: Reading<bool>,
}

/// Memory rows replaced by spare ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemappedRows {
    /// Rows with corrected errors.
    pub correctable: Reading<u64>,
    /// Rows with uncorrectable errors.
    pub uncorrectable: Reading<u64>,
    /// True if more rows wait for a reset.
    pub is_pending: Reading<bool>,
    /// True if a replacement failed: the spare rows are used up, and the GPU must be replaced.
    pub has_failed: Reading<bool>,
}

/// A link to another device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NvLink {
    /// Number of the link on the GPU.
    pub link: u32,
    /// True if the link is up.
    pub is_active: bool,
    /// Version of the link.
    pub version: Reading<u32>,
    /// Address of the device at the other end: a GPU or a switch.
    pub remote: Reading<PciAddress>,
}

/// Power, in milliwatts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Power {
    /// Current power draw.
    pub draw_milliwatts: Reading<u32>,
    /// Limit that was set.
    pub limit_milliwatts: Reading<u32>,
    /// Lowest of all limits, which is in effect.
    pub enforced_limit_milliwatts: Reading<u32>,
    /// Default limit.
    pub default_limit_milliwatts: Reading<u32>,
    /// Lowest limit that can be set.
    pub min_limit_milliwatts: Reading<u32>,
    /// Highest limit that can be set.
    pub max_limit_milliwatts: Reading<u32>,
}

/// Temperatures, in degrees Celsius.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Temperature {
    /// Current temperature of the GPU.
    pub gpu_celsius: Reading<u32>,
    /// Temperature at which it throttles to protect itself.
    pub slowdown_celsius: Reading<u32>,
    /// Temperature at which it shuts down to protect itself.
    pub shutdown_celsius: Reading<u32>,
    /// Highest temperature of the GPU in normal operation.
    pub max_operating_celsius: Reading<u32>,
    /// Highest temperature of its memory in normal operation.
    pub memory_max_operating_celsius: Reading<u32>,
}

/// Clocks, in megahertz.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Clocks {
    /// Current clock of the graphics unit.
    pub graphics_megahertz: Reading<u32>,
    /// Maximum clock of the graphics unit.
    pub max_graphics_megahertz: Reading<u32>,
    /// Current clock of the multiprocessors.
    pub multiprocessor_megahertz: Reading<u32>,
    /// Maximum clock of the multiprocessors.
    pub max_multiprocessor_megahertz: Reading<u32>,
    /// Current clock of the memory.
    pub memory_megahertz: Reading<u32>,
    /// Maximum clock of the memory.
    pub max_memory_megahertz: Reading<u32>,
}

/// Connectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Display {
    /// True if a monitor is attached.
    pub is_attached: Reading<bool>,
    /// True if the GPU has memory set aside for a display.
    pub is_active: Reading<bool>,
}

/// A process that holds memory of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuProcess {
    /// Process number in the namespace of the host.
    pub pid: u32,
    /// Use of the GPU by the process.
    pub kind: ProcessKind,
    /// Bytes of memory that it holds.
    pub used_bytes: Reading<u64>,
    /// Name of the process, if it is visible.
    pub name: Reading<String>,
    /// GPU instance on which it runs, if the GPU is divided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_instance: Option<u32>,
}

/// The use of a GPU by a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProcessKind {
    /// It computes.
    Compute,
    /// It draws.
    Graphics,
}
