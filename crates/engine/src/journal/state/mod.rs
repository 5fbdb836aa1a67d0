//! State of an operation, and the only table of legal transitions.

use std::sync::Arc;

use landfall_documents::failure::Failure;
use serde_json::Value;

use super::event::{Event, OperationPins, UndoCause};
use crate::plan::StepId;

/// Phase of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Nothing is recorded yet.
    #[default]
    Empty,
    /// Steps run, one after the other.
    Forward,
    /// Every step before the commit is done. Steps after it may be unfinished.
    Committed,
    /// Steps are being undone, last first.
    Undoing {
        /// True if volumes and generated secrets are kept.
        keep_data: bool,
    },
    /// Every step that started is undone.
    Undone {
        /// True if volumes and generated secrets are kept.
        keep_data: bool,
    },
}

/// Status of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StepStatus {
    /// Nothing is recorded about the step.
    #[default]
    Pending,
    /// The previous state is recorded; the step has not acted.
    Prepared,
    /// It may have acted, partly or fully.
    Started,
    /// It failed, and may have acted partly.
    Failed,
    /// It acted.
    Done,
    /// It may be undone, partly or fully.
    UndoStarted,
    /// It could not be undone.
    UndoFailed,
    /// It is undone.
    Undone,
}

impl StepStatus {
    /// Returns the name that people see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Prepared => "prepared",
            Self::Started => "started",
            Self::Failed => "failed",
            Self::Done => "done",
            Self::UndoStarted => "half undone",
            Self::UndoFailed => "not undone",
            Self::Undone => "undone",
        }
    }

    /// Returns true if the step may have effects, so that undo must visit it.
    pub fn is_there(self) -> bool {
        matches!(self, Self::Started | Self::Failed | Self::Done | Self::UndoStarted | Self::UndoFailed)
    }
}

/// Recorded state of a step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepState {
    /// Status of the step.
    pub status: StepStatus,
    /// Starts since the last recorded end of the step. More than one means that a process died in it.
    pub starts: u32,
    /// State of the site before the step, once prepared.
    pub before: Value,
    /// Output of the step, once done.
    pub output: Value,
    /// Last error before any undo.
    pub failure: Option<Failure>,
    /// Last error of its undo.
    pub undo_failure: Option<Failure>,
    /// Description of an object found that does not belong to Landfall.
    pub blocked: Option<String>,
}

/// State of an operation, derived only from its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State<P> {
    /// Phase of the operation.
    pub phase: Phase,
    /// Pins of the operation, once opened.
    pub pins: Option<Arc<P>>,
    /// Steps in the order of the plan. An event shares the steps that it does not concern with the previous state.
    pub steps: Vec<Arc<StepState>>,
    /// Cause of the undo, once it began.
    pub undo_cause: Option<UndoCause>,
}

impl<P> Default for State<P> {
    fn default() -> Self {
        Self { phase: Phase::Empty, pins: None, steps: Vec::new(), undo_cause: None }
    }
}

impl<P> State<P> {
    /// Returns the step to undo next, in the reverse order of `Started`; `None` once nothing is left.
    ///
    /// Steps with effects come first, because steps run forward one at a time and undo begins with the last one. This
    /// allows a binary search, which matters because replay calls this for each record.
    pub fn next_undo(&self) -> Option<usize> {
        self.steps.partition_point(|step| step.status.is_there()).checked_sub(1)
    }
}

impl<P: OperationPins> State<P> {
    /// Returns the next step to run on this side of the commit; `None` once all are done. Done steps come first.
    pub fn next_forward(&self) -> Option<usize> {
        let next = self.steps.partition_point(|step| step.status == StepStatus::Done);
        (next < self.steps.len() && (self.phase != Phase::Forward || next < self.commit_at())).then_some(next)
    }

    /// Returns the number of steps before the commit.
    pub fn commit_at(&self) -> usize {
        self.steps.len().saturating_sub(self.pins.as_ref().map_or(0, |pins| pins.closing()))
    }

    /// Returns true if nothing is left to do.
    pub fn is_closed(&self) -> bool {
        match self.phase {
            Phase::Committed => self.next_forward().is_none(),
            Phase::Undone { .. } => true,
            Phase::Empty | Phase::Forward | Phase::Undoing { .. } => false,
        }
    }

    /// Applies a change that was found to be legal in exactly this state.
    pub(super) fn make(&mut self, change: Change<P>) {
        match change {
            Change::Open(pins) => {
                let steps = vec![Arc::default(); pins.steps().len()];
                *self = Self { phase: Phase::Forward, pins: Some(pins), steps, undo_cause: None };
            }
            Change::Phase(phase) => self.phase = phase,
            Change::Undo { keep_data, cause } => {
                (self.phase, self.undo_cause) = (Phase::Undoing { keep_data }, Some(cause));
            }
            Change::Step(index, step) => self.steps[index] = Arc::new(step),
        }
    }
}

/// Effect of one legal event on a state. Its cost does not depend on the number of steps.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "created for each event, and moved into the state immediately")]
pub(super) enum Change<P> {
    /// The operation begins.
    Open(Arc<P>),
    /// The operation enters this phase.
    Phase(Phase),
    /// The undo begins.
    Undo { keep_data: bool, cause: UndoCause },
    /// The step with this index changes.
    Step(usize, StepState),
}

