//! Log backups, every four minutes. They block neither the site nor its running software.

use std::time::Duration;

use landfall_cluster::Cluster;
use landfall_documents::backups::PointsInTime;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::{CodedError, codes};
use landfall_host::space::Space;
use landfall_media::progress::Event;
use landfall_release_document::ReleaseDocument;
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::backup::is_of;
use super::decision::{Decision, Refusal, Verb, decide};
use super::error::{OperationError, Result};
use super::past::JournaledOperation;
use landfall_site::backups::{
    LogIndex, LogRecords, Manifest, SavedLog, SavingLogs, has_logs, points_in_time, refuse, unusable,
};
use landfall_site::room::Demand;

/// Free space in bytes that a log backup requires to begin.
const LEAST_BYTES: u64 = 512 << 20;

/// Time for which a log backup waits for a change of the repository. The next log backup includes skipped data.
const PATIENCE: Duration = Duration::from_secs(30);

/// Log backups that were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavedLogs {
    /// Results for each stream with a log; empty while an operation changes the site.
    pub logs: Vec<SavedLog>,
}

impl Operations {
    /// Saves the log since the previous log backups. Makes none while an operation changes the site, without an error,
    /// because the next one includes the same data.
    ///
    /// Does not take the site's lock: a backup that takes hours must not interrupt points in time for as long.
    pub fn back_up_logs(&self) -> Result<SavedLogs> {
        let history = self.history()?;
        let decision = decide(Verb::Change, history.deciding().map(JournaledOperation::position));
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

    /// Saves the logs of this release, which has some.
    pub(super) fn save_logs(&self, release: &ReleaseDocument) -> Result<SavedLogs> {
        let Some(repository) = self.existing_repository()? else { return Ok(SavedLogs { logs: Vec::new() }) };
        let repository = repository.with_patience(PATIENCE);
        let (folder, space) = (self.paths.backup_repository(), Space { bytes: LEAST_BYTES, inodes: 0 });
        refuse(&self.paths, &[Demand { folder, space, purpose: "for a log backup" }], "a log backup")?;
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig()).map_err(StepError::from)?;
        let saving = SavingLogs { cluster: &cluster, paths: &self.paths, release, progress: &*self.progress };
        Ok(SavedLogs { logs: saving.save(&repository)? })
    }

    /// Returns the time spans of the installed version within which every point can be restored: those of every version
    /// if the journal is damaged, which a restore mends. Changes nothing.
    pub fn points_in_time(&self) -> Result<Vec<PointsInTime>> {
        let Some(repository) = self.existing_repository()? else { return Ok(Vec::new()) };
        let chosen = repository.open_chosen(|known| {
            if known.logs.is_empty() {
                return Ok(Vec::new());
            }
            let history = self.history();
            if let Err(error) = &history {
                tracing::warn!(%error, "the installed version is not known; points in time are those of every version");
            }
            let pins = history.iter().find_map(|history| history.last_committed()?.pins());
            let own = known.full.iter().filter(|backup| pins.is_none_or(|pins| is_of(backup, pins)));
            Ok::<_, OperationError>(own.map(|backup| backup.id).collect())
        });
        let (known, opened) = chosen.map_err(unusable)??;
        let mut backups = Vec::new();
        for open in &opened {
            match Manifest::read(open) {
                Ok(manifest) => backups.push((open.backup(), manifest.streams)),
                // A check reports backups that cannot be read.
                Err(error) if error.code() == codes::BACKUP_DAMAGED => {}
                Err(error) => return Err(error.into()),
            }
        }
        let logs = LogIndex::of(&known.logs).with_idle(LogRecords::of(&self.paths).idle());
        Ok(points_in_time(&backups, &logs))
    }
}
