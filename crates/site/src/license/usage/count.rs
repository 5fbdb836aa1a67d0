//! Counts of what a license limits.

use std::collections::BTreeSet;

use landfall_cluster::drill::TEMPORARY_LABEL;
use landfall_cluster::{Cluster, ClusterError};
use landfall_gpu_facts::hardware::{ACCELERATOR_CLASS, Hardware, NVIDIA, PciDevice};
use landfall_gpu_facts::look::Root;
use landfall_host::paths::SitePaths;
use landfall_license::Terms;
use landfall_license::usage::Counts;
use landfall_release_document::ReleaseDocument;
use serde_json::Value;

use crate::license::needs;

/// Namespaces that every cluster has.
const OWN_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Counts nodes and namespaces in the cluster, without Kubernetes' own namespaces and those of drills.
pub fn cluster_counts(cluster: &Cluster) -> Result<Counts, ClusterError> {
    let nodes = cluster.list(&cluster.resource("v1", "Node")?, None, "")?;
    let namespaces = cluster.list(&cluster.resource("v1", "Namespace")?, None, &format!("!{TEMPORARY_LABEL}"))?;
    let is_own = |namespace: &&Value| {
        namespace.pointer("/metadata/name").and_then(Value::as_str).is_some_and(|name| OWN_NAMESPACES.contains(&name))
    };
    let counted = namespaces.len() - namespaces.iter().filter(is_own).count();
    Ok(Counts { nodes: Some(nodes.len() as u64), namespaces: Some(counted as u64), ..Counts::default() })
}

/// Counts the GPUs of this host, which is the site's only one.
pub fn host_gpus(paths: &SitePaths) -> u64 {
    gpus(&Root::new(&paths.host("/")).hardware())
}

/// Counts devices that compute: all of NVIDIA's, and those of other vendors that are not display controllers. Parts of
/// a device for virtual machines do not count separately.
fn gpus(hardware: &Hardware) -> u64 {
    let is_screen = |device: &PciDevice| {
        let class = device.class.0 >> 8;
        class >> 8 != ACCELERATOR_CLASS && class.trailing_zeros() >= 8
    };
    let computes = |device: &&PciDevice| device.vendor.0 == NVIDIA || !is_screen(device);
    let on_bus = hardware.devices.iter().filter(|device| !device.is_virtual_function).filter(computes).count();
    on_bus as u64 + u64::from(hardware.system_on_chip.is_some())
}

/// Returns the entitlements that components of a release need, and those that a license lacks.
pub fn needed_entitlements(release: &ReleaseDocument, terms: &Terms) -> (BTreeSet<String>, BTreeSet<String>) {
    let needed: BTreeSet<String> = needs(release).into_iter().map(|need| need.entitlement.to_owned()).collect();
    let granted = &terms.entitlements.components;
    let lacking = needed.iter().filter(|entitlement| !granted.contains(*entitlement)).cloned().collect();
    (needed, lacking)
}

#[cfg(test)]
mod tests {
    use landfall_gpu_facts::hardware::{AMD, INTEL};
    use serde_json::json;

    use super::*;

    #[test]
    fn only_computing_gpus_count() {
        let device = |vendor: u32, class: &str, is_virtual: bool| {
            json!({"address": "0000:01:00.0", "vendor": format!("{vendor:#06x}"), "device": "0x2330", "class": class,
                "isVirtualFunction": is_virtual})
        };
        for (device, expected) in [
            (device(NVIDIA, "0x030200", false), 1),
            (device(NVIDIA, "0x030000", false), 1),
            (device(NVIDIA, "0x030200", true), 0),
            (device(AMD, "0x030000", false), 0),
            (device(AMD, "0x038000", false), 1),
            (device(AMD, "0x120000", false), 1),
            (device(INTEL, "0x030000", false), 0),
        ] {
            let hardware: Hardware = serde_json::from_value(json!({"devices": [device], "switches": []})).unwrap();
            assert_eq!(gpus(&hardware), expected, "{device}");
        }
        let jetson = json!({"devices": [], "switches": [], "systemOnChip": "NVIDIA Jetson AGX Orin"});
        assert_eq!(gpus(&serde_json::from_value(jetson).unwrap()), 1);
    }
}
