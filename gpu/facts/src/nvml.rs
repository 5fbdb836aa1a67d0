//! NVML's facts about each GPU. Every fact that a device lacks is absent with its reason; no single failure discards
//! the rest.

use serde::{Deserialize, Serialize};

use crate::hardware::PciAddress;
use crate::reading::{Absence, Reading};
use crate::version::{ComputeCapability, CudaVersion, DriverVersion};

/// All of NVML's answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NvmlFacts {
    /// The version of the library.
    pub library_version: Reading<String>,
    /// The version of the driver.
    pub driver_version: Reading<DriverVersion>,
    /// The newest CUDA that the driver's own libraries support.
    pub cuda_version: Reading<CudaVersion>,
    /// Every GPU that the library counts, by its index.
    pub gpus: Vec<GpuEntry>,
}

/// One GPU that the library counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GpuEntry {
    /// It answers.
    Answers(Box<Gpu>),
    /// It does not answer, or no longer.
    Fails(FailedGpu),
}

/// A GPU that does not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FailedGpu {
    /// The library's number of it.
    pub index: u32,
    /// Where it is.
    pub pci_address: Reading<PciAddress>,
    /// The library's error.
    pub failure: Absence,
}

/// A GPU that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gpu {
    /// The library's number of it.
    pub index: u32,
    /// Its model, such as `NVIDIA H200`.
    pub model: Reading<String>,
    /// Its identifier, which never changes: `GPU-` and 32 hexadecimal digits in five groups.
    pub uuid: Reading<String>,
    /// Where it is.
    pub pci_address: Reading<PciAddress>,
    /// The number in the name of its device file.
    pub minor: Reading<u32>,
    /// Which machine code it runs.
    pub compute_capability: Reading<ComputeCapability>,
    /// Its memory.
    pub memory: Reading<Memory>,
    /// Whether it is passed into a virtual machine, or a part of a GPU there.
    pub virtualization: Reading<Virtualization>,
    /// Who may use it.
    pub compute_mode: Reading<ComputeMode>,
    /// Whether the driver stays initialized while the GPU is idle.
    pub persistence: Reading<bool>,
    /// Its division into independent parts.
    pub mig: Reading<Mig>,
    /// Error correction of its memory.
    pub ecc: Ecc,
    /// Memory pages taken out of use (before Ampere).
    pub retired_pages: RetiredPages,
    /// Memory rows replaced by spare ones (since Ampere).
    pub remapped_rows: RemappedRows,
    /// The links to other GPUs and to switches.
    pub nvlinks: Reading<Vec<NvLink>>,
    /// Power.
    pub power: Power,
    /// Temperatures.
    pub temperature: Temperature,
    /// Clocks.
    pub clocks: Clocks,
    /// Its connectors.
    pub display: Display,
    /// The processes that hold its memory.
    pub processes: Reading<Vec<GpuProcess>>,
}

impl Gpu {
    /// Whether it is divided (MIG).
    pub fn is_divided(&self) -> bool {
        self.mig.value().is_some_and(|mig| mig.is_enabled)
    }

    /// The MIG devices of a GPU that is divided, as far as they are known; none of one that is not.
    pub fn parts(&self) -> &[MigDevice] {
        let mig = self.mig.value().filter(|mig| mig.is_enabled);
        mig.and_then(|mig| mig.devices.value()).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Memory of a GPU or of a MIG device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Memory {
    /// All of it.
    pub total_bytes: u64,
    /// What the driver keeps for itself.
    pub reserved_bytes: u64,
    /// What is allocated.
    pub used_bytes: u64,
    /// What is free.
    pub free_bytes: u64,
}

/// How a GPU is virtualized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Virtualization {
    /// Not at all.
    None,
    /// The whole GPU is passed into this virtual machine.
    PassThrough,
    /// A part of a GPU in this virtual machine. What it can do depends on its license.
    Vgpu,
    /// This is a host that assigns parts of it.
    HostVgpu,
    /// This is a host that shares its graphics.
    HostVsga,
}

/// Who may use a GPU.
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

/// A GPU's division into independent parts (MIG).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mig {
    /// Whether the GPU is divided now.
    pub is_enabled: bool,
    /// Whether it will be after the next reset.
    pub is_enabled_after_reset: bool,
    /// The devices that it is divided into.
    pub devices: Reading<Vec<MigDevice>>,
    /// The divisions that it can have.
    pub profiles: Reading<Vec<MigProfile>>,
}

/// A part of a GPU that software sees as a GPU of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MigDevice {
    /// Its number on the GPU.
    pub index: u32,
    /// Its name, which ends in its profile.
    pub name: Reading<String>,
    /// Its identifier: `MIG-` and a UUID.
    pub uuid: Reading<String>,
    /// Its memory.
    pub memory: Reading<Memory>,
    /// Slices of the GPU's memory that it has.
    pub memory_slices: Reading<u32>,
    /// Slices of the GPU's compute units that it has.
    pub compute_slices: Reading<u32>,
}

