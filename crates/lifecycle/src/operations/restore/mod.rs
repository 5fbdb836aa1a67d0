//! Restore: replaces data of the installed release by that of a backup. A failed restore brings back the earlier data.

use std::collections::BTreeMap;

use landfall_cluster::{Cluster, Inventory, ObjectName};
use landfall_documents::backups::{BackupSummary, PointsInTime};
use landfall_engine::causes::with_causes;
use landfall_engine::journal::JournalFile;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::space::{self, Space};
use landfall_media::progress::Event;
use landfall_release_document::ReleaseDocument;
use schemars::JsonSchema;
use serde::Serialize;

use landfall_engine::plan::Plan;

use super::Operations;
use super::bundle::TrustedRelease;
use super::change::ChangeOutcome;
use super::changed_data::users;
use super::error::Result;
use super::restore_choice::RestoreChoice;
use crate::plan::restore::{RestoredStream, RestoredWorkload, plan_restore, refuse_shared};
use crate::plan::upgrade::{Experience, Outlook};
use crate::steps::action::Action;
use crate::steps::load::BackupStream;
use crate::steps::set_aside::SetAside;
use landfall_site::backups::drill::groups;
use landfall_site::backups::{
    LiveVolume, LogRecords, SavedStream, has_logs, new_token, refuse_lacking, stops_beside, summarize,
};
use landfall_site::pins::Pins;
use landfall_site::room::{Demand, FilesystemPeak, peaks};
use landfall_site::site_secrets::NewSecrets;

/// Selection of a backup and of its parts to restore.
#[derive(Debug, Clone, Default)]
pub struct RestoreRequest {
    /// Prefix of the backup's ID. Without an ID and a time, the newest proven backup is restored.
    pub backup: Option<String>,
    /// Time as of which data is restored: by its log, if there is one, otherwise from the newest backup up to then.
    pub at: Option<jiff::Timestamp>,
    /// Components; empty for all components of the backup.
    pub components: Vec<String>,
}

/// A restore that is possible. Nothing is changed yet.
pub struct PreparedRestore<'a> {
    pub(super) operations: &'a Operations,
    pub(super) pins: Pins,
    release: TrustedRelease,
    backup: BackupSummary,
    components: Vec<String>,
    plan: Plan<Action>,
    /// Token that names the operation in the folder of volumes; it differs in each plan.
    pub(super) token: String,
    /// Streams that are replaced.
    streams: Vec<RestoredStream>,
    /// Stopping components, and the point of no return for the earlier data.
    outlook: Outlook,
    /// Peak demand on each filesystem.
    peaks: Vec<FilesystemPeak>,
}

/// Stream whose data a restore overwrites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverwrittenStream {
    /// Name of the stream: `COMPONENT/RULE`.
    pub stream: String,
    /// Current bytes of its volume, all of which are replaced; null if a broken volume cannot be measured.
    pub present_bytes: Option<u64>,
    /// Bytes that are loaded.
    pub loaded_bytes: u64,
    /// Time to which its data returns, RFC 3339 in UTC. Later writes are lost.
    pub as_of: String,
    /// Time up to which backups contain the later writes, so that another restore can return them; null if they contain
    /// none.
    pub saved_until: Option<String>,
}

/// Result of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreOutcome {
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// Restored streams, in order.
    pub streams: Vec<RestoredData>,
}

/// Stream that was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoredData {
    /// Name of the stream: `COMPONENT/RULE`.
    pub stream: String,
    /// Time to which its data was restored, RFC 3339 in UTC.
    pub time: String,
}

impl RestoreOutcome {
    /// Returns the result of a committed restore.
    pub(super) fn of(pins: &Pins, plan: &Plan<Action>) -> Self {
        let streams = loaded_streams(plan).map(|stream| RestoredData { stream: stream.name(), time: stream.as_of() });
        Self { release: pins.release.clone(), version: pins.version.clone(), streams: streams.collect() }
    }
}

/// Returns the streams that a plan loads, in order.
fn loaded_streams(plan: &Plan<Action>) -> impl Iterator<Item = &BackupStream> {
    plan.all().filter_map(|planned| match &planned.action {
        Action::Load(load) => Some(&load.stream),
        _ => None,
    })
}

impl Operations {
    /// Determines whether and how a backup can replace data. Reads journals, the repository and the cluster; changes
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
            // Several containers of one workload may have streams of their own.
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
        let backup = summarize(&choice.backup);
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

