//! Restore: data of the installed release is replaced by that of a backup. A restore that fails brings back the data that was
//! there before.

use landfall_backup::{Backup, Repository};
use landfall_cluster::{Cluster, Inventory};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::backup::chosen_backup;
use super::bundle::TrustedRelease;
use super::change::Changed;
use super::error::Result;
use super::trust::Trust;
use crate::backups::drill::groups;
use crate::backups::{BackupSummary, LiveVolume, Manifest, SavedStream, unusable};
use crate::pins::Pins;
use crate::plan::restore::{RestoredStream, RestoredWorkload, plan_restore};
use crate::steps::action::Action;
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
        let backup = wanted_backup(&repository, request)?;
        let open = repository.open_backup(backup.id).map_err(unusable)?;
        let manifest = Manifest::read(&open)?;
        manifest.refuse_other(&release.release)?;
        let streams = chosen(&manifest, &request.components)?;
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig()).map_err(StepError::from)?;
        let mut workloads = Vec::new();
        for group in groups(&streams) {
            workloads.push(self.workload(&cluster, &backup, &group)?);
        }
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
    ) -> Result<RestoredWorkload, StepError> {
        let first = group[0];
        let inventory = Inventory::read(cluster, &first.namespace, &first.component)?;
        let status = inventory.map(|inventory| cluster.component_status(&inventory)).transpose()?;
        let mut streams = Vec::new();
        let mut stop = None;
        for saved in group {
            let volume = LiveVolume::of(cluster, &self.paths, &saved.namespace, &saved.rule)?;
            streams.push(RestoredStream::new(backup, saved, volume.folder));
            stop = Some(volume.stop);
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

/// The backup that a request means: without a wish, one that is known to return.
fn wanted_backup(repository: &Repository, request: &RestoreRequest) -> Result<Backup> {
    if request.backup.is_some() {
        return chosen_backup(repository, request.backup.as_deref());
    }
    let known = repository.backups().map_err(unusable)?.into_iter().rev();
    let fits = |backup: &Backup| match request.at {
        Some(at) => backup.time <= at,
        None => backup.proof.is_some(),
    };
    let found = known.into_iter().find(fits);
    Ok(found.ok_or_else(|| {
        let what = match request.at {
            Some(at) => format!("no backup is as old as {at}"),
            None => "no backup is proven; name one to restore it all the same".to_owned(),
        };
        StepError::new(codes::BACKUP_UNKNOWN, what)
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
