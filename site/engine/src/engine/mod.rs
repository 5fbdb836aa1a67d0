//! Executes a plan through its journal, forward or back, and decides nothing.
//!
//! Order of a step, each record durable before what follows it: look → `Prepared` (the state before, once) → `Started`
//! → act → `Done`. After a crash or a failure the engine looks first. A complete step is synced and recorded as done; a
//! missing or partial one is done again with the recorded state before; an object that is not Landfall's stops the
//! operation as stuck. Undo goes through the steps in the reverse order of their `Started`, the unfinished one included.

mod error;
mod pace;

use std::time::{Duration, Instant};

use landfall_error_codes::{Coded, codes};
use landfall_media::progress::{Event as ProgressEvent, Progress};
use serde_json::Value;

pub use error::EngineError;
use pace::Pace;

use crate::journal::{Event, Journal, Phase, Pinned, RecordedError, StepStatus, Storage};
use crate::plan::{Plan, PlannedStep, Undo};
use crate::step::{Durable, Observed, Step, StepError};

/// How an action of a plan becomes a step.
pub type Resolve<A, C> = fn(&A) -> &dyn Step<C>;

/// One operation in progress. `A` is the plan's action, `C` what steps act on, `P` what the journal pins, `S` where the
/// journal is stored.
pub struct Engine<'a, A, C, P, S: Storage> {
    /// The journal, whose record 0 pins `plan`.
    pub journal: &'a mut Journal<P, S>,
    /// The plan that the journal pins.
    pub plan: &'a Plan<A>,
    /// How an action becomes a step.
    pub resolve: Resolve<A, C>,
    /// Where progress goes.
    pub progress: &'a dyn Progress,
}

impl<A, C: Durable, P: Pinned, S: Storage> Engine<'_, A, C, P, S> {
    /// Does every step that is not done yet. When this returns, all of them are recorded as done; the operation is not
    /// committed yet.
    pub fn forward(&mut self, site: &mut C) -> Result<(), EngineError> {
        let mut pace = Pace::begin(Instant::now());
        while let Some(index) = self.journal.state().next_forward() {
            let plan = self.plan;
            let planned = &plan.steps[index];
            let predicted = Duration::from_secs(plan.steps[index..].iter().map(|step| step.seconds).sum());
            self.announce(index, &planned.title, Some(pace.rest(Instant::now(), predicted)));
            self.step_forward(index, planned, site)?;
            pace.done(Duration::from_secs(planned.seconds));
        }
        Ok(())
    }

    /// Undoes every step that started, and records the operation as undone.
    pub fn undo(&mut self, site: &mut C, keep_data: bool) -> Result<(), EngineError> {
        self.refuse_irreversible()?;
        if self.journal.state().phase != (Phase::Undoing { keep_data }) {
            self.journal.append(Event::UndoRequested { keep_data })?;
        }
        while let Some(index) = self.journal.state().next_undo() {
            let plan = self.plan;
            let planned = &plan.steps[index];
            self.announce(index, &format!("undo: {}", planned.title), None);
            self.step_back(index, planned, site)?;
        }
        self.journal.append(Event::Undone)?;
        Ok(())
    }

    fn announce(&self, index: usize, title: &str, remaining: Option<Duration>) {
        tracing::info!(step = index + 1, count = self.plan.steps.len(), "{title}");
        let count = self.plan.steps.len();
        self.progress.event(ProgressEvent::StepStarted { index: index + 1, count, title: title.to_owned(), remaining });
    }

    fn step_forward(&mut self, index: usize, planned: &PlannedStep<A>, site: &mut C) -> Result<(), EngineError> {
        let step = (self.resolve)(&planned.action);
        let observed = step.observe(site).or_else(|error| self.failed(planned, error))?;
        let status = self.journal.state().steps[index].status;
        let is_there = match observed {
            Observed::Foreign(what) => return self.blocked(planned, what),
            Observed::Done => true,
            Observed::Absent | Observed::Partial(_) => false,
        };
        if is_there {
            site.sync().or_else(|error| self.failed(planned, error))?;
        }
        if is_there && matches!(status, StepStatus::Started | StepStatus::Failed) {
            self.journal.append(Event::Done { step: planned.id.clone(), output: Value::Null })?;
            return Ok(());
        }
        if status == StepStatus::Pending {
            let before = step.prepare(site).or_else(|error| self.failed(planned, error))?;
            self.journal.append(Event::Prepared { step: planned.id.clone(), before })?;
        }
        self.journal.append(Event::Started { step: planned.id.clone() })?;
        let output = if is_there {
            Value::Null
        } else {
            let before = self.journal.state().steps[index].before.clone();
            step.act(site, &before).or_else(|error| self.failed(planned, error))?
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
                    let error = RecordedError::of(&source);
                    self.journal.append(Event::UndoFailed { step: planned.id.clone(), error })?
                };
                let first = self.journal.state().steps.iter().find_map(|step| step.failure.clone()).map(Box::new);
                let (step, title, source) = (planned.id.clone(), planned.title.clone(), Box::new(source));
                Err(EngineError::UndoFailed { step, title, record, source, first })
            }
        }
    }

    /// Records and reports that a step could not look, prepare or act.
    fn failed<T>(&mut self, planned: &PlannedStep<A>, source: StepError) -> Result<T, EngineError> {
        log(planned, &source);
        let record = if is_fatal(&source) {
            self.journal.last_sequence()
        } else {
            self.journal.append(Event::Failed { step: planned.id.clone(), error: RecordedError::of(&source) })?
        };
        let (step, title, source) = (planned.id.clone(), planned.title.clone(), Box::new(source));
        Err(EngineError::StepFailed { step, title, record, source })
    }

    fn blocked(&mut self, planned: &PlannedStep<A>, what: String) -> Result<(), EngineError> {
        tracing::error!(step = %planned.id, what, "found something that is not Landfall's");
        let record = self.journal.append(Event::Blocked { step: planned.id.clone(), what: what.clone() })?;
        Err(EngineError::Foreign { step: planned.id.clone(), title: planned.title.clone(), record, what })
    }

    /// Nothing is undone if a step that must be undone is irreversible.
    fn refuse_irreversible(&self) -> Result<(), EngineError> {
        let steps = self.plan.steps.iter().zip(&self.journal.state().steps);
        let mut done = steps.filter(|(_, state)| state.status.is_there());
        match done.find(|(planned, _)| planned.undo == Undo::Irreversible) {
            Some((planned, _)) => {
                Err(EngineError::Irreversible { step: planned.id.clone(), title: planned.title.clone() })
            }
            None => Ok(()),
        }
    }
}

/// Whether the disk failed to make something durable: then not even that is recorded, and the process ends.
fn is_fatal(error: &StepError) -> bool {
    error.code() == codes::SYNC_FAILED
}

fn log<A>(planned: &PlannedStep<A>, error: &StepError) {
    let recorded = RecordedError::of(error);
    tracing::error!(step = %planned.id, code = error.code().id, causes = ?recorded.causes, "{error}");
}

#[cfg(test)]
mod tests;
