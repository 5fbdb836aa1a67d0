//! Backups: making, listing, checking, and proving them by drills. They do not change the installed release, so they
//! have no journal. An interrupted backup does not exist, and the next drill cleans up an interrupted one.

use std::collections::BTreeSet;

use landfall_backup::{Backup, Damage, Repository};
use landfall_documents::backups::BackupSummary;
use landfall_engine::causes::with_causes;
use landfall_engine::journal::SiteLock;
use landfall_engine::step::StepError;
use landfall_error_codes::cases::{self, Case};
use landfall_error_codes::{CodedError as _, codes};
use landfall_media::progress::Event;
use schemars::JsonSchema;
use serde::Serialize;

use landfall_bundle_spec::parts::short_id;
use landfall_cluster::Cluster;
use landfall_host::command::Subprocesses;

use super::Operations;
use super::bundle::TrustedRelease;
use super::error::{OperationError, Result};
use super::repair_backups::refuse_lost;
use landfall_site::backups::drill::Drill;
use landfall_site::backups::last_try;
use landfall_site::backups::running_try::{RunningTry, TryKind};
use landfall_site::backups::summarize;
use landfall_site::backups::{
    BackupCopies, BackupFolder, BackupRun, DrillReport, NextOfBackup, Reason, SavedBackup, has_logs, has_rules,
    newest_proven, shut_out_former, unusable,
};
use landfall_site::pins::Pins;

/// Result of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackedUp {
    /// Backup that was made.
    pub backup: BackupSummary,
    /// Report of its drill; null if no drill was requested.
    pub drill: Option<DrillReport>,
    /// Report of the drill of log backups since the previous backup; null if there are none.
    pub log_drill: Option<DrillReport>,
    /// Backups that were removed, because newer ones replace them.
    pub dropped: Vec<BackupSummary>,
    /// Folders and buckets that have a copy of it, as the site's settings name them.
    pub copies: Vec<BackupCopies>,
}

/// Drill reports of a backup, and of the log backups that follow it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrillReports {
    /// Report for the backup.
    #[serde(flatten)]
    pub drill: DrillReport,
    /// Report for the log backups; null if there are none.
    pub log_drill: Option<DrillReport>,
}

/// Report of a check of all backups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupCheckReport {
    /// Number of backups.
    pub backups: usize,
    /// All damaged files, each with the data that can no longer be restored.
    pub damages: Vec<String>,
}

/// Key of the backup repository.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryKey {
    /// Folder of the repository.
    pub repository: String,
    /// The key, which is also restic's password.
    pub key: String,
}

