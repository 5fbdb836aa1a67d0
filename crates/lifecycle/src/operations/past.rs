//! One operation of a site, from its journal.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_documents::newer;
use landfall_documents::operation::Operation;
use landfall_engine::journal::{Event, JournalFile, Phase, StepStatus};
use landfall_engine::plan::{Plan, PlannedStep, StepId};
use serde_json::Value;

use super::error::{OperationError, Result};
use super::folded::{ClosedOperation, Effect};
use crate::steps::action::Action;
use landfall_site::pins::{Pins, Replay};

/// One operation, from its journal.
#[derive(Debug)]
pub(super) struct JournaledOperation {
    pub(super) file: JournalFile,
    pub(super) replay: Replay,
}

impl JournaledOperation {
    /// Returns its operation and phase, which decide about verbs.
    pub(super) fn position(&self) -> (Operation, Phase) {
        let pinned = self.pins().map(|pins| pins.operation);
        let phase = match self.replay.state.phase {
            // The steps after the commit are still to be done.
            Phase::Committed if !self.replay.state.is_closed() => Phase::Forward,
            phase => phase,
        };
        (pinned.or(self.file.operation).unwrap_or(Operation::Install), phase)
    }

    pub(super) fn pins(&self) -> Option<&Pins> {
        self.replay.state.pins.as_deref()
    }

    /// Returns name and version of its release.
    pub(super) fn release(&self) -> String {
        self.pins().map(release_of).unwrap_or_default()
    }

    /// Returns its plan, without additions of a newer program.
    pub(super) fn plan(&self) -> Result<Option<Plan<Action>>> {
        let Some(pins) = self.pins() else { return Ok(None) };
        let plan = serde_json::from_str(&pins.plan).or_else(|strict| known_plan(&pins.plan).ok_or(strict));
        plan.map(Some).map_err(|source| OperationError::Plan { path: self.file.path.clone(), source })
    }

    pub(super) fn is_undone(&self) -> bool {
        matches!(self.replay.state.phase, Phase::Undone { .. })
    }

    pub(super) fn is_committed(&self) -> bool {
        self.replay.state.phase == Phase::Committed
    }

    /// Returns the operation's effects on the site's steps.
    pub(super) fn effects(&self) -> Result<Vec<Effect>> {
        let Some(plan) = self.plan()?.filter(|_| self.is_committed()) else { return Ok(Vec::new()) };
        let states = plan.all().zip(&self.replay.state.steps);
        let done = states.filter(|(_, state)| state.status == StepStatus::Done);
        Ok(done.flat_map(|(planned, _)| Effect::of(&planned.id, &planned.action)).collect())
    }

    /// Returns the duration of the last run of each step. A step that a power cut or a retry interrupted counts from
    /// its last start.
    pub(super) fn step_durations(&self) -> BTreeMap<StepId, Duration> {
        let (mut times, mut begun) = (BTreeMap::new(), BTreeMap::new());
        for entry in &self.replay.entries {
            match &entry.event {
                Event::Started { step } => drop(begun.insert(step, entry.at)),
                Event::Done { step, .. } => {
                    let took = begun.remove(step).map(|begun| entry.at.duration_since(begun));
                    // The clock may have been changed in the meantime.
                    if let Some(took) = took.and_then(|took| Duration::try_from(took).ok()) {
                        times.insert(step.clone(), took);
                    }
                }
                _ => {}
            }
        }
        times
    }

    /// Returns the folded form of a closed operation. Returns `None` if it is open, or if a newer program wrote unknown
    /// parts.
    pub(super) fn to_closed(&self) -> Option<ClosedOperation> {
        let (pins, replay) = (self.pins()?, &self.replay);
        let is_understood = replay.is_understood && serde_json::from_str::<Plan<Action>>(&pins.plan).is_ok();
        let milliseconds = |(step, took): (StepId, Duration)| Some((step, u64::try_from(took.as_millis()).ok()?));
        // An undone install decides the state, regardless of earlier operations.
        let is_over = replay.state.is_closed() && (self.is_committed() || pins.operation != Operation::Install);
        (is_over && replay.torn_bytes == 0 && is_understood).then(|| ClosedOperation {
            journal: self.file.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: replay.valid_bytes(),
            committed: self.is_committed(),
            pins: Pins { plan: String::new(), ..pins.clone() },
            durations: self.step_durations().into_iter().filter_map(milliseconds).collect(),
        })
    }
}

/// Returns the known part of a plan; `None` if it has an unknown action.
fn known_plan(text: &str) -> Option<Plan<Action>> {
    let plan: Plan<Value> = newer::known_part(text.as_bytes()).ok()?;
    let known = |steps: Vec<PlannedStep<Value>>| -> Option<Vec<PlannedStep<Action>>> {
        let known = |step: PlannedStep<Value>| {
            let PlannedStep { id, title, action, bytes, seconds, undo } = step;
            Some(PlannedStep { id, title, action: newer::without_unknown(action)?, bytes, seconds, undo })
        };
        steps.into_iter().map(known).collect()
    };
    let Plan { operation, release, version, steps, closing, on_failure } = plan;
    Some(Plan { operation, release, version, steps: known(steps)?, closing: known(closing)?, on_failure })
}

/// Returns name and version of the release of an operation.
pub(super) fn release_of(pins: &Pins) -> String {
    format!("{} {}", pins.release, pins.version)
}
