//! Waits until the node is ready with the kubelet of a node pack. Follows all changes of the node, and on undo, the
//! undo of all of them. The API server's status of a node may be that of the earlier kubelet. The kubelet must
//! therefore have renewed its lease since the step began.

use jiff::Timestamp;
use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::wait;
use crate::context::NodeContext;
use landfall_cluster::ObjectName;
use landfall_cluster::ready::evaluate;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_site::place::CONTROL_PLANE_LIMIT;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeReady {
    /// Version of the kubelet, such as `v1.36.3`.
    pub kubernetes: String,
}

impl NodeReady {
    fn lacks(&self, context: &NodeContext, begun: Timestamp) -> Result<(), StepError> {
        let lack = |what: String| StepError::new(codes::NODE_WAITS, what);
        let cluster = context.cluster.connect_impatiently()?;
        let name = &context.host.node.name;
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

    fn wait(&self, context: &NodeContext) -> Result<u64, StepError> {
        let begun = Timestamp::now();
        let what = format!("the node is ready with Kubernetes {}", self.kubernetes);
        wait::until(&*context.progress, &what, CONTROL_PLANE_LIMIT, || self.lacks(context, begun).err())
    }
}

impl Step<NodeContext> for NodeReady {
    fn observe(&self, _context: &mut NodeContext) -> Result<ObservedState, StepError> {
        Ok(ObservedState::Partial("the kubelet may not have reported since it was replaced".to_owned()))
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        Ok(json!({ "seconds": self.wait(context)? }))
    }

    fn undo(&self, _context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        // The step only waits.
        Ok(())
    }
}
