//! Waits for the control plane. kubeadm's own wait takes no configuration, so it would not find Landfall's.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::NodeContext;
use crate::steps::wait::{control_plane_lacks, for_control_plane};
use landfall_agent::programs::Programs;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::pack::PackId;

/// Waits until the API server is ready and knows the node. Returns the seconds that it took. An error names the logs of
/// etcd and the API server, which Landfall does not keep.
pub(super) fn wait(context: &NodeContext, programs: &Programs, limit: Duration) -> Result<u64, StepError> {
    for_control_plane(context, programs, limit).map_err(|error| {
        let pods = context.host.paths.pod_logs_mount();
        error.hint(format!(
            "Read the logs of etcd and the API server, {pods}/kube-system_etcd-* and \
             {pods}/kube-system_kube-apiserver-*, and `journalctl --unit landfall-kubelet --unit landfall-containerd`; \
             then run `landfall resume`.",
            pods = pods.display(),
        ))
    })
}

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPlaneReady {
    /// The node pack whose kubectl is used.
    pub pack: PackId,
    /// Seconds until the control plane counts as failed.
    pub seconds: u64,
}

impl Step<NodeContext> for ControlPlaneReady {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        if !context.cluster.kubeconfig().exists() {
            return Ok(ObservedState::Absent);
        }
        let lacks = control_plane_lacks(context, &Programs::of(&context.host.paths, &self.pack));
        Ok(if lacks.is_none() { ObservedState::Done } else { ObservedState::Absent })
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        let programs = Programs::of(&context.host.paths, &self.pack);
        let seconds = wait(context, &programs, Duration::from_secs(self.seconds))?;
        context.host.sync_filesystem(&context.host.paths.data())?;
        Ok(json!({ "seconds": seconds }))
    }

    fn undo(&self, _context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        // The step only waits.
        Ok(())
    }
}
