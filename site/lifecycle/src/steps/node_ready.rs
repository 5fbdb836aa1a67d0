//! The node is ready, with the kubelet of a node pack: waited for once everything of the node has changed, and on the way
//! back once everything of it is as it was.

use std::time::Duration;

use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::wait::{self, CONTROL_PLANE_LIMIT};
use crate::site::Site;
use landfall_cluster::ready::evaluate;
use landfall_cluster::{Cluster, ObjectName};
use landfall_engine::step::{Observed, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeReady {
    /// Version of the kubelet, such as `v1.36.3`.
    pub kubernetes: String,
}

impl NodeReady {
    fn lacks(&self, site: &Site) -> Result<(), StepError> {
        let lack = |what: String| StepError::new(codes::NODE_WAITS, what);
        let cluster = Cluster::connect(&site.paths.admin_kubeconfig())?.with_patience(Duration::ZERO);
        let name = &site.node.name;
        let node = cluster.get(&ObjectName::new("v1", "Node", "", name))?;
        let node = node.ok_or_else(|| lack(format!("the API server does not know the node {name}")))?;
        let kubelet = node.pointer("/status/nodeInfo/kubeletVersion").and_then(Value::as_str).unwrap_or_default();
        if kubelet != self.kubernetes {
            return Err(lack(format!("the kubelet of {name} is {kubelet}, not {}", self.kubernetes)));
        }
        match evaluate(&node).reason() {
            Some(reason) => Err(lack(format!("the node {name}: {reason}"))),
            None => Ok(()),
        }
    }

    fn wait(&self, site: &Site) -> Result<u64, StepError> {
        let what = format!("the node is ready with Kubernetes {}", self.kubernetes);
        wait::until(site, &what, CONTROL_PLANE_LIMIT, || self.lacks(site).err())
    }
}

impl Step<Site> for NodeReady {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        Ok(match self.lacks(site) {
            Ok(()) => Observed::Done,
            Err(error) => Observed::Partial(error.to_string()),
        })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        Ok(json!({ "seconds": self.wait(site)? }))
    }

    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        // It only waits.
        Ok(())
    }
}

/// Parameters of the step that comes before the node changes: nothing to do on the way forward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeReadyAgain {
    /// The node as it was.
    pub ready: NodeReady,
}

impl Step<Site> for NodeReadyAgain {
    fn observe(&self, _site: &mut Site) -> Result<Observed, StepError> {
        Ok(Observed::Done)
    }

    fn act(&self, _site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        self.ready.wait(site).map(drop)
    }
}
