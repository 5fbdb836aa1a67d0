//! Content of a drill: a backup, or its streams with later log backups.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_backup::{BackupId, OpenBackup, Repository};
use landfall_engine::step::StepError;

use super::super::cluster::SavedCluster;
use super::super::counts::{self, Counts};
use super::super::error::unusable;
use super::super::logs::{Chain, LogIndex};
use super::super::manifest::Manifest;
use super::{SavedStream, groups, load};
use crate::backups::cut_of;

/// Content to restore in a drill.
pub(super) struct Trial<'a> {
    pub(super) backup: &'a OpenBackup,
    pub(super) manifest: Manifest,
    content: Content,
    /// Counts at the cut of the backup by stream, if its data is as of the cut.
    counts: BTreeMap<String, Counts>,
}

enum Content {
    /// Every stream as of the backup. Streams whose log leads to its cut, by name, are restored as of the cut.
    Backup(BTreeMap<String, Recovery>),
    /// Streams that log backups follow, by name, with the other streams of the same containers.
    Logs(BTreeMap<String, Recovery>),
}

/// Log to apply to a loaded stream.
pub(super) struct Recovery {
    /// Last point in time of the log, or the time of the backup's cut.
    pub(super) to: Timestamp,
    /// Log backups, oldest first.
    pub(super) logs: Vec<OpenBackup>,
}

impl<'a> Trial<'a> {
    /// Returns the drill of a backup.
    pub(super) fn of_backup(repository: &Repository, backup: &'a OpenBackup) -> Result<Self, StepError> {
        let manifest = Manifest::read(backup)?;
        let mut recoveries = BTreeMap::new();
        if let Some(cut) = cut_of(backup.backup()) {
            for saved in manifest.streams.iter().filter(|saved| saved.rule.log.is_some()) {
                let name = saved.name();
                let Some(to) = cut.time_of(&name) else { continue };
                let needed = backup.backup().needed_logs_of(&name);
                let logs: Vec<BackupId> = needed.chain([backup.backup().id]).collect();
                let logs = repository.open_backups(&logs).map_err(unusable)?;
                recoveries.insert(name, Recovery { to, logs });
            }
        }
        let counts = counts::of(backup)?;
        Ok(Self { backup, manifest, content: Content::Backup(recoveries), counts })
    }

    /// Returns the drill of the log after a backup, up to the last point in time of each stream. Returns `None` if no
    /// log backup follows.
    pub(super) fn of_logs(repository: &Repository, backup: &'a OpenBackup) -> Result<Option<Self>, StepError> {
        let manifest = Manifest::read(backup)?;
        let begun = backup.backup().ended.unwrap_or(backup.backup().time);
        let mut leading = Vec::new();
        let chosen = repository.open_chosen(|known| {
            let logs = LogIndex::of(&known.logs);
            for saved in &manifest.streams {
                let chain = Chain::of(saved, &logs);
                let to = chain.until().filter(|until| *until > begun);
                leading.extend(to.map(|to| (saved.name(), to, chain.ids())));
            }
            Ok::<_, StepError>(leading.iter().flat_map(|(_, _, ids)| ids).copied().collect())
        });
        let mut opened = chosen.map_err(unusable)??.1.into_iter();
        let recovery = |(stream, to, ids): (String, Timestamp, Vec<BackupId>)| {
            (stream, Recovery { to, logs: opened.by_ref().take(ids.len()).collect() })
        };
        let recoveries: BTreeMap<String, Recovery> = leading.into_iter().map(recovery).collect();
        let has_logs = !recoveries.is_empty();
        let content = Content::Logs(recoveries);
        Ok(has_logs.then_some(Self { backup, manifest, content, counts: BTreeMap::new() }))
    }

    /// Returns the streams grouped by container, in the order of the backup.
    pub(super) fn groups(&self) -> Vec<Vec<&SavedStream>> {
        let mut groups = groups(&self.manifest.streams);
        if matches!(self.content, Content::Logs(_)) {
            groups.retain(|group| group.iter().any(|saved| self.recovery(saved).is_some()));
        }
        groups
    }

    /// Returns the backup's cluster data, if it is part of the drill.
    pub(super) fn cluster(&self) -> Option<&SavedCluster> {
        match self.content {
            Content::Backup(_) => self.manifest.cluster.as_ref(),
            Content::Logs(_) => None,
        }
    }

    /// Returns the log to apply to this stream, if any.
    pub(super) fn recovery(&self, saved: &SavedStream) -> Option<&Recovery> {
        let (Content::Backup(recoveries) | Content::Logs(recoveries)) = &self.content;
        recoveries.get(&saved.name())
    }

    /// Returns the counts of this stream at the cut to which its data is restored.
    pub(super) fn counts(&self, saved: &SavedStream) -> Option<&Counts> {
        self.counts.get(&saved.name())
    }

    /// Returns true if all data is as of the backup, so the marker from before it is still there.
    pub(super) fn is_of_backup(&self) -> bool {
        matches!(self.content, Content::Backup(_))
    }

    /// Returns the backups that the drill proves: the backup, or the newest log backup of each stream, which covers the
    /// others.
    pub(super) fn proves(&self) -> Vec<BackupId> {
        match &self.content {
            Content::Backup(_) => vec![self.backup.backup().id],
            Content::Logs(recoveries) => {
                let newest = recoveries.values().filter_map(|recovery| recovery.logs.last());
                newest.map(|log| log.backup().id).collect()
            }
        }
    }

    /// Returns the bytes that these streams load, including log backups.
    pub(super) fn loaded_bytes(&self, group: &[&SavedStream]) -> u64 {
        let of_stream = |saved: &&SavedStream| {
            let logs = self.recovery(saved).into_iter().flat_map(|recovery| &recovery.logs);
            let log_bytes = |log: &OpenBackup| load::log_bytes(log.backup(), saved);
            load::size_bytes(self.backup.backup(), saved).into_iter().chain(logs.filter_map(log_bytes)).sum::<u64>()
        };
        group.iter().map(of_stream).sum()
    }

    /// Returns the number of programs that load this stream in sequence, each within the limit of its rule.
    pub(super) fn programs(&self, saved: &SavedStream) -> u64 {
        self.recovery(saved).map_or(1, |recovery| recovery.logs.len() as u64 + 2)
    }
}
