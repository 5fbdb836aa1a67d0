//! The state of an operation, and the one table of legal transitions.

use std::sync::Arc;

use serde_json::Value;

use super::event::{Event, Pinned, RecordedError, UndoCause};
use crate::plan::StepId;

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Nothing is recorded yet.
    #[default]
    Empty,
    /// Steps are done, one after the other.
    Forward,
    /// Every step before the commit is done. Steps that follow it may not be.
    Committed,
    /// Steps are undone, last first.
    Undoing {
        /// Whether volumes and generated secrets are kept.
        keep_data: bool,
    },
    /// Every step that started is undone.
    Undone {
        /// Whether volumes and generated secrets are kept.
        keep_data: bool,
    },
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StepStatus {
    /// Nothing is recorded about it.
    #[default]
    Pending,
    /// The state before is recorded; the step has not acted.
    Prepared,
    /// It may have acted, in part or in whole.
    Started,
    /// It failed, and may have acted in part.
    Failed,
    /// It acted.
    Done,
    /// It may be undone, in part or in whole.
    UndoStarted,
    /// It could not be undone.
    UndoFailed,
    /// It is undone.
    Undone,
}

impl StepStatus {
    /// Its name for people.
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

    /// Whether any effect of it may exist, so that undo must visit it.
    pub fn is_there(self) -> bool {
        matches!(self, Self::Started | Self::Failed | Self::Done | Self::UndoStarted | Self::UndoFailed)
    }
}

/// What is recorded about a step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepState {
    /// How far it is.
    pub status: StepStatus,
    /// How often it was started since it last ended in a record: more than once means that a process died in it.
    pub starts: u32,
    /// The state before it, once it is prepared.
    pub before: Value,
    /// Its output, once it is done.
    pub output: Value,
    /// Why it failed last on the way forward.
    pub failure: Option<RecordedError>,
    /// Why it could not be undone last.
    pub undo_failure: Option<RecordedError>,
    /// What it found that is not Landfall's.
    pub blocked: Option<String>,
}

/// The state of an operation: what its journal says, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State<P> {
    /// How far it is.
    pub phase: Phase,
    /// What it is pinned to, once it is opened.
    pub pins: Option<Arc<P>>,
    /// Its steps, in the order of the plan. Shared with the state before, where an event is not about them.
    pub steps: Vec<Arc<StepState>>,
    /// Why it goes back, once it does.
    pub undo_cause: Option<UndoCause>,
}

impl<P> Default for State<P> {
    fn default() -> Self {
        Self { phase: Phase::Empty, pins: None, steps: Vec::new(), undo_cause: None }
    }
}

impl<P> State<P> {
    /// The step that is undone next, in the reverse order of Started; `None` once nothing is left.
    ///
    /// Steps with effects come first, since one step goes forward at a time and undo begins with the last one. So a binary search finds it:
    /// replay asks at each record.
    pub fn next_undo(&self) -> Option<usize> {
        self.steps.partition_point(|step| step.status.is_there()).checked_sub(1)
    }
}

impl<P: Pinned> State<P> {
    /// The step that goes forward next on this side of the commit; `None` once all of them are done. Steps that are done come first.
    pub fn next_forward(&self) -> Option<usize> {
        let next = self.steps.partition_point(|step| step.status == StepStatus::Done);
        (next < self.steps.len() && (self.phase != Phase::Forward || next < self.commit_at())).then_some(next)
    }

    /// How many steps come before the commit.
    pub fn commit_at(&self) -> usize {
        self.steps.len().saturating_sub(self.pins.as_ref().map_or(0, |pins| pins.closing()))
    }

    /// Whether nothing is left to do.
    pub fn is_closed(&self) -> bool {
        match self.phase {
            Phase::Committed => self.next_forward().is_none(),
            Phase::Undone { .. } => true,
            Phase::Empty | Phase::Forward | Phase::Undoing { .. } => false,
        }
    }

    /// Makes a change that was found to be legal in this very state.
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

/// The effect of one legal event on a state. It costs the same however many steps there are.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one is made for each event, and moved into the state at once")]
pub(super) enum Change<P> {
    /// The operation begins.
    Open(Arc<P>),
    /// The operation gets that far.
    Phase(Phase),
    /// The operation goes back.
    Undo { keep_data: bool, cause: UndoCause },
    /// The step with this index changes.
    Step(usize, StepState),
}

/// An event that the state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{event}`{} is not allowed: {reason}", .step.as_ref().map(|step| format!(" of step {step}")).unwrap_or_default())]
pub struct Illegal {
    event: &'static str,
    step: Option<StepId>,
    reason: String,
}

/// The state after `event`, or why it cannot happen now. The only such table: appending and replaying go through it.
pub fn transition<P: Pinned>(state: &State<P>, event: &Event<P>) -> Result<State<P>, Illegal> {
    let change = change(state, event)?;
    let mut next = state.clone();
    next.make(change);
    Ok(next)
}

/// The effect of `event` on this state, or why it cannot happen now.
pub(super) fn change<P: Pinned>(state: &State<P>, event: &Event<P>) -> Result<Change<P>, Illegal> {
    let illegal = |reason: String| Illegal { event: event.name(), step: event.step().cloned(), reason };
    let refused = |state: &State<P>| illegal(format!("the operation is {:?}", state.phase));
    let Some(step) = event.step() else {
        return operation_change(state, event).ok_or_else(|| refused(state));
    };
    let turn = match state.phase {
        Phase::Forward | Phase::Committed => state.next_forward(),
        Phase::Undoing { .. } => state.next_undo(),
        Phase::Empty | Phase::Undone { .. } => None,
    };
    let ids = state.pins.as_deref().map(Pinned::steps).unwrap_or_default();
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

fn operation_change<P: Pinned>(state: &State<P>, event: &Event<P>) -> Option<Change<P>> {
    match (state.phase, event) {
        (Phase::Empty, Event::Opened { pins }) => Some(Change::Open(Arc::new((**pins).clone()))),
        (Phase::Forward, Event::Committed) if state.next_forward().is_none() => Some(Change::Phase(Phase::Committed)),
        (Phase::Forward | Phase::Committed | Phase::Undoing { .. }, Event::UndoRequested { keep_data, cause }) => {
            // What follows the commit removes what undo would need.
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
        // Started again: a rerun after a crash, with the recorded state before.
        (Prepared | Started | Failed, Event::Started { .. }) => {
            StepState { status: Started, starts: step.starts + 1, failure: None, blocked: None, ..step }
        }
        // Failed, then Done: the effect that it had begun completed by itself.
        (Started | Failed, Event::Done { output, .. }) => {
            StepState { status: Done, starts: 0, output: output.clone(), failure: None, blocked: None, ..step }
        }
        (Started | Failed, Event::Failed { error, .. }) => {
            StepState { status: Failed, starts: 0, failure: Some(error.clone()), ..step }
        }
        // It could not even look: it has no effects, so there is nothing to undo.
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
