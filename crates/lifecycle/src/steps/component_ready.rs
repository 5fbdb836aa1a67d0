//! Waits until all objects of a component's inventory are ready.

use std::time::{Duration, Instant};

use landfall_error_codes::{CodedError, codes};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::Site;
use landfall_cluster::{AwaitedObjects, Cluster, Inventory};
use landfall_engine::causes::with_causes;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::facts::{self, ClosedChain};
use landfall_site::pod_packets::passes_pods;
use landfall_site::settled::unsettled_pods;

/// Time between two checks of pods.
const INTERVAL: Duration = Duration::from_secs(1);

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentReady {
    /// Name of the component.
    pub component: String,
    /// Namespace of its inventory.
    pub namespace: String,
    /// Seconds until the component counts as failed.
    pub seconds: u64,
}

/// Adds to the error a chain of the packet filter that may be its cause.
fn naming_firewall(error: StepError, closed: &[ClosedChain]) -> StepError {
    let may_cut_off = |chain: &&ClosedChain| !passes_pods(chain, &[]);
    let Some(chain) = closed.iter().find(may_cut_off).filter(|_| error.code() == codes::CLUSTER_NOT_READY) else {
        return error;
    };
    let what =
        format!("the firewall's chain {} drops what no rule accepts, and none accepts all from cni0", chain.name);
    let hint = "Add rules that accept everything from cni0 and flannel.1 to that chain, then run `landfall resume`.";
    StepError::new(codes::CLUSTER_NOT_READY, what).because(error).hint(hint)
}

impl ComponentReady {
    /// Waits until the objects are ready by observations made since the machine started.
    fn wait(&self, site: &Site, cluster: &Cluster, inventory: &Inventory) -> Result<(), StepError> {
        let (host, limit, begun) = (site.hosts.only()?, Duration::from_secs(self.seconds), Instant::now());
        let what = format!("component {}", self.component);
        loop {
            let left = limit.saturating_sub(begun.elapsed());
            let waiting = AwaitedObjects { what: &what, objects: &inventory.objects, limit: left };
            cluster.wait_ready(&waiting, site.progress.as_ref())?;
            let reason = match unsettled_pods(&host.paths, cluster, inventory) {
                Ok(pods) if pods.is_empty() => return Ok(()),
                Ok(pods) => format!("{} did not start since the machine did", pods.join(", ")),
                Err(error) if error.is_transient() => with_causes(&error),
                Err(error) => return Err(error.into()),
            };
            if begun.elapsed() > limit {
                return Err(StepError::new(codes::CLUSTER_NOT_READY, format!("{what} is not ready: {reason}")));
            }
            std::thread::sleep(INTERVAL);
        }
    }
}

impl Step<Site> for ComponentReady {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        let cluster = site.cluster.connect()?;
        let Some(inventory) = Inventory::read(&cluster, &self.namespace, &self.component)? else {
            return Ok(ObservedState::Absent);
        };
        let status = cluster.component_status(&inventory)?;
        Ok(match status.reasons.first() {
            None => match unsettled_pods(&site.hosts.only()?.paths, &cluster, &inventory)?.first() {
                None => ObservedState::Done,
                Some(pod) => ObservedState::Partial(format!("{pod} is not ready since the machine started")),
            },
            Some(reason) => ObservedState::Partial(format!("{} of {} are ready; {reason}", status.ready, status.total)),
        })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let cluster = site.cluster.connect()?;
        let inventory = Inventory::read(&cluster, &self.namespace, &self.component)?.ok_or_else(|| {
            StepError::new(
                codes::CLUSTER_NOT_READY,
                format!("component {} has no inventory: it was never applied", self.component),
            )
        })?;
        let waited = self.wait(site, &cluster, &inventory);
        let paths = &site.hosts.only()?.paths;
        waited.map_err(|error| naming_firewall(error, &facts::closed_chains(paths).unwrap_or_default()))?;
        Ok(json!({"objects": inventory.objects.len()}))
    }

    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use landfall_host::facts::{ClosedHook, Filter};

    use super::*;

    #[test]
    fn unready_component_names_closed_firewall() {
        let closed = |accepts: &[&str]| ClosedChain {
            filter: Filter::Nftables,
            name: "inet filter forward".to_owned(),
            hook: ClosedHook::Forward,
            accepts: accepts.iter().map(|from| (*from).to_owned()).collect(),
            accepts_to: Some(Vec::new()),
            drops: Vec::new(),
            drops_to: Vec::new(),
        };
        let error = |code| StepError::new(code, "component dns is not ready");
        let named = |code, chains: &[ClosedChain]| naming_firewall(error(code), chains).to_string();
        let expected =
            "the firewall's chain inet filter forward drops what no rule accepts, and none accepts all from cni0";
        assert_eq!(named(codes::CLUSTER_NOT_READY, &[closed(&["eth0"])]), expected);
        for (code, chains) in [
            (codes::CLUSTER_NOT_READY, Vec::new()),
            (codes::CLUSTER_NOT_READY, vec![closed(&["cni0"])]),
            (codes::CLUSTER_UNREACHABLE, vec![closed(&[])]),
        ] {
            assert_eq!(named(code, &chains), "component dns is not ready");
        }
    }
}
