//! Models of the installed release as the status reports them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Status of a model of the installed release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelStatus {
    /// Name of its artifact.
    pub name: String,
    /// Quantization, or type of most weights.
    #[serde(default)]
    #[schemars(!default)]
    pub quantization: String,
    /// Size of its weights in files, in bytes.
    pub weights_bytes: u64,
    /// Figures that its software received, by the latest plan or the site; empty if the release lets neither decide.
    #[serde(default)]
    #[schemars(!default)]
    pub figures: Vec<ModelFigure>,
    /// Profile on this host with these figures: engine, place and figures; null if it does not run.
    pub profile: Option<String>,
    /// Reason why it does not run.
    pub reason: Option<String>,
}

/// Figure of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelFigure {
    /// Name of the figure: `tensorParallel`, `context`, `sequences` or `memoryBytes`.
    pub name: String,
    /// Value of the figure.
    pub value: u64,
    /// True if the site set it, rather than the plan.
    #[serde(default)]
    #[schemars(!default)]
    pub set_by_site: bool,
}
