//! The distribution of an image.

use serde::{Deserialize, Serialize};

/// A distribution, as named in `os-release`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// `ID`, such as `debian`.
    pub distribution: String,
    /// `VERSION_ID`, such as `13`; rolling distributions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}
