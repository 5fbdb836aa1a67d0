//! The facts of one GPU.

use landfall_gpu_facts::look::{Root, process_name};
use landfall_gpu_facts::nvml::{
    Clocks, ComputeMode, Display, Ecc, EccMode, Gpu, GpuProcess, NvLink, Power, ProcessKind, RemappedRows,
    RetiredPages, Temperature, Virtualization,
};
use landfall_gpu_facts::version::ComputeCapability;
use landfall_gpu_facts::{Absence, AbsenceReason, Reading};
use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{
    Clock, ComputeMode as NvmlComputeMode, EccCounter, GpuVirtualizationMode, MemoryError, TemperatureSensor,
    TemperatureThreshold,
};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::{PciInfo, ProcessInfo};
use nvml_wrapper::sys_exports::field_id;

use crate::ask::{absence, field, flag, memory, parse_reading, reading};
use crate::mig;

/// Maximum number of links of a GPU.
const LINKS_LIMIT: u32 = 18;

/// Returns the reason why a GPU is lost, if it is: the library still lists it, but can no longer reach it.
pub fn loss(device: &Device<'_>) -> Option<Absence> {
    let answers = [device.uuid().err(), device.memory_info().err(), device.temperature(TemperatureSensor::Gpu).err()];
    answers.iter().flatten().map(absence).find(|absence| absence.reason.is_loss())
}

/// Reads all facts of an answering GPU.
pub fn facts(device: &Device<'_>, root: Root<'_>, index: u32) -> Gpu {
    Gpu {
        index,
        model: reading(device.name()),
        uuid: reading(device.uuid()),
        pci_address: address(device.pci_info()),
        minor: reading(device.minor_number()),
        compute_capability: compute_capability(device),
        memory: memory(device.memory_info()),
        virtualization: virtualization(device),
        compute_mode: compute_mode(device),
        persistence: reading(device.is_in_persistent_mode()),
        mig: mig::facts(device),
        ecc: ecc(device),
        retired_pages: RetiredPages {
            single_bit: field(device, field_id::NVML_FI_DEV_RETIRED_SBE),
            double_bit: field(device, field_id::NVML_FI_DEV_RETIRED_DBE),
            is_pending: flag(device, field_id::NVML_FI_DEV_RETIRED_PENDING),
        },
        remapped_rows: RemappedRows {
            correctable: field(device, field_id::NVML_FI_DEV_REMAPPED_COR),
            uncorrectable: field(device, field_id::NVML_FI_DEV_REMAPPED_UNC),
            is_pending: flag(device, field_id::NVML_FI_DEV_REMAPPED_PENDING),
            has_failed: flag(device, field_id::NVML_FI_DEV_REMAPPED_FAILURE),
        },
        nvlinks: nvlinks(device),
        power: power(device),
        temperature: temperature(device),
        clocks: clocks(device),
        display: Display {
            is_attached: reading(device.is_display_connected()),
            is_active: reading(device.is_display_active()),
        },
        processes: processes(device, root),
    }
}

/// Returns the address of a device, in the kernel's form.
pub fn address<T: std::str::FromStr>(answer: Result<PciInfo, NvmlError>) -> Reading<T> {
    parse_reading(answer.map(|info| info.bus_id))
}

fn compute_capability(device: &Device<'_>) -> Reading<ComputeCapability> {
    reading(device.cuda_compute_capability())
        .map(|capability| ComputeCapability::new(capability.major.unsigned_abs(), capability.minor.unsigned_abs()))
}

fn virtualization(device: &Device<'_>) -> Reading<Virtualization> {
    reading(device.virtualization_mode()).map(|mode| match mode {
        GpuVirtualizationMode::Bare => Virtualization::None,
        GpuVirtualizationMode::PassThrough => Virtualization::PassThrough,
        GpuVirtualizationMode::Vgpu => Virtualization::Vgpu,
        GpuVirtualizationMode::HostVgpu => Virtualization::HostVgpu,
        GpuVirtualizationMode::HostVsga => Virtualization::HostVsga,
    })
}

fn compute_mode(device: &Device<'_>) -> Reading<ComputeMode> {
    reading(device.compute_mode()).map(|mode| match mode {
        NvmlComputeMode::Default => ComputeMode::Shared,
        NvmlComputeMode::ExclusiveThread => ComputeMode::ExclusiveThread,
        NvmlComputeMode::ExclusiveProcess => ComputeMode::ExclusiveProcess,
        NvmlComputeMode::Prohibited => ComputeMode::Prohibited,
    })
}