impl Operations {
    /// Backs up the data of the installed release, and proves the backup by a drill unless `drilled` is false. If a
    /// stream cannot be saved, the others are still saved, proven and copied, and the final error names it. Stored
    /// backups, or a part of many, are checked first, and damaged data is stored again. Old backups are removed by the
    /// site's settings, even if the new one fails. Then a drill proves the log backups since the previous backup.
    /// Copies to each place come last, while other operations may begin.
    ///
    /// Records the outcome; on the disk on return. Also records a refusal because another operation ran. A killed
    /// backup is recognized by the record of its start.
    pub fn back_up(&self, drilled: bool) -> Result<BackedUp> {
        let damages = self.check_tonight();
        let ready = self.ready_to_back_up("backup").inspect_err(|error| self.note_try(Err(error)))?;
        // Ends before the lock is released, after its outcome is recorded.
        let running = self.begin_try(TryKind::Backup);
        let opened = BackupFolder::of(&self.paths).open_or_create().map_err(OperationError::from);
        let repository = opened.inspect_err(|error| self.note_try(Err(error)))?;
        // An exchange of keys may have been interrupted. A backup does not wait for that.
        if let Err(error) = shut_out_former(&self.paths, &repository) {
            self.progress.event(Event::Note(format!("a former key still opens the backups: {}", with_causes(&error))));
        }
        let next = if drilled { NextOfBackup::Drill } else { NextOfBackup::Nothing };
        let settings = &ready.pins.settings.backups;
        let SavedBackup { backup, failed } = match self.save(&ready, &repository, next) {
            Ok(saved) => saved,
            Err(error) => {
                self.note_try(Err(&error));
                // Log backups continue in this case and must not fill the disk.
                if drilled && let Err(error) = repository.forget(settings.retention()) {
                    tracing::warn!(error = with_causes(&error), "old backups are not removed");
                }
                return Err(error);
            }
        };
        let incomplete = failed.refusal().map(OperationError::from);
        if !drilled {
            if let Some(incomplete) = incomplete {
                self.note_try(Err(&incomplete));
                return Err(incomplete);
            }
            let (dropped, copies) = (Vec::new(), Vec::new());
            return Ok(BackedUp { backup: summarize(&backup), drill: None, log_drill: None, dropped, copies });
        }
        let report = self.prove_backup(&ready, &repository, &backup);
        self.note_try(report.as_ref().map(drop).and_then(|()| incomplete.as_ref().map_or(Ok(()), Err)));
        // Removal keeps this backup, whatever its outcome, and everything since the newest proven one.
        let forgotten = repository.forget(settings.retention()).map_err(unusable);
        let report = report?;
        let places = settings.copy_places();
        if !places.is_empty() {
            let text = format!("backup {} passed its drill", summarize(&backup).short_id());
            self.progress.event(Event::Note(text));
        }
        let log_drill = self.prove_logs_before(&ready, &repository, &backup);
        self.note_try(log_drill.as_ref().map(drop).and_then(|()| incomplete.as_ref().map_or(Ok(()), Err)));
        // Copies may be slow, so other operations do not wait for them.
        drop(running);
        let ReadyToBackUp { pins, lock, .. } = ready;
        drop(lock);
        // Copies are made even if old backups could not be removed.
        let outcome = self.copy_to_each(&pins, &repository, &places);
        let (dropped, copies, log_drill) = (forgotten?.dropped, outcome?.copies, log_drill?);
        let backup = find(&repository, &backup.id.to_string())?;
        let dropped = dropped.iter().filter(|dropped| dropped.is_full()).map(summarize).collect();
        refuse_lost(&repository, &damages)?;
        if let Some(incomplete) = incomplete {
            return Err(incomplete);
        }
        Ok(BackedUp { backup: summarize(&backup), drill: Some(report), log_drill, dropped, copies })
    }

    fn save(&self, ready: &ReadyToBackUp, repository: &Repository, next: NextOfBackup) -> Result<SavedBackup> {
        let saving = BackupRun {
            cluster: &ready.cluster,
            paths: &self.paths,
            release: &ready.release.release,
            bundle: &short_id(ready.pins.bundle),
            settings: &ready.pins.settings.backups,
            reason: Reason::Request,
            next,
            operation: None,
            commands: &Subprocesses,
            progress: &*self.progress,
        };
        Ok(saving.save(repository)?)
    }

    /// Records that a backup or drill begins. A failure is only logged.
    fn begin_try(&self, tried: TryKind) -> Option<RunningTry> {
        let noted = RunningTry::begin(&self.paths, tried, jiff::Timestamp::now());
        noted.inspect_err(|error| tracing::warn!(%error, "that the try begins is not noted")).ok()
    }