    /// Returns the peak demand. Loaded data may be unpacked beside its final place, and the existing data stays until
    /// the commit. Fails if the space is insufficient.
    fn restore_peaks(&self, streams: &[RestoredStream]) -> Result<Vec<FilesystemPeak>, StepError> {
        let bytes = streams.iter().map(|stream| stream.size_bytes).sum::<u64>().saturating_mul(2);
        let demand =
            Demand { folder: self.paths.data(), space: Space { bytes, inodes: 0 }, purpose: "for data of a backup" };
        let peaks = peaks(&self.paths, &[vec![demand]])?;
        refuse_lacking(&peaks, "the restored data")?;
        Ok(peaks)
    }

    /// Returns the data that these streams overwrite, for people. Faults are tolerated, because they may be the reason
    /// for the restore.
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

    /// Returns workloads without a stream that write to the same volumes. They stop as well, and start after the data
    /// is loaded.
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

    /// Returns the workload of a group of streams in its current state.
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
            streams.push(choice.restored_stream(saved, SetAside::of(volume, token)));
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

/// Returns true if a backup is of the installed version; only such backups are restored.
fn is_own(backup: &BackupSummary, pins: &Pins) -> bool {
    (&backup.release, &backup.version) == (&pins.release, &pins.version)
}

/// Returns the time until which backups have a stream's writes after `as_of`: its last backup or point in time.
fn saved_until(stream: &str, as_of: &str, points: &[PointsInTime], backups: &[&BackupSummary]) -> Option<String> {
    let has_it = |backup: &&&BackupSummary| backup.streams.iter().any(|saved| saved.name == stream);
    let of_backups = backups.iter().filter(has_it).map(|backup| backup.time.as_str());
    let of_points = points.iter().filter(|span| span.stream == stream).map(|span| span.until.as_str());
    let read = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let last = of_backups.chain(of_points).filter_map(read).max()?;
    (last > read(as_of)?).then(|| format!("{last:.0}"))
}

impl PreparedRestore<'_> {
    /// Returns the steps.
    pub fn plan(&self) -> &Plan<Action> {
        &self.plan
    }

    /// Returns the backup to restore.
    pub fn backup(&self) -> &BackupSummary {
        &self.backup
    }

    /// Returns the restored streams, each with the time of its data, in order.
    pub fn times(&self) -> Vec<String> {
        let of = |stream: &BackupStream| format!("{} as of {}", stream.name(), stream.as_of());
        loaded_streams(&self.plan).map(of).collect()
    }

    /// Returns the components whose data is replaced, in order.
    pub fn components(&self) -> &[String] {
        &self.components
    }

    /// Returns components that need one of these, directly or through others. They continue to run, and may fail while
    /// those are stopped.
    pub fn dependents(&self) -> Vec<String> {
        let dependents = users(&self.release.release, self.components.iter().map(String::as_str));
        dependents.into_iter().filter(|name| self.components.iter().all(|own| own != name)).map(str::to_owned).collect()
    }

    /// Returns true if the console's data is replaced: its users, sessions and audit log.
    pub fn replaces_console(&self) -> bool {
        is_console_among(&self.release.release, &self.components)
    }

    /// Returns the overwritten data, stream by stream, in order. Reads the repository and all file sizes of the
    /// volumes, so it is meant for displaying the plan and not for beginning it.
    pub fn overwrites(&self) -> Result<Vec<OverwrittenStream>> {
        self.operations.overwrites(&self.streams, &self.pins)
    }

    /// Returns the stopping components, and the point of no return for the earlier data.
    pub fn outlook(&self) -> &Outlook {
        &self.outlook
    }

    /// Returns the peak demand on each filesystem, in addition to existing data.
    pub fn peaks(&self) -> &[FilesystemPeak] {
        &self.peaks
    }

    /// Runs the restore, if `confirmation` is the name of the site.
    pub fn run(self, confirmation: &str) -> Result<RestoreOutcome> {
        let operations = self.operations;
        operations.confirm(confirmation)?;
        if let Some(unsaved) = self.save_what_goes() {
            operations.progress.event(Event::Note(unsaved));
        }
        match operations.end_change(&self.begin()?)? {
            ChangeOutcome::Restore(restored) => Ok(restored),
            other => Err(other.into_unexpected_error()),
        }
    }

    /// Saves the unsaved part of the replaced data, because a person may need it later. Returns a reason if that fails:
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
