//! Results of a probe.

use landfall_error_codes::{Code, ExitClass};
use landfall_host::facts::Facts;
use schemars::JsonSchema;
use serde::Serialize;

/// What was found on the nodes of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProbeReport {
    /// Address of the API server.
    pub server: String,
    /// The nodes, by their names.
    pub nodes: Vec<ProbedNode>,
    /// The namespace that still exists and must be deleted by a person; null where it is gone.
    pub leftover: Option<Absence>,
}

/// What was found on one node.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProbedNode {
    /// Name of the node.
    pub name: String,
    /// What was found.
    #[serde(flatten)]
    pub probed: Probed,
}

/// Facts, or why there are none.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Probed {
    /// The facts of the node, without speeds, which are not measured where software runs.
    Facts(Box<Facts>),
    /// Why there are none.
    Absent(Absence),
}

/// Why something is not as it was to be.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Absence {
    /// Entry of the registry of codes.
    pub code: &'static str,
    /// What was found.
    pub reason: String,
    /// What to do about it.
    pub next: String,
}

impl Absence {
    pub(super) fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code: code.id, reason: reason.into(), next: code.fix.to_owned() }
    }
}

impl ProbedNode {
    pub(super) fn absent(name: &str, code: Code, reason: impl Into<String>) -> Self {
        Self { name: name.to_owned(), probed: Probed::Absent(Absence::new(code, reason)) }
    }
}

impl ProbeReport {
    /// Returns the number of nodes with facts.
    pub fn with_facts(&self) -> usize {
        self.nodes.iter().filter(|node| matches!(node.probed, Probed::Facts(_))).count()
    }

    /// Returns 0 if every node has facts and nothing is left in the cluster.
    pub fn exit_code(&self) -> u8 {
        let is_whole = self.with_facts() == self.nodes.len() && self.leftover.is_none();
        if is_whole { 0 } else { ExitClass::NotReady.exit_code() }
    }
}
