//! Log backups, every four minutes: they hold neither the site nor what runs on it.

use std::time::Duration;

use landfall_cluster::Cluster;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::{Coded, codes};
use landfall_host::space::Space;
use landfall_media::progress::Event;
use landfall_release_document::ReleaseDocument;
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::backup::is_of;
use super::decision::{Decision, Refusal, Verb, decide};
use super::error::{OperationError, Result};
use super::history::Past;
use crate::backups::{LogIndex, LogRecords, Manifest, PointsInTime, SavedLog, SavingLogs, has_logs, refuse, unusable};
use crate::room::Demand;

/// Space that a log backup begins with.
const LEAST_BYTES: u64 = 512 << 20;

/// How long a log backup waits for a change of the repository. The next one has what this one would have had.
const PATIENCE: Duration = Duration::from_secs(30);

/// Log backups that were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavedLogs {
    /// Each stream that has a log; none while an operation changes the site.
    pub logs: Vec<SavedLog>,
}

impl Operations {
    /// Saves what was logged since the log backups before. While an operation changes the site, it makes none, and that is no error:
    /// the next one has what this one would have had.
    ///
    /// It does not take the site's lock: a backup that takes hours must not end points in time for as long.
    pub fn back_up_logs(&self) -> Result<SavedLogs> {
        let history = self.history()?;
        let decision = decide(Verb::Change, history.deciding().map(Past::position));
        if let Decision::Refuse(Refusal::InstallOpen | Refusal::ChangeOpen | Refusal::UninstallOpen) = decision {
            self.progress.event(Event::Note("no log backup is made: an operation is changing this site".to_owned()));
            return Ok(SavedLogs { logs: Vec::new() });
        }
        let pins = self.changeable(&history)?;
        let release = self.release_of(pins)?;
        if !has_logs(&release.release, &pins.settings.backups) {
            let what = format!("no log of {} {} is backed up", pins.release, pins.version);
            return Err(StepError::new(codes::BACKUP_NO_RULES, what).into());
        }
        let saved = self.save_logs(&release.release);
        if let Err(error) = &saved {
            LogRecords::of(&self.paths).fail_all(&with_causes(error));
        }
        saved
    }

    /// The same of this release, which has logs.
    pub(super) fn save_logs(&self, release: &ReleaseDocument) -> Result<SavedLogs> {
        let Some(repository) = self.existing_repository()? else { return Ok(SavedLogs { logs: Vec::new() }) };
        let repository = repository.with_patience(PATIENCE);
        let (folder, space) = (self.paths.backup_repository(), Space { bytes: LEAST_BYTES, inodes: 0 });
        refuse(&self.paths, &[Demand { folder, space, purpose: "for a log backup" }], "a log backup")?;
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig()).map_err(StepError::from)?;
        let saving = SavingLogs { cluster: &cluster, paths: &self.paths, release, progress: &*self.progress };
        Ok(SavedLogs { logs: saving.save(&repository)? })
    }

    /// The time spans of which every point comes back, of the installed version. Changes nothing.
    pub fn points_in_time(&self) -> Result<Vec<PointsInTime>> {
        let Some(repository) = self.existing_repository()? else { return Ok(Vec::new()) };
        let chosen = repository.open_chosen(|known| {
            if known.logs.is_empty() {
                return Ok::<_, OperationError>(Vec::new());
            }
            let history = self.history()?;
            let pins = history.committed().and_then(Past::pins);
            let own = known.full.iter().filter(|backup| pins.is_none_or(|pins| is_of(backup, pins)));
            Ok(own.map(|backup| backup.id).collect())
        });
        let (known, opened) = chosen.map_err(unusable)??;
        let mut backups = Vec::new();
        for open in &opened {
            match Manifest::read(open) {
                Ok(manifest) => backups.push((open.backup(), manifest.streams)),
                // One that cannot be read is reported by a check.
                Err(error) if error.code() == codes::BACKUP_DAMAGED => {}
                Err(error) => return Err(error.into()),
            }
        }
        let logs = LogIndex::of(&known.logs).with_idle(LogRecords::of(&self.paths).idle());
        Ok(PointsInTime::of(&backups, &logs))
    }
}
