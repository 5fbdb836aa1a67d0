//! A site on a disk that forgets what was not synced. Steps of real plans act on it in little: what a step makes is a file with its
//! parameters, a volume is a file with rows, and clients write rows whenever pods run on a volume.
//!
//! It is about the order of steps, on the way forward and back, with pods, clients and etcd, which would need a cluster. What the real
//! steps do to files is cut where they are tested: `operations/upgrade/tests/power_cuts.rs` for content, `steps/set_aside.rs` and
//! `steps/keep_copy.rs` for volumes.

use std::collections::BTreeMap;
use std::path::Path;

use landfall_engine::engine::{End, Engine, EngineError};
use landfall_engine::journal::simulated::{Disk, SimulatedStorage, Unsynced};
use landfall_engine::journal::{Journal, Outline, first_record};
use landfall_engine::plan::{Plan, StepId};
use landfall_engine::step::{Durable, Observed, Step, StepError};
use landfall_error_codes::codes;
use landfall_media::progress::Silent;
use serde_json::{Value, json};

use crate::steps::action::Action;
use crate::steps::aside::Aside;
use crate::steps::stop::Stop;

type Contents = BTreeMap<String, Vec<u8>>;

const JOURNAL: &str = "000001-change.journal";

/// The rows of each volume before the change, and what a backup has of them.
pub(super) const ROWS: &str = "rows";
pub(super) const SAVED: &str = "saved rows";

/// What all data contains.
const A_ROW: &str = "row";

/// What pods make of an empty volume.
pub(super) const EMPTY_DATABASE: &str = "an empty database";

/// There while webhooks are suspended.
pub(super) const SUSPENDED: &str = "webhooks/suspended";

/// Whether a change goes on, or is undone.
#[derive(Debug, Clone, Copy)]
enum Way {
    Forward,
    Back,
}

pub(super) struct World {
    pub(super) disk: Disk,
    pub(super) plan: Plan<Action>,
    /// The step that fails for good.
    pub(super) fault: Option<StepId>,
    /// Rows of which clients know that they are stored.
    pub(super) acknowledged: Vec<String>,
    rows: usize,
}

fn made(id: &str) -> String {
    format!("made/{id}")
}

fn volume(folder: &str) -> String {
    format!("volume/{folder}")
}

/// Data that is beside a volume.
fn beside(name: &str) -> String {
    format!("beside/{name}")
}

fn running(stop: &Stop) -> String {
    format!("running/{}", stop.workload.name)
}

fn note(apart: &str) -> String {
    beside(&format!("{apart}.in-use"))
}

fn parameters(action: &Action) -> Vec<u8> {
    serde_json::to_vec(action).unwrap()
}

fn failed(error: std::io::Error) -> StepError {
    StepError::new(codes::SITE_IO, "cannot write").because(error)
}

impl World {
    /// A site on which this change begins.
    pub(super) fn new(plan: Plan<Action>) -> Self {
        let disk = Disk::default();
        let place = |name: &str, content: &[u8]| disk.place(name, content).unwrap();
        for planned in plan.all() {
            match &planned.action {
                Action::Supersede(step) => place(&made(&planned.id.0), &parameters(&step.before)),
                Action::Replace(step) => place(&made(&planned.id.0), &parameters(&step.before)),
                Action::Retire(step) => place(&made(&step.step.0), &parameters(&step.before)),
                Action::Stop(stop) => place(&running(stop), b"1"),
                Action::StageRelease(_) => place("content/oldest", b"1"),
                action => {
                    if let Some(aside) = action.aside() {
                        place(&volume(aside.folder), ROWS.as_bytes());
                    }
                }
            }
        }
        disk.boot(Unsynced::Lost);
        Self { disk, plan, fault: None, acknowledged: Vec::new(), rows: 0 }
    }

    /// Begins the change, or continues it as its unit does after a boot.
    pub(super) fn change(&mut self) -> Result<End, EngineError> {
        let plan = self.plan.clone();
        let mut journal = self.open().map_err(EngineError::from)?;
        Engine { journal: &mut journal, plan: &plan, resolve, progress: &Silent }.run(self, &|_| {})
    }

