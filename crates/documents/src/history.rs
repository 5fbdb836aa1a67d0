//! Past operations of a site: output of `landfall history`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::StepFailure;

/// Prefix of the console's names for programs with an API key: `key:ID of USER`. No user's name contains a colon.
const KEY_PREFIX: &str = "key:";

/// Operations of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationHistory {
    /// Operations, newest first.
    #[serde(default)]
    #[schemars(!default)]
    pub operations: Vec<PastOperation>,
    /// Number of earlier operations, which are omitted.
    #[serde(default)]
    #[schemars(!default)]
    pub earlier: usize,
}

/// Operation, by its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastOperation {
    /// Number of the operation; the install has the first one.
    pub number: u64,
    /// Operation: `install`, `configure`, `upgrade`, `rollback` or `restore`.
    pub operation: String,
    /// Name and version of the earlier release, if the operation changed it.
    pub from: Option<String>,
    /// Name and version of the release that was installed at its commit; null if its journal cannot be read.
    pub to: Option<String>,
    /// Outcome of the operation.
    #[serde(default)]
    #[schemars(!default)]
    pub outcome: OperationOutcome,
    /// Start time, RFC 3339 in UTC.
    pub begun: Option<String>,
    /// Time at which it was committed or undone, RFC 3339 in UTC.
    pub ended: Option<String>,
    /// Duration in seconds; null if the clock was set back during it.
    pub seconds: Option<u64>,
    /// Reason for its undo, if it was undone.
    pub undone_because: Option<String>,
    /// Failure of a step, if one failed.
    pub failure: Option<StepFailure>,
    /// Account that requested it, if it is known.
    pub asked: Option<AskedBy>,
}

/// Outcome of an operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OperationOutcome {
    /// The operation is committed.
    Committed,
    /// The operation is undone: everything is as before.
    Undone,
    /// The operation can neither continue nor be undone without a person.
    Stuck,
    /// The operation runs, or was interrupted.
    Open,
    /// This version cannot read its journal.
    Unreadable,
    /// Outcome of a newer version.
    #[default]
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

/// Accounts that requested and approved an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AskedBy {
    /// Account that requested the operation.
    pub by: Account,
    /// Account that approved it; absent if the requester approved it, and on the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<Account>,
}

/// Account of a person or a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Kind of the account.
    #[serde(default)]
    #[schemars(!default)]
    pub kind: AccountKind,
    /// Name of the account; for an API key `key:ID of USER`.
    pub name: String,
}

impl Account {
    fn of_console(name: &str) -> Self {
        let kind = if name.starts_with(KEY_PREFIX) { AccountKind::Key } else { AccountKind::User };
        Self { kind, name: name.to_owned() }
    }
}

impl AskedBy {
    /// Returns the accounts of a console request: the sender, and the first approver if two people approve.
    pub fn of_console(by: &str, first: Option<&str>) -> Self {
        match first {
            None => Self { by: Account::of_console(by), approved_by: None },
            Some(first) => Self { by: Account::of_console(first), approved_by: Some(Account::of_console(by)) },
        }
    }
}

impl fmt::Display for Account {
    /// A user of the host may have the same name as one of the console.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.kind == AccountKind::Host { " at the host" } else { "" };
        write!(formatter, "{}{at}", self.name)
    }
}

/// Kind of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AccountKind {
    /// User of the console, in a browser.
    User,
    /// Program with an API key of the console.
    Key,
    /// User of the host, on its command line.
    Host,
    /// Kind of a newer version.
    #[default]
    #[serde(other)]
    Unknown,
}
