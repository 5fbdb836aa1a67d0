//! Judgments from the facts: the state of a host's GPUs, and warnings about working GPUs. All functions are pure.

use std::collections::BTreeSet;

use landfall_error_codes::{Code, codes};

use crate::cuda::{self, CodeFit, CudaFit};
use crate::driver::FabricManager;
use crate::hardware::{NVIDIA, PciAddress, PciDevice};
use crate::nvml::{ComputeMode, Gpu, GpuEntry, Mig, NvmlFacts, Virtualization};
use crate::reading::{AbsenceReason, Reading};
use crate::report::{GpuReport, NotAsked, NvmlFailureKind, NvmlState};
use crate::version::{ComputeCapability, CudaVersion, DriverVersion};

/// Name of NVIDIA's kernel driver as the holder of a device.
const NVIDIA_DRIVER: &str = "nvidia";

/// An image's requirements for a GPU.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Version of CUDA with which it was built.
    pub cuda: Option<CudaVersion>,
    /// Code in the image; empty if unknown.
    pub code: Vec<cuda::Code>,
}

/// The state of a host's GPUs: the first obstacle, or ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostState {
    /// The host has no GPU.
    NoGpu,
    /// It has only GPUs of other vendors, about which only the PCI bus is known.
    OtherVendor,
    /// Its GPU is part of a system on a chip, about which only the model is known.
    SystemOnChip(String),
    /// It has an NVIDIA GPU, but NVIDIA's driver is not loaded.
    NoDriver {
        /// Kernel drivers that hold its GPUs instead, such as `nouveau` or `vfio-pci`.
        held_by: BTreeSet<String>,
    },
    /// The driver is loaded, but its library is missing.
    NoLibrary,
    /// The library and the driver have different versions, as after an update without a reboot.
    VersionMismatch,
    /// This process may not use the driver, or has no access to any of its GPUs, as in a container without them.
    NotPermitted,
    /// The driver is too old for the software that the host will run.
    DriverTooOld {
        /// Version of the driver.
        driver: DriverVersion,
        /// Branch, release and patch of the oldest sufficient driver.
        oldest: [u32; 3],
    },
    /// A GPU is on the bus but does not answer.
    DeviceLost {
        /// Addresses of the lost GPUs, as far as known.
        addresses: BTreeSet<PciAddress>,
    },
    /// The driver's library hangs, crashes or fails, but no GPU is known to be the cause.
    DriverFails(String),
    /// Switches join the GPUs, but Fabric Manager, which they need, is not running.
    FabricManagerMissing,
    /// Every GPU answers.
    Ready,
}

impl HostState {
    /// Error code, if there is an obstacle. A host without a GPU is not an error.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::NoGpu | Self::OtherVendor | Self::SystemOnChip(_) | Self::Ready => None,
            Self::NoDriver { .. } => Some(codes::GPU_NO_DRIVER),
            Self::NoLibrary => Some(codes::GPU_NO_LIBRARY),
            Self::VersionMismatch => Some(codes::GPU_VERSION_MISMATCH),
            Self::NotPermitted => Some(codes::GPU_NOT_PERMITTED),
            Self::DriverTooOld { .. } => Some(codes::GPU_DRIVER_TOO_OLD),
            Self::DeviceLost { .. } => Some(codes::GPU_DEVICE_LOST),
            Self::DriverFails(_) => Some(codes::GPU_DRIVER_FAILS),
            Self::FabricManagerMissing => Some(codes::GPU_FABRIC_MANAGER),
        }
    }
}

/// Returns the state of a host for the software that it will run.
pub fn host_state(report: &GpuReport, needs: &Needs) -> HostState {
    without_driver(report)
        .or_else(|| driver_too_old(report, needs))
        .or_else(|| lost_gpus(report))
        .or_else(|| without_library(report))
        .or_else(|| without_access(report))
        .or_else(|| without_fabric_manager(report))
        .unwrap_or(HostState::Ready)
}

