//! Past operations of a site for people: action, time, account and outcome of each. Everything except the account comes
//! from journals.

use landfall_documents::history::{OperationHistory, OperationOutcome, PastOperation};
use landfall_documents::operation::Operation;
use landfall_engine::journal::{JournalFile, Phase, StepState};
use landfall_engine::plan::Plan;
use serde_json::Value;

use super::Operations;
use super::console::is_outside;
use super::error::Result;
use super::latest::{cause_text, failure_of};
use super::past::JournaledOperation;
use super::status::is_stuck;
use landfall_site::pins::{Pins, State};

impl Operations {
    /// Returns the latest operations of the site, at most `limit`. An unreadable journal hides no other. Changes
    /// nothing.
    pub fn past_operations(&self, limit: usize) -> Result<OperationHistory> {
        let files = self.journals().list()?;
        let earlier = files.len().saturating_sub(limit);
        let running = self.journals().holder().is_some_and(|holder| !is_outside(&holder.operation));
        let running = files.last().map(|file| file.number).filter(|_| running);
        let latest = files.into_iter().rev().take(limit);
        let operations = latest.map(|file| self.looked_up(&file, running == Some(file.number)));
        Ok(OperationHistory { operations: operations.collect(), earlier })
    }

    pub(super) fn looked_up(&self, file: &JournalFile, is_running: bool) -> PastOperation {
        let asked = self.asker_of(file.number);
        let described = match self.journals().read(file) {
            Ok(replay) => describe(&JournaledOperation { replay, file: file.clone() }, is_running),
            Err(error) => {
                tracing::warn!(%error, "an operation of the past cannot be read");
                unreadable(file)
            }
        };
        PastOperation { asked, ..described }
    }
}

/// Returns the facts of an operation that its journal's name shows.
fn unreadable(file: &JournalFile) -> PastOperation {
    let name = file.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let operation = name.split_once('-').map(|(_, operation)| operation.to_owned()).unwrap_or_default();
    PastOperation {
        number: file.number,
        operation,
        from: None,
        to: None,
        outcome: OperationOutcome::Unreadable,
        begun: None,
        ended: None,
        seconds: None,
        undone_because: None,
        failure: None,
        asked: None,
    }
}

fn describe(past: &JournaledOperation, is_running: bool) -> PastOperation {
    // A journal without its first record has no pins.
    let Some(pins) = past.pins() else { return unreadable(&past.file) };
    let (state, entries) = (&past.replay.state, &past.replay.entries);
    let outcome = outcome_of(state, is_running);
    let has_ended = matches!(outcome, OperationOutcome::Committed | OperationOutcome::Undone);
    let begun = entries.first().map(|entry| entry.at);
    let ended = entries.last().map(|entry| entry.at).filter(|_| has_ended);
    let seconds = begun.zip(ended).and_then(|(begun, ended)| u64::try_from(ended.duration_since(begun).as_secs()).ok());
    let changes_release = matches!(pins.operation, Operation::Upgrade | Operation::Rollback);
    let before = pins.kept.first().filter(|_| changes_release);
    PastOperation {
        number: past.file.number,
        operation: pins.operation.name().to_owned(),
        from: before.map(|kept| format!("{} {}", kept.release, kept.version)),
        to: Some(past.release()),
        outcome,
        begun: begun.map(|at| format!("{at:.0}")),
        ended: ended.map(|at| format!("{at:.0}")),
        seconds,
        undone_because: state.undo_cause.as_ref().map(cause_text),
        // The failure of a step that succeeded on a retry is not a failure of a committed operation.
        failure: failure_of(&state.steps, &titles(pins)).filter(|_| outcome != OperationOutcome::Committed),
        asked: None,
    }
}

fn outcome_of(state: &State, is_running: bool) -> OperationOutcome {
    match state.phase {
        Phase::Undone { .. } => OperationOutcome::Undone,
        Phase::Committed if state.is_closed() => OperationOutcome::Committed,
        phase if !is_running && next_step(state).is_some_and(|step| is_stuck(phase, step)) => OperationOutcome::Stuck,
        _ => OperationOutcome::Open,
    }
}

fn next_step(state: &State) -> Option<&StepState> {
    let index = match state.phase {
        Phase::Forward => state.next_forward(),
        Phase::Undoing { .. } => state.next_undo(),
        Phase::Empty | Phase::Committed | Phase::Undone { .. } => None,
    }?;
    state.steps.get(index).map(|step| &**step)
}

