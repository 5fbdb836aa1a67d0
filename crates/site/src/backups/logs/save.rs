//! Saves the log since the previous log backup, as a separate backup for each stream.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_backup::{Backup, BackupError, BackupKind, NewBackup, Repository, StreamName};
use landfall_cluster::{Cluster, StreamError};
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::paths::SitePaths;
use landfall_media::progress::{Event, Progress};
use landfall_release_document::{BackupLog, BackupRule, ComponentEntry, ReleaseDocument};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::error::unusable;
use super::super::manifest::word;
use super::super::rule_pod::{RulePod, RulePrograms as _};
use super::super::source::PodStream;
use super::{AFTER, LINK, LogRecords, STREAM};

/// Result of a log backup of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavedLog {
    /// Name of the stream: `COMPONENT/RULE`.
    pub stream: String,
    /// Outcome of the log backup.
    pub outcome: LogOutcome,
}

/// Outcome of a log backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum LogOutcome {
    /// The log backup is stored: every point until a time can be restored.
    #[serde(rename_all = "camelCase")]
    Stored {
        /// Last point in time, RFC 3339 in UTC.
        until: String,
        /// Size in bytes, as read.
        size_bytes: u64,
    },
    /// Nothing was logged since the previous log backup, and nothing is stored: every point until a time can be
    /// restored.
    #[serde(rename_all = "camelCase")]
    Idle {
        /// Last point in time, RFC 3339 in UTC.
        until: String,
    },
    /// No backup exists yet to which it would belong.
    NotBegun,
    /// A backup of all data is being stored: the next log backup will contain this one's data.
    InUse,
}

/// Log backups to make.
pub struct SavingLogs<'a> {
    /// The site's cluster.
    pub cluster: &'a Cluster,
    /// The site's paths.
    pub paths: &'a SitePaths,
    /// The installed release.
    pub release: &'a ReleaseDocument,
    /// Receiver of progress.
    pub progress: &'a dyn Progress,
}

/// A log to back up.
struct DueLog<'a> {
    pod: RulePod<'a>,
    log: &'a BackupLog,
    /// Link that the log backup follows.
    after: String,
}

impl SavingLogs<'_> {
    /// Saves the log of every stream that has one. A failure stops no other stream, and the first failure is returned
    /// at the end. Saved data is on the disk on return.
    pub fn save(&self, repository: &Repository) -> Result<Vec<SavedLog>, StepError> {
        let (mut saved, mut failure) = (Vec::new(), None);
        for component in &self.release.components {
            for rule in &component.backup {
                let Some(log) = &rule.log else { continue };
                match self.save_one(repository, component, rule, log) {
                    Ok(outcome) => saved.push(SavedLog { stream: rule.stream(&component.name), outcome }),
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
        }
        failure.map_or(Ok(saved), Err)
    }

    fn save_one(
        &self,
        repository: &Repository,
        component: &ComponentEntry,
        rule: &BackupRule,
        log: &BackupLog,
    ) -> Result<LogOutcome, StepError> {
        let (stream, records) = (rule.stream(&component.name), LogRecords::of(self.paths));
        let _lock = records.lock()?;
        let Some(after) = records.link(&stream)? else { return Ok(LogOutcome::NotBegun) };
        let pod = RulePod { cluster: self.cluster, stream, namespace: &component.namespace, rule };
        let due = DueLog { pod, log, after };
        let (link, until) = (word(), Timestamp::now());
        let stored = match self.store(repository, &due, &link, until) {
            Ok(stored) => stored,
            Err(BackupError::InUse(_)) => return Ok(LogOutcome::InUse),
            Err(error) => {
                let has_failed = is_failure_of_program(&error);
                let error = unusable(error);
                records.fail(&due.pod.stream, &due.after, &with_causes(&error), has_failed)?;
                return Err(error);
            }
        };
        let (until_text, link) = (format!("{until:.0}"), if stored.is_some() { &link } else { &due.after });
        // Only log data that the record names may be dropped.
        if !records.advance(&due.pod.stream, &due.after, link, until)? {
            let what = format!("the log of {} began again while it was saved", due.pod.stream);
            return Err(StepError::new(codes::BACKUP_STREAM, what));
        }
        let Some(stored) = stored else { return Ok(LogOutcome::Idle { until: until_text }) };
        self.release_log(&due);
        let size_bytes = stored.streams.iter().map(|stream| stream.size_bytes).sum();
        Ok(LogOutcome::Stored { until: until_text, size_bytes })
    }

    /// Stores the logged data; `None` if there is none.
    fn store(
        &self,
        repository: &Repository,
        due: &DueLog<'_>,
        link: &str,
        time: Timestamp,
    ) -> Result<Option<Backup>, BackupError> {
        let name: StreamName = due.pod.stream.parse()?;
        let mut source = PodStream::new(&due.pod, &due.log.save, self.progress);
        if source.is_empty().map_err(|source| BackupError::Stream { name: name.clone(), source })? {
            return Ok(None);
        }
        let ReleaseDocument { name: release, version, .. } = self.release;
        let facts = [
            ("release", release.as_str()),
            ("version", version),
            (STREAM, &due.pod.stream),
            (AFTER, &due.after),
            (LINK, link),
        ];
        let facts = facts.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let new = NewBackup {
            kind: BackupKind::Log,
            time,
            facts: BTreeMap::from(facts),
            streams: vec![(name, &mut source)],
            documents: Vec::new(),
        };
        repository.save(new).map(Some)
    }

    /// Tells the software that it may drop stored log data. After a failure, the next log backup repeats a part of it.
    fn release_log(&self, due: &DueLog<'_>) {
        if let Err(error) = due.pod.run(&due.log.saved, BackupLog::LIMIT_SECONDS) {
            let text = format!("{}: {}; a part of its log will be saved again", due.pod.stream, with_causes(&error));
            self.progress.event(Event::Note(text));
        }
    }
}

/// Returns true if the program itself failed, so a part of the log may be lost. A broken connection loses nothing.
fn is_failure_of_program(error: &BackupError) -> bool {
    let BackupError::Stream { source, .. } = error else { return false };
    let failed = source.get_ref().and_then(|inner| inner.downcast_ref::<StreamError>());
    matches!(failed, Some(StreamError::Failed { .. }))
}
