//! Plans: data, made by a pure function, pinned in the journal, executed without decisions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an operation does to a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// A release is installed on an empty site. Its uninstall is the same operation in the other direction.
    Install,
    /// The settings of an installed release change.
    Configure,
    /// Another release takes the place of the installed one.
    Upgrade,
    /// A release that the site had before, and keeps, takes the place of the installed one.
    Rollback,
    /// Data of the installed release is replaced by that of a backup.
    Restore,
}

impl Operation {
    /// All kinds of operations.
    pub const ALL: [Self; 5] = [Self::Install, Self::Configure, Self::Upgrade, Self::Rollback, Self::Restore];

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

/// Identifies a step within its plan, such as `stage` or `component/postgres`. Stable across runs of one plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StepId(pub String);

impl std::fmt::Display for StepId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One step of a plan: the parameters of its action `A`, and what a person wants to know about it beforehand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep<A> {
    /// Unique within the plan.
    pub id: StepId,
    /// What it does, for a person: `start the control plane`.
    pub title: String,
    /// Everything the step needs to know; no choice is left to execution.
    pub action: A,
    /// Bytes it writes, where that is known.
    pub bytes: u64,
    /// Predicted duration in seconds on the reference machine.
    pub seconds: u64,
    /// Whether it can be undone.
    pub undo: Undo,
}

/// Whether a step can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// It can.
    Reversible,
    /// It cannot, and the plan says so.
    Irreversible,
}

/// Ordered steps of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan<A> {
    /// What it does to the site.
    pub operation: Operation,
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// The steps, in order. Once all of them are done, the operation is committed.
    pub steps: Vec<PlannedStep<A>>,
    /// What follows the commit, in order: the removal of what only the release before it needed. It is never undone.
    #[serde(default = "none::<A>", skip_serializing_if = "Vec::is_empty")]
    pub closing: Vec<PlannedStep<A>>,
    /// What follows from a failed step.
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

/// What follows from a step that failed for good before the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The operation stops; a person resumes or undoes it.
    #[default]
    Stop,
    /// The operation goes back by itself, from the step with index `from` on. Steps before that leave the site as useful
    /// as it was: there it stops.
    Undo {
        /// Index of the first such step.
        from: usize,
    },
}

impl OnFailure {
    /// Returns true for the default.
    fn is_stop(&self) -> bool {
        *self == Self::Stop
    }
}