    fn open(&self) -> Result<Journal<Outline, SimulatedStorage>, landfall_engine::journal::JournalError> {
        if self.disk.read(JOURNAL).is_empty() {
            let steps = self.plan.all().map(|step| step.id.clone()).collect();
            let pins = Outline { operation: self.plan.operation, steps, closing: self.plan.closing.len() };
            let bytes = first_record(pins, Path::new(JOURNAL))?;
            // A change whose journal was never written has not begun.
            let _cut = self.disk.place(JOURNAL, &bytes);
        }
        Journal::load(self.disk.storage(JOURNAL), JOURNAL)
    }

    /// Whether the change has begun.
    pub(super) fn has_begun(&self) -> bool {
        !self.disk.read(JOURNAL).is_empty()
    }

    /// Everything that a release or a setting is: no data.
    pub(super) fn release(&self) -> Contents {
        let is_of_release = |name: &String| ["made/", "content/"].iter().any(|prefix| name.starts_with(prefix));
        self.disk.contents().into_iter().filter(|(name, _)| is_of_release(name)).collect()
    }

    /// Files below a name, as text.
    pub(super) fn below(&self, prefix: &str) -> BTreeMap<String, String> {
        let all = self.disk.contents().into_iter();
        all.filter_map(|(name, bytes)| {
            Some((name.strip_prefix(prefix)?.to_owned(), String::from_utf8_lossy(&bytes).into_owned()))
        })
        .collect()
    }

    fn id_of(&self, action: &Action) -> StepId {
        self.plan.all().find(|planned| planned.action == *action).unwrap().id.clone()
    }

    fn write(&self, file: &str, bytes: &[u8]) -> Result<(), StepError> {
        self.disk.write(file, bytes).and_then(|()| self.disk.sync(file)).map_err(failed)
    }

    fn is_there(&self, file: &str) -> bool {
        !self.disk.read(file).is_empty()
    }

    /// The volumes of a workload, as data of them is beside them.
    fn volumes(&self, workload: &str) -> Vec<(String, String)> {
        let of = |action: &Action| {
            match action {
                Action::SetAside(step) if step.stopped.workload.name == workload => Some(step.aside()),
                Action::KeepCopy(step) if step.stopped.workload.name == workload => Some(step.aside()),
                _ => None,
            }
            .map(|aside| (aside.folder.to_owned(), aside.name()))
        };
        self.plan.all().filter_map(|planned| of(&planned.action)).collect()
    }

    /// Pods run: clients write a row to each volume.
    fn run(&mut self, stop: &Stop, replicas: u32) -> Result<(), StepError> {
        self.write(&running(stop), replicas.to_string().as_bytes())?;
        for (folder, _) in self.volumes(&stop.workload.name) {
            self.add_row(&folder)?;
        }
        Ok(())
    }

    fn add_row(&mut self, folder: &str) -> Result<(), StepError> {
        self.rows += 1;
        let row = format!("|row {}|", self.rows);
        let rows = [self.disk.read(&volume(folder)), row.clone().into_bytes()].concat();
        self.write(&volume(folder), &rows)?;
        self.acknowledged.push(row);
        Ok(())
    }

    /// The objects of a component are there, and its pods run. On the way forward, those whose volumes are set aside begin on empty ones:
    /// their clients are stopped, so what they make there is no row that a client knows to be stored.
    fn begin_pods(&mut self, id: &StepId, way: Way) -> Result<(), StepError> {
        let Some(workload) = id.0.strip_prefix("component/") else { return Ok(()) };
        for (folder, aside) in self.volumes(workload) {
            self.write(&format!("running/{workload}"), b"1")?;
            // They may have begun before a power cut.
            // What they had written then may be torn: it is no data of anybody.
            let found = String::from_utf8_lossy(&self.disk.read(&volume(&folder))).into_owned();
            let is_empty = self.is_there(&beside(&aside)) && !found.contains(A_ROW);
            match way {
                Way::Forward if is_empty => self.write(&volume(&folder), EMPTY_DATABASE.as_bytes())?,
                _ => self.add_row(&folder)?,
            }
        }
        Ok(())
    }

