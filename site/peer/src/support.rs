//! Documents of the host's API about the support bundle that is collected for the console. The host keeps one at a
//! time.

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Asking;

/// Permitted age of logs, in hours.
pub const SUPPORT_HOURS: RangeInclusive<u32> = 1..=168;

/// Maximum bytes of a piece of a bundle: the console holds two of them for each downloading browser.
pub const SUPPORT_PIECE_BYTES: usize = 256 << 10;

/// Request for a support bundle. The ID of the request becomes that of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupportWish {
    /// The requester.
    #[serde(flatten)]
    pub asking: Asking,
    /// Age of the oldest logs, in hours.
    pub hours: u32,
}

impl SupportWish {
    /// Returns true if its parts are within bounds.
    pub fn is_sound(&self) -> bool {
        self.asking.is_sound() && SUPPORT_HOURS.contains(&self.hours)
    }
}

/// What the host has of support bundles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SupportPage {
    /// The bundle, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<SupportBundle>,
}

/// A support bundle, which can be downloaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupportBundle {
    /// Names it.
    pub id: String,
    /// The user who asked for it.
    pub by: String,
    /// When it was collected, RFC 3339 in UTC.
    pub collected: String,
    /// When the host removes it, RFC 3339 in UTC. It is also removed when the host's API starts again.
    pub expires: String,
    /// How far back its logs reach, in hours.
    pub hours: u32,
    /// Bytes of it.
    pub size_bytes: u64,
    /// Files in it, without its index.
    pub files: u64,
    /// How many of them have only the newest lines.
    pub truncated: u64,
    /// Values that were known to be secret, and that were looked for.
    pub known_values: u64,
    /// What could not be collected, and why; and why values of some secrets are not known.
    pub gaps: Vec<String>,
}