    /// Records the outcome of an attempt, or a refusal because another operation ran: a person may be waiting for it. A
    /// failure to record it is only logged.
    fn note_try(&self, outcome: std::result::Result<(), &OperationError>) {
        let now = jiff::Timestamp::now();
        let noted = match outcome {
            Err(busy) if busy.code() == codes::SITE_BUSY && self.paths.data_uuid().exists() => {
                last_try::note_refusal(&self.paths, busy, now)
            }
            outcome if self.is_try(outcome) => last_try::note_backup(&self.paths, outcome, now),
            _ => return,
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "the backup's outcome was not recorded");
        }
    }

    /// Returns true if something was attempted. A refusal because another operation ran, or because there is nothing to
    /// save, is not an attempt.
    fn is_try(&self, outcome: std::result::Result<(), &OperationError>) -> bool {
        let is_none = |error: &OperationError| {
            [codes::SITE_BUSY, codes::BACKUP_NO_RULES, codes::NOT_INSTALLED].contains(&error.code())
        };
        !outcome.is_err_and(is_none) && self.paths.data_uuid().exists()
    }

    /// Restores the named or newest backup in a drill, then the log since then, and marks each as proven if every check
    /// passes. The outcome is recorded on the disk on return, unless there is no site or no such backup.
    pub fn drill(&self, backup: Option<&str>) -> Result<DrillReports> {
        let is_of_nothing =
            |error: &OperationError| [codes::NOT_INSTALLED, codes::BACKUP_UNKNOWN].contains(&error.code());
        let chosen = match self.ready_to_drill(backup) {
            Err(error) if is_of_nothing(&error) => return Err(error),
            chosen => chosen,
        };
        let (ready, repository, backup) = chosen.inspect_err(|error| self.note_drill(Err(error)))?;
        let _running = self.begin_try(TryKind::Drill);
        let drilled = self
            .prove_backup(&ready, &repository, &backup)
            .and_then(|drill| Ok(DrillReports { drill, log_drill: self.prove_logs(&ready, &repository, &backup)? }))
            .and_then(|drilled| refuse_incomplete(&backup).map(|()| drilled));
        self.note_drill(drilled.as_ref().map(drop));
        drilled
    }

    /// Records the outcome of a drill. A refusal because another operation ran is recorded as well, because a person
    /// waits for it.
    fn note_drill(&self, outcome: std::result::Result<(), &OperationError>) {
        if !self.paths.data_uuid().exists() {
            return;
        }
        if let Err(error) = last_try::note_drill(&self.paths, outcome, jiff::Timestamp::now()) {
            tracing::warn!(%error, "the drill's outcome was not recorded");
        }
    }

    fn ready_to_drill(&self, backup: Option<&str>) -> Result<(ReadyToBackUp, Repository, Backup)> {
        let ready = self.ready_to_back_up("drill")?;
        let repository = self.repository()?;
        let backup = chosen_backup(&repository, backup, &ready.pins)?;
        Ok((ready, repository, backup))
    }

    /// Returns every backup, in the order in which they were made. Changes nothing.
    pub fn backups(&self) -> Result<Vec<BackupSummary>> {
        let Some(repository) = self.existing_repository()? else { return Ok(Vec::new()) };
        Ok(repository.backups().map_err(unusable)?.iter().map(summarize).collect())
    }

    /// Reads all data of all backups. The report names damage, which is not an error. No later backup relies on damaged
    /// data.
    pub fn check_backups(&self) -> Result<BackupCheckReport> {
        self.check_repository(&self.repository()?)
    }

    pub(super) fn check_repository(&self, repository: &Repository) -> Result<BackupCheckReport> {
        let damages = repository.check(&*self.progress).map_err(unusable)?;
        let backups = repository.backups().map_err(unusable)?.len();
        Ok(BackupCheckReport { backups, damages: damages.iter().map(Damage::to_string).collect() })
    }

    /// Returns the key that opens the backups of this site on any machine. Changes nothing: after delivering it to a
    /// person, call [`Operations::record_key_printed`].
    pub fn recovery_key(&self) -> Result<RecoveryKey> {
        let key = BackupFolder::of(&self.paths).recovery_key()?.ok_or_else(no_backups)?;
        Ok(RecoveryKey { repository: self.paths.backup_repository().display().to_string(), key })
    }

    /// Records that a person has the key, which ends the reminders. On the disk on return.
    pub fn record_key_printed(&self) -> Result<()> {
        Ok(BackupFolder::of(&self.paths).mark_printed()?)
    }

    /// Opens the repository; fails if there is none.
    pub(super) fn repository(&self) -> Result<Repository> {
        Ok(self.existing_repository()?.ok_or_else(no_backups)?)
    }

    /// Opens the repository, if there is one.
    pub(super) fn existing_repository(&self) -> Result<Option<Repository>> {
        Ok(BackupFolder::of(&self.paths).open()?)
    }

    fn prove_backup(&self, ready: &ReadyToBackUp, repository: &Repository, backup: &Backup) -> Result<DrillReport> {
        let open = repository.open_backup(backup.id).map_err(unusable)?;
        expect_passed(self.drill_of(ready).prove(repository, &open)?)
    }

    /// Proves the log since the previous backup. The log is saved first, so that points in time are proven up to this
    /// backup, with which the next ones begin.
    fn prove_logs_before(
        &self,
        ready: &ReadyToBackUp,
        repository: &Repository,
        backup: &Backup,
    ) -> Result<Option<DrillReport>> {
        let release = &ready.release.release;
        if !has_logs(release, &ready.pins.settings.backups) {
            return Ok(None);
        }
        let known = repository.backups().map_err(unusable)?;
        let mut earlier = known.iter().rev().skip_while(|known| known.id != backup.id).skip(1);
        let Some(before) = earlier.find(|known| is_of(known, &ready.pins)) else {
            return Ok(None);
        };
        self.save_logs(release)?;
        self.prove_logs(ready, repository, before)
    }

    fn prove_logs(
        &self,
        ready: &ReadyToBackUp,
        repository: &Repository,
        backup: &Backup,
    ) -> Result<Option<DrillReport>> {
        let open = repository.open_backup(backup.id).map_err(unusable)?;
        self.drill_of(ready).prove_logs(repository, &open)?.map(expect_passed).transpose()
    }

    fn drill_of<'a>(&'a self, ready: &'a ReadyToBackUp) -> Drill<'a> {
        let release = &ready.release.release;
        let (cluster, paths, progress) = (&ready.cluster, &self.paths, &*self.progress);
        Drill { cluster, paths, release, commands: &Subprocesses, progress }
    }

    /// Takes the site's lock, so that nothing changes in the meantime, and reads the installed release.
    fn ready_to_back_up(&self, verb: &str) -> Result<ReadyToBackUp> {
        self.changeable(&self.idle_history()?)?;
        let lock = self.journals().lock(verb)?;
        // Another operation may have run between the first check and the lock.
        self.fold_history(&lock);
        let history = self.history()?;
        let pins = self.changeable(&history)?.clone();
        // The nightly backup finds damaged journals, but does not fail because of them.
        for damaged in self.damaged_journals()? {
            self.progress.event(Event::Note(damaged.note()));
        }
        let release = self.release_of(&pins)?;
        refuse_without_rules(&release)?;
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig()).map_err(StepError::from)?;
        Ok(ReadyToBackUp { pins, release, cluster, lock })
    }
}