    /// As `Aside::put_back`.
    fn put_back(&self, aside: &Aside<'_>) -> Result<(), StepError> {
        let (volume, note) = (volume(aside.folder), note(&aside.name()));
        if self.is_there(&beside(&aside.name())) {
            if self.is_there(&note) && self.is_there(&volume) {
                let kept = |attempt: usize| beside(&format!("after.{attempt}.{}", aside.folder));
                let free = (1..=usize::MAX).find(|attempt| !self.is_there(&kept(*attempt))).unwrap();
                self.disk.rename(&volume, &kept(free)).map_err(failed)?;
            } else {
                self.write(&volume, b"")?;
            }
            self.disk.rename(&beside(&aside.name()), &volume).map_err(failed)?;
        }
        self.write(&note, b"")
    }

    fn fail(&self, action: &Action) -> Result<(), StepError> {
        match &self.fault {
            Some(id) if *id == self.id_of(action) => Err(StepError::new(codes::RESTORE_CHECK, format!("{id} fails"))),
            _ => Ok(()),
        }
    }

    /// Refuses to change objects of a component while a webhook judges them whose server is stopped.
    fn judge(&self, id: &StepId) -> Result<(), StepError> {
        let suspends = |action: &Action| matches!(action, Action::SuspendWebhooks(_));
        let stops = |action: &Action| matches!(action, Action::Stop(stop) if !self.is_there(&running(stop)));
        let has = |wanted: &dyn Fn(&Action) -> bool| self.plan.steps.iter().any(|planned| wanted(&planned.action));
        if id.0.starts_with("component/") && has(&suspends) && has(&stops) && !self.is_there(SUSPENDED) {
            return Err(StepError::new(codes::CLUSTER_FAILED, format!("a webhook does not answer: {id} is refused")));
        }
        Ok(())
    }

    /// What a step that has no other part here makes.
    fn make(&mut self, id: &StepId, action: &Action) -> Result<(), StepError> {
        self.judge(id)?;
        match action {
            Action::Supersede(step) => self.write(&made(&id.0), &parameters(&step.after))?,
            Action::Replace(step) => self.write(&made(&id.0), &parameters(&step.after))?,
            Action::Retire(step) => return self.write(&made(&step.step.0), b""),
            _ => self.write(&made(&id.0), &parameters(action))?,
        }
        self.begin_pods(id, Way::Forward)
    }
}

impl Durable for World {
    fn sync(&mut self) -> Result<(), StepError> {
        self.disk.contents().keys().try_for_each(|file| self.disk.sync(file)).map_err(failed)
    }
}

fn resolve(action: &Action) -> &dyn Step<World> {
    action
}

fn is_wait(action: &Action) -> bool {
    matches!(
        action,
        Action::ComponentReady(_)
            | Action::ReadyAgain(_)
            | Action::Prove(_)
            | Action::Soak(_)
            | Action::CheckRestored(_)
            | Action::BackUp(_)
    )
}

impl Step<World> for Action {
    fn observe(&self, world: &mut World) -> Result<Observed, StepError> {
        // What fails for good is never found complete.
        let fails = world.fail(self).is_err();
        let found = |is_done| match (is_done, fails) {
            (true, false) => Observed::Done,
            (true, true) => Observed::Partial("it fails".to_owned()),
            (false, _) => Observed::Absent,
        };
        Ok(match self {
            Self::Stop(stop) => found(!world.is_there(&running(stop))),
            Self::KeepCopy(step) => found(world.is_there(&beside(&step.copy()))),
            Self::BeginUse(step) => found(step.apart.iter().all(|apart| world.is_there(&note(apart)))),
            Self::RemoveAside(step) => {
                found(!world.is_there(&beside(&step.folder)) && !world.is_there(&note(&step.folder)))
            }
            Self::SetAside(_) | Self::Collect(_) => Observed::Partial("only its act completes it".to_owned()),
            _ => Observed::Absent,
        })
    }

