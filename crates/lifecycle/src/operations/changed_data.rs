//! Plans the data of components that one of two releases changes, when one replaces the other.

use std::collections::{BTreeMap, BTreeSet};

use landfall_cluster::{Cluster, Inventory, ObjectName, selector};
use landfall_documents::backups::BackupSummary;
use landfall_documents::change::DataChoice;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_release_document::{ComponentData, ComponentEntry, ReleaseDocument};

use super::Operations;
use super::backup::proven_of;
use super::error::{OperationError, Result};
use super::restore_choice::needed_logs;
use crate::plan::restore::{RestoredStream, refuse_shared};
use crate::plan::upgrade::ChangedData;
use crate::steps::set_aside::SetAside;
use crate::steps::stop::Stop;
use landfall_site::backups::{
    LiveVolume, Manifest, SavedStream, new_token, stops_beside, summarize, unusable, with_others,
};

/// The planned treatment of components' data.
pub(super) struct PlannedData {
    /// Token that names the operation in the folder of volumes.
    pub(super) token: String,
    /// Changed data by component.
    pub(super) changed: BTreeMap<String, ChangedData>,
    /// Stops of the workloads that use such data, by component.
    pub(super) clients: BTreeMap<String, Vec<Stop>>,
    /// Configurations of webhooks whose workloads stop.
    pub(super) webhooks: Vec<ObjectName>,
    /// The backup that provides data, if any.
    pub(super) backup: Option<BackupSummary>,
}

/// Returns the components with changed data that the earlier release has backups of.
fn changed_by<'a>(installed: &ReleaseDocument, earlier: &'a ReleaseDocument) -> Vec<&'a ComponentEntry> {
    let has_changed = |component: &&ComponentEntry| {
        let found = installed.components.iter().find(|one| one.name == component.name);
        found.is_some_and(|found| found.data == ComponentData::Migrated) && !component.backup.is_empty()
    };
    earlier.components.iter().filter(has_changed).collect()
}

impl Operations {
    /// Plans the data of an upgrade: copies the volumes of each component whose data the later release changes.
    pub(super) fn data_of_upgrade(
        &self,
        installed: &ReleaseDocument,
        later: &ReleaseDocument,
    ) -> Result<PlannedData, StepError> {
        let mut changed = BTreeMap::new();
        for component in later.components.iter().filter(|later| later.data == ComponentData::Migrated) {
            let Some(before) = installed.components.iter().find(|one| one.name == component.name) else { continue };
            let cluster = Cluster::connect(&self.paths.admin_kubeconfig())?;
            let volumes = before.backup.iter();
            let volumes = volumes.map(|rule| LiveVolume::of(&cluster, &self.paths, &before.namespace, rule));
            let volumes = volumes.collect::<Result<_, StepError>>()?;
            // A migration may also change data that no rule saves.
            let volumes = with_others(volumes, LiveVolume::of_component(&cluster, &self.paths, installed, before)?);
            changed.insert(component.name.clone(), ChangedData::Copied(volumes));
        }
        self.plan_stops(installed, changed)
    }

    /// Plans the data of a rollback. If the installed release has changed data, a person must choose its treatment.
    pub(super) fn data_of_rollback(
        &self,
        installed: &ReleaseDocument,
        earlier: &ReleaseDocument,
        choice: Option<DataChoice>,
    ) -> Result<PlannedData> {
        let components = changed_by(installed, earlier);
        let named = || components.iter().map(|component| component.name.clone()).collect::<Vec<_>>();
        let (from, to) = (version_of(installed), version_of(earlier));
        match choice {
            None if !components.is_empty() => {
                let backup = match self.newest_proven(earlier) {
                    Ok(backup) => Ok(backup.time),
                    Err(error) => Err(with_causes(&error)),
                };
                Err(OperationError::DataUndecided { components: named(), from, to, backup })
            }
            Some(DataChoice::Restore) if components.is_empty() => Err(OperationError::DataUnchanged { from, to }),
            Some(DataChoice::Restore) => {
                let copied = self.copied_data(installed, earlier)?;
                self.restored_data(earlier, &named(), copied)
            }
            None | Some(DataChoice::Keep) => Ok(self.copied_data(installed, earlier)?),
        }
    }

