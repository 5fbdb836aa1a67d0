//! The objects that kubeadm keeps in the cluster, in the form of another node pack: its configuration and kube-proxy.

use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kubeadm_configuration::KubeadmConfiguration;
use super::kubeadm_phase::Phase;
use super::kubeadm_run;
use super::wait;
use crate::context::NodeContext;
use landfall_cluster::ObjectName;
use landfall_cluster::ready::evaluate;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::pack::PackId;
use landfall_site::place::CONTROL_PLANE_LIMIT;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeadmObjects {
    /// The node pack whose kubeadm writes them.
    pub pack: PackId,
    /// Configuration from which they are written.
    pub configuration: KubeadmConfiguration,
    /// The phase that writes them.
    pub phase: Phase,
}

/// Fails unless every node runs the latest kube-proxy of the cluster.
fn proxy_lacks(context: &NodeContext) -> Result<(), StepError> {
    let cluster = context.cluster.connect_impatiently()?;
    let lack = |what: String| StepError::new(codes::NODE_WAITS, what);
    let proxy = cluster.get(&ObjectName::new("apps/v1", "DaemonSet", "kube-system", "kube-proxy"))?;
    let proxy = proxy.ok_or_else(|| lack("there is no kube-proxy".to_owned()))?;
    match evaluate(&proxy).reason() {
        Some(reason) => Err(lack(format!("kube-proxy: {reason}"))),
        None => Ok(()),
    }
}

impl Step<NodeContext> for KubeadmObjects {
    /// Writing the same objects again has no effect.
    fn observe(&self, _context: &mut NodeContext) -> Result<ObservedState, StepError> {
        Ok(ObservedState::Partial("the objects may be as they were before".to_owned()))
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        context.cluster.connect()?;
        kubeadm_run::apply(context, &self.pack, &self.configuration, self.phase.arguments())?;
        if self.phase == Phase::Proxy {
            wait::until(&*context.progress, "kube-proxy is ready", CONTROL_PLANE_LIMIT, || proxy_lacks(context).err())?;
        }
        Ok(Value::Null)
    }

    /// On undo, [`super::again`] restores the earlier objects after the control plane.
    fn undo(&self, _context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        Ok(())
    }
}
