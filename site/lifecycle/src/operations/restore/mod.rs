//! Restore: data of the installed release is replaced by that of a backup. A restore that fails brings back the data that was
//! there before.

use std::collections::BTreeMap;

use landfall_cluster::{Cluster, Inventory, ObjectName};
use landfall_engine::causes::with_causes;
use landfall_engine::journal::JournalFile;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::space::{self, Space};
use landfall_media::progress::Event;
use landfall_release_document::ReleaseDocument;
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::bundle::TrustedRelease;
use super::change::Changed;
use super::changed_data::users;
use super::error::Result;
use super::restore_choice::RestoreChoice;
use crate::backups::drill::groups;
use crate::backups::{
    BackupSummary, LiveVolume, LogRecords, PointsInTime, SavedStream, has_logs, new_token, refuse_lacking, stops_beside,
};
use crate::pins::Pins;
use crate::plan::restore::{RestoredStream, RestoredWorkload, plan_restore, refuse_shared};
use crate::plan::upgrade::{Experience, Outlook};
use crate::room::{Demand, FilesystemPeak, peaks};
use crate::site_secrets::NewSecrets;
use crate::steps::action::Action;
use crate::steps::load::BackupStream;
use crate::steps::set_aside::SetAside;
use landfall_engine::plan::Plan;

/// Which backup is restored, and what of it.
#[derive(Debug, Clone, Default)]
pub struct RestoreRequest {
    /// The beginning of its id; the newest proven one where neither this nor a time is given.
    pub backup: Option<String>,
    /// The time as of which data returns: by its log where it has one, and otherwise the newest backup of then or before.
    pub at: Option<jiff::Timestamp>,
    /// Components, or all that the backup has.
    pub components: Vec<String>,
}

/// A restore that is possible; nothing is changed yet.
pub struct PreparedRestore<'a> {
    pub(super) operations: &'a Operations,
    pub(super) pins: Pins,
    release: TrustedRelease,
    backup: BackupSummary,
    components: Vec<String>,
    plan: Plan<Action>,
    /// What names the operation in the folder of volumes: another word each time that it is planned.
    pub(super) token: String,
    /// What goes, and what comes in its place.
    streams: Vec<RestoredStream>,
    /// What stops, and from when on the data from before does not return.
    outlook: Outlook,
    /// What it takes of each filesystem at its peak.
    peaks: Vec<FilesystemPeak>,
}

/// A stream whose data a restore overwrites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverwrittenStream {
    /// `COMPONENT/RULE`.
    pub stream: String,
    /// Bytes that its volume has now: all of that is replaced. None where a broken volume cannot be measured.
    pub present_bytes: Option<u64>,
    /// Bytes that are loaded.
    pub loaded_bytes: u64,
    /// The time as of which its data will be, RFC 3339 in UTC. What was written since is lost.
    pub as_of: String,
    /// Until when backups have what was written since, so that another restore can bring it back; none where they have nothing of it.
    pub saved_until: Option<String>,
}

/// The result of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// Name of the release.
    pub release: String,
    /// Its version.
    pub version: String,
    /// What was restored, in order.
    pub streams: Vec<RestoredData>,
}

/// A stream that was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoredData {
    /// `COMPONENT/RULE`.
    pub stream: String,
    /// The time as of which its data is, RFC 3339 in UTC.
    pub time: String,
}

impl Restored {
    /// The result of a restore that was committed.
    pub(super) fn of(pins: &Pins, plan: &Plan<Action>) -> Self {
        let streams = loaded(plan).map(|stream| RestoredData { stream: stream.name(), time: stream.as_of() });
        Self { release: pins.release.clone(), version: pins.version.clone(), streams: streams.collect() }
    }
}

/// The streams that a plan loads, in order.
fn loaded(plan: &Plan<Action>) -> impl Iterator<Item = &BackupStream> {
    plan.all().filter_map(|planned| match &planned.action {
        Action::Load(load) => Some(&load.stream),
        _ => None,
    })
}

