//! Backs up the installed release's data before an upgrade changes anything, and proves the backup by a drill. Whatever
//! fails later, this backup stays.

use jiff::{SignedDuration, Timestamp};
use landfall_backup::Backup;
use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::Site;
use landfall_cluster::Cluster;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_site::backups::cluster::remove_scratch;
use landfall_site::backups::{
    BackupFolder, BackupRun, NextOfBackup, OPERATION, Reason, SavedBackup, drill::Drill, unusable,
};
use landfall_site::configuration::BackupSettings;
use landfall_site::place::SiteRelease;

/// Maximum age of the backup of an interrupted operation. The change continues only with recently proven data, and not
/// after a machine was off for a week.
const COUNTS_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Parameters of the step. The installed release declares which data is saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackUp {
    /// The site's settings of backups.
    #[serde(default, skip_serializing_if = "BackupSettings::is_default")]
    pub settings: BackupSettings,
}

/// Returns a backup of this release of the site as part of an operation.
pub(super) fn saving<'a>(
    site: &'a Site,
    cluster: &'a Cluster,
    of: &'a SiteRelease,
    settings: &'a BackupSettings,
    (reason, next): (Reason, NextOfBackup),
) -> Result<BackupRun<'a>, StepError> {
    Ok(BackupRun {
        cluster,
        paths: &site.data.paths,
        release: &of.release,
        bundle: &of.bundle,
        settings,
        reason,
        next,
        operation: None,
        commands: &*site.hosts.only()?.commands,
        progress: &*site.progress,
    })
}

/// Returns the backup if it has all data, because the change could not restore missing data. Fails with the error of a
/// stream, so that transient faults are retried.
fn expect_whole(saved: SavedBackup) -> Result<Backup, StepError> {
    saved.failed.none().map(|_| saved.backup)
}

/// Returns true if a backup of this time is recent enough. A time in the future does not count: the clock was changed.
fn still_counts(made: Timestamp, now: Timestamp) -> bool {
    let age = now.duration_since(made);
    !age.is_negative() && age < COUNTS_FOR
}

impl Step<Site> for BackUp {
    /// Only `act` knows the operation for which a backup was made.
    fn observe(&self, _site: &mut Site) -> Result<ObservedState, StepError> {
        Ok(ObservedState::Absent)
    }

    /// Stores an ID for the backup of this operation. After a power cut, the existing backup is proven and no new one
    /// is made.
    fn prepare(&self, _site: &mut Site) -> Result<Value, StepError> {
        Ok(json!({"operation": uuid::Uuid::new_v4().to_string()}))
    }

    fn act(&self, site: &mut Site, before: &Value) -> Result<Value, StepError> {
        let operation = before["operation"]
            .as_str()
            .ok_or_else(|| StepError::new(codes::BUG, "the journal's record of the backup step names no operation"))?;
        let (cluster, installed) = (site.cluster.connect()?, site.releases.earlier()?);
        let repository = BackupFolder::of(&site.data.paths).open_or_create()?;
        let known = repository.backups().map_err(unusable)?;
        let now = Timestamp::now();
        let own = known.into_iter().rfind(|known| {
            let is_own = known.facts.get(OPERATION).is_some_and(|fact| fact == operation);
            is_own && known.is_whole() && still_counts(known.time, now)
        });
        let saving = saving(site, &cluster, installed, &self.settings, (Reason::Upgrade, NextOfBackup::Drill))?;
        let backup = own
            .map_or_else(|| expect_whole(BackupRun { operation: Some(operation), ..saving }.save(&repository)?), Ok)?;
        if backup.proof.is_none() {
            let open = repository.open_backup(backup.id).map_err(unusable)?;
            let (commands, progress) = (&*site.hosts.only()?.commands, &*site.progress);
            let (paths, release) = (&site.data.paths, &*installed.release);
            let drill = Drill { cluster: &cluster, paths, release, commands, progress };
            if let Some(refusal) = drill.prove(&repository, &open)?.refusal() {
                return Err(refusal);
            }
        }
        Ok(json!({"backup": backup.id.to_string()}))
    }

    /// The backup stays even if later steps fail; only drills are removed.
    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        remove_scratch(&site.data.paths)?;
        let cluster = site.cluster.connect()?;
        for left in cluster.leftover_drills()? {
            cluster.delete_drill(&left.namespace, super::wait::DRILL_DELETION_LIMIT)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_backup_is_made_again() {
        let [made, soon, late] =
            ["2026-11-20T08:00:00Z", "2026-11-20T09:30:00Z", "2026-11-21T08:00:00Z"].map(|time| time.parse().unwrap());
        assert!(still_counts(made, made) && still_counts(made, soon));
        assert!(!still_counts(made, late) && !still_counts(soon, made));
    }
}
