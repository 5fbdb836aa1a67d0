//! The running operation, folded from its events. It is only displayed; no decision depends on it.

use landfall_progress::Event;

/// Number of steps and notes kept for the page; earlier ones are dropped.
const KEPT: usize = 200;

/// A step that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Number of the step; 1 for the first.
    pub index: usize,
    /// Title of the step.
    pub title: String,
}

/// A part of the operation that counts bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// Name of the phase.
    pub name: String,
    /// Number of completed bytes.
    pub done_bytes: u64,
    /// Total number of bytes, if known.
    pub total_bytes: Option<u64>,
}

/// An operation that runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunningOperation {
    /// Verb of the operation, such as `upgrade`.
    pub operation: String,
    /// Number of its steps; 0 before the first one.
    pub count: usize,
    /// Steps that have begun, the current one last.
    pub steps: Vec<Step>,
    /// The current phase.
    pub phase: Option<Phase>,
    /// Predicted remaining time in seconds.
    pub remaining_seconds: Option<u64>,
    /// Messages for people, oldest first.
    pub notes: Vec<String>,
    /// True if the stick is no longer needed.
    pub is_stick_free: bool,
}

impl RunningOperation {
    /// Creates an operation of which nothing is known yet.
    pub fn new(operation: Option<String>) -> Self {
        Self { operation: operation.unwrap_or_else(|| "operation".to_owned()), ..Self::default() }
    }

    /// Returns true if the console's own pod may be replaced during it.
    pub fn replaces_console(&self) -> bool {
        matches!(self.operation.as_str(), "upgrade" | "rollback" | "restore" | "configure" | "resume" | "abort")
    }

    /// Returns the current step.
    pub fn current(&self) -> Option<&Step> {
        self.steps.last()
    }

    /// Applies the next event.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::PhaseStarted { phase, total_bytes } => {
                self.phase = Some(Phase { name: phase, done_bytes: 0, total_bytes });
            }
            Event::Present { bytes } | Event::Advanced { bytes } => {
                if let Some(phase) = &mut self.phase {
                    phase.done_bytes = phase.done_bytes.saturating_add(bytes);
                }
            }
            Event::PhaseDone => self.phase = None,
            Event::StepStarted { index, count, title, remaining } => {
                (self.count, self.phase) = (count, None);
                self.remaining_seconds = remaining.map(|left| left.as_secs());
                push(&mut self.steps, Step { index, title });
            }
            Event::Note(text) => push(&mut self.notes, text),
            Event::SafeToRemove => self.is_stick_free = true,
            Event::Unknown => {}
        }
    }
}

fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() >= KEPT {
        list.remove(0);
    }
    list.push(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn install_sample_folds() {
        let mut running = RunningOperation::new(Some("install".to_owned()));
        let lines = include_str!("../../../crates/progress/samples/install.jsonl");
        for line in lines.lines() {
            running.take(serde_json::from_str(line).unwrap());
        }
        assert_eq!(running.current().unwrap().index, running.count);
        assert!(running.is_stick_free && running.phase.is_none());
        for number in 0..1000 {
            running.take(Event::Note(number.to_string()));
        }
        assert_eq!((running.notes.len(), running.notes.last().unwrap().as_str()), (KEPT, "999"));
    }
}
