//! Waits until the node is ready with the kubelet of a node pack. Follows all changes of the node, and on undo, the
//! undo of all of them. The API server's status of a node may be that of the earlier kubelet. The kubelet must
//! therefore have renewed its lease since the step began.

use std::time::Duration;

use jiff::Timestamp;
use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::wait;
use crate::site::{CONTROL_PLANE_LIMIT, Site};
use landfall_cluster::ready::evaluate;
use landfall_cluster::{Cluster, ObjectName};
use landfall_engine::step::{ObservedState, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeReady {
    /// Version of the kubelet, such as `v1.36.3`.
    pub kubernetes: String,
}

impl NodeReady {
    fn lacks(&self, site: &Site, begun: Timestamp) -> Result<(), StepError> {
        let lack = |what: String| StepError::new(codes::NODE_WAITS, what);
        let cluster = Cluster::connect(&site.paths.admin_kubeconfig())?.with_patience(Duration::ZERO);
        let name = &site.node.name;
        let node = cluster.get(&ObjectName::new("v1", "Node", "", name))?;
        let node = node.ok_or_else(|| lack(format!("the API server does not know the node {name}")))?;
        let kubelet = node.pointer("/status/nodeInfo/kubeletVersion").and_then(Value::as_str).unwrap_or_default();
        if kubelet != self.kubernetes {
            return Err(lack(format!("the kubelet of {name} is {kubelet}, not {}", self.kubernetes)));
        }
        let lease = cluster.get(&ObjectName::new("coordination.k8s.io/v1", "Lease", "kube-node-lease", name))?;
        let renewed = lease.as_ref().and_then(|lease| lease.pointer("/spec/renewTime")).and_then(Value::as_str);
        if renewed.and_then(|time| time.parse::<Timestamp>().ok()).is_none_or(|time| time < begun) {
            return Err(lack(format!("the kubelet of {name} has not reported since it was replaced")));
        }
        match evaluate(&node).reason() {
            Some(reason) => Err(lack(format!("the node {name}: {reason}"))),
            None => Ok(()),
        }
    }

    fn wait(&self, site: &Site) -> Result<u64, StepError> {
        let begun = Timestamp::now();
        let what = format!("the node is ready with Kubernetes {}", self.kubernetes);
        wait::until(site, &what, CONTROL_PLANE_LIMIT, || self.lacks(site, begun).err())
    }
}

impl Step<Site> for NodeReady {
    fn observe(&self, _site: &mut Site) -> Result<ObservedState, StepError> {
        Ok(ObservedState::Partial("the kubelet may not have reported since it was replaced".to_owned()))
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        Ok(json!({ "seconds": self.wait(site)? }))
    }

    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        // The step only waits.
        Ok(())
    }
}
