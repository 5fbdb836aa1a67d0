//! `support.json`: the index of a support bundle.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Name of the index in the archive, where it is the last file.
pub const INDEX: &str = "support.json";

/// Value of `kind` in the index.
pub const KIND: &str = "support";

/// Schema version of the index and of the support bundle.
pub const SCHEMA: u32 = 1;

/// Index of a support bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Collection time by the site's clock, RFC 3339 in UTC.
    pub collected_at: String,
    /// Version of the `landfall` that collected it.
    pub landfall: String,
    /// Age limit of logs, in seconds.
    pub since_seconds: u64,
    /// Information about the redaction.
    pub redaction: Redaction,
    /// Collected data, and data that could not be collected.
    pub collectors: Vec<CollectorRecord>,
    /// Files, in the order of the archive, without this index.
    pub files: Vec<FileRecord>,
}

/// Information about the redaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Redaction {
    /// Number of known secret values.
    pub known_values: usize,
    /// Reasons why the values of some secrets are not known. These are found only if they look like secrets.
    pub unknown: Vec<String>,
}

/// Result of one collector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollectorRecord {
    /// Name of the collector.
    pub name: String,
    /// Duration in milliseconds.
    pub milliseconds: u64,
    /// Reasons for a complete or partial failure; empty if it did not fail.
    pub failures: Vec<String>,
}

/// File of a support bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileRecord {
    /// Name in the archive.
    pub name: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// End of the source that was omitted, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<Truncation>,
}

/// End of a source that was omitted because of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Truncation {
    /// The beginning was omitted: the newest lines are present.
    Beginning,
    /// The end was omitted.
    End,
}
