//! Past operations on the site, as far as pages show them.

use landfall_peer::OperationFailure;
use serde::Deserialize;

/// Output of `landfall history`.
#[derive(Debug, Clone, Deserialize, Default)]
pub struct History {
    #[serde(default)]
    pub operations: Vec<PastOperation>,
    /// Number of operations before these.
    #[serde(default)]
    pub earlier: usize,
}

/// An operation.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastOperation {
    pub number: u64,
    pub operation: String,
    pub from: Option<String>,
    pub to: Option<String>,
    #[serde(default)]
    pub outcome: OperationOutcome,
    pub begun: Option<String>,
    /// Time when it was done or undone; `None` for an open one.
    #[serde(default)]
    pub ended: Option<String>,
    pub seconds: Option<u64>,
    pub undone_because: Option<String>,
    pub failure: Option<OperationFailure>,
    pub asked: Option<AskedBy>,
}

/// Outcome of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum OperationOutcome {
    /// It is done.
    Committed,
    /// Everything is as before.
    Undone,
    /// It needs a person.
    Stuck,
    /// It is running, or was interrupted.
    Open,
    /// The host cannot read its journal.
    Unreadable,
    /// Outcome of a newer version.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Requester of an operation.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AskedBy {
    pub by: Account,
    pub approved_by: Option<Account>,
}

/// An account of the console or of the host.
#[derive(Debug, Clone, Deserialize)]
pub struct Account {
    /// `user`, `key` or `host`.
    #[serde(default)]
    pub kind: String,
    pub name: String,
}
