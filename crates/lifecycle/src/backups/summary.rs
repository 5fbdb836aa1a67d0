//! A backup in lists and reports.

use jiff::Timestamp;
use landfall_backup::Backup;
use schemars::JsonSchema;
use serde::Serialize;

use super::cut::BackupCut;

/// Number of characters of an ID that a person reads and types.
const SHORT_ID: usize = 8;

/// Summary of one backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupSummary {
    /// ID in hexadecimal; a prefix suffices if it is unique.
    pub id: String,
    /// Position in the order in which backups were made; absent for a backup by an earlier `landfall`, which precedes
    /// all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Read time of its data, RFC 3339 in UTC, by a clock that may have been wrong.
    pub time: String,
    /// True if that time is later than the current time of the clock: one of the two is wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_future: bool,
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// Reason for the backup: `request` or `upgrade`.
    pub reason: String,
    /// Time at which a drill proved it, RFC 3339 in UTC; null if it lacks streams.
    pub proven: Option<String>,
    /// Streams that are absent from the backup, because they could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<String>,
    /// Time at which a drill proved its present streams, RFC 3339 in UTC, if it lacks others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest_proven: Option<String>,
    /// Time of the latest failed drill, RFC 3339 in UTC; absent without a failure, or if a later drill proved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disproved: Option<String>,
    /// Common time to which the data of several components returns; null if each has its own time.
    pub cut: Option<BackupCut>,
    /// Size of all its streams in bytes, as read.
    pub size_bytes: u64,
    /// Streams of the backup.
    pub streams: Vec<StreamSummary>,
}

/// Summary of one stream of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamSummary {
    /// Name of the stream: `COMPONENT/RULE`; for the cluster itself `cluster/objects` and `cluster/etcd`.
    pub name: String,
    /// Size in bytes, as read.
    pub size_bytes: u64,
}

/// Returns the newest proven backup. `backups` are in the order in which they were made.
pub(crate) fn newest_proven<'a>(backups: impl DoubleEndedIterator<Item = &'a Backup>) -> Option<&'a Backup> {
    backups.rev().find(|backup| backup.is_proven())
}

impl BackupSummary {
    /// Returns a short prefix of the ID for people.
    pub fn short_id(&self) -> &str {
        self.id.get(..SHORT_ID).unwrap_or(&self.id)
    }
}

impl From<&Backup> for BackupSummary {
    fn from(backup: &Backup) -> Self {
        let fact = |key: &str| backup.facts.get(key).cloned().unwrap_or_default();
        let proven = backup.proof.as_ref().map(|proof| proof.time.to_string());
        // Files of the site itself are not streams of a component.
        let streams: Vec<StreamSummary> = backup
            .streams
            .iter()
            .filter(|stream| !stream.name.as_str().starts_with("LANDFALL/"))
            .map(|stream| StreamSummary { name: stream.name.to_string(), size_bytes: stream.size_bytes })
            .collect();
        Self {
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
            cut: BackupCut::of(backup),
            size_bytes: streams.iter().map(|stream| stream.size_bytes).sum(),
            streams,
        }
    }
}
