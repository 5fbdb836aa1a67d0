//! The process that loads NVML. It may hang or crash; the process that started it handles that.

use std::io;

use landfall_gpu_facts::NvmlState;
use landfall_gpu_facts::look::Root;
use landfall_gpu_facts::nvml::{FailedGpu, GpuEntry, NvmlFacts};
use landfall_gpu_facts::report::{NvmlFailure, NvmlFailureKind};
use landfall_gpu_facts::version::CudaVersion;
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::arguments::Arguments;
use crate::ask::{absence, parse_reading, reading};
use crate::gpu;

/// Maximum number of GPUs to query: no machine has more, and a library that counts more is broken.
const GPUS_LIMIT: u32 = 256;

/// Loads NVML and prints its answers.
pub fn report(arguments: &Arguments) -> io::Result<String> {
    // If the waiting process is killed, the answer is no longer needed.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut builder = Nvml::builder();
    if let Some(library) = &arguments.library {
        builder.lib_path(library.as_os_str());
    }
    let facts = builder.init().and_then(|nvml| facts(&nvml, Root::new(&arguments.root)));
    let state = match facts {
        Ok(facts) => NvmlState::Read(Box::new(facts)),
        Err(error) => NvmlState::Failed(failure(&error)),
    };
    serde_json::to_string(&state).map_err(io::Error::other)
}

/// Reads the library's answers. Returns an error if it does not even count the GPUs.
fn facts(nvml: &Nvml, root: Root<'_>) -> Result<NvmlFacts, NvmlError> {
    let count = nvml.device_count()?.min(GPUS_LIMIT);
    Ok(NvmlFacts {
        library_version: reading(nvml.sys_nvml_version()),
        driver_version: parse_reading(nvml.sys_driver_version()),
        cuda_version: reading(nvml.sys_cuda_driver_version()).map(cuda_version),
        gpus: (0..count).map(|index| entry(nvml, root, index)).collect(),
    })
}

/// Converts NVML's single number, such as 13000 for 13.0.
fn cuda_version(number: i32) -> CudaVersion {
    let number = number.unsigned_abs();
    CudaVersion::new(number / 1000, number % 1000 / 10)
}

fn entry(nvml: &Nvml, root: Root<'_>, index: u32) -> GpuEntry {
    let device = match nvml.device_by_index(index) {
        Ok(device) => device,
        Err(error) => {
            let failure = absence(&error);
            return GpuEntry::Fails(FailedGpu { index, pci_address: reading(Err(error)), failure });
        }
    };
    match gpu::loss(&device) {
        Some(failure) => GpuEntry::Fails(FailedGpu { index, pci_address: gpu::address(device.pci_info()), failure }),
        None => GpuEntry::Answers(Box::new(gpu::facts(&device, root, index))),
    }
}

fn failure(error: &NvmlError) -> NvmlFailure {
    let kind = match error {
        NvmlError::LibloadingError(_) | NvmlError::FailedToLoadSymbol(_) | NvmlError::LibraryNotFound => {
            NvmlFailureKind::LibraryMissing
        }
        NvmlError::DriverNotLoaded => NvmlFailureKind::DriverNotLoaded,
        NvmlError::NoPermission => NvmlFailureKind::NotPermitted,
        NvmlError::LibRmVersionMismatch => NvmlFailureKind::VersionMismatch,
        NvmlError::GpuLost | NvmlError::ResetRequired => NvmlFailureKind::DeviceLost,
        _ => NvmlFailureKind::Other,
    };
    NvmlFailure { kind, detail: error.to_string() }
}