fn ecc(device: &Device<'_>) -> Ecc {
    let errors = |kind, counter| reading(device.total_ecc_errors(kind, counter));
    Ecc {
        mode: reading(device.is_ecc_enabled())
            .map(|mode| EccMode { is_enabled: mode.currently_enabled, is_enabled_after_reboot: mode.pending_enabled }),
        corrected_since_load: errors(MemoryError::Corrected, EccCounter::Volatile),
        uncorrected_since_load: errors(MemoryError::Uncorrected, EccCounter::Volatile),
        corrected_ever: errors(MemoryError::Corrected, EccCounter::Aggregate),
        uncorrected_ever: errors(MemoryError::Uncorrected, EccCounter::Aggregate),
    }
}

/// Reads the links of the GPU. A GPU without links reports that for the first one.
fn nvlinks(device: &Device<'_>) -> Reading<Vec<NvLink>> {
    let mut links = Vec::new();
    for number in 0..LINKS_LIMIT {
        let link = device.link_wrapper_for(number);
        match link.is_active() {
            Ok(is_active) => links.push(NvLink {
                link: number,
                is_active,
                version: reading(link.version()),
                remote: address(link.remote_pci_info()),
            }),
            Err(error) if number == 0 => return reading(Err(error)),
            Err(_) => {}
        }
    }
    Reading::Value(links)
}

fn power(device: &Device<'_>) -> Power {
    let limits = || device.power_management_limit_constraints();
    Power {
        draw_milliwatts: reading(device.power_usage()),
        limit_milliwatts: reading(device.power_management_limit()),
        enforced_limit_milliwatts: reading(device.enforced_power_limit()),
        default_limit_milliwatts: reading(device.power_management_limit_default()),
        min_limit_milliwatts: reading(limits()).map(|limits| limits.min_limit),
        max_limit_milliwatts: reading(limits()).map(|limits| limits.max_limit),
    }
}

fn temperature(device: &Device<'_>) -> Temperature {
    let threshold = |kind| reading(device.temperature_threshold(kind));
    Temperature {
        gpu_celsius: reading(device.temperature(TemperatureSensor::Gpu)),
        slowdown_celsius: threshold(TemperatureThreshold::Slowdown),
        shutdown_celsius: threshold(TemperatureThreshold::Shutdown),
        max_operating_celsius: threshold(TemperatureThreshold::GpuMax),
        memory_max_operating_celsius: threshold(TemperatureThreshold::MemoryMax),
    }
}

fn clocks(device: &Device<'_>) -> Clocks {
    let now = |clock| reading(device.clock_info(clock));
    let most = |clock| reading(device.max_clock_info(clock));
    Clocks {
        graphics_megahertz: now(Clock::Graphics),
        max_graphics_megahertz: most(Clock::Graphics),
        multiprocessor_megahertz: now(Clock::SM),
        max_multiprocessor_megahertz: most(Clock::SM),
        memory_megahertz: now(Clock::Memory),
        max_memory_megahertz: most(Clock::Memory),
    }
}

/// Reads the processes that hold memory: those that compute, and those that draw. A GPU that cannot draw has none of
/// the latter.
fn processes(device: &Device<'_>, root: Root<'_>) -> Reading<Vec<GpuProcess>> {
    let list = |processes: &[ProcessInfo], kind| -> Vec<GpuProcess> {
        processes.iter().map(|process| gpu_process(process, kind, root)).collect()
    };
    let drawing = device.running_graphics_processes().unwrap_or_default();
    reading(device.running_compute_processes()).map(|computing| {
        let mut all = list(&computing, ProcessKind::Compute);
        all.extend(list(&drawing, ProcessKind::Graphics));
        all
    })
}

fn gpu_process(process: &ProcessInfo, kind: ProcessKind, root: Root<'_>) -> GpuProcess {
    let not_permitted = || Absence::new(AbsenceReason::NotPermitted);
    GpuProcess {
        pid: process.pid,
        kind,
        used_bytes: match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Reading::Value(bytes),
            UsedGpuMemory::Unavailable => Reading::Absent(not_permitted()),
        },
        name: process_name(root, process.pid).map_or_else(|| Reading::Absent(not_permitted()), Reading::Value),
        gpu_instance: process.gpu_instance_id,
    }
}
