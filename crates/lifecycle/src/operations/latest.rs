//! The latest operation, for a person who did not begin it: its action, its state, its failure, and whether it may
//! still be undone.

use std::path::PathBuf;
use std::sync::Arc;

use landfall_documents::failure::{Failure, StepFailure};
use landfall_documents::history::Account;
use landfall_documents::operation::Operation;
use landfall_engine::journal::{Phase, StepState, UndoCause};
use landfall_peer::{OperationPage, OperationState};

use super::Operations;
use super::console::is_outside;
use super::error::Result;
use super::past::JournaledOperation;
use super::past_operations::titles;
use landfall_site::pins::Pins;

impl Operations {
    /// Returns the latest operation from its journal; `None` on a machine without one. Changes nothing.
    pub fn latest_operation(&self) -> Result<Option<OperationPage>> {
        let Some(file) = self.journals().latest()? else { return Ok(None) };
        let past = JournaledOperation { replay: self.journals().read(&file)?, file };
        let running = self.journals().holder().is_some_and(|holder| !is_outside(&holder.operation));
        let found = past.pins().map(|pins| page(&past, pins, running));
        Ok(found.map(|page| {
            let asked = self.asker_of(page.number);
            let approved_by = asked.as_ref().and_then(|asked| asked.approved_by.as_ref()).map(Account::to_string);
            let (by, correlation) = (asked.map(|asked| asked.by.to_string()), self.correlation_of(page.number));
            OperationPage { by, approved_by, correlation, ..page }
        }))
    }

    /// Returns the path of the open change's bundle; `None` if no change is open. Changes nothing.
    pub fn media_of_open_change(&self) -> Result<Option<PathBuf>> {
        let Some(file) = self.journals().latest()? else { return Ok(None) };
        let state = self.journals().read(&file)?.state;
        Ok(state.pins.as_ref().filter(|_| !state.is_closed()).map(|pins| pins.media_path.clone()))
    }

    /// Lets a waiting open change continue in its unit. Without one, the unit ends at once.
    pub fn continue_change(&self) {
        self.start_unit();
    }
}

fn page(past: &JournaledOperation, pins: &Pins, running: bool) -> OperationPage {
    let state = &past.replay.state;
    let changes_release = matches!(pins.operation, Operation::Upgrade | Operation::Rollback);
    let before = pins.kept.first().filter(|_| changes_release);
    let titles = titles(pins);
    OperationPage {
        number: past.file.number,
        operation: pins.operation.name().to_owned(),
        from: before.map(|kept| format!("{} {}", kept.release, kept.version)),
        to: format!("{} {}", pins.release, pins.version),
        state: state_of(state.phase),
        running,
        can_abort: pins.operation != Operation::Install && matches!(state.phase, Phase::Empty | Phase::Forward),
        at: past.replay.entries.last().map(|entry| format!("{:.0}", entry.at)),
        undone_because: state.undo_cause.as_ref().map(cause_text),
        failure: failure_of(&state.steps, &titles),
        by: None,
        approved_by: None,
        correlation: None,
    }
}

const fn state_of(phase: Phase) -> OperationState {
    match phase {
        Phase::Empty | Phase::Forward => OperationState::Forward,
        Phase::Committed => OperationState::Committed,
        Phase::Undoing { .. } => OperationState::Back,
        Phase::Undone { .. } => OperationState::Undone,
    }
}

pub(super) fn cause_text(cause: &UndoCause) -> String {
    match cause {
        UndoCause::Requested => "a person requested it".to_owned(),
        UndoCause::Failed { .. } => "a step failed".to_owned(),
        UndoCause::Died { .. } => "the machine or the process went down in a step, again and again".to_owned(),
    }
}

/// Returns the decisive failure: a step that could not be undone, otherwise the first failed step.
pub(super) fn failure_of(steps: &[Arc<StepState>], titles: &[String]) -> Option<StepFailure> {
    let first = |failure: fn(&StepState) -> Option<&Failure>| {
        steps.iter().enumerate().find_map(|(index, step)| Some((index, failure(step)?)))
    };
    let found = first(|step| step.undo_failure.as_ref()).or_else(|| first(|step| step.failure.as_ref()));
    let (index, failure) = found?;
    Some(StepFailure { step: titles.get(index).cloned().unwrap_or_default(), failure: failure.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::error::OperationError;
    use crate::operations::testing::operations;

    #[test]
    fn failed_undo_outranks_first_failure() {
        let error = |what: &str| Failure {
            code: "LF4015".into(),
            what: what.to_owned(),
            causes: Vec::new(),
            hint: "look".to_owned(),
        };
        let failed = Arc::new(StepState { failure: Some(error("one")), ..StepState::default() });
        let not_undone = Arc::new(StepState { undo_failure: Some(error("two")), ..StepState::default() });
        let titles = ["a".to_owned(), "b".to_owned()];
        let found =
            |steps: &[Arc<StepState>]| failure_of(steps, &titles).map(|failure| (failure.step, failure.failure.what));
        let told = |step: &str, what: &str| Some((step.to_owned(), what.to_owned()));
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[Arc::default(), failed.clone()]), told("b", "one"));
        assert_eq!(found(&[failed, not_undone]), told("b", "two"));
    }

    #[test]
    fn empty_machine_has_no_operation() {
        let (_root, operations) = operations();
        assert_eq!(operations.latest_operation().unwrap(), None);
        assert!(matches!(operations.begin_abort(1), Err(OperationError::NothingToAbort)));
        assert_eq!(state_of(Phase::Undoing { keep_data: true }), OperationState::Back);
    }
}
