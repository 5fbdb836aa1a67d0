//! Waits for the control plane: kubeadm's own wait takes no configuration, so it would not find ours.

use std::time::{Duration, Instant};

use landfall_bundle_spec::codes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::node::programs::Programs;
use crate::site::Site;
use crate::step::{Observed, Step, StepError};

const POLL: Duration = Duration::from_millis(500);

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPlaneReady {
    /// Version of Kubernetes, whose kubectl asks.
    pub kubernetes: String,
    /// Seconds until it counts as failed.
    pub seconds: u64,
}

impl ControlPlaneReady {
    /// What the API server lacks; none when it is ready and knows the node.
    fn lacking(&self, site: &Site) -> Option<String> {
        let programs = Programs::of(site, &self.kubernetes);
        for question in [["get", "--raw", "/readyz"].as_slice(), &["get", "node", &site.node.name, "-o", "name"]] {
            if let Err(error) = site.run(&programs.kubectl(question)) {
                return Some(error.to_string());
            }
        }
        None
    }
}

impl Step<Site> for ControlPlaneReady {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        if !site.paths.admin_kubeconfig().exists() {
            return Ok(Observed::Absent);
        }
        Ok(if self.lacking(site).is_none() { Observed::Done } else { Observed::Absent })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let begin = Instant::now();
        while let Some(lacking) = self.lacking(site) {
            if begin.elapsed() > Duration::from_secs(self.seconds) {
                let what = format!("the control plane is not ready after {} s: {lacking}", self.seconds);
                return Err(StepError::new(codes::NODE_TIMEOUT, what));
            }
            std::thread::sleep(POLL);
        }
        site.sync_filesystem(&site.paths.data())?;
        Ok(json!({ "seconds": begin.elapsed().as_secs() }))
    }

    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        // It only waits.
        Ok(())
    }
}