/// Returns the obstacle before the driver can be queried, if any.
fn without_driver(report: &GpuReport) -> Option<HostState> {
    let held_by = || report.hardware.of_vendor(NVIDIA).filter_map(|device| device.kernel_driver.clone()).collect();
    if matches!(&report.nvml, NvmlState::Read(facts) if !facts.gpus.is_empty()) {
        return None;
    }
    if report.hardware.of_vendor(NVIDIA).next().is_some() {
        let says_not_loaded = failure(report) == Some(NvmlFailureKind::DriverNotLoaded)
            || report.nvml == NvmlState::NotAsked(NotAsked::DriverNotLoaded);
        let is_held_by_another =
            |device: &PciDevice| device.kernel_driver.as_ref().is_some_and(|driver| driver != NVIDIA_DRIVER);
        let are_all = report.hardware.of_vendor(NVIDIA).all(is_held_by_another);
        let is_missing = !report.driver.is_loaded() || says_not_loaded || are_all;
        return is_missing.then(|| HostState::NoDriver { held_by: held_by() });
    }
    if let Some(model) = &report.hardware.system_on_chip {
        return Some(HostState::SystemOnChip(model.clone()));
    }
    if !report.hardware.devices.is_empty() {
        return Some(HostState::OtherVendor);
    }
    // In a sandbox, the bus may be hidden while the driver answers; a driver that reports no GPU has none.
    let has_nothing = matches!(&report.nvml, NvmlState::Read(_) | NvmlState::NotAsked(_)) || !report.driver.is_loaded();
    has_nothing.then_some(HostState::NoGpu)
}

/// Returns the version of the driver: its own answer, or else the kernel's.
pub fn driver_version(report: &GpuReport) -> Option<&DriverVersion> {
    nvml(report).and_then(|facts| facts.driver_version.value()).or(report.driver.version.as_ref())
}

fn driver_too_old(report: &GpuReport, needs: &Needs) -> Option<HostState> {
    let (wanted, driver) = (needs.cuda?, driver_version(report)?);
    match cuda::cuda_fit(wanted, driver, reported_cuda(report)) {
        CudaFit::TooOld { oldest } => Some(HostState::DriverTooOld { driver: driver.clone(), oldest }),
        CudaFit::Full | CudaFit::MachineCodeOnly | CudaFit::NotKnown => None,
    }
}

/// Returns the state for GPUs that the bus or the driver lists, but that do not answer.
fn lost_gpus(report: &GpuReport) -> Option<HostState> {
    let mut addresses: BTreeSet<PciAddress> = report
        .hardware
        .of_vendor(NVIDIA)
        .filter(|device| device.answers == Some(false))
        .map(|device| device.address)
        .collect();
    let mut is_lost = !addresses.is_empty() || failure(report) == Some(NvmlFailureKind::DeviceLost);
    if let Some(facts) = nvml(report) {
        for entry in &facts.gpus {
            if let GpuEntry::Fails(failed) = entry
                && failed.failure.reason != AbsenceReason::NotPermitted
            {
                is_lost = true;
                addresses.extend(failed.pci_address.value());
            }
        }
        let unlisted = report.hardware.of_vendor(NVIDIA).filter(|device| is_unlisted(report, facts, device));
        addresses.extend(unlisted.map(|device| device.address));
    }
    (is_lost || !addresses.is_empty()).then_some(HostState::DeviceLost { addresses })
}

/// Returns true if the driver holds a device that its library could list, but does not. In a container with only some
/// GPUs, the others have no device file, and a GPU may be excluded on purpose.
fn is_unlisted(report: &GpuReport, facts: &NvmlFacts, device: &PciDevice) -> bool {
    let lists_all = facts.gpus.iter().all(|entry| address_of(entry).is_some());
    let is_listed = facts.gpus.iter().any(|entry| address_of(entry) == Some(device.address));
    let Some(held) = report.driver.gpus.iter().find(|gpu| gpu.address == device.address) else { return false };
    let has_file = held.minor.is_some_and(|minor| {
        let name = format!("nvidia{minor}");
        report.driver.device_files.iter().any(|file| file.name == name)
    });
    lists_all && !is_listed && !held.is_excluded && has_file
}

