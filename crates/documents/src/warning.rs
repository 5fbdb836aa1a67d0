//! Warnings that a person accepted before an operation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Warning that a person accepted before an operation, as the operation's journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcceptedWarning {
    /// Name of the finding.
    pub name: String,
    /// Warning in a few words.
    pub message: String,
    /// Value measured at that time, with its unit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub measured: String,
    /// Value needed at that time, with its unit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub threshold: String,
    /// Place of the acceptance.
    pub by: AcceptedBy,
}

/// Place where a person has accepted a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AcceptedBy {
    /// `--accept` on the command line.
    CommandLine,
    /// `accept` in the site configuration.
    SiteConfiguration,
}

impl AcceptedBy {
    /// Returns the place as text for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::CommandLine => "on the command line",
            Self::SiteConfiguration => "in the site configuration",
        }
    }
}
