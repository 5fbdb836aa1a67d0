//! What a drill restores: a backup, or those of its streams that log backups follow, with the log.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_backup::{BackupId, OpenBackup, Repository};
use landfall_engine::step::StepError;

use super::super::cluster::SavedCluster;
use super::super::counts::{self, Counts};
use super::super::cut::BackupCut;
use super::super::error::unusable;
use super::super::logs::{Chain, LogIndex};
use super::super::manifest::Manifest;
use super::{SavedStream, groups, load};

/// What is restored on trial.
pub(super) struct Trial<'a> {
    pub(super) backup: &'a OpenBackup,
    pub(super) manifest: Manifest,
    content: Content,
    /// What was counted at the cut of the backup, by stream, if its data is of then.
    counts: BTreeMap<String, Counts>,
}

enum Content {
    /// Every stream, as of the backup; those whose log leads to its cut, by name, as of that.
    Backup(BTreeMap<String, Recovery>),
    /// The streams that log backups follow, by name, and what the same containers load.
    Logs(BTreeMap<String, Recovery>),
}

/// What is applied to a stream once it is loaded.
pub(super) struct Recovery {
    /// The last point in time that the log leads to, or that of the backup's cut.
    pub(super) to: Timestamp,
    /// The log backups, oldest first.
    pub(super) logs: Vec<OpenBackup>,
}

impl<'a> Trial<'a> {
    /// A backup as it was made.
    pub(super) fn of_backup(repository: &Repository, backup: &'a OpenBackup) -> Result<Self, StepError> {
        let manifest = Manifest::read(backup)?;
        let mut recoveries = BTreeMap::new();
        if let Some(cut) = BackupCut::of(backup.backup()) {
            for saved in manifest.streams.iter().filter(|saved| saved.rule.log.is_some()) {
                let Some(to) = cut.time_of(&saved.name()) else { continue };
                let logs = repository.open_backups(&[backup.backup().id]).map_err(unusable)?;
                recoveries.insert(saved.name(), Recovery { to, logs });
            }
        }
        let counts = counts::of(backup)?;
        Ok(Self { backup, manifest, content: Content::Backup(recoveries), counts })
    }

    /// The last point in time that each log leads to from a backup; none where no log backup follows it.
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

    /// What one container loads, in the order of the backup.
    pub(super) fn groups(&self) -> Vec<Vec<&SavedStream>> {
        let mut groups = groups(&self.manifest.streams);
        if matches!(self.content, Content::Logs(_)) {
            groups.retain(|group| group.iter().any(|saved| self.recovery(saved).is_some()));
        }
        groups
    }

    /// What the backup has of its cluster, if that is on trial.
    pub(super) fn cluster(&self) -> Option<&SavedCluster> {
        match self.content {
            Content::Backup(_) => self.manifest.cluster.as_ref(),
            Content::Logs(_) => None,
        }
    }

    /// What is applied to this stream, if anything is.
    pub(super) fn recovery(&self, saved: &SavedStream) -> Option<&Recovery> {
        let (Content::Backup(recoveries) | Content::Logs(recoveries)) = &self.content;
        recoveries.get(&saved.name())
    }

    /// What was counted of this stream at the cut, to which its data is restored.
    pub(super) fn counts(&self, saved: &SavedStream) -> Option<&Counts> {
        self.counts.get(&saved.name())
    }

    /// Whether all of its data is as of the backup: the word that was written before is still there then.
    pub(super) fn is_of_backup(&self) -> bool {
        matches!(self.content, Content::Backup(_))
    }

    /// What it proves: the backup, or the newest log backup of each stream, to which the others lead.
    pub(super) fn proves(&self) -> Vec<BackupId> {
        match &self.content {
            Content::Backup(_) => vec![self.backup.backup().id],
            Content::Logs(recoveries) => {
                let newest = recoveries.values().filter_map(|recovery| recovery.logs.last());
                newest.map(|log| log.backup().id).collect()
            }
        }
    }

    /// Bytes that these streams load, the log backups included.
    pub(super) fn loaded_bytes(&self, group: &[&SavedStream]) -> u64 {
        let of_stream = |saved: &&SavedStream| {
            let logs = self.recovery(saved).into_iter().flat_map(|recovery| &recovery.logs);
            let log_bytes = |log: &OpenBackup| load::log_bytes(log.backup(), saved);
            load::size_bytes(self.backup.backup(), saved).into_iter().chain(logs.filter_map(log_bytes)).sum::<u64>()
        };
        group.iter().map(of_stream).sum()
    }

    /// How many programs load these streams, one after another, each within the limit of its rule.
    pub(super) fn programs(&self, saved: &SavedStream) -> u64 {
        self.recovery(saved).map_or(1, |recovery| recovery.logs.len() as u64 + 2)
    }
}