fn address_of(entry: &GpuEntry) -> Option<PciAddress> {
    match entry {
        GpuEntry::Answers(gpu) => gpu.pci_address.value().copied(),
        GpuEntry::Fails(failed) => failed.pci_address.value().copied(),
    }
}

/// Returns the obstacle to querying a loaded driver, if any.
fn without_library(report: &GpuReport) -> Option<HostState> {
    match &report.nvml {
        NvmlState::Read(_) => None,
        NvmlState::NotAsked(_) => Some(HostState::DriverFails("the driver was not asked".to_owned())),
        NvmlState::TimedOut(limit_ms) => {
            Some(HostState::DriverFails(format!("the driver did not answer within {limit_ms} ms")))
        }
        NvmlState::Crashed(how) => Some(HostState::DriverFails(how.clone())),
        NvmlState::Failed(failure) => Some(match failure.kind {
            NvmlFailureKind::LibraryMissing => HostState::NoLibrary,
            NvmlFailureKind::NotPermitted => HostState::NotPermitted,
            NvmlFailureKind::VersionMismatch => HostState::VersionMismatch,
            NvmlFailureKind::DriverNotLoaded => HostState::NoDriver { held_by: BTreeSet::new() },
            NvmlFailureKind::DeviceLost => HostState::DeviceLost { addresses: BTreeSet::new() },
            NvmlFailureKind::Other => HostState::DriverFails(failure.detail.clone()),
        }),
    }
}

/// Returns the state in which no GPU answers and none is lost: this process has no access to them.
fn without_access(report: &GpuReport) -> Option<HostState> {
    gpus(report).next().is_none().then_some(HostState::NotPermitted)
}

/// Returns the state without Fabric Manager, which switches need before CUDA starts on any GPU. If the host's processes
/// are not visible, links that are all down mean the same.
fn without_fabric_manager(report: &GpuReport) -> Option<HostState> {
    lacks_fabric_manager(report).then_some(HostState::FabricManagerMissing)
}

/// Returns true if no CUDA program can start on any GPU, because the switches between them have no Fabric Manager. A
/// lost GPU hides this state from [`host_state`].
pub fn lacks_fabric_manager(report: &GpuReport) -> bool {
    if report.hardware.switches.is_empty() {
        return false;
    }
    match report.driver.fabric_manager {
        FabricManager::Running => false,
        FabricManager::NotRunning => true,
        FabricManager::NotSeen => gpus(report).all(|gpu| {
            gpu.nvlinks.value().is_some_and(|links| !links.is_empty() && links.iter().all(|link| !link.is_active))
        }),
    }
}

/// A warning about a working GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warning {
    /// Memory errors were not correctable since the driver was loaded: work was lost.
    UncorrectedErrors,
    /// Memory waits for a reset or a reboot to be taken out of use.
    MemoryRepairPending,
    /// Spare memory is used up: the GPU must be replaced.
    MemoryRepairFailed,
    /// Error correction changes at the next reboot.
    EccChangePending,
    /// The GPU's division (MIG) changes at the next reset.
    MigChangePending,
    /// The GPU is divided but has no MIG devices: software sees no GPU.
    MigWithoutDevices,
    /// No process, or only one, may use the GPU.
    ComputeModeRestricted,
    /// Another process holds memory of the GPU.
    MemoryHeld,
    /// The GPU has reached the temperature at which it throttles.
    Hot,
    /// The driver is unloaded whenever the GPU is idle, so every first start takes seconds.
    NotPersistent,
    /// It is a part of a GPU in a virtual machine, and needs a license to run at full speed.
    NeedsVgpuLicense,
}

/// Returns the warnings about each answering GPU, by its index.
pub fn warnings(report: &GpuReport) -> Vec<(u32, Warning)> {
    gpus(report).flat_map(|gpu| warnings_of(gpu).into_iter().map(|warning| (gpu.index, warning))).collect()
}

