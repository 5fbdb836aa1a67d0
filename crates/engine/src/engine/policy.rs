//! Decision after the error of a step, as a pure function, so that its table can be read and tested.

use std::time::Duration;

use landfall_error_codes::{Code, CodedError, codes};

use super::EngineError;
use crate::journal::{OperationPins, Phase, State};
use crate::plan::{OnFailure, StepId};

/// Number of attempts at a step that fails for a transient reason, and number of times that a machine may go down in
/// one step.
pub(super) const TRIES: u32 = 3;

/// Wait before the next attempt.
const WAIT: Duration = Duration::from_secs(5);

/// Error codes of conditions that may pass without intervention.
const TRANSIENT: [Code; 3] = [codes::CLUSTER_UNREACHABLE, codes::NODE_TIMEOUT, codes::BACKUP_POD_ENDED];

/// Reaction to an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Retry the step after this time.
    Again(Duration),
    /// Stop the operation; a user continues it.
    Stop,
    /// Undo the operation because of this step.
    Undo(StepId),
}

/// Decides the reaction to an error, which is the `tries`th in a row of its step. A journal that cannot be written, or
/// a disk that fails to sync, stops everything: an undo would need both.
pub(super) fn judge<P: OperationPins>(
    on_failure: OnFailure,
    state: &State<P>,
    error: &EngineError,
    tries: u32,
) -> Verdict {
    let (step, is_transient) = match error {
        EngineError::StepFailed { source, .. } if source.code() == codes::SYNC_FAILED => return Verdict::Stop,
        EngineError::StepFailed { step, source, .. } => (step, TRANSIENT.contains(&source.code())),
        EngineError::Foreign { step, .. } => (step, false),
        EngineError::Journal(_) | EngineError::UndoFailed { .. } | EngineError::Irreversible { .. } => {
            return Verdict::Stop;
        }
    };
    // An operation that would stop in any case stops immediately: the user who began it is present.
    let goes_back = match on_failure {
        OnFailure::Undo { from } => state.next_forward().is_some_and(|index| index >= from),
        OnFailure::Stop => return Verdict::Stop,
    };
    if is_transient && tries < TRIES {
        return Verdict::Again(WAIT);
    }
    if goes_back && state.phase == Phase::Forward { Verdict::Undo(step.clone()) } else { Verdict::Stop }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Outline;
    use crate::journal::state::tests::pins;
    use crate::journal::{Event, JournalErrorKind, transition};
    use crate::step::StepError;

    /// State of an operation of three steps, one of them after the commit, with this many done.
    fn state(done: usize) -> State<Outline> {
        let pinned = Outline { closing: 1, ..pins(3) };
        let mut state = transition(&State::default(), &Event::Opened { pins: pinned.clone().into() }).unwrap();
        for (number, step) in pinned.steps.into_iter().enumerate() {
            if number == state.commit_at() && done >= number {
                state = transition(&state, &Event::Committed).unwrap();
            }
            if number == done {
                break;
            }
            for event in [
                Event::Prepared { step: step.clone(), before: serde_json::Value::Null },
                Event::Started { step: step.clone() },
                Event::Done { step, output: serde_json::Value::Null },
            ] {
                state = transition(&state, &event).unwrap();
            }
        }
        state
    }

    fn step_failure(code: Code) -> EngineError {
        let (step, title) = (StepId("2".to_owned()), "do it".to_owned());
        EngineError::StepFailed { step, title, record: 1, source: Box::new(StepError::new(code, "it failed")) }
    }

    fn foreign() -> EngineError {
        let (step, title) = (StepId("2".to_owned()), "do it".to_owned());
        EngineError::Foreign { step, title, record: 1, what: "a file".to_owned() }
    }

    #[test]
    fn errors_map_to_verdicts() {
        let undo = OnFailure::Undo { from: 1 };
        let again = || Verdict::Again(WAIT);
        let back = || Verdict::Undo(StepId("2".to_owned()));
        let [transient, other, sync] = [codes::NODE_TIMEOUT, codes::SITE_IO, codes::SYNC_FAILED];
        // (plan, steps done, error, number of the error in a row, expected)
        let cases = [
            (OnFailure::Stop, 1, step_failure(other), 1, Verdict::Stop, "a person is present"),
            (
                OnFailure::Stop,
                1,
                step_failure(transient),
                1,
                Verdict::Stop,
                "a person is present and sees the failure immediately",
            ),
            (undo, 0, step_failure(other), 1, Verdict::Stop, "nothing important has changed yet"),
            (undo, 0, step_failure(transient), 1, again(), "it may pass"),
            (undo, 0, step_failure(transient), 3, Verdict::Stop, "it did not pass"),
            (undo, 1, step_failure(other), 1, back(), "it will not pass"),
            (undo, 1, foreign(), 1, back(), "another object exists"),
            (undo, 1, step_failure(transient), 2, again(), "it may pass"),
            (undo, 1, step_failure(transient), 3, back(), "it did not pass"),
            (undo, 2, step_failure(other), 1, Verdict::Stop, "a commit cannot be undone"),
            (undo, 2, step_failure(transient), 1, again(), "it may pass"),
            (undo, 1, step_failure(sync), 1, Verdict::Stop, "the disk cannot be relied on"),
        ];
        for (on_failure, done, error, tries, expected, why) in cases {
            assert_eq!(judge(on_failure, &state(done), &error, tries), expected, "{why}: {error:?}, {done} done");
        }
        let journal = JournalErrorKind::Poisoned { path: "journal".into() };
        let error = EngineError::Journal(journal.into());
        assert_eq!(judge(undo, &state(1), &error, 1), Verdict::Stop);
    }
}