/// A site that can be backed up, locked against changes.
struct ReadyToBackUp {
    pins: Pins,
    release: TrustedRelease,
    cluster: Cluster,
    lock: SiteLock,
}

/// Fails if a release declares no backup rules.
pub(super) fn refuse_without_rules(release: &TrustedRelease) -> Result<()> {
    if has_rules(&release.release) {
        return Ok(());
    }
    Err(StepError::new(codes::BACKUP_NO_RULES, format!("{} has no backup rules", release.name())).into())
}

/// Returns the report; fails if the drill proved nothing.
fn expect_passed(report: DrillReport) -> Result<DrillReport> {
    match report.refusal() {
        Some(refusal) => Err(refusal.into()),
        None => Ok(report),
    }
}

/// Fails if a backup lacks streams, because it is then not proven, even if the drill of the others passed.
fn refuse_incomplete(backup: &Backup) -> Result<()> {
    let lacking: Vec<&str> = backup.lacking().collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let what = format!("the drill passed, but the backup was made without {}", lacking.join(", "));
    Err(StepError::new(codes::BACKUP_INCOMPLETE, what).into())
}

pub(super) fn no_backups() -> StepError {
    StepError::of(cases::BACKUPS_NONE, "this site has no backups")
}

/// Returns the backup with this prefix of its ID, or the newest of the installed version.
pub(super) fn chosen_backup(repository: &Repository, id: Option<&str>, installed: &Pins) -> Result<Backup> {
    if let Some(id) = id {
        return find(repository, id);
    }
    let known = repository.backups().map_err(unusable)?;
    Ok(newest_of(&known, installed).cloned().ok_or_else(|| {
        let what = format!("there is no backup of {} {}", installed.release, installed.version);
        StepError::of(without_one(&known), format!("{what}{}", others(&known, installed)))
    })?)
}

