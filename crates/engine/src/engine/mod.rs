//! Executes a plan through its journal, forward or as an undo, and decides nothing.
//!
//! Order of a step, each record durable before the next action: observe → `Prepared` (the previous state, once) →
//! `Started` → act → `Done`. After a crash or a failure, the engine observes first. A complete step is synced and
//! recorded as done. A missing or partial one is done again with the recorded previous state. An object that is not
//! Landfall's stops the operation as stuck. Undo goes through the steps in the reverse order of their `Started`,
//! including the unfinished one. Before that, each step has the chance to rescue what the undo of later steps needs.

mod error;
mod pace;
mod policy;

use std::time::{Duration, Instant};

use landfall_documents::failure::Failure;
use landfall_error_codes::{CodedError, codes};
use landfall_media::progress::{Event as ProgressEvent, Progress};
use serde_json::Value;

pub use error::EngineError;
use pace::Pace;
use policy::Verdict;

use crate::journal::{Event, Journal, OperationPins, Phase, StepStatus, Storage, UndoCause};
use crate::plan::{OnFailure, Plan, PlannedStep, StepId, Undo};
use crate::step::{Durable, ObservedState, Step, StepError};

/// Function that maps an action of a plan to its step.
pub type Resolve<A, C> = fn(&A) -> &dyn Step<C>;

/// One operation in progress. `A` is the plan's action, `C` the steps' context, `P` the type of the journal's pins, `S`
/// the journal's storage.
pub struct Engine<'a, A, C, P, S: Storage> {
    /// The journal, whose record 0 pins `plan`.
    pub journal: &'a mut Journal<P, S>,
    /// The plan that the journal pins.
    pub plan: &'a Plan<A>,
    /// Maps an action to its step.
    pub resolve: Resolve<A, C>,
    /// Receiver of progress.
    pub progress: &'a dyn Progress,
}