/// Returns the titles of steps. The plan is parsed without its actions, which may come from another version.
pub(super) fn titles(pins: &Pins) -> Vec<String> {
    let plan: Option<Plan<Value>> = serde_json::from_str(&pins.plan).ok();
    plan.map(|plan| plan.all().map(|step| step.title.clone()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landfall_bundle_spec::sample::Vendor;
    use landfall_bundle_spec::trust::KeyKind;
    use landfall_cluster::Edits;
    use landfall_documents::failure::Failure;
    use landfall_documents::history::AskedBy;
    use landfall_engine::journal::StepStatus;
    use landfall_media::durable;

    use super::*;
    use crate::operations::install::tests::{Fixture, release};
    use crate::operations::testing::operations;
    use landfall_site::site_secrets::NO_SECRETS;

    /// Returns a site on which one setting has changed since the install.
    fn site() -> Fixture {
        let fixture = Fixture::with(&Vendor::new(KeyKind::Ed25519).unwrap(), &release(3));
        fixture.prepared_install().run().unwrap();
        let settings = fixture.path("site.yaml");
        durable::write_file(&settings, b"accept: [swap]\n", 0o644).unwrap();
        let operations = &fixture.operations;
        let file = operations.prepare_configure(Some(&settings), &NO_SECRETS, Edits::Refuse).unwrap().begin().unwrap();
        operations.end_change_here(&file, None).unwrap();
        fixture
    }

    #[test]
    fn operations_are_listed_newest_first() {
        let fixture = site();
        let operations = &fixture.operations;
        operations.note_asker(2, Some(AskedBy::of_console("bob", Some("ada"))));
        let past = operations.past_operations(10).unwrap();
        assert_eq!(past.earlier, 0);
        let [configure, install] = &past.operations[..] else { panic!("{past:?}") };
        assert_eq!((configure.number, configure.operation.as_str()), (2, "configure"));
        assert_eq!((install.number, install.operation.as_str()), (1, "install"));
        for one in [configure, install] {
            assert_eq!((one.outcome, one.from.as_deref()), (OperationOutcome::Committed, None));
            assert_eq!(one.to.as_deref(), Some("tiny 1.0.0"));
            let times =
                [one.begun.as_ref(), one.ended.as_ref()].map(|at| at.unwrap().parse::<jiff::Timestamp>().unwrap());
            assert!(times[0] <= times[1] && one.seconds.unwrap() < 600, "{one:?}");
            assert!(one.failure.is_none() && one.undone_because.is_none());
        }
        let asked = configure.asked.as_ref().unwrap();
        assert_eq!((asked.by.name.as_str(), asked.approved_by.as_ref().unwrap().name.as_str()), ("ada", "bob"));
        let latest = operations.past_operations(1).unwrap();
        assert_eq!((latest.operations.len(), latest.operations[0].number, latest.earlier), (1, 2, 1));
    }

    #[test]
    fn unreadable_journal_hides_no_other() {
        let fixture = site();
        let operations = &fixture.operations;
        let folder = operations.paths.journal();
        durable::write_file(&folder.join("000003-teleport.journal"), b"of a later version", 0o600).unwrap();
        let file = operations.journals().list().unwrap().remove(1);
        durable::write_file(&file.path, b"not a journal", 0o600).unwrap();
        let past = operations.past_operations(10).unwrap().operations;
        let found: Vec<_> = past.iter().map(|one| (one.operation.as_str(), one.outcome)).collect();
        let unreadable = OperationOutcome::Unreadable;
        assert_eq!(
            found,
            [("teleport", unreadable), ("configure", unreadable), ("install", OperationOutcome::Committed)]
        );
    }

    #[test]
    fn uninstall_removes_requesters() {
        let fixture = site();
        let operations = &fixture.operations;
        operations.note_asker(1, Some(AskedBy::of_console("ada", None)));
        assert!(operations.paths.activity().exists());
        operations.uninstall(&crate::operations::DataDisposal::Keep).unwrap();
        assert!(!operations.paths.activity().exists());
        assert!(operations.past_operations(10).unwrap().operations.is_empty());
    }

    #[test]
    fn empty_machine_has_no_operations() {
        let (_root, operations) = operations();
        assert_eq!(operations.past_operations(10).unwrap(), OperationHistory { operations: Vec::new(), earlier: 0 });
    }

    #[test]
    fn failed_undo_is_stuck_unless_running() {
        let error = Failure {
            code: "LF4015".into(),
            what: "cannot write a".to_owned(),
            causes: Vec::new(),
            hint: String::new(),
        };
        let not_undone =
            StepState { status: StepStatus::UndoFailed, undo_failure: Some(error), ..StepState::default() };
        let state = |phase| State { phase, steps: vec![Arc::new(not_undone.clone())], ..State::default() };
        let undoing = state(Phase::Undoing { keep_data: true });
        assert_eq!(outcome_of(&undoing, false), OperationOutcome::Stuck);
        assert_eq!(outcome_of(&undoing, true), OperationOutcome::Open);
        assert_eq!(outcome_of(&state(Phase::Undone { keep_data: true }), false), OperationOutcome::Undone);
        assert_eq!(outcome_of(&State::default(), false), OperationOutcome::Open);
    }
}
