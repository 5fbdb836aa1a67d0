//! The resources of a host for models: its memory, and its GPUs in groups of identical ones.

use std::collections::BTreeMap;

use landfall_gpu_facts::judge::{driver_version, gpus, lacks_fabric_manager};
use landfall_gpu_facts::nvml::{Gpu, Memory, Mig};
use landfall_gpu_facts::version::{ComputeCapability, CudaVersion, DriverVersion};
use landfall_gpu_facts::{GpuReport, HostState, Needs, NvmlState, host_state};

/// Maximum difference in memory, approximately, of GPUs of one model in one group.
const GROUP_BYTES: u64 = 256 << 20;

/// A host, as the fit sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// Number of processor cores.
    pub cores: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Version of NVIDIA's driver, if known.
    pub driver: Option<DriverVersion>,
    /// Newest CUDA that the driver reports to support.
    pub cuda: Option<CudaVersion>,
    /// Groups of its GPUs.
    pub groups: Vec<GpuGroup>,
    /// Reasons why GPUs cannot be used, for people.
    pub notes: Vec<String>,
}

/// GPUs of one model and size, or MIG devices of one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuGroup {
    /// Model of the GPUs, such as `NVIDIA L4`.
    pub model: String,
    /// Number of GPUs or MIG devices.
    pub count: u32,
    /// Memory in bytes that programs can use on each: excludes the memory that the driver reserves.
    pub memory_bytes: u64,
    /// Machine code that they run, if known.
    pub capability: Option<ComputeCapability>,
    /// Profile, if these are MIG devices.
    pub mig_device: Option<String>,
    /// Profiles into which an undivided GPU can be divided several times.
    pub profiles: Vec<ProfileSize>,
}

/// A MIG profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileSize {
    /// Name of the profile, such as `1g.18gb`.
    pub name: String,
    /// Memory of one device in bytes.
    pub memory_bytes: u64,
    /// Number of devices that fit on an undivided GPU.
    pub instances: u32,
}

impl Host {
    /// Creates the host from these facts; `report` is `None` if nothing is known about GPUs.
    pub fn of(cores: u32, memory_bytes: u64, report: Option<&GpuReport>) -> Self {
        let mut host = Self { cores, memory_bytes, ..Self::default() };
        let Some(report) = report else {
            host.notes.push("nothing is known about GPUs of this host: its facts do not mention them".to_owned());
            return host;
        };
        host.notes.extend(obstacle(&host_state(report, &Needs::default())));
        host.driver = driver_version(report).cloned();
        if let NvmlState::Read(facts) = &report.nvml {
            host.cuda = facts.cuda_version.value().copied();
        }
        // Without Fabric Manager, no engine starts on any of them.
        let usable = gpus(report).filter(|_| !lacks_fabric_manager(report));
        let mut groups: BTreeMap<_, GpuGroup> = BTreeMap::new();
        for gpu in usable {
            for (total_bytes, group) in host.groups_of(gpu) {
                // Drivers reserve slightly different amounts on identical GPUs; the smallest amount of memory decides.
                let size = total_bytes.saturating_add(GROUP_BYTES / 2) / GROUP_BYTES;
                let key = (group.model.clone(), group.mig_device.clone(), size, group.capability);
                let add = |known: &mut GpuGroup| {
                    known.count += 1;
                    known.memory_bytes = known.memory_bytes.min(group.memory_bytes);
                };
                groups.entry(key).and_modify(add).or_insert_with(|| group.clone());
            }
        }
        host.groups = groups.into_values().collect();
        // Largest GPUs first.
        host.groups.sort_by_key(|group| std::cmp::Reverse(group.memory_bytes));
        host
    }

    /// Returns the GPU itself, or the MIG devices into which it is divided, each with its whole memory.
    fn groups_of(&mut self, gpu: &Gpu) -> Vec<(u64, GpuGroup)> {
        let model = gpu.model.value().cloned().unwrap_or_else(|| "GPU of an unknown model".to_owned());
        let Some(memory) = gpu.memory.value() else {
            self.notes.push(format!("the memory of GPU {} ({model}) is not known", gpu.index));
            return Vec::new();
        };
        let whole = GpuGroup {
            model,
            count: 1,
            memory_bytes: usable(memory),
            capability: gpu.compute_capability.value().copied(),
            mig_device: None,
            profiles: Vec::new(),
        };
        if memory.used_bytes > 0 && gpu.processes.value().is_some_and(|processes| !processes.is_empty()) {
            let held = super::text::gib(memory.used_bytes);
            self.notes
                .push(format!("programs hold {held} of GPU {}: the figures below count all of its memory", gpu.index));
        }
        match gpu.mig.value() {
            Some(mig) if mig.is_enabled => self.devices(gpu.index, &whole, mig),
            Some(mig) => vec![(memory.total_bytes, GpuGroup { profiles: profiles(mig), ..whole })],
            None => vec![(memory.total_bytes, whole)],
        }
    }

    fn devices(&mut self, index: u32, whole: &GpuGroup, mig: &Mig) -> Vec<(u64, GpuGroup)> {
        let devices = mig.devices.value().map(Vec::as_slice).unwrap_or_default();
        if devices.is_empty() {
            self.notes.push(format!(
                "GPU {index} ({}) has MIG enabled and no devices: create some, or disable MIG",
                whole.model
            ));
        }
        let device = |device: &landfall_gpu_facts::nvml::MigDevice| {
            let name = device.name.value().and_then(|name| name.rsplit(' ').next()).unwrap_or("unknown profile");
            let memory = device.memory.value()?;
            let group = GpuGroup { memory_bytes: usable(memory), mig_device: Some(name.to_owned()), ..whole.clone() };
            Some((memory.total_bytes, group))
        };
        devices.iter().filter_map(device).collect()
    }
}

/// Returns the reason why GPUs cannot be used, in words for people.
fn obstacle(state: &HostState) -> Option<String> {
    match state {
        HostState::OtherVendor => {
            Some("only NVIDIA's GPUs are considered: this host has GPUs of other vendors".to_owned())
        }
        HostState::SystemOnChip(model) => Some(format!("the memory of {model}'s own GPU is not known")),
        state => state.code().map(|code| format!("[{}] {}. {}", code.id, code.title, code.fix)),
    }
}

/// Returns the memory that programs can use: CUDA does not show the memory that the driver reserves.
fn usable(memory: &Memory) -> u64 {
    memory.total_bytes.saturating_sub(memory.reserved_bytes)
}

/// Returns the usual profiles of which more than one device fits, smallest first. Profiles with additional media
/// engines, or without any, are left out.
fn profiles(mig: &Mig) -> Vec<ProfileSize> {
    let known = mig.profiles.value().into_iter().flatten().filter_map(|profile| {
        let name = profile.name.value().filter(|name| !name.contains(['+', '-']))?;
        let memory_bytes = profile.memory_mib.checked_mul(1 << 20)?;
        Some(ProfileSize { name: name.clone(), memory_bytes, instances: profile.max_instances })
    });
    let mut profiles: Vec<_> = known.filter(|profile| profile.instances > 1).collect();
    profiles.sort_by_key(|profile| (profile.memory_bytes, std::cmp::Reverse(profile.instances)));
    profiles.dedup_by_key(|profile| profile.memory_bytes);
    profiles
}

impl GpuGroup {
    /// Describes the group, such as `2 × NVIDIA L4`.
    pub fn name(&self) -> String {
        let device = self.mig_device.as_ref().map(|profile| format!(" MIG {profile}")).unwrap_or_default();
        format!("{} × {}{device}", self.count, self.model)
    }
}
