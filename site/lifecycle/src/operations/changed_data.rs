//! The data of components that one of two releases changes: what becomes of it when one takes the place of the other.

use std::collections::BTreeMap;

use landfall_cluster::Cluster;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_release_document::{ComponentData, ComponentEntry, ReleaseDocument};

use super::Operations;
use super::backup::proven_of;
use super::error::{OperationError, Result};
use crate::backups::{BackupSummary, LiveVolume, Manifest, SavedStream, new_token, unusable};
use crate::plan::restore::{RestoredStream, refuse_shared};
use crate::plan::upgrade::ChangedData;
use crate::steps::set_aside::SetAside;

/// What a rollback does with data that the installed release has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataChoice {
    /// The earlier release runs on the data as it is; its proofs say whether it can.
    Keep,
    /// The data is that of the newest proven backup of the earlier release; what was written since is lost.
    Restore,
}

/// The data of components, planned.
pub(super) struct PlannedData {
    /// What names the operation in the folder of volumes.
    pub(super) token: String,
    /// By component.
    pub(super) changed: BTreeMap<String, ChangedData>,
    /// The backup that data comes from, if any does.
    pub(super) backup: Option<BackupSummary>,
}

/// The components that a rollback finds with changed data, and that the earlier release has backups of.
fn changed_by<'a>(installed: &ReleaseDocument, earlier: &'a ReleaseDocument) -> Vec<&'a ComponentEntry> {
    let has_changed = |component: &&ComponentEntry| {
        let found = installed.components.iter().find(|one| one.name == component.name);
        found.is_some_and(|found| found.data == ComponentData::Migrated) && !component.backup.is_empty()
    };
    earlier.components.iter().filter(has_changed).collect()
}

impl Operations {
    /// For an upgrade: the volumes of each component whose data the later release changes are copied.
    pub(super) fn data_of_upgrade(
        &self,
        installed: &ReleaseDocument,
        later: &ReleaseDocument,
    ) -> Result<PlannedData, StepError> {
        let mut changed = BTreeMap::new();
        for component in later.components.iter().filter(|later| later.data == ComponentData::Migrated) {
            let Some(before) = installed.components.iter().find(|one| one.name == component.name) else { continue };
            let volumes = before.backup.iter().map(|rule| {
                let cluster = Cluster::connect(&self.paths.admin_kubeconfig())?;
                LiveVolume::of(&cluster, &self.paths, &before.namespace, rule)
            });
            changed.insert(component.name.clone(), ChangedData::Copied(volumes.collect::<Result<_, StepError>>()?));
        }
        Ok(PlannedData { token: new_token(), changed, backup: None })
    }

    /// For a rollback. Where the installed release has changed data, a person chooses what becomes of it.
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

    /// Other software runs on data that was changed, or changes it once more: each volume is copied. One that does not exist is
    /// not needed: that may be why the rollback is wanted.
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
            changed.insert(component.name.clone(), ChangedData::Copied(volumes));
        }
        Ok(PlannedData { token: new_token(), changed, backup: None })
    }

    fn newest_proven(&self, release: &ReleaseDocument) -> Result<landfall_backup::Backup> {
        proven_of(&self.repository()?, &release.name, &release.version)
    }

    /// The data of these components is that of the newest proven backup of a release; that of others is copied.
    fn restored_data(
        &self,
        release: &ReleaseDocument,
        components: &[String],
        copied: PlannedData,
    ) -> Result<PlannedData> {
        let PlannedData { token, mut changed, .. } = copied;
        let backup = self.newest_proven(release)?;
        let manifest = Manifest::read(&self.repository()?.open_backup(backup.id).map_err(unusable)?)?;
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig()).map_err(StepError::from)?;
        for component in components {
            let streams = manifest.streams.iter().filter(|saved| saved.component == *component);
            let volume = |saved: &SavedStream| LiveVolume::of(&cluster, &self.paths, &saved.namespace, &saved.rule);
            let restored = |saved| Ok(RestoredStream::new(&backup, saved, SetAside::of(volume(saved)?, &token)));
            let streams = streams.map(restored).collect::<Result<Vec<_>, StepError>>()?;
            if streams.is_empty() {
                let what = format!("the backup of {} has nothing of {component}", backup.time);
                return Err(StepError::new(codes::RESTORE_NOTHING, what).into());
            }
            refuse_shared(&streams)?;
            changed.insert(component.clone(), ChangedData::Restored(streams));
        }
        Ok(PlannedData { token, changed, backup: Some((&backup).into()) })
    }
}

fn version_of(release: &ReleaseDocument) -> String {
    format!("{} {}", release.name, release.version)
}
