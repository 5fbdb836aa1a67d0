//! Operations on a site, and the process that runs one.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Operation of a plan on a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// A release is installed on an empty site. Its uninstall is the same operation in the other direction.
    Install,
    /// The settings of an installed release change.
    Configure,
    /// Another release takes the place of the installed one.
    Upgrade,
    /// A kept earlier release takes the place of the installed one.
    Rollback,
    /// Data of a backup replaces data of the installed release.
    Restore,
}

impl Operation {
    /// All kinds of operations.
    pub const ALL: [Self; 5] = [Self::Install, Self::Configure, Self::Upgrade, Self::Rollback, Self::Restore];

    /// Returns the operation with this name; `None` for one of a newer version.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// Returns the operation's name: its verb, and part of the names of its journals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Configure => "configure",
            Self::Upgrade => "upgrade",
            Self::Rollback => "rollback",
            Self::Restore => "restore",
        }
    }
}

/// Process that runs an operation, for the message to a second one. No decision depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Holder {
    /// Operation: `install`, `resume`, `uninstall`.
    pub operation: String,
    /// ID of its process.
    pub pid: u32,
    /// Time at which it began.
    #[schemars(with = "String")]
    pub started: Timestamp,
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return formatter.write_str("another operation");
        }
        write!(formatter, "`landfall {}` (process {}, since {:.0})", self.operation, self.pid, self.started)
    }
}
