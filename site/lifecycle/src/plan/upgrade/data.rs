//! The steps around the data of a component that the other release changes, or that the installed one has changed.

use std::collections::BTreeSet;

use landfall_engine::plan::PlannedStep;
use serde_json::Value;

use crate::backups::LiveVolume;
use crate::plan::install::step;
use crate::plan::restore::RestoredStream;
use crate::steps::action::Action;
use crate::steps::keep_copy::KeepCopy;
use crate::steps::remove_aside::RemoveAside;
use crate::steps::start::Start;
use crate::steps::stop::Stop;

/// What becomes of the data of a component.
#[derive(Debug, Clone, PartialEq)]
pub enum ChangedData {
    /// The other release may change it: it is copied before, and the copy comes back on the way back.
    Copied(Vec<LiveVolume>),
    /// The installed release has changed it: what a backup of the other one holds takes its place.
    Restored(Vec<RestoredStream>),
}

impl ChangedData {
    /// How the workloads are stopped, each once.
    fn stops(&self) -> Vec<&Stop> {
        let all: Vec<&Stop> = match self {
            Self::Copied(volumes) => volumes.iter().map(|volume| &volume.stop).collect(),
            Self::Restored(streams) => streams.iter().map(|stream| &stream.volume.stopped).collect(),
        };
        let mut stops: Vec<&Stop> = Vec::new();
        for stop in all {
            if !stops.contains(&stop) {
                stops.push(stop);
            }
        }
        stops
    }

    /// Before anything of the component changes: its workloads stop, and its data is copied or set aside.
    pub(super) fn before(&self, component: &str, token: &str) -> Vec<PlannedStep<Action>> {
        let stop = |stop: &&Stop| {
            let id = format!("stop/{component}/{}", stop.workload.name);
            step(id, &format!("stop {component}"), 10, Action::Stop((*stop).clone()))
        };
        let mut steps: Vec<_> = self.stops().iter().map(stop).collect();
        match self {
            Self::Copied(volumes) => steps.extend(distinct(volumes).map(|volume| {
                let title = format!("copy the data of {component}, which will change");
                let action = Action::KeepCopy(kept_copy(volume, token));
                step(format!("keep-copy/{}", volume.folder), &title, 10, action)
            })),
            Self::Restored(streams) => steps.extend(streams.iter().map(RestoredStream::set_aside)),
        }
        steps
    }

    /// Once the objects of the other release are there, before the wait for its pods: data is loaded, and each workload that is among
    /// `objects`, those of the other release, starts.
    pub(super) fn after(&self, component: &str, objects: &[Value]) -> Vec<PlannedStep<Action>> {
        let wanted: Vec<Stop> = self.stops().into_iter().filter_map(|stop| in_release(stop, objects)).collect();
        let mut steps = Vec::new();
        if let Self::Restored(streams) = self {
            // The pods of the other release have begun on empty volumes.
            steps.extend(wanted.iter().map(|stop| {
                let id = format!("stop-again/{component}/{}", stop.workload.name);
                let title = format!("stop {component}, whose data is loaded");
                step(id, &title, 10, Action::Stop(stop.clone()))
            }));
            steps.extend(streams.iter().map(RestoredStream::load));
        }
        steps.extend(wanted.into_iter().map(|stopped| {
            let id = format!("start/{component}/{}", stopped.workload.name);
            step(id, &format!("start {component}"), 0, Action::Start(Start { stopped }))
        }));
        steps
    }

    /// Once its pods are ready.
    pub(super) fn checks(&self) -> Vec<PlannedStep<Action>> {
        match self {
            Self::Copied(_) => Vec::new(),
            Self::Restored(streams) => streams.iter().map(RestoredStream::check).collect(),
        }
    }

    /// What follows the commit.
    pub(super) fn closing(&self, component: &str, token: &str) -> Vec<PlannedStep<Action>> {
        match self {
            Self::Copied(volumes) => distinct(volumes).map(|volume| remove_copy(component, volume, token)).collect(),
            Self::Restored(streams) => streams.iter().map(RestoredStream::remove_aside).collect(),
        }
    }
}

/// Each folder once: several workloads may share one.
fn distinct(volumes: &[LiveVolume]) -> impl Iterator<Item = &LiveVolume> {
    let mut known = BTreeSet::new();
    volumes.iter().filter(move |volume| known.insert(&volume.folder))
}

fn kept_copy(volume: &LiveVolume, token: &str) -> KeepCopy {
    KeepCopy { folder: volume.folder.clone(), token: token.to_owned(), stopped: volume.stop.clone() }
}

fn remove_copy(component: &str, volume: &LiveVolume, token: &str) -> PlannedStep<Action> {
    let remove = RemoveAside { folder: kept_copy(volume, token).copy() };
    let title = format!("remove the copy of {component}'s data");
    step(format!("remove-copy/{}", volume.folder), &title, 2, Action::RemoveAside(remove))
}

/// The workload as the other release has it, with the number of pods that its object says, if it says one.
fn in_release(stop: &Stop, objects: &[Value]) -> Option<Stop> {
    let is_it =
        |object: &&Value| object["kind"] == stop.workload.kind && object["metadata"]["name"] == stop.workload.name;
    let object = objects.iter().find(is_it)?;
    let replicas = object["spec"]["replicas"].as_u64().and_then(|replicas| u32::try_from(replicas).ok());
    Some(Stop { replicas: replicas.unwrap_or(stop.replicas), ..stop.clone() })
}