impl Operations {
    /// Determines whether and how a backup can take the place of data. Reads journals, the repository and the cluster; changes
    /// nothing.
    pub fn prepare_restore(&self, request: &RestoreRequest) -> Result<PreparedRestore<'_>> {
        let history = self.idle_history()?;
        let pins = self.changeable(&history)?.clone();
        let release = self.release_of(&pins)?;
        let repository = self.repository()?;
        let idle = LogRecords::of(&self.paths).idle();
        let choice = RestoreChoice::of(&repository, idle, request, &pins)?;
        choice.manifest.refuse_other(&release.release)?;
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig()).map_err(StepError::from)?;
        let token = new_token();
        let mut workloads: Vec<RestoredWorkload> = Vec::new();
        let saved: Vec<SavedStream> = choice.streams.iter().map(|stream| stream.saved.clone()).collect();
        for group in groups(&saved) {
            let restored = self.workload(&cluster, &choice, &group, &token)?;
            // Several containers of one workload have streams of their own.
            match workloads.iter_mut().find(|known| known.stop.workload == restored.stop.workload) {
                Some(known) => known.streams.extend(restored.streams),
                None => workloads.push(restored),
            }
        }
        workloads.extend(self.sharing(&cluster, &release.release, &workloads)?);
        let all: Vec<RestoredStream> = workloads.iter().flat_map(|workload| workload.streams.clone()).collect();
        let peaks = self.restore_peaks(&all)?;
        refuse_shared(&all)?;
        let mut components: Vec<String> = workloads.iter().map(|workload| workload.component.clone()).collect();
        components.dedup();
        let stopped: Vec<ObjectName> = workloads.iter().map(|workload| workload.stop.workload.clone()).collect();
        let webhooks = cluster.webhooks_of(&stopped).map_err(StepError::from)?;
        let plan = plan_restore(&release.release, &pins.settings.backups, &workloads, &webhooks);
        let experience = Experience { times: &history.step_times(), copied: &BTreeMap::new() };
        let outlook = Outlook::of_restore(&plan, &components, &experience);
        let backup = (&choice.backup).into();
        Ok(PreparedRestore {
            operations: self,
            pins,
            release,
            backup,
            components,
            plan,
            token,
            streams: all,
            outlook,
            peaks,
        })
    }

    /// What is loaded may be unpacked beside its final place. The data that is there stays until the commit. Refused where that does not
    /// fit.
    fn restore_peaks(&self, streams: &[RestoredStream]) -> Result<Vec<FilesystemPeak>, StepError> {
        let bytes = streams.iter().map(|stream| stream.size_bytes).sum::<u64>().saturating_mul(2);
        let demand =
            Demand { folder: self.paths.data(), space: Space { bytes, inodes: 0 }, purpose: "for data of a backup" };
        let peaks = peaks(&self.paths, &[vec![demand]])?;
        refuse_lacking(&peaks, "the restored data")?;
        Ok(peaks)
    }

    /// What these streams overwrite. This informs a person: what is broken, and may be why data is restored, must not prevent that.
    fn overwrites(&self, streams: &[RestoredStream], pins: &Pins) -> Result<Vec<OverwrittenStream>> {
        let backups = self.backups()?;
        let points = self.points_in_time().unwrap_or_else(|error| {
            tracing::warn!(%error, "the points in time are not known");
            Vec::new()
        });
        let own: Vec<&BackupSummary> = backups.iter().filter(|backup| is_own(backup, pins)).collect();
        let overwritten = |restored: &RestoredStream| {
            let (stream, as_of) = (restored.stream.name(), restored.stream.as_of());
            let present = space::tree(&self.paths.storage().join(&restored.volume.folder));
            if let Err(error) = &present {
                tracing::warn!(%error, stream, "the volume is not measured");
            }
            OverwrittenStream {
                present_bytes: present.ok().map(|present| present.bytes),
                loaded_bytes: restored.size_bytes,
                saved_until: saved_until(&stream, &as_of, &points, &own),
                stream,
                as_of,
            }
        };
        Ok(streams.iter().map(overwritten).collect())
    }

    /// Workloads without a stream of their own that write to the volumes of these: they stop, too, and start once the data is loaded.
    fn sharing(
        &self,
        cluster: &Cluster,
        release: &ReleaseDocument,
        restored: &[RestoredWorkload],
    ) -> Result<Vec<RestoredWorkload>, StepError> {
        let volumes = restored.iter().flat_map(|workload| &workload.streams).map(|stream| &stream.volume);
        let volumes: Vec<LiveVolume> =
            volumes.map(|volume| LiveVolume { folder: volume.folder.clone(), stop: volume.stopped.clone() }).collect();
        let mut found: Vec<RestoredWorkload> = Vec::new();
        for (component, stop) in stops_beside(cluster, &self.paths, release, &volumes)? {
            if found.iter().all(|known| known.stop.workload != stop.workload) {
                let inventory = Inventory::read(cluster, &component.namespace, &component.name)?;
                let status = inventory.map(|inventory| cluster.component_status(&inventory)).transpose()?;
                found.push(RestoredWorkload {
                    component: component.name.clone(),
                    namespace: component.namespace.clone(),
                    ready_seconds: component.ready_seconds,
                    was_ready: status.is_some_and(|status| status.reasons.is_empty()),
                    stop,
                    streams: Vec::new(),
                });
            }
        }
        Ok(found)
    }

    /// The workload of a group as it is now.
    fn workload(
        &self,
        cluster: &Cluster,
        choice: &RestoreChoice,
        group: &[&SavedStream],
        token: &str,
    ) -> Result<RestoredWorkload, StepError> {
        let first = group[0];
        let inventory = Inventory::read(cluster, &first.namespace, &first.component)?;
        let status = inventory.map(|inventory| cluster.component_status(&inventory)).transpose()?;
        let mut streams = Vec::new();
        let mut stop = None;
        for saved in group {
            let volume = LiveVolume::of(cluster, &self.paths, &saved.namespace, &saved.rule)?;
            stop = Some(volume.stop.clone());
            streams.push(choice.restored(saved, SetAside::of(volume, token)));
        }
        let stop = stop.ok_or_else(|| StepError::new(codes::BUG, "a workload has no stream"))?;
        Ok(RestoredWorkload {
            component: first.component.clone(),
            namespace: first.namespace.clone(),
            ready_seconds: first.ready_seconds,
            was_ready: status.is_some_and(|status| status.reasons.is_empty()),
            stop,
            streams,
        })
    }
}

