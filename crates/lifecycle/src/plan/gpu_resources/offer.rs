//! Devices that NVIDIA's device plugin offers on a host, by its rules: <https://github.com/NVIDIA/k8s-device-plugin>,
//! version 0.20.0 (`internal/rm/device_map.go`).

use std::collections::{BTreeMap, BTreeSet};

use landfall_gpu_facts::GpuReport;
use landfall_gpu_facts::judge::gpus;
use landfall_gpu_facts::nvml::{Gpu, MigDevice};
use landfall_release_document::{GPU_RESOURCE, GpuPlugin, MIG_RESOURCES, MigStrategy, ReleaseDocument};

use landfall_site::configuration::SiteConfiguration;

/// Settings of the device plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Treatment of divided GPUs.
    pub(crate) strategy: MigStrategy,
    /// Number of containers that share one `nvidia.com/gpu`.
    pub(crate) replicas: u64,
}

impl Offer {
    /// Reads how a site sets the plugin of a release. The release's schema excludes meaningless settings.
    pub(crate) fn of(release: &ReleaseDocument, configuration: &SiteConfiguration) -> Self {
        let plugin = release.requirements.gpu_plugin();
        let value = |name: Option<&String>| {
            let name = name?;
            let default = || release.values.iter().find(|value| value.name == *name)?.default.as_ref();
            configuration.values.get(name).or_else(default)
        };
        let strategy = plugin.and_then(|plugin| GpuPlugin::strategy_of(value(plugin.mig_strategy.as_ref())?));
        let replicas = plugin.and_then(|plugin| GpuPlugin::replicas_of(value(plugin.replicas.as_ref())?));
        Self { strategy: strategy.unwrap_or_default(), replicas: replicas.unwrap_or(1) }
    }
}

/// Reason why the plugin refuses to start on a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OfferFault {
    /// Some GPUs are divided, and some are not.
    #[error("some GPUs are divided (MIG), and some are not")]
    Mixed,
    /// MIG is on, but the GPU has no MIG device.
    #[error("GPU {0} has MIG on and no MIG device")]
    NoParts(u32),
    /// The MIG devices have different profiles.
    #[error("the MIG devices have the profiles {0}")]
    Unequal(String),
}

/// Returns the number of devices by resource, without resources that have none.
pub(crate) fn offered_devices(report: &GpuReport, offer: Offer) -> Result<BTreeMap<String, u64>, OfferFault> {
    let (divided, whole): (Vec<&Gpu>, Vec<&Gpu>) = gpus(report).partition(|gpu| gpu.is_divided());
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let mut add = |resource: String, count: usize| {
        if count > 0 {
            *found.entry(resource).or_default() += u64::try_from(count).unwrap_or(u64::MAX);
        }
    };
    match offer.strategy {
        MigStrategy::None => add(GPU_RESOURCE.to_owned(), divided.len() + whole.len()),
        MigStrategy::Single => {
            refuse_uneven(&divided, &whole)?;
            add(GPU_RESOURCE.to_owned(), whole.len() + divided.iter().map(|gpu| gpu.parts().len()).sum::<usize>());
        }
        MigStrategy::Mixed => {
            add(GPU_RESOURCE.to_owned(), whole.len());
            for part in divided.iter().flat_map(|gpu| gpu.parts()) {
                if let Some(profile) = profile(part).filter(|profile| is_whole_instance(profile)) {
                    add(format!("{MIG_RESOURCES}{}", profile.replace('+', ".")), 1);
                }
            }
        }
    }
    if let Some(count) = found.get_mut(GPU_RESOURCE) {
        *count = count.saturating_mul(offer.replicas);
    }
    Ok(found)
}

/// Fails if the strategy `single` cannot offer the devices under one name.
fn refuse_uneven(divided: &[&Gpu], whole: &[&Gpu]) -> Result<(), OfferFault> {
    if let Some(gpu) = divided.iter().find(|gpu| gpu.parts().is_empty()) {
        return Err(OfferFault::NoParts(gpu.index));
    }
    let profiles: BTreeSet<&str> = divided.iter().flat_map(|gpu| gpu.parts()).filter_map(profile).collect();
    if profiles.len() > 1 {
        return Err(OfferFault::Unequal(profiles.into_iter().collect::<Vec<_>>().join(", ")));
    }
    if divided.is_empty() || whole.is_empty() { Ok(()) } else { Err(OfferFault::Mixed) }
}

/// Returns a MIG device's profile from the end of its name: `1g.10gb` of `NVIDIA H100 80GB HBM3 MIG 1g.10gb`.
fn profile(part: &MigDevice) -> Option<&str> {
    part.name.value()?.rsplit_once("MIG ").map(|(_, profile)| profile.trim())
}

/// Returns true if a profile is a GPU instance with all its compute units. The plugin does not offer partial ones, such
/// as `1c.2g.20gb`.
fn is_whole_instance(profile: &str) -> bool {
    !profile.split('.').next().is_some_and(|first| first.ends_with('c'))
}
