//! A backup in lists and reports.

use jiff::Timestamp;
use landfall_backup::Backup;
use landfall_documents::backups::{BackupSummary, StreamSummary};

use crate::backups::cut_of;

/// Returns the newest proven backup. `backups` are in the order in which they were made.
pub fn newest_proven<'a>(backups: impl DoubleEndedIterator<Item = &'a Backup>) -> Option<&'a Backup> {
    backups.rev().find(|backup| backup.is_proven())
}

/// Returns the summary of a backup.
pub fn summarize(backup: &Backup) -> BackupSummary {
    let fact = |key: &str| backup.facts.get(key).cloned().unwrap_or_default();
    let proven = backup.proof.as_ref().map(|proof| proof.time.to_string());
    // Files of the site itself are not streams of a component.
    let streams: Vec<StreamSummary> = backup
        .streams
        .iter()
        .filter(|stream| !stream.name.as_str().starts_with("LANDFALL/"))
        .map(|stream| StreamSummary { name: stream.name.to_string(), size_bytes: stream.size_bytes })
        .collect();
    BackupSummary {
        id: backup.id.to_string(),
        sequence: backup.sequence,
        time: backup.time.to_string(),
        of_future: backup.is_of_future(Timestamp::now()),
        release: fact("release"),
        version: fact("version"),
        reason: fact("reason"),
        proven: proven.clone().filter(|_| backup.is_whole()),
        lacking: backup.lacking().map(str::to_owned).collect(),
        rest_proven: proven.filter(|_| !backup.is_whole()),
        disproved: backup.disproof.as_ref().map(|disproof| disproof.time.to_string()),
        cut: cut_of(backup),
        size_bytes: streams.iter().map(|stream| stream.size_bytes).sum(),
        streams,
    }
}
