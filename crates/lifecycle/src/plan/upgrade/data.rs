//! Plans the steps around data that the other release changes, or that the installed release has changed.

use std::collections::BTreeSet;

use landfall_engine::plan::PlannedStep;
use serde_json::Value;

use super::stopped::{self, in_release};
use crate::plan::restore::{RestoredStream, begin_use, note_use};
use crate::plan::site_steps::step;
use crate::steps::action::Action;
use crate::steps::keep_copy::KeepCopy;
use crate::steps::remove_aside::RemoveAside;
use crate::steps::stop::Stop;
use landfall_site::backups::LiveVolume;

/// Treatment of a component's data.
#[derive(Debug, Clone, PartialEq)]
pub enum ChangedData {
    /// The other release may change it: the data is copied first, and undo restores the copy.
    Copied(Vec<LiveVolume>),
    /// The installed release has changed it: a backup of the other release replaces it.
    Restored(Vec<RestoredStream>),
}

impl ChangedData {
    /// Returns how the workloads stop, each once.
    pub(super) fn stops(&self) -> Vec<&Stop> {
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

    /// Returns the volumes, each with the workload that stops.
    pub(crate) fn volumes(&self) -> Vec<LiveVolume> {
        match self {
            Self::Copied(volumes) => volumes.clone(),
            Self::Restored(streams) => {
                let volume = |stream: &RestoredStream| LiveVolume {
                    folder: stream.volume.folder.clone(),
                    stop: stream.volume.stopped.clone(),
                };
                streams.iter().map(volume).collect()
            }
        }
    }

    /// Plans the copies or set-asides of data after the workloads have stopped. Its volumes may be written from then
    /// on, by clients. Pods that the objects or the undo start may write to empty volumes as well.
    pub(super) fn set_apart(&self, component: &str, token: &str) -> Vec<PlannedStep<Action>> {
        match self {
            Self::Copied(volumes) => {
                let copy = |volume: &LiveVolume| {
                    let title = format!("copy the data of {component}, which will change");
                    let action = Action::KeepCopy(kept_copy(volume, token));
                    step(format!("keep-copy/{}", volume.folder), &title, 10, action)
                };
                let copies = distinct(volumes).map(|volume| kept_copy(volume, token).copy()).collect();
                distinct(volumes).map(copy).chain(begin_use(id_of_use(component), component, copies)).collect()
            }
            Self::Restored(streams) => {
                let id = format!("begin-use-empty/{component}");
                let title = format!("note that pods of {component} may run on empty volumes from here on");
                let noted = note_use(id, &title, asides(streams));
                streams.iter().map(RestoredStream::set_aside).chain(noted).collect()
            }
        }
    }

    /// Plans the loads after the objects of the other release are applied. Data may be written from then on. `objects`
    /// are those objects.
    pub(super) fn loads(&self, component: &str, objects: &[Value]) -> Vec<PlannedStep<Action>> {
        let Self::Restored(streams) = self else { return Vec::new() };
        // Pods of the other release have started on empty volumes.
        let again = self.stops().into_iter().filter_map(|stop| in_release(stop, objects)).map(|stop| {
            let title = format!("stop {component}, whose data is loaded");
            step(stopped::id("stop-again", component, &stop), &title, 10, Action::Stop(stop))
        });
        again
            .chain(streams.iter().map(RestoredStream::load))
            .chain(begin_use(id_of_use(component), component, asides(streams)))
            .collect()
    }

    /// Plans the checks after the pods are ready.
    pub(super) fn checks(&self) -> Vec<PlannedStep<Action>> {
        match self {
            Self::Copied(_) => Vec::new(),
            Self::Restored(streams) => streams.iter().map(RestoredStream::check).collect(),
        }
    }

    /// Plans the steps after the commit.
    pub(super) fn closing(&self, component: &str, token: &str) -> Vec<PlannedStep<Action>> {
        match self {
            Self::Copied(volumes) => distinct(volumes).map(|volume| remove_copy(component, volume, token)).collect(),
            Self::Restored(streams) => streams.iter().map(RestoredStream::remove_aside).collect(),
        }
    }
}

fn id_of_use(component: &str) -> String {
    format!("begin-use/{component}")
}

/// Returns the names of the set-aside folders.
fn asides(streams: &[RestoredStream]) -> Vec<String> {
    streams.iter().map(|stream| stream.volume.name_aside()).collect()
}

/// Returns each folder once, because several workloads may share one.
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
