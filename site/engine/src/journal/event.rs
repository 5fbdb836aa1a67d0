//! The contents of a journal: one event per record.

use std::path::PathBuf;

use jiff::Timestamp;
use landfall_bundle_spec::Sha256;
use landfall_error_codes::Coded;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::NodeIdentity;
use crate::plan::{Operation, StepId};

/// Everything an operation is pinned to: record 0 of its journal. Resume uses only this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// What the operation does.
    pub operation: Operation,
    /// Id of the bundle.
    pub bundle: Sha256,
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// Counter of the release.
    pub counter: u64,
    /// SHA-256 of the site configuration's canonical bytes.
    pub configuration: Sha256,
    /// SHA-256 of the `landfall` that planned; only that one may resume.
    pub engine: Sha256,
    /// Where first trust came from.
    pub trust: PinnedTrust,
    /// Where the bundle was found.
    pub media: PathBuf,
    /// The host's name and address in its cluster.
    pub node: NodeIdentity,
    /// Ids of the plan's steps, in order.
    pub steps: Vec<StepId>,
    /// The plan, as the very JSON text that was planned.
    pub plan: String,
}

/// The root of trust of an operation, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedTrust {
    /// Fingerprint of the root document that the chain ended at.
    pub fingerprint: Sha256,
    /// Its number.
    pub number: u64,
    /// Whether it is for development only.
    pub development: bool,
    /// Where the trust that the chain began with came from: `file PATH` or `fingerprint on the command line`.
    #[serde(rename = "came")]
    pub source: String,
    /// The document itself, which later operations trust.
    pub root: String,
}

/// An error as the journal stores it, and as reports show it later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordedError {
    /// `LF` and four digits.
    pub code: String,
    /// What failed, and on what.
    pub what: String,
    /// Why, outermost cause first.
    pub causes: Vec<String>,
    /// What a person does next.
    pub hint: String,
}

impl RecordedError {
    /// Takes an error with all its causes.
    pub fn of<E: Coded>(error: &E) -> Self {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        Self {
            code: error.code().id.to_owned(),
            what: error.to_string(),
            causes: causes.map(ToString::to_string).collect(),
            hint: error.hint().unwrap_or_else(|| error.code().fix.to_owned()),
        }
    }
}

/// One thing that happened, or is about to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// Record 0: the operation begins.
    Opened {
        /// What it is pinned to.
        pins: Box<Pins>,
    },
    /// What undoing the step needs to know about the state before. Written once, before its first act.
    Prepared {
        /// The step.
        step: StepId,
        /// The state before.
        before: Value,
    },
    /// The step is about to act, for the first time or again.
    Started {
        /// The step.
        step: StepId,
    },
    /// The step acted, and its effects survive a power cut.
    Done {
        /// The step.
        step: StepId,
        /// Its output.
        output: Value,
    },
    /// The step failed; it may be started again.
    Failed {
        /// The step.
        step: StepId,
        /// Why.
        error: RecordedError,
    },
    /// The step found something that is not Landfall's, and did not act.
    Blocked {
        /// The step.
        step: StepId,
        /// What it found.
        what: String,
    },
    /// Every step is done; the release runs.
    Committed,
    /// From here on the operation goes back.
    UndoRequested {
        /// Whether volumes and generated secrets are kept.
        keep_data: bool,
    },
    /// The step is about to be undone, for the first time or again.
    UndoStarted {
        /// The step.
        step: StepId,
    },
    /// The step is undone.
    UndoDone {
        /// The step.
        step: StepId,
    },
    /// The step could not be undone.
    UndoFailed {
        /// The step.
        step: StepId,
        /// Why.
        error: RecordedError,
    },
    /// Every step that started is undone.
    Undone,
}

impl Event {
    /// The step it is about, if it is about one.
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::Prepared { step, .. }
            | Self::Started { step }
            | Self::Done { step, .. }
            | Self::Failed { step, .. }
            | Self::Blocked { step, .. }
            | Self::UndoStarted { step }
            | Self::UndoDone { step }
            | Self::UndoFailed { step, .. } => Some(step),
            Self::Opened { .. } | Self::Committed | Self::UndoRequested { .. } | Self::Undone => None,
        }
    }

    /// Its name in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Prepared { .. } => "prepared",
            Self::Started { .. } => "started",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::Blocked { .. } => "blocked",
            Self::Committed => "committed",
            Self::UndoRequested { .. } => "undo-requested",
            Self::UndoStarted { .. } => "undo-started",
            Self::UndoDone { .. } => "undo-done",
            Self::UndoFailed { .. } => "undo-failed",
            Self::Undone => "undone",
        }
    }
}

/// The payload of a record: an event, and when it was written by the host's clock. No decision depends on the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}
