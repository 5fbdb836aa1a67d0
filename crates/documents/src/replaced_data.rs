//! Data of volumes that the undo of a change replaced.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Data of a volume that an undo replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplacedData {
    /// Name of its folder, by which it is removed.
    pub name: String,
    /// Path of its folder.
    pub path: PathBuf,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Claim of its volume, as `NAMESPACE/CLAIM`; null if the name does not show it.
    pub claim: Option<String>,
}
