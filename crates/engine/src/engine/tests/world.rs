//! Site on a simulated disk: steps that write files, and the facts that tests check afterwards.

use std::collections::BTreeMap;
use std::path::Path;

use landfall_documents::operation::Operation;
use landfall_error_codes::codes;
use landfall_media::progress::SilentProgress;
use serde_json::{Value, json};

use crate::engine::{End, Engine, EngineError};
use crate::journal::Outline;
use crate::journal::simulated::{Disk, SimulatedStorage, UnsyncedFate};
use crate::journal::{
    Event, Journal, JournalError, JournalErrorKind, Phase, Replay, StepState, StepStatus, first_record,
};
use crate::plan::{Plan, PlannedStep, StepId, Undo};
use crate::step::{Durable, ObservedState, Step, StepError};

pub(super) type Contents = BTreeMap<String, Vec<u8>>;

const JOURNAL: &str = "000001-install.journal";

/// A step that writes these files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WriteFiles {
    pub(super) name: String,
    pub(super) files: Vec<String>,
    pub(super) syncs: Syncs,
    pub(super) sees: Sees,
}

/// Time at which a step syncs its writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syncs {
    /// Each file before the next one is written.
    Each,
    /// All files once all are written.
    AtTheEnd,
}

/// Observation of a step after all of its files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sees {
    /// The step is done.
    Done,
    /// The step is partial, like a service that is not ready again after a boot although nothing is missing.
    Partial,
}

/// Content that a step writes to a file.
fn content(file: &str) -> Vec<u8> {
    format!("{file} by landfall").into_bytes()
}

