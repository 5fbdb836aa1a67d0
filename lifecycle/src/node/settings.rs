//! What the agent needs to know at boot, written by the agent's step.

use landfall_bundle_spec::codes;
use serde::{Deserialize, Serialize};

use crate::site::{NodeIdentity, SitePaths};
use crate::step::StepError;
use crate::steps::service_route::ServiceRoute;

/// Settings of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSettings {
    /// Version of Kubernetes, as `v1.36.3`.
    pub kubernetes: String,
    /// How the host is known in its cluster.
    pub node: NodeIdentity,
    /// The route to services.
    pub service_route: ServiceRoute,
}

impl AgentSettings {
    /// Reads them.
    pub fn read(paths: &SitePaths) -> Result<Self, StepError> {
        let path = paths.agent_settings();
        let failed = || StepError::new(codes::NODE_SETTINGS, format!("cannot read {}", path.display()));
        let bytes = fs_err::read(&path).map_err(|error| failed().because(error))?;
        serde_json::from_slice(&bytes).map_err(|error| failed().because(error))
    }

    /// As they are written.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}
