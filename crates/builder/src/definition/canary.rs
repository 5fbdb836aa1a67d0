//! Canaries of components, as written in `release.yaml`.

use serde::Deserialize;
use serde_saphyr::Spanned;

/// A canary as a vendor writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CanaryDefinition {
    /// Workload of the pod, such as `Deployment/web`.
    pub workload: Spanned<String>,
    /// Names of proofs of the component that the pod must pass.
    pub proofs: Spanned<Vec<String>>,
    /// Seconds for which the pod is watched after it starts to receive requests.
    #[serde(default)]
    pub soak_seconds: Option<Spanned<u64>>,
}
