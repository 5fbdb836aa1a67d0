//! Documents of the host's API about the support bundle that is collected for the console. The host keeps one at a
//! time.

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Requester;

/// Permitted age of logs, in hours.
pub const SUPPORT_HOURS: RangeInclusive<u32> = 1..=168;

/// Maximum bytes of a piece of a bundle: the console holds two of them for each downloading browser.
pub const SUPPORT_PIECE_BYTES: usize = 256 << 10;

/// Request for a support bundle. The ID of the request becomes that of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupportRequest {
    /// The requester.
    #[serde(flatten)]
    pub asking: Requester,
    /// Age of the oldest logs, in hours.
    pub hours: u32,
}

impl SupportRequest {
    /// Returns true if its parts are within bounds.
    pub fn is_sound(&self) -> bool {
        self.asking.is_sound() && SUPPORT_HOURS.contains(&self.hours)
    }
}

/// Support bundle of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SupportPage {
    /// Support bundle, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<SupportBundle>,
}

/// Support bundle, which can be downloaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupportBundle {
    /// ID of the support bundle.
    pub id: String,
    /// User who requested it.
    pub by: String,
    /// Collection time, RFC 3339 in UTC.
    pub collected: String,
    /// Time at which the host removes it, RFC 3339 in UTC. A restart of the host's API also removes it.
    pub expires: String,
    /// Age limit of its logs, in hours.
    pub hours: u32,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Number of files in it, without its index.
    pub files: u64,
    /// Number of files that contain only their newest lines.
    pub truncated: u64,
    /// Number of known secret values, which were searched for.
    pub known_values: u64,
    /// Data that could not be collected, and reasons why values of some secrets are not known.
    pub gaps: Vec<String>,
}
