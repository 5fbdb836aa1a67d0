//! Steps of real plans on the simulated site. Real code changes the files of volumes. Stand-ins replace everything that
//! needs a cluster: starting and stopping pods, objects, webhooks and etcd. `operations/upgrade/tests/power_cuts.rs`
//! covers the content of releases with the real steps.

use std::path::PathBuf;

use landfall_engine::plan::StepId;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_error_codes::codes;
use landfall_media::durable;
use serde_json::{Value, json};

use super::world::{
    EMPTY_DATABASE, ROWS, SAVED, SEGMENT, SUSPENDED, TABLE, World, append, parameters, stand_in_name, write_unsynced,
};
use crate::steps;
use crate::steps::action::Action;
use crate::steps::load::Load;
use crate::steps::stop::Stop;

/// Direction of a change: forward or undo.
#[derive(Debug, Clone, Copy)]
enum Way {
    Forward,
    Back,
}

pub(super) fn resolve(action: &Action) -> &dyn Step<World> {
    action
}

fn running(stop: &Stop) -> String {
    format!("running/{}", stop.workload.name)
}

impl World {
    /// Returns the volumes of a workload, each with the path of its data when set aside.
    fn volumes_of(&self, workload: &str) -> Vec<(PathBuf, PathBuf)> {
        let paths = &self.site.data.paths;
        let of = |action: &Action| {
            let stopped = match action {
                Action::SetAside(step) => &step.stopped,
                Action::KeepCopy(step) => &step.stopped,
                _ => return None,
            };
            let aside = action.aside_data().filter(|_| stopped.workload.name == workload)?;
            Some((aside.volume(paths), aside.path(paths)))
        };
        self.plan.all().filter_map(|planned| of(&planned.action)).collect()
    }

    fn stop(&self, stop: &Stop) -> Result<(), StepError> {
        self.write(&running(stop), b"")
    }

    /// Starts the pods of a workload: clients write a row to each volume.
    fn run(&mut self, stop: &Stop, replicas: u32) -> Result<(), StepError> {
        self.write(&running(stop), replicas.to_string().as_bytes())?;
        for (volume, _) in self.volumes_of(&stop.workload.name) {
            self.add_row(&volume)?;
        }
        Ok(())
    }

    /// Applies the objects of a component and starts its pods. Going forward, pods whose volumes are set aside begin
    /// with empty ones. Their clients are stopped, so these pods write no acknowledged row.
    fn begin_pods(&mut self, id: &StepId, way: Way) -> Result<(), StepError> {
        let Some(workload) = id.0.strip_prefix("component/") else { return Ok(()) };
        for (volume, aside) in self.volumes_of(workload) {
            self.write(&format!("running/{workload}"), b"1")?;
            // Pods may have begun before a power cut. Their partial writes may be torn and belong to no client.
            let found = std::fs::read(volume.join(TABLE)).unwrap_or_default();
            let has_rows = String::from_utf8_lossy(&found).contains(&ROWS[..3]);
            match way {
                Way::Forward if aside.exists() && !has_rows => {
                    durable::write_file(&volume.join(TABLE), EMPTY_DATABASE.as_bytes(), 0o640)?;
                }
                _ => self.add_row(&volume)?,
            }
        }
        Ok(())
    }

    fn fail(&self, action: &Action) -> Result<(), StepError> {
        match &self.fault {
            Some(id) if *id == self.id_of(action) => Err(StepError::new(codes::RESTORE_CHECK, format!("{id} fails"))),
            _ => Ok(()),
        }
    }

    /// Fails if a webhook whose server is stopped judges objects of this component.
    fn judge(&self, id: &StepId) -> Result<(), StepError> {
        let suspends = |action: &Action| matches!(action, Action::SuspendWebhooks(_));
        let stops = |action: &Action| matches!(action, Action::Stop(stop) if !self.is_there(&running(stop)));
        let has = |wanted: &dyn Fn(&Action) -> bool| self.plan.steps.iter().any(|planned| wanted(&planned.action));
        if id.0.starts_with("component/") && has(&suspends) && has(&stops) && !self.is_there(SUSPENDED) {
            return Err(StepError::new(codes::CLUSTER_FAILED, format!("a webhook does not answer: {id} is refused")));
        }
        Ok(())
    }

