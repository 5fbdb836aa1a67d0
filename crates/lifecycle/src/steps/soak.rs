//! Watches the new release for a while before its commit. The upgrade is undone if a component does not stay ready, a
//! container ends and restarts, or a proof no longer passes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use landfall_error_codes::codes;
use landfall_media::progress::Event;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::component_ready::ComponentReady;
use super::prove::Prove;
use crate::context::Site;
use landfall_cluster::{Cluster, ClusterError, Inventory};
use landfall_engine::causes::with_causes;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_site::settled::{is_of_workload, pods_of};

/// Time between two checks.
const INTERVAL: Duration = Duration::from_secs(2);

/// Time for which a component may be unready: a probe may fail once, and a pod may move.
const TOLERANCE: Duration = Duration::from_secs(30);

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Soak {
    /// Duration of the soak in seconds.
    pub seconds: u64,
    /// Every component of the release, with its time limit for becoming ready after a boot.
    pub components: Vec<ComponentReady>,
}

/// Restarts of each container, by its pod's UID and its name.
type Restarts = BTreeMap<(String, String), i64>;

/// State of the watch.
struct Watch {
    cluster: Cluster,
    inventories: Vec<Inventory>,
    /// Counts of restarts when the watch began.
    restarts: Restarts,
    /// Unready components, with the start of that state.
    unready: BTreeMap<String, Instant>,
}

impl Watch {
    fn begin(cluster: Cluster, components: &[ComponentReady]) -> Result<Self, StepError> {
        let read = |component: &ComponentReady| Inventory::read(&cluster, &component.namespace, &component.component);
        let inventories: Vec<Option<Inventory>> = components.iter().map(read).collect::<Result<_, _>>()?;
        let inventories: Vec<Inventory> = inventories.into_iter().flatten().collect();
        let mut restarts = Restarts::new();
        for inventory in &inventories {
            restarts.extend(restarts_of(&pods_of(&cluster, inventory)?));
        }
        Ok(Self { cluster, inventories, restarts, unready: BTreeMap::new() })
    }

    /// Checks every component once.
    fn look(&mut self) -> Result<(), StepError> {
        for inventory in &self.inventories {
            let component = &inventory.owner.component;
            let reason = match self.reason(inventory) {
                Ok(reason) => reason,
                Err(error) if error.is_transient() => Some(with_causes(&error)),
                Err(error) => return Err(error.into()),
            };
            let Some(reason) = reason else {
                self.unready.remove(component);
                continue;
            };
            let since = *self.unready.entry(component.clone()).or_insert_with(Instant::now);
            if since.elapsed() > TOLERANCE {
                return Err(soak_error(format!("component {component} did not stay ready: {reason}")));
            }
        }
        self.expect_no_restart()
    }

    /// Returns the reason why a component is not ready; `None` if it is.
    fn reason(&self, inventory: &Inventory) -> Result<Option<String>, ClusterError> {
        Ok(self.cluster.component_status(inventory)?.reasons.into_iter().next())
    }

    fn expect_no_restart(&self) -> Result<(), StepError> {
        for inventory in &self.inventories {
            let pods = match pods_of(&self.cluster, inventory) {
                Ok(pods) => pods,
                // Its components count as not ready.
                Err(error) if error.is_transient() => continue,
                Err(error) => return Err(error.into()),
            };
            if let Some(what) = find_restart(&self.restarts, &pods) {
                return Err(soak_error(format!("component {}: {what}", inventory.owner.component)));
            }
        }
        Ok(())
    }
}

fn soak_error(what: String) -> StepError {
    StepError::new(codes::UPGRADE_SOAK, what)
}

fn text(pod: &Value, field: &str) -> String {
    pod["metadata"][field].as_str().unwrap_or_default().to_owned()
}

/// Returns the restarts of containers in pods that a workload keeps running. Jobs may retry.
fn restarts_of(pods: &[Value]) -> Restarts {
    let kept = pods.iter().filter(|pod| is_of_workload(pod));
    let containers = kept.flat_map(|pod| {
        let statuses = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
        statuses.map(move |status| {
            let name = status["name"].as_str().unwrap_or_default().to_owned();
            ((text(pod, "uid"), name), status["restartCount"].as_i64().unwrap_or(0))
        })
    });
    containers.collect()
}

/// Returns the first container that restarted since then. A new pod's containers start with zero restarts.
fn find_restart(before: &Restarts, pods: &[Value]) -> Option<String> {
    let now = restarts_of(pods);
    let more = now.into_iter().find(|(container, count)| before.get(container).map_or(*count > 0, |was| count > was));
    more.map(|((uid, container), _)| {
        let pod = pods.iter().find(|pod| text(pod, "uid") == uid).map(|pod| text(pod, "name")).unwrap_or_default();
        format!("container {container} of pod {pod} ended and was started again")
    })
}

impl Step<Site> for Soak {
    /// Observations from before a power cut say nothing about the site after it.
    fn observe(&self, _site: &mut Site) -> Result<ObservedState, StepError> {
        Ok(ObservedState::Absent)
    }

    fn act(&self, site: &mut Site, before: &Value) -> Result<Value, StepError> {
        for component in &self.components {
            component.act(site, before)?;
        }
        let mut watch = Watch::begin(site.cluster.connect()?, &self.components)?;
        let (limit, begun) = (Duration::from_secs(self.seconds), Instant::now());
        let text = format!("the release is watched for {} s before its commit", self.seconds);
        site.progress.event(Event::Note(text));
        while begun.elapsed() < limit || !watch.unready.is_empty() {
            std::thread::sleep(INTERVAL);
            watch.look()?;
        }
        Prove {}.act(site, before)
    }

    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(uid: &str, owner: &str, restarts: i64) -> Value {
        json!({
            "metadata": {"namespace": "shop", "name": format!("web-{uid}"), "uid": uid,
                "ownerReferences": [{"kind": owner}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": "web", "restartCount": restarts}]},
        })
    }

    #[test]
    fn restarted_container_is_named() {
        let before = restarts_of(&[pod("a", "ReplicaSet", 3), pod("b", "Job", 0)]);
        assert_eq!(find_restart(&before, &[pod("a", "ReplicaSet", 3), pod("b", "Job", 2)]), None, "jobs may try again");
        assert_eq!(find_restart(&before, &[pod("c", "ReplicaSet", 0)]), None, "a pod may be replaced");
        for pods in [[pod("a", "ReplicaSet", 4)], [pod("c", "StatefulSet", 1)]] {
            let what = find_restart(&before, &pods).unwrap();
            assert!(what.starts_with("container web of pod web-"), "{what}");
        }
    }
}