    /// Plans copies of volumes: the other release runs on changed data, or changes it again. A volume that does not
    /// exist is skipped, because that may be the reason for the rollback.
    fn copied_data(&self, installed: &ReleaseDocument, earlier: &ReleaseDocument) -> Result<PlannedData, StepError> {
        let mut changed = BTreeMap::new();
        for component in &installed.components {
            let Some(other) = earlier.components.iter().find(|one| one.name == component.name) else { continue };
            if ![component.data, other.data].contains(&ComponentData::Migrated) {
                continue;
            }
            let cluster = Cluster::connect(&self.paths.admin_kubeconfig())?;
            let mut volumes = Vec::new();
            for rule in &component.backup {
                if LiveVolume::exists(&cluster, &component.namespace, rule)? {
                    volumes.push(LiveVolume::of(&cluster, &self.paths, &component.namespace, rule)?);
                }
            }
            let volumes = with_others(volumes, LiveVolume::of_component(&cluster, &self.paths, installed, component)?);
            changed.insert(component.name.clone(), ChangedData::Copied(volumes));
        }
        self.plan_stops(installed, changed)
    }

    /// Adds the workloads that stop for this data, and their webhooks.
    fn plan_stops(
        &self,
        installed: &ReleaseDocument,
        changed: BTreeMap<String, ChangedData>,
    ) -> Result<PlannedData, StepError> {
        let clients = self.clients(installed, &changed)?;
        let own = changed.values().flat_map(ChangedData::volumes).map(|volume| volume.stop.workload);
        let stopped: Vec<ObjectName> =
            clients.values().flatten().map(|stop| stop.workload.clone()).chain(own).collect();
        let webhooks = if stopped.is_empty() {
            Vec::new()
        } else {
            Cluster::connect(&self.paths.admin_kubeconfig())?.webhooks_of(&stopped)?
        };
        Ok(PlannedData { token: new_token(), changed, clients, webhooks, backup: None })
    }

    fn newest_proven(&self, release: &ReleaseDocument) -> Result<landfall_backup::Backup> {
        proven_of(&self.repository()?, &release.name, &release.version)
    }

