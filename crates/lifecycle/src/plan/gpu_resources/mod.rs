//! Compares the GPUs that pods of a release request with those that its device plugin will offer on this host. A pod
//! that requests more waits forever, and the install fails after hours of staging. A pure function of the release, the
//! facts and the site's values.

mod asked;
pub(crate) mod offer;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::asked::DeviceRequests;
use self::offer::{Offer, offered_devices};
use crate::plan::objects::ObjectsInputs;
use landfall_error_codes::codes;
use landfall_gpu_facts::{GpuReport, NvmlState};
use landfall_release_document::{GPU_RESOURCE, GpuPlugin, ReleaseDocument};
use landfall_site::configuration::{ResolvedValues, SiteConfiguration};
use landfall_site::findings::Finding;

/// Inputs of the findings about GPU resources.
#[derive(Debug, Clone, Copy)]
pub struct GpuResourceInputs<'a> {
    /// The release.
    pub release: &'a ReleaseDocument,
    /// The host's GPUs, if known.
    pub gpus: Option<&'a GpuReport>,
    /// The site's configuration.
    pub configuration: &'a SiteConfiguration,
    /// Figures of models that were fitted to the host.
    pub fitted: &'a ResolvedValues,
}

/// Returns a blocker for each resource whose request the host will not satisfy, otherwise passed findings. Returns
/// nothing for a release without GPUs, or if the release does not declare its plugin and the host has GPUs. `document`
/// returns the bytes of a small document of the head.
pub fn findings<'a>(inputs: &GpuResourceInputs<'_>, document: impl Fn(&str) -> Option<&'a [u8]>) -> Vec<Finding> {
    // The plan rejects values or objects that do not fit.
    let Some(asked) = device_requests(inputs, document) else { return Vec::new() };
    if asked.is_empty() {
        return Vec::new();
    }
    let needed = inputs.release.requirements.gpus.as_ref();
    match inputs.gpus {
        Some(report) if matches!(report.nvml, NvmlState::Read(_)) => {
            // An older build does not declare how the release's plugin offers GPUs, so the offer is unknown.
            if needed.is_none_or(|needed| needed.plugin.is_none()) {
                return Vec::new();
            }
            request_findings(report, Offer::of(inputs.release, inputs.configuration), &asked)
        }
        // If the GPUs cannot be read, another finding says why.
        _ if needed.is_some() => Vec::new(),
        _ => asked.iter().map(|(resource, asked)| short(resource, 0, asked)).collect(),
    }
}

/// Returns true if two configurations offer GPUs differently.
pub fn is_changed(release: &ReleaseDocument, before: &SiteConfiguration, after: &SiteConfiguration) -> bool {
    let plugin = release.requirements.gpu_plugin();
    let mut names = plugin.into_iter().flat_map(GpuPlugin::values);
    names.any(|name| before.values.get(name) != after.values.get(name))
}

/// Returns the requests of all pods, by resource.
fn device_requests<'a>(
    inputs: &GpuResourceInputs<'_>,
    document: impl Fn(&str) -> Option<&'a [u8]>,
) -> Option<BTreeMap<String, DeviceRequests>> {
    let GpuResourceInputs { release, configuration, fitted, .. } = *inputs;
    let mut all = BTreeMap::new();
    for (component, objects) in (ObjectsInputs { release, configuration, fitted }).objects(document)? {
        asked::add(&mut all, &component.name, &objects);
    }
    Some(all)
}

fn request_findings(report: &GpuReport, offer: Offer, asked: &BTreeMap<String, DeviceRequests>) -> Vec<Finding> {
    let offered = match offered_devices(report, offer) {
        Ok(offered) => offered,
        Err(fault) => {
            let needed = "all GPUs divided into MIG devices of one profile, or none";
            return vec![Finding::new(codes::GPU_STRATEGY_UNFIT, fault.to_string(), needed)];
        }
    };
    let judge = |(resource, asked): (&String, &DeviceRequests)| match offered.get(resource).copied().unwrap_or_default()
    {
        0 if resource != GPU_RESOURCE => Some(Finding::new(
            codes::GPU_RESOURCE_UNOFFERED,
            format!("offered with the MIG strategy {}: {}", offer.strategy.name(), offer_text(&offered)),
            request_text(resource, asked),
        )),
        count if count < asked.devices => Some(short(resource, count, asked)),
        _ if offer.replicas > 1 && resource == GPU_RESOURCE && asked.most > 1 => Some(Finding::new(
            codes::GPU_SHARED_TWICE,
            format!("a container asks for {} of {GPU_RESOURCE}, which {} containers share", asked.most, offer.replicas),
            "1 for each container",
        )),
        _ => None,
    };
    let findings: Vec<Finding> = asked.iter().filter_map(judge).collect();
    if !findings.is_empty() {
        return findings;
    }
    let needed: Vec<String> = asked.iter().map(|(resource, asked)| request_text(resource, asked)).collect();
    let message = "The host offers the GPUs that pods of the release ask for";
    let passed = Finding::passed(codes::GPU_RESOURCES_SHORT, message, offer_text(&offered), needed.join("; "));
    asked.iter().filter_map(|(resource, asked)| crowding_warning(resource, &offered, asked)).chain([passed]).collect()
}

/// Returns a warning if an update of a workload would wait forever, because its new pods need devices that the earlier
/// ones hold.
fn crowding_warning(resource: &str, offered: &BTreeMap<String, u64>, asked: &DeviceRequests) -> Option<Finding> {
    let count = offered.get(resource).copied().unwrap_or_default();
    let is_crowded = asked.beside > 0 && count < asked.devices.saturating_add(asked.beside);
    is_crowded.then(|| {
        let measured = format!(
            "{count} of {resource}, {} in use: an update starts pods with {} more before it ends others",
            asked.devices, asked.beside
        );
        let fix =
            "Ask the vendor for a Deployment with the strategy Recreate, or with maxSurge 0 and maxUnavailable 1.";
        Finding::warning(codes::GPU_RESOURCES_SHORT, measured, fix)
    })
}

fn short(resource: &str, count: u64, asked: &DeviceRequests) -> Finding {
    Finding::new(codes::GPU_RESOURCES_SHORT, format!("{count} of {resource}"), request_text(resource, asked))
}

/// Formats a request and the workloads that make it.
fn request_text(resource: &str, asked: &DeviceRequests) -> String {
    format!("{} of {resource}, for {}", asked.devices, asked.workloads.join(", "))
}

/// Formats an offer for people.
pub fn offer_text(offered: &BTreeMap<String, u64>) -> String {
    let offered: Vec<String> = offered.iter().map(|(resource, count)| format!("{count} of {resource}")).collect();
    if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") }
}