impl<A, C: Durable, P: OperationPins, S: Storage> Engine<'_, A, C, P, S> {
    /// Runs every unfinished step on the current side of the commit. On return, all of them are recorded as done; the
    /// operation is not yet committed, or it is closed.
    pub fn forward(&mut self, site: &mut C) -> Result<(), EngineError> {
        let mut pace = Pace::begin(Instant::now());
        while let Some(index) = self.journal.state().next_forward() {
            let plan = self.plan;
            let Some(planned) = plan.step(index) else { break };
            let predicted = Duration::from_secs(plan.all().skip(index).map(|step| step.seconds).sum());
            self.announce(index, &planned.title, Some(pace.rest(Instant::now(), predicted)));
            self.step_forward(index, planned, site)?;
            pace.record_step(Duration::from_secs(planned.seconds));
        }
        Ok(())
    }

    /// Runs every step, commits, and runs the steps after the commit. A failed step is retried, stops the operation, or
    /// triggers its undo, as the plan and the error determine; `pause` waits before a retry. An operation that undoes
    /// itself keeps data.
    pub fn run(&mut self, site: &mut C, pause: &dyn Fn(Duration)) -> Result<End, EngineError> {
        if let Some(step) = self.deadly_step() {
            return self.back(site, UndoCause::Died { step });
        }
        let (mut failed, mut tries) = (None, 0);
        loop {
            let error = match self.journal.state().phase {
                Phase::Undoing { .. } | Phase::Undone { .. } => return self.back(site, UndoCause::Requested),
                _ => match self.forward(site) {
                    Err(error) => error,
                    Ok(()) if self.journal.state().phase == Phase::Committed => return Ok(End::Committed),
                    Ok(()) => {
                        self.journal.append(Event::Committed)?;
                        continue;
                    }
                },
            };
            tries = if error.step() == failed.as_ref() { tries + 1 } else { 1 };
            failed = error.step().cloned();
            match policy::judge(self.plan.on_failure, self.journal.state(), &error, tries) {
                Verdict::Again(wait) => pause(wait),
                Verdict::Stop => return Err(error),
                Verdict::Undo(step) => return self.back(site, UndoCause::Failed { step }),
            }
        }
    }

    /// Returns the step in which the process or machine repeatedly went down, if the plan responds to that with an
    /// undo.
    fn deadly_step(&self) -> Option<StepId> {
        let state = self.journal.state();
        let index = state.next_forward().filter(|_| state.phase == Phase::Forward)?;
        let OnFailure::Undo { from } = self.plan.on_failure else { return None };
        let is_deadly = index >= from && state.steps[index].starts >= policy::TRIES;
        is_deadly.then(|| self.plan.step(index).map(|planned| planned.id.clone())).flatten()
    }

    /// Starts or continues the undo.
    fn back(&mut self, site: &mut C, cause: UndoCause) -> Result<End, EngineError> {
        if !matches!(self.journal.state().phase, Phase::Undoing { .. } | Phase::Undone { .. }) {
            self.refuse_irreversible()?;
            self.journal.append(Event::UndoRequested { keep_data: true, cause })?;
        }
        if let Phase::Undoing { keep_data } = self.journal.state().phase {
            self.undo(site, keep_data)?;
        }
        Ok(End::Undone)
    }

    /// Undoes every step that started, and records the operation as undone.
    pub fn undo(&mut self, site: &mut C, keep_data: bool) -> Result<(), EngineError> {
        self.refuse_irreversible()?;
        if self.journal.state().phase != (Phase::Undoing { keep_data }) {
            self.journal.append(Event::UndoRequested { keep_data, cause: UndoCause::Requested })?;
        }
        self.rescue(site)?;
        while let Some(index) = self.journal.state().next_undo() {
            let plan = self.plan;
            let Some(planned) = plan.step(index) else { break };
            self.announce(index, &format!("undo: {}", planned.title), None);
            self.step_back(index, planned, site)?;
        }
        self.journal.append(Event::Undone)?;
        Ok(())
    }

    /// Rescues what the undo needs. A failed rescue is only logged: the undo that needs the result reports the error.
    fn rescue(&self, site: &mut C) -> Result<(), EngineError> {
        for (planned, state) in self.plan.all().zip(&self.journal.state().steps) {
            if !state.status.is_there() {
                continue;
            }
            let Err(source) = (self.resolve)(&planned.action).rescue(site, &state.before) else { continue };
            log(planned, &source);
            if is_fatal(&source) {
                let (step, title, record) = (planned.id.clone(), planned.title.clone(), self.journal.last_sequence());
                return Err(EngineError::StepFailed { step, title, record, source: Box::new(source) });
            }
        }
        Ok(())
    }

    fn announce(&self, index: usize, title: &str, remaining: Option<Duration>) {
        let count = self.journal.state().steps.len();
        tracing::info!(step = index + 1, count, "{title}");
        self.progress.event(ProgressEvent::StepStarted { index: index + 1, count, title: title.to_owned(), remaining });
    }

    fn step_forward(&mut self, index: usize, planned: &PlannedStep<A>, site: &mut C) -> Result<(), EngineError> {
        let step = (self.resolve)(&planned.action);
        let observed = step.observe(site).or_else(|error| self.fail_step(planned, error))?;
        let status = self.journal.state().steps[index].status;
        let is_there = match observed {
            ObservedState::Foreign(what) => return self.block_step(planned, what),
            ObservedState::Done => true,
            ObservedState::Absent | ObservedState::Partial(_) => false,
        };
        if is_there {
            site.sync().or_else(|error| self.fail_step(planned, error))?;
        }
        if is_there && matches!(status, StepStatus::Started | StepStatus::Failed) {
            self.journal.append(Event::Done { step: planned.id.clone(), output: Value::Null })?;
            return Ok(());
        }
        if status == StepStatus::Pending {
            let before = step.prepare(site).or_else(|error| self.fail_step(planned, error))?;
            self.journal.append(Event::Prepared { step: planned.id.clone(), before })?;
        }
        self.journal.append(Event::Started { step: planned.id.clone() })?;
        let output = if is_there {
            Value::Null
        } else {
            let before = self.journal.state().steps[index].before.clone();
            step.act(site, &before).or_else(|error| self.fail_step(planned, error))?
        };
        self.journal.append(Event::Done { step: planned.id.clone(), output })?;
        Ok(())
    }

    fn step_back(&mut self, index: usize, planned: &PlannedStep<A>, site: &mut C) -> Result<(), EngineError> {
        self.journal.append(Event::UndoStarted { step: planned.id.clone() })?;
        let before = self.journal.state().steps[index].before.clone();
        match (self.resolve)(&planned.action).undo(site, &before) {
            Ok(()) => {
                self.journal.append(Event::UndoDone { step: planned.id.clone() })?;
                Ok(())
            }
            Err(source) => {
                log(planned, &source);
                let record = if is_fatal(&source) {
                    self.journal.last_sequence()
                } else {
                    let error = Failure::from_error(&source);
                    self.journal.append(Event::UndoFailed { step: planned.id.clone(), error })?
                };
                let first = self.journal.state().steps.iter().find_map(|step| step.failure.clone()).map(Box::new);
                let (operation, step, title) = (self.plan.operation, planned.id.clone(), planned.title.clone());
                Err(EngineError::UndoFailed { operation, step, title, record, source: Box::new(source), first })
            }
        }
    }

    /// Records and reports that a step failed to observe, prepare or act.
    fn fail_step<T>(&mut self, planned: &PlannedStep<A>, source: StepError) -> Result<T, EngineError> {
        log(planned, &source);
        let record = if is_fatal(&source) {
            self.journal.last_sequence()
        } else {
            self.journal.append(Event::Failed { step: planned.id.clone(), error: Failure::from_error(&source) })?
        };
        let (step, title, source) = (planned.id.clone(), planned.title.clone(), Box::new(source));
        Err(EngineError::StepFailed { step, title, record, source })
    }

    fn block_step(&mut self, planned: &PlannedStep<A>, what: String) -> Result<(), EngineError> {
        tracing::error!(step = %planned.id, what, "found something that is not Landfall's");
        let record = self.journal.append(Event::Blocked { step: planned.id.clone(), what: what.clone() })?;
        Err(EngineError::Foreign { step: planned.id.clone(), title: planned.title.clone(), record, what })
    }

    /// Returns an error if a step that would have to be undone is irreversible.
    fn refuse_irreversible(&self) -> Result<(), EngineError> {
        let steps = self.plan.all().zip(&self.journal.state().steps);
        let mut done = steps.filter(|(_, state)| state.status.is_there());
        match done.find(|(planned, _)| planned.undo == Undo::Irreversible) {
            Some((planned, _)) => {
                Err(EngineError::Irreversible { step: planned.id.clone(), title: planned.title.clone() })
            }
            None => Ok(()),
        }
    }
}

/// Outcome of an operation that ran to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All steps are done.
    Committed,
    /// All started steps are undone. The journal has the cause.
    Undone,
}

/// Returns true if the disk failed to make a write durable. Then the failure is not recorded either, and the process
/// ends.
fn is_fatal(error: &StepError) -> bool {
    error.code() == codes::SYNC_FAILED
}

fn log<A>(planned: &PlannedStep<A>, error: &StepError) {
    let recorded = Failure::from_error(error);
    tracing::error!(step = %planned.id, code = error.code().id, causes = ?recorded.causes, "{error}");
}

#[cfg(test)]
mod tests;
