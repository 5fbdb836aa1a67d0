//! CPU, memory and space that a component requests and uses, from the pods' specification, the kubelet's measurements
//! and the folders of the site's volumes. Nothing is cached or estimated: an unknown figure is absent.

mod pods;
mod site;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use landfall_cluster::{Cluster, ObjectName};
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_peer::{ComponentResources, VolumeKind, VolumeResources};
use serde_json::Value;

use super::Operations;
use super::administration::component_of;
use super::error::Result;
use landfall_site::backups::folder_of;

pub use site::{ComponentUse, NodeUse, SiteUse};

/// Total time of queries for objects: the console waits for fifteen seconds.
const OBJECTS_LIMIT: Duration = Duration::from_secs(6);
/// Total time of queries to kubelets.
const STATISTICS_LIMIT: Duration = Duration::from_secs(3);
/// Total time for counting the files of volumes. A page does not justify more disk time.
const COUNTING_LIMIT: Duration = Duration::from_secs(1);

/// Kubelets' measurements by node, and notes about missing answers.
type Statistics = (BTreeMap<String, Value>, Vec<String>);

impl Operations {
    /// Returns the current requests and usage of a component.
    pub fn component_resources(&self, component: &str) -> Result<ComponentResources> {
        let (cluster, inventory) = component_of(self.cluster_within(OBJECTS_LIMIT)?, component)?;
        let pods = cluster.live_pods_of_component(&inventory).map_err(StepError::from)?;
        let claimed = read_claims(&cluster, volumes::claims(&pods))?;
        let (summaries, notes) = statistics(&cluster.within(STATISTICS_LIMIT).with_patience(Duration::ZERO), &pods);
        let of_node = |pod: &Value| pod["spec"]["nodeName"].as_str().and_then(|node| summaries.get(node));
        let read =
            |pod: &Value| pods::of_pod(pod, of_node(pod).and_then(|summary| pods::find_measurements(summary, pod)));
        let found: Vec<_> = pods.iter().map(read).collect();
        let mut volumes = self.measure(claimed, &summaries);
        let lasting = pods.iter().zip(&found).filter(|(_, found)| !found.has_ended());
        volumes.extend(lasting.flat_map(|(pod, _)| volumes::temporary(pod, of_node(pod))));
        Ok(ComponentResources {
            component: component.to_owned(),
            at: format!("{:.0}", Timestamp::now()),
            total: pods::total(&found),
            used_space_bytes: pods::complete(volumes.iter().map(|volume| volume.used_bytes)),
            pods: found,
            volumes,
            notes,
        })
    }

    /// Measures claims: folders of the site by their files, others by the kubelet's figures.
    fn measure(&self, claimed: Vec<ClaimVolume>, summaries: &BTreeMap<String, Value>) -> Vec<VolumeResources> {
        let (storage, until) = (self.paths.storage(), Instant::now() + COUNTING_LIMIT);
        let measured = claimed.into_iter().map(|ClaimVolume { mut found, volume }| {
            found.used_bytes = match folder_of(&volume, &storage) {
                Ok(folder) => volumes::bytes_of(&storage.join(folder), until),
                Err(_) => volumes::measured_of_claim(summaries, (&found.namespace, &found.name), &volume),
            };
            found
        });
        measured.collect()
    }
}

/// A claim and its bound volume; null if it is unbound.
struct ClaimVolume {
    found: VolumeResources,
    volume: Value,
}

/// Reads the current claims.
fn read_claims(cluster: &Cluster, claims: volumes::Claims) -> Result<Vec<ClaimVolume>, StepError> {
    let mut all = Vec::new();
    for ((namespace, name), pods) in claims {
        let claim = cluster.get(&ObjectName::new("v1", "PersistentVolumeClaim", &namespace, &name))?;
        let claim = claim.unwrap_or_default();
        let volume = match claim["spec"]["volumeName"].as_str() {
            Some(volume) => cluster.get(&ObjectName::new("v1", "PersistentVolume", "", volume))?,
            None => None,
        };
        let found = VolumeResources {
            kind: VolumeKind::Claim,
            size_bytes: volumes::size_of_claim(&claim),
            used_bytes: None,
            namespace,
            name,
            pods: pods.into_iter().collect(),
        };
        all.push(ClaimVolume { found, volume: volume.unwrap_or_default() });
    }
    Ok(all)
}

/// Queries the kubelet of each node with pods. Only the figures of a silent one are missing.
fn statistics(cluster: &Cluster, pods: &[Value]) -> Statistics {
    statistics_of(cluster, pods.iter().filter_map(|pod| pod["spec"]["nodeName"].as_str()).collect())
}

/// Like [`statistics`], for these nodes.
fn statistics_of(cluster: &Cluster, nodes: BTreeSet<&str>) -> Statistics {
    let (mut summaries, mut unmeasured) = (BTreeMap::new(), Vec::new());
    for node in nodes {
        match cluster.node_statistics(node) {
            Ok(summary) => {
                summaries.insert(node.to_owned(), summary);
            }
            Err(error) => unmeasured.push(format!("use on {node} is not measured: {}", with_causes(&error))),
        }
    }
    (summaries, unmeasured)
}
