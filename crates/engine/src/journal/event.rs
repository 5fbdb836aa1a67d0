//! The contents of a journal: one event per record.

use jiff::Timestamp;
use landfall_documents::failure::Failure;
use landfall_documents::operation::Operation;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::plan::StepId;

/// Pins of an operation: record 0 of its journal, and everything that a resume uses. The engine needs only these parts.
pub trait OperationPins: Clone + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned {
    /// Kind of the operation.
    fn operation(&self) -> Operation;

    /// Ids of the plan's steps, in order, those after the commit included.
    fn steps(&self) -> &[StepId];

    /// Number of steps that follow the commit.
    fn closing(&self) -> usize;
}

/// The part of an operation's pins that the engine itself needs, for readers of journals that run no step. Other pinned
/// fields are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// Kind of the operation.
    pub operation: Operation,
    /// Ids of the plan's steps, in order, those after the commit included.
    pub steps: Vec<StepId>,
    /// Number of steps that follow the commit.
    #[serde(default)]
    pub closing: usize,
}

impl OperationPins for Outline {
    fn operation(&self) -> Operation {
        self.operation
    }

    fn steps(&self) -> &[StepId] {
        &self.steps
    }

    fn closing(&self) -> usize {
        self.closing
    }
}

/// Cause of an undo.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum UndoCause {
    /// A user requested it.
    #[default]
    Requested,
    /// A step failed permanently.
    Failed {
        /// Failed step.
        step: StepId,
    },
    /// The machine or the process went down repeatedly in the step.
    Died {
        /// Step in which it went down.
        step: StepId,
    },
}

impl UndoCause {
    /// Returns true for the default cause.
    fn is_requested(&self) -> bool {
        *self == Self::Requested
    }
}

/// An event that happened or is about to happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields, bound = "P: OperationPins")]
pub enum Event<P> {
    /// Record 0: the operation begins.
    Opened {
        /// Pins of the operation.
        pins: Box<P>,
    },
    /// The previous state, which the undo of a step needs. Recorded once, before the first act of the step.
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
        /// Cause of the failure.
        error: Failure,
    },
    /// The step found an object that does not belong to Landfall, and did not act.
    Blocked {
        /// The step.
        step: StepId,
        /// Description of the object.
        what: String,
    },
    /// Every step before the commit is done; the release runs.
    Committed,
    /// The operation is undone from here on.
    UndoRequested {
        /// True if volumes and generated secrets are kept.
        keep_data: bool,
        /// Cause of the undo.
        #[serde(default, skip_serializing_if = "UndoCause::is_requested")]
        cause: UndoCause,
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
        /// Cause of the failure.
        error: Failure,
    },
    /// Every step that started is undone.
    Undone,
}

impl<P> Event<P> {
    /// Returns the step that the event concerns, if any.
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

    /// Returns the event's name in the journal.
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

/// Payload of a record: an event, and the time of writing by the host's clock. No decision depends on the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "P: OperationPins")]
pub struct Entry<P> {
    /// Time of writing.
    pub at: Timestamp,
    /// The event.
    #[serde(flatten)]
    pub event: Event<P>,
}

/// Form of most records: an event of one step, without an error. It is read in one pass, while the general form is
/// buffered twice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepRecord<'a> {
    at: Timestamp,
    event: &'a str,
    step: StepId,
    #[serde(default, deserialize_with = "present")]
    before: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    output: Option<Value>,
}

/// Reads a value that is present, even if it is `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl StepRecord<'_> {
    /// Returns the record as an entry; `None` if only the general form can represent it.
    fn into_entry<P>(self) -> Option<Entry<P>> {
        let Self { at, event, step, before, output } = self;
        let event = match (event, before, output) {
            ("prepared", Some(before), None) => Event::Prepared { step, before },
            ("started", None, None) => Event::Started { step },
            ("done", None, Some(output)) => Event::Done { step, output },
            ("undo-started", None, None) => Event::UndoStarted { step },
            ("undo-done", None, None) => Event::UndoDone { step },
            _ => return None,
        };
        Some(Entry { at, event })
    }
}

impl<P: OperationPins> Entry<P> {
    /// Reads the payload of a record.
    pub(super) fn read(payload: &[u8]) -> serde_json::Result<Self> {
        let of_step = serde_json::from_slice::<StepRecord<'_>>(payload).ok().and_then(StepRecord::into_entry);
        of_step.map_or_else(|| serde_json::from_slice(payload), Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_reader_agrees_with_serde() {
        let at = "\"at\":\"2026-11-21T08:00:00Z\"";
        let step = "\"step\":\"component/db\"";
        for event in ["started", "done", "prepared", "undo-started", "undo-done", "committed", "failed", "paused"] {
            for fields in [
                "",
                ",\"before\":null",
                ",\"output\":null",
                ",\"output\":{\"a\":[1]}",
                ",\"before\":7,\"output\":7",
                ",\"b\":1",
            ] {
                for of in [format!(",{step}"), String::new()] {
                    let payload = format!("{{{at},\"event\":\"{event}\"{of}{fields}}}");
                    let general = serde_json::from_str::<Entry<Outline>>(&payload).map_err(|error| error.to_string());
                    let read = Entry::<Outline>::read(payload.as_bytes()).map_err(|error| error.to_string());
                    assert_eq!(read, general, "{payload}");
                }
            }
        }
        let escaped = format!("{{{at},\"event\":\"st\\u0061rted\",{step}}}");
        assert_eq!(Entry::<Outline>::read(escaped.as_bytes()).unwrap().event.name(), "started");
    }
}
