//! Restore: data of the installed release is replaced by that of a backup. A restore that fails brings back the data that was
//! there before.

use landfall_backup::{Backup, Repository};
use landfall_cluster::{Cluster, Inventory};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::backup::{chosen_backup, is_of, others};
use super::bundle::TrustedRelease;
use super::change::Changed;
use super::error::Result;
use super::trust::Trust;
use crate::backups::drill::groups;
use crate::backups::{BackupSummary, LiveVolume, Manifest, SavedStream, new_token, refuse_without_room, unusable};
use crate::pins::Pins;
use crate::plan::restore::{RestoredStream, RestoredWorkload, plan_restore, refuse_shared};
use crate::steps::action::Action;
use crate::steps::set_aside::SetAside;
use landfall_engine::plan::Plan;

/// Which backup is restored, and what of it.
#[derive(Debug, Clone, Default)]
pub struct RestoreRequest {
    /// The beginning of its id; the newest proven one where neither this nor a time is given.
    pub backup: Option<String>,
    /// The newest backup whose data was read at this time or before, RFC 3339.
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
    /// When the restored data was read, RFC 3339 in UTC.
    pub time: String,
    /// What was restored, in order: `COMPONENT/RULE`.
    pub streams: Vec<String>,
}

impl Restored {
    /// The result of a restore that was committed.
    pub(super) fn of(pins: &Pins, plan: &Plan<Action>) -> Self {
        let loaded: Vec<_> = plan
            .all()
            .filter_map(|planned| match &planned.action {
                Action::Load(load) => Some(&load.stream),
                _ => None,
            })
            .collect();
        Self {
            release: pins.release.clone(),
            version: pins.version.clone(),
            time: loaded.first().map(|stream| stream.time.clone()).unwrap_or_default(),
            streams: loaded.iter().map(|stream| format!("{}/{}", stream.component, stream.rule)).collect(),
        }
    }
}

impl Operations {
    /// Determines whether and how a backup can take the place of data. Reads journals, the repository and the cluster; changes
    /// nothing.
    pub fn prepare_restore(&self, request: &RestoreRequest) -> Result<PreparedRestore<'_>> {
        let history = self.idle_history()?;
        let pins = self.changeable(&history)?.clone();
        let release = TrustedRelease::read(&self.head_file(pins.bundle), &Trust::pinned(&pins.trust))?;
        let repository = self.repository()?;
        let backup = wanted_backup(&repository, request, &pins)?;
        let open = repository.open_backup(backup.id).map_err(unusable)?;
        let manifest = Manifest::read(&open)?;
        manifest.refuse_other(&release.release)?;
        let streams = chosen(&manifest, &request.components)?;
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig()).map_err(StepError::from)?;
        let token = new_token();
        let mut workloads: Vec<RestoredWorkload> = Vec::new();
        for group in groups(&streams) {
            let restored = self.workload(&cluster, &backup, &group, &token)?;
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
        let plan = plan_restore(&release.release, &workloads);
        Ok(PreparedRestore { operations: self, pins, release, backup: (&backup).into(), components, plan })
    }

    /// The workload of a group as it is now.
    fn workload(
        &self,
        cluster: &Cluster,
        backup: &Backup,
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
            streams.push(RestoredStream::new(backup, saved, SetAside::of(volume, token)));
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

/// The backup that a request means: without a name, the newest of the installed version; without a wish, a proven one.
fn wanted_backup(repository: &Repository, request: &RestoreRequest, installed: &Pins) -> Result<Backup> {
    if request.backup.is_some() {
        return chosen_backup(repository, request.backup.as_deref(), installed);
    }
    let known = repository.backups().map_err(unusable)?;
    let fits = |backup: &&Backup| match request.at {
        Some(at) => backup.time <= at,
        None => backup.proof.is_some(),
    };
    let found = known.iter().rev().filter(|backup| is_of(backup, installed)).find(fits);
    Ok(found.cloned().ok_or_else(|| {
        let kind = match request.at {
            Some(at) => format!("made at {at} or before"),
            None => "proven".to_owned(),
        };
        let what = format!("no backup of {} {} is {kind}", installed.release, installed.version);
        StepError::new(codes::BACKUP_UNKNOWN, format!("{what}{}", others(&known, installed)))
    })?)
}

/// The streams of these components, or all.
fn chosen(manifest: &Manifest, components: &[String]) -> Result<Vec<SavedStream>, StepError> {
    if let Some(unknown) =
        components.iter().find(|wanted| manifest.streams.iter().all(|saved| saved.component != **wanted))
    {
        return Err(StepError::new(codes::RESTORE_NOTHING, format!("the backup has nothing of {unknown}")));
    }
    let is_wanted = |saved: &&SavedStream| components.is_empty() || components.contains(&saved.component);
    Ok(manifest.streams.iter().filter(is_wanted).cloned().collect())
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

    /// Whose data is replaced, in order.
    pub fn components(&self) -> &[String] {
        &self.components
    }

    /// Runs it, once a person has named the site whose data is replaced.
    pub fn run(self, confirmation: &str) -> Result<Restored> {
        let operations = self.operations;
        operations.confirm(confirmation)?;
        let file = operations.begin_change(&self.plan, &self.release, &self.pins, |change| change)?;
        match operations.end_change(&file)? {
            Changed::Restore(restored) => Ok(restored),
            other => Err(other.unexpected()),
        }
    }
}
