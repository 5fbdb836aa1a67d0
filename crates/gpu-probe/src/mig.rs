//! The division of a GPU into independent parts (MIG).

use landfall_gpu_facts::mig::profile_name;
use landfall_gpu_facts::nvml::{Mig, MigDevice, MigProfile};
use landfall_gpu_facts::{Absence, AbsenceReason, Reading};
use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProfileInfo;

use crate::ask::{memory, reading};

/// Number of profile kinds to query: those for which the library has numbers, and some that newer libraries may have.
const KINDS: u32 = 32;

/// Maximum number of devices to query on one GPU, whatever the library counts.
const DEVICES_LIMIT: u32 = 64;

/// Reads mode, devices and profiles.
pub fn facts(device: &Device<'_>) -> Reading<Mig> {
    reading(device.mig_mode()).map(|mode| Mig {
        is_enabled: mode.current == 1,
        is_enabled_after_reset: mode.pending == 1,
        devices: devices(device),
        profiles: profiles(device),
    })
}

/// Reads the devices into which the GPU is divided. The library counts slots, and a slot without a device is not found.
fn devices(device: &Device<'_>) -> Reading<Vec<MigDevice>> {
    reading(device.mig_device_count()).map(|places| {
        (0..places.min(DEVICES_LIMIT))
            .filter_map(|index| Some(mig_device(&device.mig_device_by_index(index).ok()?, index)))
            .collect()
    })
}

fn mig_device(device: &Device<'_>, index: u32) -> MigDevice {
    let attributes = || device.attributes();
    MigDevice {
        index,
        name: reading(device.name()),
        uuid: reading(device.uuid()),
        memory: memory(device.memory_info()),
        memory_slices: reading(attributes()).map(|attributes| attributes.gpu_instance_slice_count),
        compute_slices: reading(attributes()).map(|attributes| attributes.compute_instance_slice_count),
    }
}

/// Reads the possible divisions of the GPU. For a kind that the GPU lacks, the library returns the same error as for an
/// unknown kind.
fn profiles(device: &Device<'_>) -> Reading<Vec<MigProfile>> {
    let gpu_memory_bytes = device.memory_info().map_or(0, |memory| memory.total);
    let mut profiles = Vec::new();
    for kind in 0..KINDS {
        match device.profile_info(kind) {
            Ok(info) => profiles.push(profile(kind, &info, gpu_memory_bytes)),
            Err(NvmlError::NotSupported | NvmlError::InvalidArg | NvmlError::NotFound) => {}
            Err(error) => return reading(Err(error)),
        }
    }
    Reading::Value(profiles)
}

fn profile(kind: u32, info: &ProfileInfo, gpu_memory_bytes: u64) -> MigProfile {
    let name = profile_name(kind, info.slice_count, info.memory_size_mb, gpu_memory_bytes);
    MigProfile {
        name: name.map_or(Reading::Absent(Absence::new(AbsenceReason::NotUnderstood)), Reading::Value),
        kind,
        id: info.id,
        slices: info.slice_count,
        max_instances: info.instance_count,
        multiprocessors: info.multiprocessor_count,
        memory_mib: info.memory_size_mb,
    }
}
