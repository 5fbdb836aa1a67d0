//! Details of one operation of a site from its journal: each step with its times and outcome.

use landfall_documents::failure::StepFailure;
use landfall_documents::history::PastOperation;
use landfall_engine::journal::{Entry, Event};
use landfall_engine::plan::StepId;
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::console::is_outside;
use super::error::{OperationError, Result};
use super::past::JournaledOperation;
use super::past_operations::titles;
use landfall_site::pins::Pins;

/// Operation with its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationDetails {
    /// Operation without its steps.
    pub operation: PastOperation,
    /// Steps in the order of the plan, including steps after the commit.
    pub steps: Vec<PastStep>,
}

/// Step of an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastStep {
    /// Number of the step, from 1.
    pub number: usize,
    /// ID of the step, such as `component/postgres`.
    pub id: String,
    /// Title of the step.
    pub title: String,
    /// Status: `pending`, `prepared`, `started`, `failed`, `done`, `half undone`, `not undone` or `undone`.
    pub status: &'static str,
    /// Time of its first act, RFC 3339 in UTC; null if it never acted.
    pub begun: Option<String>,
    /// Time of its completion, RFC 3339 in UTC; null if it was never done.
    pub done: Option<String>,
    /// Duration in seconds; null if the clock was set back during it.
    pub seconds: Option<u64>,
    /// Number of attempts: more than one if it failed, or if the machine went down in it.
    pub attempts: usize,
    /// End of its undo, RFC 3339 in UTC; null if it was not undone.
    pub undone: Option<String>,
    /// All failures, oldest first, including failures of its undo.
    pub failures: Vec<StepFailure>,
    /// Object that blocked the step because Landfall does not own it.
    pub blocked: Option<String>,
}

impl Operations {
    /// Returns an operation with its steps, by number. Changes nothing.
    pub fn operation_details(&self, number: u64) -> Result<OperationDetails> {
        let files = self.journals().list()?;
        let latest = files.last().map(|file| file.number);
        let file = files.into_iter().find(|file| file.number == number);
        let file = file.ok_or(OperationError::UnknownOperation { number, latest })?;
        let running = self.journals().holder().is_some_and(|holder| !is_outside(&holder.operation));
        let operation = self.looked_up(&file, running && latest == Some(number));
        let past = JournaledOperation { replay: self.journals().read(&file)?, file };
        let steps = past.pins().map(|pins| steps(&past, pins)).unwrap_or_default();
        Ok(OperationDetails { operation, steps })
    }
}

fn steps(past: &JournaledOperation, pins: &Pins) -> Vec<PastStep> {
    let titles = titles(pins);
    let states = pins.steps.iter().zip(&past.replay.state.steps).enumerate();
    let steps = states.map(|(index, (id, state))| {
        let title = titles.get(index).cloned().unwrap_or_default();
        let mut step = PastStep {
            number: index + 1,
            id: id.to_string(),
            title,
            status: state.status.name(),
            blocked: state.blocked.clone(),
            ..PastStep::default()
        };
        step.read(id, &past.replay.entries);
        step
    });
    steps.collect()
}

impl PastStep {
    /// Fills in the facts of the step from its records.
    fn read(&mut self, id: &StepId, entries: &[Entry<Pins>]) {
        let (mut begun, mut done) = (None, None);
        for Entry { at, event } in entries.iter().filter(|entry| entry.event.step() == Some(id)) {
            match event {
                Event::Started { .. } => {
                    self.attempts += 1;
                    begun.get_or_insert(*at);
                }
                Event::Done { .. } => done = Some(*at),
                Event::UndoDone { .. } => self.undone = Some(format!("{at:.0}")),
                Event::Failed { error, .. } | Event::UndoFailed { error, .. } => {
                    self.failures.push(StepFailure { step: self.title.clone(), failure: error.clone() });
                }
                _ => {}
            }
        }
        let between = begun.zip(done).map(|(begun, done)| done.duration_since(begun).as_secs());
        self.seconds = between.and_then(|seconds| u64::try_from(seconds).ok());
        (self.begun, self.done) = (begun.map(|at| format!("{at:.0}")), done.map(|at| format!("{at:.0}")));
    }
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::sample::Vendor;
    use landfall_bundle_spec::trust::KeyKind;
    use landfall_documents::failure::Failure;
    use landfall_error_codes::{CodedError, codes};
    use serde_json::Value;

    use super::*;
    use crate::operations::install::tests::{Fixture, release};
    use crate::operations::testing::operations;

    #[test]
    fn install_steps_are_listed_with_times() {
        let fixture = Fixture::with(&Vendor::new(KeyKind::Ed25519).unwrap(), &release(3));
        fixture.prepared_install().run().unwrap();
        let details = fixture.operations.operation_details(1).unwrap();
        assert_eq!(details.operation.operation, "install");
        assert!(details.steps.len() > 1, "{details:?}");
        for (step, number) in details.steps.iter().zip(1..) {
            assert_eq!((step.number, step.status, step.attempts), (number, "done", 1), "{step:?}");
            assert!(step.seconds.is_some() && step.failures.is_empty() && !step.title.is_empty(), "{step:?}");
        }
        let error = fixture.operations.operation_details(2).unwrap_err();
        assert_eq!(error.to_string(), "this site has no operation 2: its operations are 1 to 1");
        assert_eq!(error.code(), codes::UNKNOWN_OPERATION);
    }

    #[test]
    fn step_failures_attempts_and_undo_are_counted() {
        let (id, other) = (StepId("stage".to_owned()), StepId("identity".to_owned()));
        let error = Failure {
            code: "LF4103".into(),
            what: "tar failed".to_owned(),
            causes: Vec::new(),
            hint: "look".to_owned(),
        };
        let at = |second: i64| jiff::Timestamp::from_second(1_800_000_000 + second).unwrap();
        let entry = |second, event| Entry { at: at(second), event };
        let entries = [
            entry(0, Event::Started { step: id.clone() }),
            entry(2, Event::Failed { step: id.clone(), error: error.clone() }),
            entry(5, Event::Started { step: id.clone() }),
            entry(9, Event::Done { step: id.clone(), output: Value::Null }),
            entry(9, Event::Started { step: other }),
            entry(20, Event::UndoFailed { step: id.clone(), error }),
            entry(30, Event::UndoDone { step: id.clone() }),
        ];
        let mut step = PastStep {
            number: 1,
            id: id.to_string(),
            title: "copy".to_owned(),
            status: "undone",
            ..PastStep::default()
        };
        step.read(&id, &entries);
        assert_eq!((step.attempts, step.failures.len(), step.seconds), (2, 2, Some(9)));
        assert_eq!(step.undone, Some(format!("{:.0}", at(30))));
    }

    #[test]
    fn empty_machine_has_no_operation() {
        let (_root, operations) = operations();
        let error = operations.operation_details(1).unwrap_err();
        assert_eq!(error.to_string(), "this site has no operation 1: nothing is installed on this machine");
    }
}
