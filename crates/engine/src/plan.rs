//! Plans: data, produced by a pure function, pinned in the journal, executed without decisions.

use landfall_documents::operation::Operation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// ID of a step within its plan, such as `stage` or `component/postgres`. It is stable across runs of one plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StepId(pub String);

impl std::fmt::Display for StepId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Step of a plan: the parameters of its action `A`, and advance information for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep<A> {
    /// ID of the step, unique within the plan.
    pub id: StepId,
    /// Title of the step, for a person: `start the control plane`.
    pub title: String,
    /// All parameters of the step; no choice is left to execution.
    pub action: A,
    /// Bytes that the step writes, if that is known.
    pub bytes: u64,
    /// Predicted duration in seconds on the reference machine.
    pub seconds: u64,
    /// Reversibility of the step.
    pub undo: Undo,
}

/// Reversibility of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// The step can be undone.
    Reversible,
    /// The step cannot be undone, and the plan says so.
    Irreversible,
}

/// Ordered steps of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan<A> {
    /// Operation on the site.
    pub operation: Operation,
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// Steps, in order. Once all of them are done, the operation is committed.
    pub steps: Vec<PlannedStep<A>>,
    /// Steps after the commit, in order, which remove objects that only the earlier release needed. They are never
    /// undone.
    #[serde(default = "none::<A>", skip_serializing_if = "Vec::is_empty")]
    pub closing: Vec<PlannedStep<A>>,
    /// Reaction to a failed step.
    #[serde(rename = "onFailure", default, skip_serializing_if = "OnFailure::is_stop")]
    pub on_failure: OnFailure,
}

/// Returns an empty list of steps after the commit.
fn none<A>() -> Vec<PlannedStep<A>> {
    Vec::new()
}

impl<A> Plan<A> {
    /// Creates a plan that ends with its commit, and that stops when a step fails.
    pub fn new(operation: Operation, release: &str, version: &str, steps: Vec<PlannedStep<A>>) -> Self {
        let (release, version) = (release.to_owned(), version.to_owned());
        Self { operation, release, version, steps, closing: Vec::new(), on_failure: OnFailure::Stop }
    }

    /// Returns the step with this index, counted through both lists.
    pub fn step(&self, index: usize) -> Option<&PlannedStep<A>> {
        self.all().nth(index)
    }

    /// Returns every step in order, including those after the commit.
    pub fn all(&self) -> impl Iterator<Item = &PlannedStep<A>> {
        self.steps.iter().chain(&self.closing)
    }
}

/// Reaction to a step that failed permanently before the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The operation stops; a person resumes or undoes it.
    #[default]
    Stop,
    /// The operation undoes its steps automatically if it fails at or after the step with index `from`. Earlier steps
    /// leave the site as useful as before: if one of those fails, the operation stops.
    Undo {
        /// Index of the first step with automatic undo.
        from: usize,
    },
}

impl OnFailure {
    /// Returns true for the default.
    fn is_stop(&self) -> bool {
        *self == Self::Stop
    }
}