    fn prepare(&self, world: &mut World) -> Result<Value, StepError> {
        let id = world.id_of(self);
        let file = match self {
            Self::Retire(step) => made(&step.step.0),
            _ => made(&id.0),
        };
        Ok(json!(world.disk.read(&file)))
    }

    fn act(&self, world: &mut World, _before: &Value) -> Result<Value, StepError> {
        match self {
            action if is_wait(action) => {}
            Self::SuspendWebhooks(_) => world.write(SUSPENDED, b"1")?,
            Self::ResumeWebhooks(_) => world.write(SUSPENDED, b"")?,
            Self::StageRelease(_) => world.write("content/later", b"1")?,
            Self::Collect(_) => world.write("content/oldest", b"")?,
            Self::RemoveEtcdSnapshot(_) => world.write(&made("etcd-snapshot"), b"")?,
            Self::Stop(stop) => world.write(&running(stop), b"")?,
            Self::Start(start) => world.run(&start.stopped, start.stopped.replicas)?,
            Self::KeepCopy(step) => {
                let rows = world.disk.read(&volume(&step.folder));
                world.disk.place(&beside(&step.copy()), &rows).map_err(failed)?;
            }
            Self::SetAside(step) => {
                let (volume, aside) = (volume(&step.folder), beside(&step.name_aside()));
                if !world.is_there(&aside) {
                    world.disk.rename(&volume, &aside).map_err(failed)?;
                }
                world.write(&volume, b"")?;
            }
            Self::Load(step) => {
                // As `SetAside::make_ready`.
                world.write(&note(&step.volume.name_aside()), b"")?;
                // Half of it is there for a while.
                world.write(&volume(&step.volume.folder), b"")?;
                world.write(&volume(&step.volume.folder), &SAVED.as_bytes()[..4])?;
                world.write(&volume(&step.volume.folder), SAVED.as_bytes())?;
            }
            Self::BeginUse(step) => step.apart.iter().try_for_each(|apart| world.write(&note(apart), b"1"))?,
            Self::RemoveAside(step) => {
                world.write(&beside(&step.folder), b"")?;
                world.write(&note(&step.folder), b"")?;
            }
            action => {
                let id = world.id_of(action);
                world.make(&id, action)?;
            }
        }
        world.fail(self).map(|()| Value::Null)
    }

    fn undo(&self, world: &mut World, before: &Value) -> Result<(), StepError> {
        match self {
            action if is_wait(action) => Ok(()),
            Self::SuspendWebhooks(_) => world.write(SUSPENDED, b""),
            Self::ResumeWebhooks(_) => world.write(SUSPENDED, b"1"),
            Self::StageRelease(_) => world.write("content/later", b""),
            Self::Stop(stop) => world.run(stop, stop.replicas),
            Self::Start(start) => world.write(&running(&start.stopped), b""),
            Self::SetAside(step) => {
                world.write(&running(&step.stopped), b"")?;
                world.put_back(&step.aside())
            }
            Self::KeepCopy(step) => {
                let aside = step.aside();
                let is_used = world.is_there(&note(&aside.name())) || !world.is_there(&volume(aside.folder));
                if is_used { world.put_back(&aside) } else { world.write(&beside(&aside.name()), b"") }
            }
            // As `SetAside::unload`.
            Self::Load(step) if !world.is_there(&note(&step.volume.name_aside())) => {
                world.write(&volume(&step.volume.folder), b"")?;
                world.write(&note(&step.volume.name_aside()), b"1")
            }
            Self::BeginUse(_) | Self::Load(_) => Ok(()),
            action => {
                let id = world.id_of(action);
                world.judge(&id)?;
                let bytes: Vec<u8> = serde_json::from_value(before.clone()).unwrap();
                match action {
                    Self::Retire(step) => world.write(&made(&step.step.0), &bytes),
                    _ => world.write(&made(&id.0), &bytes),
                }?;
                world.begin_pods(&id, Way::Back)
            }
        }
    }
}