/// Fault that occurs once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Observe(&'static str),
    Act(&'static str),
    Sync(&'static str),
    Undo(&'static str),
    Rescue(&'static str),
    /// The step is never ready, however often it is tried.
    Always(&'static str),
    /// The power fails whenever the step acts.
    Power(&'static str),
}

/// Context of the steps.
#[derive(Debug)]
pub(super) struct World {
    pub(super) disk: Disk,
    pub(super) plan: Plan<WriteFiles>,
    /// Acts per step, over all runs.
    pub(super) acts: BTreeMap<String, usize>,
    /// Names of steps in the order of their rescue, each with the number of steps undone by then.
    pub(super) rescued: Vec<(String, usize)>,
    /// Names of steps in the order in which their undo was complete.
    pub(super) undone: Vec<String>,
    pub(super) fault: Option<Fault>,
    /// Fault that follows the first one.
    pub(super) then: Option<Fault>,
    pub(super) operations_of_last_run: usize,
    birth: Contents,
}

pub(super) fn planned_step(name: &str, files: Vec<String>, syncs: Syncs, sees: Sees) -> PlannedStep<WriteFiles> {
    PlannedStep {
        id: StepId(name.to_owned()),
        title: format!("write {name}"),
        action: WriteFiles { name: name.to_owned(), files, syncs, sees },
        bytes: 0,
        seconds: 0,
        undo: Undo::Reversible,
    }
}

/// A plan of steps with two files each.
pub(super) fn plan(names: &[&str]) -> Plan<WriteFiles> {
    plan_with(names, Syncs::Each, Sees::Done)
}

fn plan_with(names: &[&str], syncs: Syncs, sees: Sees) -> Plan<WriteFiles> {
    let files = |name: &str| vec![format!("{name}.1"), format!("{name}.2")];
    plan_of(names.iter().map(|name| planned_step(name, files(name), syncs, sees)).collect())
}

pub(super) fn plan_of(steps: Vec<PlannedStep<WriteFiles>>) -> Plan<WriteFiles> {
    Plan::new(Operation::Install, "starter", "1.0.0", steps)
}

pub(super) fn starter() -> Plan<WriteFiles> {
    starter_with(Syncs::Each, Sees::Done)
}

/// Plan of three steps with these sync times and observations.
pub(super) fn starter_with(syncs: Syncs, sees: Sees) -> Plan<WriteFiles> {
    plan_with(&["one", "two", "three"], syncs, sees)
}

/// Files before the operation: one that a step replaces, and one that no step touches.
pub(super) fn birth() -> Contents {
    let files = [("two.1", "two.1 of the customer"), ("other", "something else")];
    files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into_iter().collect()
}

impl World {
    pub(super) fn new(plan: Plan<WriteFiles>, birth: Contents) -> Self {
        let disk = Disk::default();
        for (name, content) in &birth {
            disk.place(name, content).unwrap();
        }
        disk.boot(UnsyncedFate::Lost);
        let (acts, rescued, undone) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { disk, plan, acts, rescued, undone, fault: None, then: None, operations_of_last_run: 0, birth }
    }

    /// Files after an uninterrupted run.
    pub(super) fn goal(&self) -> Contents {
        let mut goal = self.birth.clone();
        for action in self.plan.all().map(|step| &step.action) {
            goal.extend(action.files.iter().map(|file| (file.clone(), content(file))));
        }
        goal
    }

    /// Begins or continues the operation, as `install` and `resume` do.
    pub(super) fn install(&mut self) -> Result<(), EngineError> {
        self.run(|engine, world| {
            engine.forward(world)?;
            if engine.journal.state().phase != Phase::Committed {
                engine.journal.append(Event::Committed)?;
            }
            Ok(())
        })
    }

    /// Begins or continues an operation that undoes itself on failure.
    pub(super) fn change(&mut self) -> Result<End, EngineError> {
        let mut end = End::Undone;
        self.run(|engine, world| {
            end = engine.run(world, &|_| {})?;
            Ok(())
        })?;
        Ok(end)
    }

    /// Undoes everything, as `uninstall` does.
    pub(super) fn uninstall(&mut self, keep_data: bool) -> Result<(), EngineError> {
        self.run(|engine, world| match engine.journal.state().phase {
            Phase::Undone { .. } => Ok(()),
            _ => engine.undo(world, keep_data),
        })
    }

    fn run(
        &mut self,
        act: impl FnOnce(
            &mut Engine<'_, WriteFiles, World, Outline, SimulatedStorage>,
            &mut World,
        ) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let plan = self.plan.clone();
        let result = self.open().map_err(EngineError::from).and_then(|mut journal| {
            let mut engine = Engine { journal: &mut journal, plan: &plan, resolve, progress: &SilentProgress };
            act(&mut engine, self)
        });
        self.operations_of_last_run = self.disk.operations();
        result
    }

    fn open(&self) -> Result<Journal<Outline, SimulatedStorage>, JournalError> {
        if self.disk.read(JOURNAL).is_empty() {
            let bytes = first_record(self.pins(), Path::new(JOURNAL))?;
            self.disk.place(JOURNAL, &bytes).map_err(|source| JournalErrorKind::Io {
                act: "create",
                path: JOURNAL.into(),
                source,
            })?;
        }
        Journal::load(self.disk.storage(JOURNAL), JOURNAL)
    }

    fn pins(&self) -> Outline {
        let steps = self.plan.all().map(|step| step.id.clone()).collect();
        Outline { operation: Operation::Install, steps, closing: self.plan.closing.len() }
    }

    pub(super) fn records(&self) -> Vec<Event<Outline>> {
        replay(&self.disk.read(JOURNAL)).entries.into_iter().map(|entry| entry.event).collect()
    }

    pub(super) fn phase(&self) -> Phase {
        replay(&self.disk.read(JOURNAL)).state.phase
    }

    pub(super) fn status_of(&self, name: &str) -> StepState {
        self.state_of(&self.disk.read(JOURNAL), name)
    }

    fn state_of(&self, bytes: &[u8], name: &str) -> StepState {
        let index = self.plan.all().position(|step| step.id.0 == name).unwrap();
        StepState::clone(&replay(bytes).state.steps[index])
    }

    fn fail(&mut self, fault: Option<Fault>, what: String) -> Result<(), StepError> {
        if fault.is_some() && self.fault == fault {
            self.fault = self.then.take();
            let code = if matches!(fault, Some(Fault::Sync(_))) { codes::SYNC_FAILED } else { codes::SITE_IO };
            return Err(StepError::new(code, what));
        }
        Ok(())
    }
}

fn replay(bytes: &[u8]) -> Replay<Outline> {
    Replay::of(bytes, Path::new(JOURNAL)).unwrap()
}

fn resolve(action: &WriteFiles) -> &dyn Step<World> {
    action
}

fn io_error(error: std::io::Error) -> StepError {
    StepError::new(codes::SITE_IO, "cannot write").because(error)
}

impl WriteFiles {
    fn fault(&self, make: fn(&'static str) -> Fault) -> Option<Fault> {
        ["one", "two", "three"].into_iter().find(|name| *name == self.name).map(make)
    }

    /// Checks the write-ahead rule in the act itself: the durable records allow the imminent change.
    fn assert_recorded(&self, world: &World, status: StepStatus, before: &Value) {
        let recorded = world.state_of(&world.disk.durable(JOURNAL), &self.name);
        assert_eq!((recorded.status, &recorded.before), (status, before), "{}", self.name);
    }
}

impl Durable for World {
    fn sync(&mut self) -> Result<(), StepError> {
        let files: Vec<String> = self.plan.all().flat_map(|step| step.action.files.clone()).collect();
        files.iter().try_for_each(|file| self.disk.sync(file)).map_err(io_error)
    }
}

impl Step<World> for WriteFiles {
    fn rescue(&self, world: &mut World, _before: &Value) -> Result<(), StepError> {
        world.rescued.push((self.name.clone(), world.undone.len()));
        world.fail(self.fault(Fault::Rescue), format!("cannot bring back {}", self.name))
    }

    fn observe(&self, world: &mut World) -> Result<ObservedState, StepError> {
        world.fail(self.fault(Fault::Observe), format!("cannot look at {}", self.name))?;
        let mut there = 0;
        for file in &self.files {
            let found = world.disk.read(file);
            if let Some(rest) = found.strip_prefix(b"foreign: ") {
                return Ok(ObservedState::Foreign(format!("{file} holds {}", String::from_utf8_lossy(rest))));
            }
            there += usize::from(found == content(file));
        }
        Ok(match there {
            0 => ObservedState::Absent,
            _ if there == self.files.len() && self.sees == Sees::Done => ObservedState::Done,
            _ => ObservedState::Partial(format!("{there} of {} files", self.files.len())),
        })
    }

    fn prepare(&self, world: &mut World) -> Result<Value, StepError> {
        Ok(self.files.iter().map(|file| json!(world.disk.read(file))).collect())
    }

    fn act(&self, world: &mut World, before: &Value) -> Result<Value, StepError> {
        self.assert_recorded(world, StepStatus::Started, before);
        *world.acts.entry(self.name.clone()).or_default() += 1;
        for (index, file) in self.files.iter().enumerate() {
            if index > 0 {
                world.fail(self.fault(Fault::Act), format!("cannot write {}", self.name))?;
                if self.fault(Fault::Power).is_some_and(|fault| world.fault == Some(fault)) {
                    world.disk.cut_before(world.disk.operations());
                }
                if self.fault(Fault::Always).is_some_and(|fault| world.fault == Some(fault)) {
                    return Err(StepError::new(codes::NODE_TIMEOUT, format!("{} is not ready", self.name)));
                }
                world.fail(self.fault(Fault::Sync), format!("cannot sync {}", self.name))?;
            }
            world.disk.write(file, &content(file)).map_err(io_error)?;
            if self.syncs == Syncs::Each {
                world.disk.sync(file).map_err(io_error)?;
            }
        }
        if self.syncs == Syncs::AtTheEnd {
            self.files.iter().try_for_each(|file| world.disk.sync(file)).map_err(io_error)?;
        }
        Ok(json!(self.files.len()))
    }

    fn undo(&self, world: &mut World, before: &Value) -> Result<(), StepError> {
        self.assert_recorded(world, StepStatus::UndoStarted, before);
        for (file, content) in self.files.iter().zip(before.as_array().unwrap()).rev() {
            let content: Vec<u8> = serde_json::from_value(content.clone()).unwrap();
            world.disk.write(file, &content).map_err(io_error)?;
            world.fail(self.fault(Fault::Undo), format!("cannot restore {}", self.name))?;
            world.disk.sync(file).map_err(io_error)?;
        }
        world.undone.push(self.name.clone());
        Ok(())
    }
}
