//! Changes end in a systemd unit of their own, so they survive the terminal, the connection and the command that began
//! them. The journal is the request: it exists before the unit starts, and contains everything that the unit needs.

mod event_file;

use std::path::PathBuf;
use std::time::Duration;

use landfall_agent::units::{OPERATION, UnitState, systemctl};
use landfall_documents::operation::Operation;
use landfall_engine::engine::End;
use landfall_engine::journal::{JournalFile, Phase, StepStatus};
use landfall_engine::step::StepError;
use landfall_host::command::{CommandRunner, Subprocesses};
use landfall_media::progress::Event;

use super::Operations;
use super::change::{ChangeOutcome, UndoDetails};
use super::decision::{Decision, Verb, decide};
use super::error::{OperationError, Result};
use super::past::JournaledOperation;
use crate::context::UndoScope;
use crate::replaced_data;
pub use event_file::EventFile;
use event_file::EventReader;
pub(super) use event_file::RunEvents;
use landfall_site::pins::State;

/// Interval between two checks of the unit.
const POLL: Duration = Duration::from_millis(500);

impl Operations {
    /// Ends the open change, as the unit does; `None` if nothing is open.
    pub fn operate(&self) -> Result<Option<ChangeOutcome>> {
        let history = self.history_or_hand_over()?;
        let Some(change) = history.deciding() else { return Ok(None) };
        if decide(Verb::Resume, Some(change.position())) != Decision::Change {
            return Ok(None);
        }
        self.end_change_here(&change.file, None).map(Some)
    }

    /// Ends an open change in the unit of operations, and forwards its progress. If the site's earlier `landfall`
    /// installed no such unit, this process ends the change.
    pub(super) fn end_change(&self, file: &JournalFile) -> Result<ChangeOutcome> {
        if !UnitState::of(OPERATION, &Subprocesses).is_on() {
            event_file::forget(&self.paths);
        }
        if let Err(error) = start(&Subprocesses) {
            tracing::info!(%error, "there is no unit of operations; this process ends the change");
            return self.end_change_here(file, None);
        }
        let note = format!("this continues in {OPERATION} if the connection ends; `landfall resume` follows it again");
        self.progress.event(Event::Note(note));
        self.follow(EventReader::at(&self.paths));
        self.read_result(file)
    }

    /// Starts the unit that ends an open change, without waiting. If it does not start, the agent starts it within ten
    /// minutes: the change has begun in any case.
    pub(super) fn start_unit(&self) {
        if !UnitState::of(OPERATION, &Subprocesses).is_on() {
            event_file::forget(&self.paths);
        }
        if let Err(error) = start(&Subprocesses) {
            tracing::warn!(%error, "the unit of operations does not start; the agent will start it");
        }
    }

    /// Ends an open change in this process. `media_path` is the bundle's current path, if it moved.
    pub(super) fn end_change_here(&self, file: &JournalFile, media_path: Option<PathBuf>) -> Result<ChangeOutcome> {
        let verb = file.operation.map_or("resume", Operation::name);
        let mut running = self.take_over(verb, file, media_path, UndoScope::STEP)?;
        let ended = ChangeOutcome::by(&mut running);
        // Files of releases that were not committed or are no longer kept are removed.
        if running.is_closed() {
            self.remove_strays(&running.lock)?;
        }
        ended
    }

    /// Forwards the events of the unit until it ends.
    fn follow(&self, mut events: EventReader) {
        loop {
            // Checked before the events, so that the last ones are not missed.
            let is_on = UnitState::of(OPERATION, &Subprocesses).is_on();
            events.forward(&*self.progress);
            if !is_on {
                return;
            }
            std::thread::sleep(POLL);
        }
    }

    /// Returns the result of a change that the unit no longer runs, from its journal.
    fn read_result(&self, file: &JournalFile) -> Result<ChangeOutcome> {
        let past = JournaledOperation { replay: self.journals().read(file)?, file: file.clone() };
        let end = end_of(&past.replay.state, past.release())?;
        let failure = past.replay.state.steps.iter().find_map(|step| step.failure.clone());
        let (Some(pins), Some(plan)) = (past.pins(), past.plan()?) else { return Err(OperationError::NotInstalled) };
        let replaced = if end == End::Undone { replaced_data::of_plan(&self.paths, &plan)? } else { Vec::new() };
        ChangeOutcome::of(end, pins, &plan, UndoDetails { failure, replaced })
    }
}

/// Stops the unit and its processes, if it runs. Returns when it has stopped.
pub(super) fn stop(commands: &dyn CommandRunner) -> Result<(), StepError> {
    if !UnitState::of(OPERATION, commands).is_on() {
        return Ok(());
    }
    let stop = systemctl(&["stop", OPERATION]);
    stop.check_output(commands.run(&stop, None)).map(drop)
}

/// Returns how a change of this release ended, or the reason why it has not.
fn end_of(state: &State, release: String) -> Result<End> {
    let stuck = state.steps.iter().find(|step| step.status == StepStatus::UndoFailed);
    match (state.phase, stuck.and_then(|step| step.undo_failure.clone())) {
        (Phase::Committed, _) => Ok(End::Committed),
        (Phase::Undone { .. }, _) => Ok(End::Undone),
        (_, Some(error)) => Err(OperationError::ChangeNotUndone { release, source: Box::new(error) }),
        (_, None) => Err(OperationError::ChangeOpen { release }),
    }
}

fn start(commands: &dyn CommandRunner) -> Result<(), StepError> {
    // Clears the failure of an earlier operation, which may not exist.
    let _ = commands.run(&systemctl(&["reset-failed", OPERATION]), None);
    let start = systemctl(&["start", OPERATION]);
    start.check_output(commands.run(&start, None)).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landfall_documents::failure::Failure;
    use landfall_engine::journal::StepState;
    use landfall_error_codes::{CodedError, codes};

    use super::*;

    #[test]
    fn failed_undo_is_not_reported_open() {
        let error = Failure {
            code: "LF4015".into(),
            what: "cannot write a".to_owned(),
            causes: Vec::new(),
            hint: String::new(),
        };
        let stuck = StepState { status: StepStatus::UndoFailed, undo_failure: Some(error), ..StepState::default() };
        let tried_again = StepState { status: StepStatus::UndoStarted, ..stuck.clone() };
        let ended = |phase, step: &StepState| {
            let steps = vec![Arc::default(), Arc::new(step.clone())];
            end_of(&State { phase, steps, ..State::default() }, "starter 1.0.0".to_owned())
        };
        let undoing = Phase::Undoing { keep_data: true };
        let error = ended(undoing, &stuck).unwrap_err();
        assert_eq!(error.code(), codes::UNDO_FAILED);
        let hint = error.hint().unwrap();
        assert!(hint.contains("`landfall resume`") && !hint.contains("uninstall"), "{hint}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "cannot write a [LF4015]");
        assert_eq!(ended(undoing, &tried_again).unwrap_err().code(), codes::CHANGE_OPEN);
        assert_eq!(ended(Phase::Undone { keep_data: true }, &StepState::default()).unwrap(), End::Undone);
        assert_eq!(ended(Phase::Committed, &StepState::default()).unwrap(), End::Committed);
    }
}
