//! Comparison of the GPUs that a release needs with the host's.

use landfall_error_codes::{Code, codes};
use landfall_gpu_facts::hardware::{AMD, INTEL};
use landfall_gpu_facts::judge::{driver_version, gpus, lacks_fabric_manager, warnings};
use landfall_gpu_facts::nvml::Gpu;
use landfall_gpu_facts::version::{ComputeCapability, DriverVersion};
use landfall_gpu_facts::{GpuReport, HostState, Needs, host_state};
use landfall_host::facts::Facts;
use landfall_release_document::{GPU_GLIBC, GpuRequirements, MigRequirement};

use super::two_numbers;
use landfall_site::findings::{Finding, Severity};
use landfall_site::room::size;

use driver_package::DriverPackage;

mod driver;
mod driver_package;
mod fabric_manager;
mod health;

pub(crate) use health::problem_of_gpu;

/// Percentage of nominal memory that may be missing, because a GPU reserves some for itself.
const MEMORY_TOLERANCE_PERCENT: u64 = 8;

/// Returns the faults of a host's GPUs for a release that needs some, otherwise passed findings.
pub(super) fn findings(facts: &Facts, wanted: Option<&GpuRequirements>) -> Vec<Finding> {
    let Some(wanted) = wanted else { return Vec::new() };
    let Some(report) = &facts.gpus else {
        return vec![Finding::new(codes::GPU_NOT_KNOWN, "the facts say nothing about GPUs", needs_text(wanted))];
    };
    let devices: Vec<Device> = gpus(report).flat_map(|gpu| devices(gpu, wanted.mig)).collect();
    let fitting = devices.iter().filter(|device| device.unfit(wanted).is_none()).count();
    let is_enough = u32::try_from(fitting).unwrap_or(u32::MAX) >= wanted.count;
    let state = host_state(report, &Needs::default());
    // A lost GPU hides the missing Fabric Manager, which also keeps the others from use.
    let is_hidden = matches!(state, HostState::DeviceLost { .. }) && lacks_fabric_manager(report);
    let hidden = is_hidden.then(|| fabric_manager::missing(&report.hardware, needs_text(wanted)));
    let mut findings: Vec<Finding> = obstacle(facts, report, wanted, state).into_iter().chain(hidden).collect();
    let can_be_counted = findings.iter().all(|finding| finding.code == codes::GPU_DEVICE_LOST);
    if is_enough && can_be_counted {
        // A lost GPU matters less if the others suffice.
        for finding in &mut findings {
            finding.severity = Severity::Warning;
        }
    }
    findings.extend(old_driver(facts, report, wanted));
    findings.extend(old_library(facts));
    if can_be_counted && !is_enough {
        findings.push(too_few(wanted, &devices));
    }
    findings.extend(warnings(report).into_iter().map(|(index, warning)| health::finding(index, warning)));
    if !findings.iter().any(Finding::is_blocker) {
        let message = "The host has the GPUs that the release needs";
        findings.push(Finding::passed(codes::GPU_TOO_FEW, message, count_text(fitting, wanted), needs_text(wanted)));
    }
    findings
}

/// Returns a blocker for a C library with which GPUs cannot be examined; `None` if the version is unknown.
fn old_library(facts: &Facts) -> Option<Finding> {
    let version = facts.glibc.as_deref()?;
    let found = two_numbers(version)?;
    let needed = format!("{}.{} or newer", GPU_GLIBC.0, GPU_GLIBC.1);
    (found < GPU_GLIBC).then(|| Finding::new(codes::GLIBC_TOO_OLD, format!("glibc {version}"), needed))
}

/// Returns the first obstacle to using any GPU.
fn obstacle(facts: &Facts, report: &GpuReport, wanted: &GpuRequirements, state: HostState) -> Option<Finding> {
    let needed = needs_text(wanted);
    let none = |found: String| Finding::new(codes::GPU_MISSING, found, needed.clone());
    let blocker = |code: Code, found: &str| Finding::new(code, found, needed.clone());
    Some(match state {
        // A version that is too old is reported below.
        HostState::Ready | HostState::DriverTooOld { .. } => return None,
        HostState::NoGpu => none("no GPU is on the PCI bus".to_owned()),
        HostState::OtherVendor => none(format!("GPUs of {} only; NVIDIA's are needed", vendors(report))),
        HostState::SystemOnChip(model) => none(format!("{model}, whose GPU is part of the processor")),
        HostState::NoDriver { held_by } => {
            let held_by: Vec<String> = held_by.into_iter().collect();
            driver::missing(facts, report, wanted, &held_by, needed)
        }
        HostState::DeviceLost { addresses } => {
            let listed: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let which =
                if listed.is_empty() { "a GPU".to_owned() } else { format!("the GPU at {}", listed.join(", ")) };
            blocker(codes::GPU_DEVICE_LOST, &format!("{which} does not answer, although its driver is loaded"))
                .commands(["dmesg | grep -e NVRM -e Xid".to_owned()])
        }
        HostState::NoLibrary => blocker(codes::GPU_NO_LIBRARY, "NVML cannot be loaded"),
        HostState::VersionMismatch => {
            blocker(codes::GPU_VERSION_MISMATCH, "driver and library differ").commands(["systemctl reboot".to_owned()])
        }
        HostState::NotPermitted => blocker(codes::GPU_NOT_PERMITTED, "no GPU answers this process"),
        HostState::DriverFails(how) => blocker(codes::GPU_DRIVER_FAILS, &how),
        HostState::FabricManagerMissing => fabric_manager::missing(&report.hardware, needed),
    })
}