/// A division that a GPU can have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MigProfile {
    /// Its name as `nvidia-smi` prints it, such as `1g.18gb`; see [`crate::mig::profile_name`].
    pub name: Reading<String>,
    /// The library's number of the kind of profile.
    pub kind: u32,
    /// The number by which the driver's tools create one.
    pub id: u32,
    /// Slices of the GPU that one takes.
    pub slices: u32,
    /// How many fit on the undivided GPU.
    pub max_instances: u32,
    /// Multiprocessors of one.
    pub multiprocessors: u32,
    /// Memory of one, in MiB.
    pub memory_mib: u64,
}

/// Error correction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ecc {
    /// Whether it is on, and whether it will be after a reboot.
    pub mode: Reading<EccMode>,
    /// Errors corrected since the driver was loaded.
    pub corrected_since_load: Reading<u64>,
    /// Errors that could not be corrected since the driver was loaded.
    pub uncorrected_since_load: Reading<u64>,
    /// Errors corrected in the GPU's life.
    pub corrected_ever: Reading<u64>,
    /// Errors that could not be corrected in the GPU's life.
    pub uncorrected_ever: Reading<u64>,
}

/// Whether error correction is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EccMode {
    /// Now.
    pub is_enabled: bool,
    /// After the next reboot.
    pub is_enabled_after_reboot: bool,
}

/// Pages taken out of use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetiredPages {
    /// For many errors that were corrected.
    pub single_bit: Reading<u64>,
    /// For an error that could not be corrected.
    pub double_bit: Reading<u64>,
    /// Whether more wait for a reboot.
    pub is_pending: Reading<bool>,
}

/// Rows replaced by spare ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemappedRows {
    /// For errors that were corrected.
    pub correctable: Reading<u64>,
    /// For errors that could not be corrected.
    pub uncorrectable: Reading<u64>,
    /// Whether more wait for a reset.
    pub is_pending: Reading<bool>,
    /// Whether a replacement failed: the spare rows are used up, and the GPU must be replaced.
    pub has_failed: Reading<bool>,
}

/// One link to another device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NvLink {
    /// Its number on the GPU.
    pub link: u32,
    /// Whether it is up.
    pub is_active: bool,
    /// The version of the link.
    pub version: Reading<u32>,
    /// What is on the other side: a GPU or a switch.
    pub remote: Reading<PciAddress>,
}

/// Power, in milliwatts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Power {
    /// What it draws.
    pub draw_milliwatts: Reading<u32>,
    /// The limit that was set.
    pub limit_milliwatts: Reading<u32>,
    /// The lowest of all limits, which is in effect.
    pub enforced_limit_milliwatts: Reading<u32>,
    /// The default limit.
    pub default_limit_milliwatts: Reading<u32>,
    /// The lowest limit that can be set.
    pub min_limit_milliwatts: Reading<u32>,
    /// The highest limit that can be set.
    pub max_limit_milliwatts: Reading<u32>,
}

/// Temperatures, in degrees Celsius.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Temperature {
    /// The GPU now.
    pub gpu_celsius: Reading<u32>,
    /// Where it slows down to protect itself.
    pub slowdown_celsius: Reading<u32>,
    /// Where it shuts down to protect itself.
    pub shutdown_celsius: Reading<u32>,
    /// The highest in normal operation.
    pub max_operating_celsius: Reading<u32>,
    /// The highest of its memory in normal operation.
    pub memory_max_operating_celsius: Reading<u32>,
}

/// Clocks, in megahertz.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Clocks {
    /// Graphics now.
    pub graphics_megahertz: Reading<u32>,
    /// Graphics at most.
    pub max_graphics_megahertz: Reading<u32>,
    /// Multiprocessors now.
    pub multiprocessor_megahertz: Reading<u32>,
    /// Multiprocessors at most.
    pub max_multiprocessor_megahertz: Reading<u32>,
    /// Memory now.
    pub memory_megahertz: Reading<u32>,
    /// Memory at most.
    pub max_memory_megahertz: Reading<u32>,
}

/// Connectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Display {
    /// Whether a monitor is attached.
    pub is_attached: Reading<bool>,
    /// Whether the GPU has memory set aside for a display.
    pub is_active: Reading<bool>,
}

/// A process that holds memory of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuProcess {
    /// Its number, in the namespace of the host.
    pub pid: u32,
    /// What it does there.
    pub kind: ProcessKind,
    /// How much memory it holds, in bytes.
    pub used_bytes: Reading<u64>,
    /// Its name, if it is visible.
    pub name: Reading<String>,
    /// The GPU instance that it runs on, where the GPU is divided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_instance: Option<u32>,
}

/// What a process does on a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProcessKind {
    /// It computes.
    Compute,
    /// It draws.
    Graphics,
}
