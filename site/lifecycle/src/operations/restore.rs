//! Restore: data of the installed release is replaced by that of a backup. A restore that fails brings back the data that was
//! there before.

use landfall_cluster::{Cluster, Inventory};
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_media::progress::Event;
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::bundle::TrustedRelease;
use super::change::Changed;
use super::error::Result;
use super::restore_choice::RestoreChoice;
use super::trust::Trust;
use crate::backups::drill::groups;
use crate::backups::{BackupSummary, LiveVolume, SavedStream, has_logs, new_token, refuse_without_room};
use crate::pins::Pins;
use crate::plan::restore::{RestoredStream, RestoredWorkload, plan_restore, refuse_shared};
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
    operations: &'a Operations,
    pins: Pins,
    release: TrustedRelease,
    backup: BackupSummary,
    components: Vec<String>,
    plan: Plan<Action>,
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
        let release = TrustedRelease::read(&self.head_file(pins.bundle), &Trust::pinned(&pins.trust))?;
        let repository = self.repository()?;
        let choice = RestoreChoice::of(&repository, request, &pins)?;
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
        let loaded = workloads.iter().flat_map(|workload| &workload.streams).map(|stream| stream.size_bytes);
        // The data that is there stays until the commit; what is loaded may be unpacked beside its final place.
        refuse_without_room(&self.paths, loaded.sum::<u64>().saturating_mul(2), "the restored data")?;
        let all: Vec<RestoredStream> = workloads.iter().flat_map(|workload| workload.streams.clone()).collect();
        refuse_shared(&all)?;
        let mut components: Vec<String> = workloads.iter().map(|workload| workload.component.clone()).collect();
        components.dedup();
        let plan = plan_restore(&release.release, &pins.settings.backups, &workloads);
        let backup = (&choice.backup).into();
        Ok(PreparedRestore { operations: self, pins, release, backup, components, plan })
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

    /// Runs it, once a person has named the site whose data is replaced.
    pub fn run(self, confirmation: &str) -> Result<Restored> {
        let operations = self.operations;
        operations.confirm(confirmation)?;
        // What is not saved yet of the data that goes: a person may want to come back to it.
        if has_logs(&self.release.release, &self.pins.settings.backups)
            && let Err(error) = operations.back_up_logs()
        {
            let text = format!("what was written since the latest log backup is not saved: {}", with_causes(&error));
            operations.progress.event(Event::Note(text));
        }
        let file = operations.begin_change(&self.plan, &self.release, &self.pins, |change| change)?;
        match operations.end_change(&file)? {
            Changed::Restore(restored) => Ok(restored),
            other => Err(other.unexpected()),
        }
    }
}
