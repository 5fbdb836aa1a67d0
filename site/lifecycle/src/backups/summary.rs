//! A backup in lists and reports.

use jiff::Timestamp;
use landfall_backup::Backup;
use schemars::JsonSchema;
use serde::Serialize;

use super::cut::BackupCut;

/// Number of characters of an ID that a person reads and types.
const SHORT_ID: usize = 8;

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupSummary {
    /// What names it, in hexadecimal; its beginning is enough where only one backup has it.
    pub id: String,
    /// Its place in the order in which backups were made; none where an earlier `landfall` made it, which comes before all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// When its data was read, RFC 3339 in UTC, by a clock that may have been wrong.
    pub time: String,
    /// Whether that is later than the clock says now: one of the two is wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_future: bool,
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// Why it was made: `request` or `upgrade`.
    pub reason: String,
    /// When a drill proved it, RFC 3339 in UTC; none where it lacks streams.
    pub proven: Option<String>,
    /// Streams that it was made without, since they could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<String>,
    /// When a drill proved the streams that it has, RFC 3339 in UTC, where it lacks others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest_proven: Option<String>,
    /// When the latest drill failed, RFC 3339 in UTC; none where none did, or where a later one proved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disproved: Option<String>,
    /// The time as of which the data of several components returns; none where each is as of its own time.
    pub cut: Option<BackupCut>,
    /// Bytes of all its streams, as they were read.
    pub size_bytes: u64,
    /// Its streams.
    pub streams: Vec<StreamSummary>,
}

/// One stream of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamSummary {
    /// `COMPONENT/RULE`; of the cluster itself `cluster/objects` and `cluster/etcd`.
    pub name: String,
    /// Bytes, as they were read.
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
