//! The running operation, folded from its events. It is shown, never decided by.

use landfall_progress::Event;

/// Steps and notes that are kept for the page; earlier ones drop out.
const KEPT: usize = 200;

/// A step that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// 1 for the first.
    pub index: usize,
    /// What it does.
    pub title: String,
}

/// A part of the operation that counts bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// What is done.
    pub name: String,
    /// Bytes that are done.
    pub done_bytes: u64,
    /// All the bytes, where that is known.
    pub total_bytes: Option<u64>,
}

/// An operation that runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Running {
    /// What it does: `upgrade`.
    pub operation: String,
    /// How many steps it has; 0 before the first one.
    pub count: usize,
    /// Steps that began, the current one last.
    pub steps: Vec<Step>,
    /// The current phase.
    pub phase: Option<Phase>,
    /// Seconds that the rest is predicted to take.
    pub remaining_seconds: Option<u64>,
    /// What a person should read, oldest first.
    pub notes: Vec<String>,
    /// Whether the stick is no longer needed.
    pub is_stick_free: bool,
}

impl Running {
    /// An operation of which nothing is known yet.
    pub fn begun(operation: Option<String>) -> Self {
        Self { operation: operation.unwrap_or_else(|| "operation".to_owned()), ..Self::default() }
    }

    /// Whether the console's own pod may be replaced meanwhile.
    pub fn replaces_console(&self) -> bool {
        matches!(self.operation.as_str(), "upgrade" | "rollback" | "restore" | "configure" | "resume" | "abort")
    }

    /// The step that runs.
    pub fn current(&self) -> Option<&Step> {
        self.steps.last()
    }

    /// Takes the next event.
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
    fn the_sample_of_an_install_folds() {
        let mut running = Running::begun(Some("install".to_owned()));
        let lines = include_str!("../../../progress/samples/install.jsonl");
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
