//! Progress as data: mechanisms emit events, the command line renders them, and a console of a different version reads
//! them.
//!
//! In JSON, each event is one object with its name in `event`. A reader of an older version reads an unknown name as
//! [`Event::Unknown`], and ignores unknown fields. So names and fields are only added, never changed.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Event of progress that a user may want to see. Bytes are bytes that reached the disk, not bytes handed to the
/// kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Wire", into = "Wire")]
pub enum Event {
    /// A phase begins; `total_bytes` is present if a total is known.
    PhaseStarted {
        /// Name of the phase for users: `staging`, `control plane`.
        phase: String,
        /// Total bytes of the phase.
        total_bytes: Option<u64>,
    },
    /// Bytes of the current phase are present from an earlier run: done, but no measure of this run's speed.
    Present {
        /// Bytes in addition to those of other such events.
        bytes: u64,
    },
    /// Further bytes of the current phase are done.
    Advanced {
        /// Bytes since the last such event.
        bytes: u64,
    },
    /// The current phase is done.
    PhaseDone,
    /// A step of a plan begins: the `index`th of `count`, counted from 1.
    StepStarted {
        /// Index of the step, from 1.
        index: usize,
        /// Total number of steps.
        count: usize,
        /// Title of the step for users.
        title: String,
        /// Predicted duration of this step and the steps after it, if the plan states it.
        remaining: Option<Duration>,
    },
    /// Note for users; not an error.
    Note(String),
    /// The stick is no longer needed.
    SafeToRemove,
    /// Event of a newer version.
    Unknown,
}

/// JSON form of an event.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Wire {
    PhaseStarted {
        phase: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total_bytes: Option<u64>,
    },
    Present {
        bytes: u64,
    },
    Advanced {
        bytes: u64,
    },
    PhaseDone,
    StepStarted {
        index: usize,
        count: usize,
        title: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remaining_seconds: Option<u64>,
    },
    Note {
        text: String,
    },
    SafeToRemove,
    #[serde(other)]
    Unknown,
}

impl From<Event> for Wire {
    fn from(event: Event) -> Self {
        match event {
            Event::PhaseStarted { phase, total_bytes } => Self::PhaseStarted { phase, total_bytes },
            Event::Present { bytes } => Self::Present { bytes },
            Event::Advanced { bytes } => Self::Advanced { bytes },
            Event::PhaseDone => Self::PhaseDone,
            Event::StepStarted { index, count, title, remaining } => {
                Self::StepStarted { index, count, title, remaining_seconds: remaining.map(|left| left.as_secs()) }
            }
            Event::Note(text) => Self::Note { text },
            Event::SafeToRemove => Self::SafeToRemove,
            Event::Unknown => Self::Unknown,
        }
    }
}

impl From<Wire> for Event {
    fn from(wire: Wire) -> Self {
        match wire {
            Wire::PhaseStarted { phase, total_bytes } => Self::PhaseStarted { phase, total_bytes },
            Wire::Present { bytes } => Self::Present { bytes },
            Wire::Advanced { bytes } => Self::Advanced { bytes },
            Wire::PhaseDone => Self::PhaseDone,
            Wire::StepStarted { index, count, title, remaining_seconds } => {
                Self::StepStarted { index, count, title, remaining: remaining_seconds.map(Duration::from_secs) }
            }
            Wire::Note { text } => Self::Note(text),
            Wire::SafeToRemove => Self::SafeToRemove,
            Wire::Unknown => Self::Unknown,
        }
    }
}

/// A receiver of events. Implementations must be cheap, because mechanisms call them for each chunk.
pub trait Progress: Send + Sync {
    /// Receives one event.
    fn event(&self, event: Event);
}

/// A receiver that ignores all events.
#[derive(Debug, Clone, Copy, Default)]
pub struct SilentProgress;

impl Progress for SilentProgress {
    fn event(&self, _event: Event) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_round_trip_as_json() {
        let events = [
            (
                Event::PhaseStarted { phase: "staging".into(), total_bytes: Some(7) },
                r#"{"event":"phaseStarted","phase":"staging","totalBytes":7}"#,
            ),
            (
                Event::PhaseStarted { phase: "signing".into(), total_bytes: None },
                r#"{"event":"phaseStarted","phase":"signing"}"#,
            ),
            (Event::Present { bytes: 5 }, r#"{"event":"present","bytes":5}"#),
            (Event::Advanced { bytes: 5 }, r#"{"event":"advanced","bytes":5}"#),
            (Event::PhaseDone, r#"{"event":"phaseDone"}"#),
            (
                Event::StepStarted {
                    index: 1,
                    count: 9,
                    title: "stage".into(),
                    remaining: Some(Duration::from_secs(61)),
                },
                r#"{"event":"stepStarted","index":1,"count":9,"title":"stage","remainingSeconds":61}"#,
            ),
            (Event::Note("read this".into()), r#"{"event":"note","text":"read this"}"#),
            (Event::SafeToRemove, r#"{"event":"safeToRemove"}"#),
            (Event::Unknown, r#"{"event":"unknown"}"#),
        ];
        for (event, json) in events {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<Event>(json).unwrap(), event);
        }
    }

    #[test]
    fn newer_events_are_tolerated() {
        let read = |json| serde_json::from_str::<Event>(json).unwrap();
        assert_eq!(read(r#"{"event":"nodeJoined","node":"b","since":{"seconds":5}}"#), Event::Unknown);
        assert_eq!(read(r#"{"event":"advanced","bytes":5,"of":"weights"}"#), Event::Advanced { bytes: 5 });
        let error = serde_json::from_str::<Event>(r#"{"event":"advanced"}"#).unwrap_err();
        assert!(error.to_string().starts_with("missing field `bytes`"), "{error}");
    }
}