fn vendors(report: &GpuReport) -> String {
    let has = |vendor| report.hardware.of_vendor(vendor).next().is_some();
    let named = [("AMD", AMD), ("Intel", INTEL)].into_iter().filter(|(_, vendor)| has(*vendor));
    named.map(|(name, _)| name).collect::<Vec<_>>().join(" and ")
}

/// Returns a blocker for a driver that is older than the release needs.
fn old_driver(facts: &Facts, report: &GpuReport, wanted: &GpuRequirements) -> Option<Finding> {
    let oldest: DriverVersion = wanted.driver.as_ref()?.parse().ok()?;
    let found = driver_version(report).filter(|found| **found < oldest)?;
    let needed = format!("driver {oldest} or newer");
    let finding = Finding::new(codes::GPU_DRIVER_TOO_OLD, format!("driver {found}"), needed);
    let package = DriverPackage::of(facts, &report.hardware, Some(oldest.branch()));
    Some(match package {
        Some(package) => finding
            .fix(format!("Install {package} in version {oldest} or newer, then reboot."))
            .commands(package.commands.into_iter().chain(["systemctl reboot".to_owned()])),
        None => finding.fix(format!("Install NVIDIA's driver {oldest} or newer, then reboot.")),
    })
}

/// A GPU or a MIG device.
struct Device {
    name: String,
    memory_bytes: Option<u64>,
    capability: Option<ComputeCapability>,
    is_divided: bool,
}

/// Returns a GPU's devices for a release that needs whole GPUs, MIG devices, or either.
fn devices(gpu: &Gpu, wanted: Option<MigRequirement>) -> Vec<Device> {
    let model = gpu.model.value().cloned().unwrap_or_else(|| "of an unknown model".to_owned());
    let name = format!("GPU {} ({model})", gpu.index);
    let capability = gpu.compute_capability.value().copied();
    let total = |memory: &landfall_gpu_facts::nvml::Memory| memory.total_bytes;
    let is_divided = gpu.is_divided();
    match wanted {
        Some(MigRequirement::Divided) if is_divided => {
            let part = |part: &landfall_gpu_facts::nvml::MigDevice| Device {
                name: format!("{name}, MIG device {}", part.index),
                memory_bytes: part.memory.value().map(total),
                capability,
                is_divided: true,
            };
            gpu.parts().iter().map(part).collect()
        }
        _ => vec![Device { name, memory_bytes: gpu.memory.value().map(total), capability, is_divided }],
    }
}

impl Device {
    /// Returns the reason why it does not count; `None` if it does.
    fn unfit(&self, wanted: &GpuRequirements) -> Option<String> {
        let name = &self.name;
        match wanted.mig {
            Some(MigRequirement::Whole) if self.is_divided => return Some(format!("{name} is divided (MIG)")),
            Some(MigRequirement::Divided) if !self.is_divided => return Some(format!("{name} is not divided (MIG)")),
            _ => {}
        }
        if let Some(memory) = wanted.memory_bytes {
            let enough = memory / 100 * (100 - MEMORY_TOLERANCE_PERCENT);
            match self.memory_bytes {
                None => return Some(format!("the memory of {name} is not known")),
                Some(found) if found < enough => return Some(format!("{name} has {} of memory", size(found))),
                Some(_) => {}
            }
        }
        let least: ComputeCapability = wanted.compute_capability.as_ref()?.parse().ok()?;
        match self.capability {
            None => Some(format!("the compute capability of {name} is not known")),
            Some(found) if found < least => Some(format!("{name} has compute capability {found}")),
            Some(_) => None,
        }
    }
}

fn too_few(wanted: &GpuRequirements, devices: &[Device]) -> Finding {
    let unfit: Vec<String> = devices.iter().filter_map(|device| device.unfit(wanted)).collect();
    let mut found = count_text(devices.len() - unfit.len(), wanted);
    if !unfit.is_empty() {
        found = format!("{found}; {}", unfit.join(", "));
    }
    let finding = Finding::new(codes::GPU_TOO_FEW, found, needs_text(wanted));
    match wanted.mig {
        Some(MigRequirement::Whole) if devices.iter().any(|device| device.is_divided) => finding
            .fix("Turn MIG off, and reset the GPUs while nothing uses them; or use a machine with undivided GPUs.")
            .commands(["nvidia-smi --multi-instance-gpu=0".to_owned()]),
        Some(MigRequirement::Divided) if devices.iter().any(|device| !device.is_divided) => finding
            .fix("Turn MIG on, and make instances of the needed size with `nvidia-smi mig`; not every GPU has MIG.")
            .commands(["nvidia-smi --multi-instance-gpu=1".to_owned()]),
        _ => finding,
    }
}

fn count_text(count: usize, wanted: &GpuRequirements) -> String {
    let what = if wanted.mig == Some(MigRequirement::Divided) { "MIG device" } else { "GPU" };
    format!("{count} fitting {what}{}", if count == 1 { "" } else { "s" })
}

/// Describes the release's needs for people.
fn needs_text(wanted: &GpuRequirements) -> String {
    let plural = if wanted.count == 1 { "" } else { "s" };
    let mut parts = vec![match wanted.mig {
        Some(MigRequirement::Divided) => format!("{} MIG device{plural}", wanted.count),
        Some(MigRequirement::Whole) => format!("{} NVIDIA GPU{plural} without MIG", wanted.count),
        None => format!("{} NVIDIA GPU{plural}", wanted.count),
    }];
    parts.extend(wanted.memory_bytes.map(|bytes| format!("{} of memory each", size(bytes))));
    parts.extend(wanted.compute_capability.as_ref().map(|least| format!("compute capability {least} or higher")));
    parts.extend(wanted.driver.as_ref().map(|oldest| format!("driver {oldest} or newer")));
    parts.join(", ")
}

#[cfg(test)]
mod tests;