    /// Plans a restore of these components' data from the newest proven backup of a release; data of others is copied.
    fn restored_data(
        &self,
        release: &ReleaseDocument,
        components: &[String],
        copied: PlannedData,
    ) -> Result<PlannedData> {
        let PlannedData { token, mut changed, clients, webhooks, .. } = copied;
        let backup = self.newest_proven(release)?;
        let repository = self.repository()?;
        let manifest = Manifest::read(&repository.open_backup(backup.id).map_err(unusable)?)?;
        let logs = repository.everything().map_err(unusable)?.logs;
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig()).map_err(StepError::from)?;
        for component in components {
            let streams = manifest.streams.iter().filter(|saved| saved.component == *component);
            let volume = |saved: &SavedStream| LiveVolume::of(&cluster, &self.paths, &saved.namespace, &saved.rule);
            let restored = |saved: &SavedStream| {
                let needed = needed_logs(&backup, saved, &logs)?;
                let volume = SetAside::of(volume(saved)?, &token);
                Ok(RestoredStream::new(&backup, saved, volume).at_cut(&backup, saved, &needed))
            };
            let streams = streams.map(restored).collect::<Result<Vec<_>, StepError>>()?;
            if streams.is_empty() {
                let what = format!("the backup of {} has nothing of {component}", backup.time);
                return Err(StepError::new(codes::RESTORE_NOTHING, what).into());
            }
            refuse_shared(&streams)?;
            changed.insert(component.clone(), ChangedData::Restored(streams));
        }
        Ok(PlannedData { token, changed, clients, webhooks, backup: Some(summarize(&backup)) })
    }

    /// Returns the running workloads of components that need a component with changed data, directly or through others.
    /// A workload without a number of pods, such as a `DaemonSet`, cannot be stopped.
    fn clients(
        &self,
        installed: &ReleaseDocument,
        changed: &BTreeMap<String, ChangedData>,
    ) -> Result<BTreeMap<String, Vec<Stop>>, StepError> {
        let users = users(installed, changed.keys().map(String::as_str));
        let mut clients = BTreeMap::new();
        for component in installed.components.iter().filter(|component| users.contains(component.name.as_str())) {
            let cluster = Cluster::connect(&self.paths.admin_kubeconfig())?;
            let objects = Inventory::read(&cluster, &component.namespace, &component.name)?;
            let objects = objects.map(|inventory| inventory.objects).unwrap_or_default();
            let scaled =
                objects.into_iter().filter(|object| ["Deployment", "StatefulSet"].contains(&object.kind.as_str()));
            let stops = scaled.map(|workload| running(&cluster, workload)).collect::<Result<Vec<_>, StepError>>()?;
            clients.insert(component.name.clone(), stops.into_iter().flatten().collect::<Vec<Stop>>());
        }
        if changed.is_empty() {
            return Ok(clients);
        }
        // A component that shares a volume uses it, even if it does not declare the dependency.
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig())?;
        let volumes: Vec<LiveVolume> = changed.values().flat_map(ChangedData::volumes).collect();
        for (component, stop) in stops_beside(&cluster, &self.paths, installed, &volumes)? {
            let known = clients.entry(component.name.clone()).or_default();
            if known.iter().all(|other| other.workload != stop.workload) {
                known.push(stop);
            }
        }
        Ok(clients)
    }
}

/// Returns the components that need one of these, directly or through others. `release` lists each component after
/// those that it needs.
pub(super) fn users<'a>(release: &'a ReleaseDocument, changed: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let (mut found, changed) = (BTreeSet::new(), changed.collect::<BTreeSet<_>>());
    for component in &release.components {
        if component.needs.iter().any(|need| changed.contains(need.as_str()) || found.contains(need.as_str())) {
            found.insert(component.name.as_str());
        }
    }
    found
}

/// Returns how a workload stops; `None` if it does not run.
fn running(cluster: &Cluster, workload: ObjectName) -> Result<Option<Stop>, StepError> {
    let (Some(live), Some(replicas)) = (cluster.get(&workload)?, cluster.replicas(&workload)?) else { return Ok(None) };
    let pods = selector(&live["spec"]["selector"]);
    Ok((replicas > 0).then_some(Stop { workload, pods, replicas }))
}

fn version_of(release: &ReleaseDocument) -> String {
    format!("{} {}", release.name, release.version)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn users_of_data_are_found_transitively() {
        let component = |name: &str, needs: &[&str]| {
            json!({"name": name, "namespace": name, "needs": needs,
            "objects": name, "pod_security": "restricted", "ready_seconds": 60})
        };
        let release = serde_json::from_value(json!({
            "type": "landfall.dev/release/1", "name": "shop", "version": "1.0.0", "counter": 1, "assembled": false,
            "platform": "linux/amd64", "node_packs": [], "images": [], "artifacts": [], "values": [],
            "components": [component("db", &[]), component("cache", &[]), component("api", &["db"]),
                component("web", &["api", "cache"])],
            "requirements": { "cores": 1, "memory_bytes": 1, "data_bytes": 1 },
        }));
        let release = release.unwrap();
        assert_eq!(users(&release, ["db"].into_iter()), BTreeSet::from(["api", "web"]));
        assert_eq!(users(&release, ["cache"].into_iter()), BTreeSet::from(["web"]));
        assert!(users(&release, std::iter::empty()).is_empty());
    }
}