/// Returns the error case for a site whose backups include none of the installed release.
pub(super) fn without_one(known: &[Backup]) -> Case {
    if known.is_empty() { cases::BACKUPS_NONE } else { cases::BACKUPS_OF_OTHERS }
}

/// Returns the newest backup of the installed release. `known` is in the order in which they were made.
pub(super) fn newest_of<'a>(known: &'a [Backup], installed: &Pins) -> Option<&'a Backup> {
    known.iter().rfind(|backup| is_of(backup, installed))
}

/// Returns true if a backup is of the installed release: only that release certainly reads it.
pub(super) fn is_of(backup: &Backup, installed: &Pins) -> bool {
    is_of_version(backup, &installed.release, &installed.version)
}

fn is_of_version(backup: &Backup, release: &str, version: &str) -> bool {
    let fact = |key: &str| backup.facts.get(key).map(String::as_str).unwrap_or_default();
    (fact("release"), fact("version")) == (release, version)
}

/// Returns the newest proven backup of a version.
pub(super) fn proven_of(repository: &Repository, release: &str, version: &str) -> Result<Backup> {
    let known = repository.backups().map_err(unusable)?;
    let unproven = || StepError::of(cases::BACKUPS_UNPROVEN, format!("no backup of {release} {version} is proven"));
    Ok(proven_in(&known, release, version).cloned().ok_or_else(unproven)?)
}

/// Like [`proven_of`], from these backups, which are in the order in which they were made.
pub(super) fn proven_in<'a>(known: &'a [Backup], release: &str, version: &str) -> Option<&'a Backup> {
    newest_proven(known.iter().filter(|backup| is_of_version(backup, release, version)))
}

/// Lists the other versions that have backups, for people.
pub(super) fn others(backups: &[Backup], installed: &Pins) -> String {
    let versions: BTreeSet<&str> = backups
        .iter()
        .filter(|backup| !is_of(backup, installed))
        .filter_map(|backup| backup.facts.get("version").map(String::as_str))
        .collect();
    if versions.is_empty() {
        return String::new();
    }
    format!("; there are backups of {}", versions.into_iter().collect::<Vec<_>>().join(", "))
}

/// Returns the only backup with this prefix of its ID.
fn find(repository: &Repository, id: &str) -> Result<Backup> {
    find_in(&repository.backups().map_err(unusable)?, id)
}

/// Like [`find`], from these backups.
pub(super) fn find_in(backups: &[Backup], id: &str) -> Result<Backup> {
    let mut found = backups.iter().filter(|backup| !id.is_empty() && backup.id.to_string().starts_with(id));
    match (found.next(), found.next()) {
        (Some(backup), None) => Ok(backup.clone()),
        (None, _) if backups.is_empty() => Err(no_backups().into()),
        (None, _) => Err(StepError::of(cases::BACKUP_ID_UNKNOWN, format!("no backup has the id {id}")).into()),
        (Some(_), Some(_)) => {
            let what = format!("several backups have an id that begins with {id}");
            Err(StepError::of(cases::BACKUP_ID_AMBIGUOUS, what).into())
        }
    }
}

#[cfg(test)]
mod tests;
