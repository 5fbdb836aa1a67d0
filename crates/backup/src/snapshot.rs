//! Representation of a backup as a snapshot of restic.
//!
//! Facts and the mark of a proof are tags, which every command of restic shows and keeps. The snapshot's description, a
//! field of `rustic_core`, has what restic has no place for: digests of the streams and the report of the proof. When
//! restic rewrites a snapshot (`tag`, `copy`), it drops the description; then names and sizes of streams come from the
//! trees.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustic_core::StringList;
use rustic_core::repofile::{SnapshotFile, SnapshotId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::backup::{Backup, BackupId, BackupKind, Proof, Stream};
use crate::error::{BackupError, Result};
use crate::names::{self, DISPROVED, PROVEN, SEQUENCE};

/// Tag of every backup of all data. Snapshots with neither this tag nor that of a log backup are not Landfall's, and
/// are left alone.
const TAG: &str = "landfall";

/// Tag of every log backup. Versions that do not know it leave them alone.
const LOG_TAG: &str = "landfall-log";

/// Parts of a backup that restic has no place for.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    streams: Vec<Stream>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    report: String,
}

impl Backup {
    /// Returns the backup of a snapshot, if it is Landfall's; its streams are empty if the snapshot does not name them.
    pub(crate) fn of(snapshot: &SnapshotFile) -> Option<Self> {
        let is_log = snapshot.tags.contains(LOG_TAG);
        (is_log || snapshot.tags.contains(TAG)).then(|| {
            let described = snapshot.description.as_deref().and_then(|text| serde_json::from_str(text).ok());
            let Description { streams, ended, report } = described.unwrap_or_default();
            let drill = |key| Some(Proof { time: tag(snapshot, key)?, report: report.clone() });
            let (proof, disproof) = (drill(PROVEN), drill(DISPROVED));
            Self {
                id: BackupId::of(*snapshot.original.unwrap_or(snapshot.id)),
                kind: if is_log { BackupKind::Log } else { BackupKind::Full },
                sequence: tag(snapshot, SEQUENCE),
                time: snapshot.time.timestamp(),
                ended,
                facts: names::facts_of(snapshot.tags.iter()),
                streams,
                proof: proof.filter(|_| disproof.is_none()),
                disproof,
            }
        })
    }

    /// Writes streams and the drill to a snapshot, as [`Backup::of`] reads them.
    pub(crate) fn describe(&self, snapshot: &mut SnapshotFile) -> Result<()> {
        let drill = self.proof.as_ref().or(self.disproof.as_ref());
        let report = drill.map(|drill| drill.report.clone()).unwrap_or_default();
        let description = Description { streams: self.streams.clone(), ended: self.ended, report };
        let text = serde_json::to_string(&description).map_err(|error| BackupError::Bug(error.to_string()))?;
        snapshot.description = Some(text);
        for (key, drill) in [(PROVEN, &self.proof), (DISPROVED, &self.disproof)] {
            if let Some(drill) = drill {
                snapshot.tags.add(format!("{key}={}", drill.time));
            }
        }
        Ok(())
    }
}

