//! Waits for the control plane. kubeadm's own wait takes no configuration, so it would not find Landfall's.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::site::Site;
use crate::steps::wait::{control_plane_lacks, for_control_plane};
use landfall_agent::programs::Programs;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::pack::PackId;

/// Waits until the API server is ready and knows the node. Returns the seconds that it took. An error names the logs of
/// etcd and the API server, which Landfall does not keep.
pub(super) fn wait(site: &Site, programs: &Programs, limit: Duration) -> Result<u64, StepError> {
    for_control_plane(site, programs, limit).map_err(|error| {
        let pods = site.paths.pod_logs_mount();
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

impl Step<Site> for ControlPlaneReady {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        if !site.paths.admin_kubeconfig().exists() {
            return Ok(ObservedState::Absent);
        }
        let lacks = control_plane_lacks(site, &Programs::of(&site.paths, &self.pack));
        Ok(if lacks.is_none() { ObservedState::Done } else { ObservedState::Absent })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let programs = Programs::of(&site.paths, &self.pack);
        let seconds = wait(site, &programs, Duration::from_secs(self.seconds))?;
        site.sync_filesystem(&site.paths.data())?;
        Ok(json!({ "seconds": seconds }))
    }

    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        // The step only waits.
        Ok(())
    }
}