/// Whether a backup is of the installed version: only those are restored.
fn is_own(backup: &BackupSummary, pins: &Pins) -> bool {
    (&backup.release, &backup.version) == (&pins.release, &pins.version)
}

/// Until when backups have what a stream wrote after a time: the last backup of it, or the last point in time.
fn saved_until(stream: &str, as_of: &str, points: &[PointsInTime], backups: &[&BackupSummary]) -> Option<String> {
    let has_it = |backup: &&&BackupSummary| backup.streams.iter().any(|saved| saved.name == stream);
    let of_backups = backups.iter().filter(has_it).map(|backup| backup.time.as_str());
    let of_points = points.iter().filter(|span| span.stream == stream).map(|span| span.until.as_str());
    let read = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let last = of_backups.chain(of_points).filter_map(read).max()?;
    (last > read(as_of)?).then(|| format!("{last:.0}"))
}

impl PreparedRestore<'_> {
    /// The steps.
    pub fn plan(&self) -> &Plan<Action> {
        &self.plan
    }

    /// What is restored.
    pub fn backup(&self) -> &BackupSummary {
        &self.backup
    }

    /// What is restored, each with the time as of which it will be, in order.
    pub fn times(&self) -> Vec<String> {
        let of = |stream: &BackupStream| format!("{} as of {}", stream.name(), stream.as_of());
        loaded(&self.plan).map(of).collect()
    }

    /// Whose data is replaced, in order.
    pub fn components(&self) -> &[String] {
        &self.components
    }

    /// Components that need one of these, directly or through others: they continue to run, and may fail while those stop.
    pub fn dependents(&self) -> Vec<String> {
        let dependents = users(&self.release.release, self.components.iter().map(String::as_str));
        dependents.into_iter().filter(|name| self.components.iter().all(|own| own != name)).map(str::to_owned).collect()
    }

    /// Whether the data of the site's console is among it: its users, their sessions and its audit log.
    pub fn replaces_console(&self) -> bool {
        is_console_among(&self.release.release, &self.components)
    }

    /// What is overwritten, stream by stream, in order. Reads the repository, and every file's size in the volumes: for whoever reads the
    /// plan, and not for whoever begins it.
    pub fn overwrites(&self) -> Result<Vec<OverwrittenStream>> {
        self.operations.overwrites(&self.streams, &self.pins)
    }

    /// What stops, and from when on the data from before does not return.
    pub fn outlook(&self) -> &Outlook {
        &self.outlook
    }

    /// What it takes of each filesystem at its peak, beside everything that is there.
    pub fn peaks(&self) -> &[FilesystemPeak] {
        &self.peaks
    }

    /// Runs it, once a person has named the site whose data is replaced.
    pub fn run(self, confirmation: &str) -> Result<Restored> {
        let operations = self.operations;
        operations.confirm(confirmation)?;
        if let Some(unsaved) = self.save_what_goes() {
            operations.progress.event(Event::Note(unsaved));
        }
        match operations.end_change(&self.begin()?)? {
            Changed::Restore(restored) => Ok(restored),
            other => Err(other.unexpected()),
        }
    }

    /// Saves what is not saved yet of the data that goes: a person may want to come back to it. Returns why that was not possible, if so:
    /// broken software may be why its data is restored.
    pub(super) fn save_what_goes(&self) -> Option<String> {
        if !has_logs(&self.release.release, &self.pins.settings.backups) {
            return None;
        }
        let error = self.operations.back_up_logs().err()?;
        Some(format!("what was written since the latest log backup is not saved: {}", with_causes(&error)))
    }

    /// Writes its journal.
    pub(super) fn begin(self) -> Result<JournalFile> {
        self.operations.begin_change(&self.plan, &self.release, &self.pins, &NewSecrets::default(), |change| change)
    }
}

fn is_console_among(release: &ReleaseDocument, components: &[String]) -> bool {
    release.components.iter().any(|component| component.console && components.contains(&component.name))
}

#[cfg(test)]
mod tests;