/// Returns the value of one of Landfall's tags, if the snapshot has it and it can be parsed.
fn tag<T: FromStr>(snapshot: &SnapshotFile, key: &str) -> Option<T> {
    snapshot.tags.iter().find_map(|tag| tag.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
}

/// Records the sequence number in a snapshot.
pub(crate) fn add_sequence(snapshot: &mut SnapshotFile, sequence: u64) {
    snapshot.tags.add(format!("{SEQUENCE}={sequence}"));
}

/// Returns the snapshot of a new backup, without its tree.
pub(crate) fn new(
    site: Uuid,
    kind: BackupKind,
    time: Timestamp,
    facts: &BTreeMap<String, String>,
) -> Result<SnapshotFile> {
    let mut snapshot = SnapshotFile {
        time: time.to_zoned(TimeZone::UTC),
        program_version: format!("landfall {}", env!("CARGO_PKG_VERSION")),
        hostname: site.to_string(),
        username: TAG.to_owned(),
        ..SnapshotFile::default()
    };
    let tag = match kind {
        BackupKind::Full => TAG,
        BackupKind::Log => LOG_TAG,
    };
    snapshot.tags.add(tag.to_owned());
    add_facts(&mut snapshot, facts)?;
    Ok(snapshot)
}

/// Records facts in a snapshot.
pub(crate) fn add_facts(snapshot: &mut SnapshotFile, facts: &BTreeMap<String, String>) -> Result<()> {
    for tag in names::tags_of(facts)? {
        snapshot.tags.add(tag);
    }
    Ok(())
}

/// Removes the mark of an earlier drill.
pub(crate) fn clear_verdict(snapshot: &mut SnapshotFile) {
    let is_mark = |tag: &&String| tag.split_once('=').is_some_and(|(key, _)| [PROVEN, DISPROVED].contains(&key));
    let kept: Vec<String> = snapshot.tags.iter().filter(|tag| !is_mark(tag)).cloned().collect();
    snapshot.tags = StringList::default();
    for tag in kept {
        snapshot.tags.add(tag);
    }
}

/// Returns a snapshot with the ID of the file that it was read from.
pub(crate) fn snapshot_with_id(id: SnapshotId, mut snapshot: SnapshotFile) -> SnapshotFile {
    snapshot.id = id;
    snapshot
}

#[cfg(test)]
mod tests {
    use rustic_core::Id;

    use super::*;
    use crate::names::StreamName;

    fn snapshot() -> SnapshotFile {
        let facts = BTreeMap::from([("release".to_owned(), "starter".to_owned())]);
        let time = "2026-11-21T12:00:00.5Z".parse().unwrap();
        snapshot_with_id(Id::new([7; 32]).into(), new(Uuid::nil(), BackupKind::Log, time, &facts).unwrap())
    }

    #[test]
    fn snapshot_carries_streams_facts_and_proof() {
        let mut snapshot = snapshot();
        let mut backup = Backup::of(&snapshot).unwrap();
        assert_eq!((backup.id, backup.kind, backup.ended), (BackupId::of(Id::new([7; 32])), BackupKind::Log, None));
        backup.ended = Some("2026-11-21T12:00:07Z".parse().unwrap());
        assert_eq!(backup.facts["release"], "starter");
        assert!(backup.proof.is_none() && backup.streams.is_empty());
        let name: StreamName = "postgres/database".parse().unwrap();
        backup.streams = vec![Stream { name, size_bytes: 5, sha256: Some("0f".into()) }];
        backup.proof = Some(Proof { time: Timestamp::UNIX_EPOCH, report: "12 tables".into() });
        backup.sequence = Some(41);
        add_sequence(&mut snapshot, 41);
        backup.describe(&mut snapshot).unwrap();
        let json = serde_json::to_string(&snapshot).unwrap();
        assert_eq!(Backup::of(&serde_json::from_str(&json).unwrap()).unwrap(), backup);
        // Only this is left after restic has rewritten it.
        snapshot.description = None;
        let kept = Backup::of(&snapshot).unwrap();
        assert_eq!(kept.proof, Some(Proof { time: Timestamp::UNIX_EPOCH, report: String::new() }));
        assert!(kept.streams.is_empty());
        assert_eq!((kept.sequence, kept.facts.len()), (Some(41), 1));
    }

    #[test]
    fn latest_drill_replaces_earlier_one() {
        let mut snapshot = snapshot();
        let drill = Proof { time: Timestamp::UNIX_EPOCH, report: "12 tables".into() };
        let backup = Backup { proof: Some(drill.clone()), ..Backup::of(&snapshot).unwrap() };
        backup.describe(&mut snapshot).unwrap();
        clear_verdict(&mut snapshot);
        let disproved = Backup { proof: None, disproof: Some(drill), ..backup };
        disproved.describe(&mut snapshot).unwrap();
        assert_eq!(Backup::of(&snapshot).unwrap(), disproved);
    }

    #[test]
    fn rewritten_snapshot_keeps_backup_id() {
        let mut snapshot = snapshot();
        snapshot.original = Some(snapshot.id);
        snapshot.id = Id::new([8; 32]).into();
        assert_eq!(Backup::of(&snapshot).unwrap().id, BackupId::of(Id::new([7; 32])));
        assert!(Backup::of(&SnapshotFile::default()).is_none());
    }
}