    /// Writes the stand-in of a step that has no other effect here.
    fn make(&mut self, id: &StepId, action: &Action) -> Result<(), StepError> {
        self.judge(id)?;
        match action {
            Action::Supersede(step) => self.write(&stand_in_name(&id.0), &parameters(&step.after))?,
            Action::Replace(step) => self.write(&stand_in_name(&id.0), &parameters(&step.after))?,
            Action::Retire(step) => return self.write(&stand_in_name(&step.step.0), b""),
            _ => self.write(&stand_in_name(&id.0), &parameters(action))?,
        }
        self.begin_pods(id, Way::Forward)
    }

    /// Restores the earlier state of a stand-in.
    fn make_again(&mut self, action: &Action, before: &Value) -> Result<(), StepError> {
        let id = self.id_of(action);
        self.judge(&id)?;
        let bytes: Vec<u8> = serde_json::from_value(before.clone()).unwrap();
        match action {
            Action::Retire(step) => self.write(&stand_in_name(&step.step.0), &bytes),
            _ => self.write(&stand_in_name(&id.0), &bytes),
        }?;
        self.begin_pods(&id, Way::Back)
    }

    /// Fills the volume as a pod does, with ordinary file writes.
    fn load(&self, step: &Load) -> Result<(), StepError> {
        step.volume.fill(&self.site, || {
            let volume = step.volume.aside_data().volume(&self.site.data.paths);
            durable::create_folder(&volume.join("base"))?;
            append(&volume.join(TABLE), &SAVED[..4])?;
            write_unsynced(&volume.join(TABLE), &SAVED[4..])?;
            write_unsynced(&volume.join(SEGMENT), SAVED)
        })
    }

    fn snapshot_etcd(&self) -> Result<(), StepError> {
        Ok(durable::write_file(&self.site.data.paths.etcd_snapshot(), b"objects", 0o600)?)
    }
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

/// Returns true if the whole step is real, because it needs no cluster.
fn is_real(action: &Action) -> bool {
    matches!(action, Action::BeginUse(_) | Action::RemoveAside(_) | Action::RemoveEtcdSnapshot(_))
}

impl Step<World> for Action {
    fn observe(&self, world: &mut World) -> Result<ObservedState, StepError> {
        let found = match self {
            Self::Stop(stop) if world.is_there(&running(stop)) => ObservedState::Absent,
            Self::Stop(_) => ObservedState::Done,
            Self::Collect(_) => ObservedState::Partial("only its act completes it".to_owned()),
            Self::KeepCopy(_) | Self::SetAside(_) | Self::EtcdSnapshot(_) => {
                steps::resolve(self).observe(&mut world.site)?
            }
            action if is_real(action) => steps::resolve(self).observe(&mut world.site)?,
            _ => ObservedState::Absent,
        };
        Ok(match found {
            // A step that always fails never counts as complete.
            ObservedState::Done if world.fail(self).is_err() => ObservedState::Partial("it fails".to_owned()),
            found => found,
        })
    }

    fn prepare(&self, world: &mut World) -> Result<Value, StepError> {
        let id = world.id_of(self);
        let file = match self {
            Self::Retire(step) => stand_in_name(&step.step.0),
            _ => stand_in_name(&id.0),
        };
        Ok(json!(world.read(&file)))
    }

    fn act(&self, world: &mut World, before: &Value) -> Result<Value, StepError> {
        match self {
            action if is_wait(action) => {}
            Self::SuspendWebhooks(_) => world.write(SUSPENDED, b"1")?,
            Self::ResumeWebhooks(_) => world.write(SUSPENDED, b"")?,
            Self::StageRelease(_) => world.write("content/later", b"1")?,
            Self::Collect(_) => world.write("content/oldest", b"")?,
            Self::EtcdSnapshot(_) => world.snapshot_etcd()?,
            Self::Stop(stop) => world.stop(stop)?,
            Self::Start(start) => world.run(&start.stopped, start.stopped.replicas)?,
            Self::Load(step) => world.load(step)?,
            Self::KeepCopy(_) | Self::SetAside(_) => drop(steps::resolve(self).act(&mut world.site, before)?),
            action if is_real(action) => drop(steps::resolve(self).act(&mut world.site, before)?),
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
            Self::Start(start) => world.stop(&start.stopped),
            Self::SetAside(step) => step.aside_data().bring_back(&world.site.data.paths, || world.stop(&step.stopped)),
            Self::KeepCopy(step) => step.bring_back(&world.site, || world.stop(&step.stopped)),
            Self::Load(step) => step.volume.unload(&world.site),
            Self::EtcdSnapshot(_) => steps::resolve(self).undo(&mut world.site, before),
            action if is_real(action) => steps::resolve(self).undo(&mut world.site, before),
            action => world.make_again(action, before),
        }
    }
}