fn warnings_of(gpu: &Gpu) -> Vec<Warning> {
    let holds = |reading: &Reading<bool>| reading.value() == Some(&true);
    let mig = gpu.mig.value();
    let ecc = gpu.ecc.mode.value();
    let hot = gpu.temperature.gpu_celsius.value().zip(gpu.temperature.slowdown_celsius.value());
    let undivided = |mig: &Mig| mig.is_enabled && mig.devices.value().is_some_and(Vec::is_empty);
    let restricted = |mode: &ComputeMode| *mode != ComputeMode::Shared;
    [
        (Warning::UncorrectedErrors, gpu.ecc.uncorrected_since_load.value().is_some_and(|errors| *errors > 0)),
        (Warning::MemoryRepairPending, holds(&gpu.retired_pages.is_pending) || holds(&gpu.remapped_rows.is_pending)),
        (Warning::MemoryRepairFailed, holds(&gpu.remapped_rows.has_failed)),
        (Warning::EccChangePending, ecc.is_some_and(|ecc| ecc.is_enabled != ecc.is_enabled_after_reboot)),
        (Warning::MigChangePending, mig.is_some_and(|mig| mig.is_enabled != mig.is_enabled_after_reset)),
        (Warning::MigWithoutDevices, mig.is_some_and(undivided)),
        (Warning::ComputeModeRestricted, gpu.compute_mode.value().is_some_and(restricted)),
        (Warning::MemoryHeld, gpu.processes.value().is_some_and(|processes| !processes.is_empty())),
        (Warning::Hot, hot.is_some_and(|(now, slowdown)| now >= slowdown)),
        (Warning::NotPersistent, gpu.persistence.value() == Some(&false)),
        (Warning::NeedsVgpuLicense, gpu.virtualization.value() == Some(&Virtualization::Vgpu)),
    ]
    .into_iter()
    .filter_map(|(warning, applies)| applies.then_some(warning))
    .collect()
}

/// The reason why an answering GPU cannot run an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnfitReason {
    /// The image's CUDA no longer supports GPUs of its kind.
    DroppedByCuda(ComputeCapability),
    /// The image has no code that the GPU runs.
    NoCode(ComputeCapability),
    /// The GPU's compute capability is unknown.
    NotKnown,
}

/// Returns the answering GPUs that cannot run an image, by index.
pub fn unfit_gpus(report: &GpuReport, needs: &Needs) -> Vec<(u32, UnfitReason)> {
    let fit = needs
        .cuda
        .zip(driver_version(report))
        .map_or(CudaFit::Full, |(wanted, driver)| cuda::cuda_fit(wanted, driver, reported_cuda(report)));
    gpus(report).filter_map(|gpu| Some((gpu.index, unfit(gpu, needs, fit)?))).collect()
}

fn unfit(gpu: &Gpu, needs: &Needs, fit: CudaFit) -> Option<UnfitReason> {
    let Some(capability) = gpu.compute_capability.value().copied() else { return Some(UnfitReason::NotKnown) };
    if needs.cuda.and_then(|cuda| cuda::supports_device(cuda, capability)) == Some(false) {
        return Some(UnfitReason::DroppedByCuda(capability));
    }
    let has_none = !needs.code.is_empty() && cuda::code_fit(&needs.code, capability, fit) == CodeFit::Nothing;
    has_none.then_some(UnfitReason::NoCode(capability))
}

/// The GPUs that answer.
pub fn gpus(report: &GpuReport) -> impl Iterator<Item = &Gpu> {
    nvml(report).into_iter().flat_map(|facts| &facts.gpus).filter_map(|entry| match entry {
        GpuEntry::Answers(gpu) => Some(gpu.as_ref()),
        GpuEntry::Fails(_) => None,
    })
}

fn nvml(report: &GpuReport) -> Option<&NvmlFacts> {
    match &report.nvml {
        NvmlState::Read(facts) => Some(facts),
        _ => None,
    }
}

fn failure(report: &GpuReport) -> Option<NvmlFailureKind> {
    match &report.nvml {
        NvmlState::Failed(failure) => Some(failure.kind),
        _ => None,
    }
}

fn reported_cuda(report: &GpuReport) -> Option<CudaVersion> {
    nvml(report).and_then(|facts| facts.cuda_version.value()).copied()
}

#[cfg(test)]
mod tests;
