//! Results of a probe.

use landfall_documents::failure::FailureCode;
use landfall_error_codes::{Code, ExitClass};
use landfall_host::facts::Facts;
use schemars::JsonSchema;
use serde::Serialize;

/// Report on the nodes of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProbeReport {
    /// Address of the API server.
    pub server: String,
    /// Nodes, by name.
    pub nodes: Vec<ProbedNode>,
    /// Namespace that still exists and that a person must delete; null if it is gone.
    pub leftover: Option<Absence>,
}

/// Report on one node.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProbedNode {
    /// Name of the node.
    pub name: String,
    /// Facts of the node, or the reason for their absence.
    #[serde(flatten)]
    pub probed: ProbeOutcome,
}

/// Facts of a node, or the reason for their absence.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProbeOutcome {
    /// Facts of the node, without speeds, which are not measured while software runs.
    Facts(Box<Facts>),
    /// Reason why there are no facts.
    Absent(Absence),
}

/// Reason why a result is missing.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Absence {
    /// Error code in the registry.
    pub code: FailureCode,
    /// Cause that was found.
    pub reason: String,
    /// Next step for a person.
    pub next: String,
}

impl Absence {
    pub(super) fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code: code.into(), reason: reason.into(), next: code.fix.to_owned() }
    }
}

impl ProbedNode {
    pub(super) fn absent(name: &str, code: Code, reason: impl Into<String>) -> Self {
        Self { name: name.to_owned(), probed: ProbeOutcome::Absent(Absence::new(code, reason)) }
    }
}

impl ProbeReport {
    /// Returns the number of nodes with facts.
    pub fn with_facts(&self) -> usize {
        self.nodes.iter().filter(|node| matches!(node.probed, ProbeOutcome::Facts(_))).count()
    }

    /// Returns 0 if every node has facts and nothing is left in the cluster.
    pub fn exit_code(&self) -> u8 {
        let is_whole = self.with_facts() == self.nodes.len() && self.leftover.is_none();
        if is_whole { 0 } else { ExitClass::NotReady.exit_code() }
    }
}
