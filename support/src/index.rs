//! `support.json`: the index of a support bundle.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Name of the index in the archive, where it is the last file.
pub const INDEX: &str = "support.json";

/// Value of `kind` in the index.
pub const KIND: &str = "support";

/// Schema version of the index and of the support bundle.
pub const SCHEMA: u32 = 1;

/// The index of a support bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// When it was collected, by the site's clock, RFC 3339 in UTC.
    pub collected_at: String,
    /// Version of the `landfall` that collected it.
    pub landfall: String,
    /// How far back logs reach, in seconds.
    pub since_seconds: u64,
    /// What is known about the redaction.
    pub redaction: Redaction,
    /// What was collected, and what could not be.
    pub collectors: Vec<CollectorRecord>,
    /// The files, in the order of the archive, without this index.
    pub files: Vec<FileRecord>,
}

/// What is known about the redaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Redaction {
    /// How many values were known to be secret.
    pub known_values: usize,
    /// Why the values of some secrets are not known. Those are found only where they look like secrets.
    pub unknown: Vec<String>,
}

/// What became of one collector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollectorRecord {
    /// Its name.
    pub name: String,
    /// Milliseconds that it took.
    pub milliseconds: u64,
    /// Why it failed, in whole or in part; empty if it did not.
    pub failures: Vec<String>,
}

/// A file of a support bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileRecord {
    /// Its name in the archive.
    pub name: String,
    /// Bytes of it.
    pub size_bytes: u64,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: String,
    /// What was left out of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<Truncation>,
}

/// Which end of a source was left out, because of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Truncation {
    /// What was before: the newest lines are there.
    Beginning,
    /// What came after.
    End,
}