/// An event that the state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{event}`{} is not allowed: {reason}",
    .step.as_ref().map(|step| format!(" of step {step}")).unwrap_or_default())]
pub struct IllegalTransition {
    event: &'static str,
    step: Option<StepId>,
    reason: String,
}

/// Returns the state after `event`; fails if the event is illegal now. Both appending and replaying use this table.
pub fn transition<P: OperationPins>(state: &State<P>, event: &Event<P>) -> Result<State<P>, IllegalTransition> {
    let change = change(state, event)?;
    let mut next = state.clone();
    next.make(change);
    Ok(next)
}

/// Returns the effect of `event` on this state; fails if the event is illegal now.
pub(super) fn change<P: OperationPins>(state: &State<P>, event: &Event<P>) -> Result<Change<P>, IllegalTransition> {
    let illegal = |reason: String| IllegalTransition { event: event.name(), step: event.step().cloned(), reason };
    let refused = |state: &State<P>| illegal(format!("the operation is {:?}", state.phase));
    let Some(step) = event.step() else {
        return operation_change(state, event).ok_or_else(|| refused(state));
    };
    let turn = match state.phase {
        Phase::Forward | Phase::Committed => state.next_forward(),
        Phase::Undoing { .. } => state.next_undo(),
        Phase::Empty | Phase::Undone { .. } => None,
    };
    let ids = state.pins.as_deref().map(OperationPins::steps).unwrap_or_default();
    let Some(index) = turn.filter(|index| ids.get(*index) == Some(step)) else {
        let is_known = ids.contains(step);
        let is_over = state.is_closed() || matches!(state.phase, Phase::Empty | Phase::Undone { .. });
        return Err(match (is_known, is_over) {
            (false, _) => illegal("the plan has no such step".to_owned()),
            (true, true) => refused(state),
            (true, false) => illegal("it is another step's turn".to_owned()),
        });
    };
    let back = matches!(state.phase, Phase::Undoing { .. });
    let before: &StepState = &state.steps[index];
    let after = if back { undo_transition(before, event) } else { forward_transition(before, event) };
    let after = after.ok_or_else(|| illegal(format!("the step is {:?}", before.status)))?;
    Ok(Change::Step(index, after))
}

fn operation_change<P: OperationPins>(state: &State<P>, event: &Event<P>) -> Option<Change<P>> {
    match (state.phase, event) {
        (Phase::Empty, Event::Opened { pins }) => Some(Change::Open(Arc::new((**pins).clone()))),
        (Phase::Forward, Event::Committed) if state.next_forward().is_none() => Some(Change::Phase(Phase::Committed)),
        (Phase::Forward | Phase::Committed | Phase::Undoing { .. }, Event::UndoRequested { keep_data, cause }) => {
            // The steps after the commit remove what undo would need.
            let is_committed = state.phase == Phase::Committed && state.commit_at() < state.steps.len();
            (!is_committed).then(|| Change::Undo { keep_data: *keep_data, cause: cause.clone() })
        }
        (Phase::Undoing { keep_data }, Event::Undone) if state.next_undo().is_none() => {
            Some(Change::Phase(Phase::Undone { keep_data }))
        }
        _ => None,
    }
}

fn forward_transition<P>(step: &StepState, event: &Event<P>) -> Option<StepState> {
    use StepStatus::{Done, Failed, Pending, Prepared, Started};
    let step = step.clone();
    Some(match (step.status, event) {
        (Pending, Event::Prepared { before, .. }) => {
            StepState { status: Prepared, before: before.clone(), blocked: None, ..step }
        }
        // Started again after a crash, with the recorded state before.
        (Prepared | Started | Failed, Event::Started { .. }) => {
            StepState { status: Started, starts: step.starts + 1, failure: None, blocked: None, ..step }
        }
        // Done after Failed: an effect that the step had begun completed later.
        (Started | Failed, Event::Done { output, .. }) => {
            StepState { status: Done, starts: 0, output: output.clone(), failure: None, blocked: None, ..step }
        }
        (Started | Failed, Event::Failed { error, .. }) => {
            StepState { status: Failed, starts: 0, failure: Some(error.clone()), ..step }
        }
        // The step failed to observe: it has no effects, so there is nothing to undo.
        (Pending | Prepared, Event::Failed { error, .. }) => StepState { failure: Some(error.clone()), ..step },
        (Pending | Prepared | Started | Failed, Event::Blocked { what, .. }) => {
            StepState { blocked: Some(what.clone()), ..step }
        }
        _ => return None,
    })
}

fn undo_transition<P>(step: &StepState, event: &Event<P>) -> Option<StepState> {
    use StepStatus::{Done, Failed, Started, UndoFailed, UndoStarted, Undone};
    let step = step.clone();
    Some(match (step.status, event) {
        (Started | Failed | Done | UndoStarted | UndoFailed, Event::UndoStarted { .. }) => {
            StepState { status: UndoStarted, blocked: None, ..step }
        }
        (UndoStarted, Event::UndoDone { .. }) => StepState { status: Undone, undo_failure: None, ..step },
        (UndoStarted, Event::UndoFailed { error, .. }) => {
            StepState { status: UndoFailed, undo_failure: Some(error.clone()), ..step }
        }
        _ => return None,
    })
}

#[cfg(test)]
pub(crate) mod tests;
