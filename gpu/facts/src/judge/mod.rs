//! What follows from the facts: the state of a host's GPUs, and warnings about those that work. Pure functions.

use std::collections::BTreeSet;

use landfall_error_codes::{Code, codes};

use crate::cuda::{self, CodeFit, CudaFit};
use crate::driver::FabricManager;
use crate::hardware::{NVIDIA, PciAddress, PciDevice};
use crate::nvml::{ComputeMode, Gpu, GpuEntry, Mig, NvmlFacts, Virtualization};
use crate::reading::{AbsenceReason, Reading};
use crate::report::{GpuReport, NotAsked, NvmlFailureKind, NvmlState};
use crate::version::{ComputeCapability, CudaVersion, DriverVersion};

/// The name of NVIDIA's kernel driver among those that hold devices.
const NVIDIA_DRIVER: &str = "nvidia";

/// What an image needs of a GPU.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The CUDA that it was built with.
    pub cuda: Option<CudaVersion>,
    /// The code that it has; empty if not known.
    pub code: Vec<cuda::Code>,
}

/// The state of a host's GPUs: the first obstacle, or none.
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
        /// The kernel drivers that hold its GPUs instead, such as `nouveau` or `vfio-pci`.
        held_by: BTreeSet<String>,
    },
    /// The driver is loaded, but its library is missing.
    NoLibrary,
    /// Library and driver have different versions, as after an update without a reboot.
    VersionMismatch,
    /// This process may not use the driver, or has access to none of its GPUs, as in a container without them.
    NotPermitted,
    /// The driver is too old for the software that the host will run.
    DriverTooOld {
        /// The driver.
        driver: DriverVersion,
        /// Branch, release and patch of the oldest sufficient one.
        oldest: [u32; 3],
    },
    /// A GPU is on the bus but does not answer.
    DeviceLost {
        /// The addresses of the lost GPUs, as far as known.
        addresses: BTreeSet<PciAddress>,
    },
    /// The driver's library hangs, crashes or fails, but no GPU is known to be the cause.
    DriverFails(String),
    /// The GPUs are joined by switches, and the program that these need does not run.
    FabricManagerMissing,
    /// Every GPU answers.
    Ready,
}

impl HostState {
    /// The error code, if there is an obstacle. A host without a GPU is no error.
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

/// The state of a host, for the software that it will run.
pub fn host_state(report: &GpuReport, needs: &Needs) -> HostState {
    without_driver(report)
        .or_else(|| driver_too_old(report, needs))
        .or_else(|| lost(report))
        .or_else(|| without_library(report))
        .or_else(|| without_access(report))
        .or_else(|| without_fabric_manager(report))
        .unwrap_or(HostState::Ready)
}

/// The obstacle before the driver can be queried, if any.
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
    // In a sandbox the bus may be hidden while the driver answers; a driver that reports no GPU has none.
    let has_nothing = matches!(&report.nvml, NvmlState::Read(_) | NvmlState::NotAsked(_)) || !report.driver.is_loaded();
    has_nothing.then_some(HostState::NoGpu)
}

/// The version of the driver: its own answer, or what the kernel shows.
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

/// GPUs that the bus or the driver lists, and that do not answer.
fn lost(report: &GpuReport) -> Option<HostState> {
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

/// Whether the driver holds a device that its library does not list, although it could. In a container that has only
/// some GPUs, the rest have no device file, and a GPU may be excluded on purpose.
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

/// The obstacle to querying a loaded driver, if any.
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

/// No GPU answers, and none is lost: this process has no access to them.
fn without_access(report: &GpuReport) -> Option<HostState> {
    gpus(report).next().is_none().then_some(HostState::NotPermitted)
}

/// Switches need Fabric Manager before CUDA starts on any GPU. Where the processes of the host are not visible, links
/// that are all down mean the same.
fn without_fabric_manager(report: &GpuReport) -> Option<HostState> {
    lacks_fabric_manager(report).then_some(HostState::FabricManagerMissing)
}

/// Whether no program of CUDA starts on any GPU, because the switches that join them have no Fabric Manager. A lost GPU hides that from
/// [`host_state`].
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

/// A warning about a GPU that works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warning {
    /// Memory errors that could not be corrected since the driver was loaded: work was lost.
    UncorrectedErrors,
    /// Memory waits for a reset or a reboot to be taken out of use.
    MemoryRepairPending,
    /// Spare memory is used up: the GPU must be replaced.
    MemoryRepairFailed,
    /// Error correction changes at the next reboot.
    EccChangePending,
    /// The GPU's division changes at the next reset.
    MigChangePending,
    /// The GPU is divided and has no devices: software sees no GPU.
    MigWithoutDevices,
    /// No process, or only one, may use the GPU.
    ComputeModeRestricted,
    /// Another process holds memory of the GPU.
    MemoryHeld,
    /// The GPU has reached the temperature at which it slows down.
    Hot,
    /// The driver is unloaded whenever the GPU is idle, so every first start takes seconds.
    NotPersistent,
    /// It is a part of a GPU in a virtual machine, and needs a license to run at full speed.
    NeedsVgpuLicense,
}

/// The warnings about each GPU that answers, by its index.
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

/// Why a GPU that answers cannot run an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// The image's CUDA no longer supports GPUs of its kind.
    DroppedByCuda(ComputeCapability),
    /// The image has no code that it runs.
    NoCode(ComputeCapability),
    /// What code it runs is not known.
    NotKnown,
}

/// The GPUs that answer and cannot run an image, by index.
pub fn unfit_gpus(report: &GpuReport, needs: &Needs) -> Vec<(u32, Unfit)> {
    let fit = needs
        .cuda
        .zip(driver_version(report))
        .map_or(CudaFit::Full, |(wanted, driver)| cuda::cuda_fit(wanted, driver, reported_cuda(report)));
    gpus(report).filter_map(|gpu| Some((gpu.index, unfit(gpu, needs, fit)?))).collect()
}

fn unfit(gpu: &Gpu, needs: &Needs, fit: CudaFit) -> Option<Unfit> {
    let Some(capability) = gpu.compute_capability.value().copied() else { return Some(Unfit::NotKnown) };
    if needs.cuda.and_then(|cuda| cuda::supports_device(cuda, capability)) == Some(false) {
        return Some(Unfit::DroppedByCuda(capability));
    }
    let has_none = !needs.code.is_empty() && cuda::code_fit(&needs.code, capability, fit) == CodeFit::Nothing;
    has_none.then_some(Unfit::NoCode(capability))
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
