//! Backups of a site: output of `landfall backup list`, and their part of the status.

use std::path::PathBuf;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::FailureCode;

/// Number of characters of an ID that a person reads and types.
const SHORT_ID: usize = 8;

/// Status of a site's backups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupsStatus {
    /// Number of backups.
    pub count: usize,
    /// Read time of the newest backup's data, RFC 3339 in UTC.
    pub newest: Option<String>,
    /// Read time of the newest proven backup's data, RFC 3339 in UTC.
    pub newest_proven: Option<String>,
    /// Times of backups that are later than the clock's current time, in the order in which they were made: the clock
    /// is or was wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of_future: Vec<String>,
    /// Reason why the repository cannot be used.
    pub reason: Option<String>,
    /// Latest attempt at a backup outside of an upgrade; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_try: Option<BackupTry>,
    /// Latest drill that a person requested; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_drill: Option<BackupTry>,
    /// Folders on other disks and buckets that get copies, by the site's settings, each with its latest copy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<CopyRecord>,
    /// Range of restorable points in time, for each stream whose log is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogStatus>,
}

impl BackupsStatus {
    /// Returns the latest attempt with its failure, unless a drill has proven the newest backup since.
    pub fn failed_last(&self) -> Option<(&BackupTry, &BackupFailure)> {
        let last = self.last_try.as_ref().filter(|last| !last.mended)?;
        Some((last, last.failure.as_ref()?))
    }
}

/// Attempt at a backup or a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupTry {
    /// Time of its end, RFC 3339 in UTC; time of its start if it was interrupted.
    pub at: String,
    /// Reason for its failure; null if it succeeded.
    #[serde(default)]
    pub failure: Option<BackupFailure>,
    /// End of the latest successful attempt, RFC 3339 in UTC; null if none succeeded.
    #[serde(default)]
    pub succeeded: Option<String>,
    /// True if a drill has proven the newest backup since the failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mended: bool,
}

/// Failure of a backup or a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupFailure {
    /// Error code in the registry.
    pub code: FailureCode,
    /// Failure and its cause.
    pub what: String,
}

/// Latest copy into a folder or bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CopyRecord {
    /// Folder, or `s3:NAME` of a bucket.
    pub folder: PathBuf,
    /// Time of the latest attempt to make copies there, RFC 3339 in UTC; null before the first attempt.
    #[serde(default)]
    pub tried: Option<String>,
    /// Read time of the newest copy's data, RFC 3339 in UTC; null if there is no copy.
    #[serde(default)]
    pub newest: Option<String>,
    /// Reason why the latest attempt failed.
    #[serde(default)]
    pub reason: Option<String>,
    /// True if a former key still opens the copies there, because of an exchange of keys. The next copy shuts it out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub former_key: bool,
}

/// Status of the log of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogStatus {
    /// Name of the stream: `COMPONENT/RULE`.
    pub stream: String,
    /// Last point in time that can be restored, RFC 3339 in UTC; null before the first log backup.
    pub until: Option<String>,
    /// Reason why the latest log backup was not made.
    pub reason: Option<String>,
}

/// All backups of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupList {
    /// Backups, oldest first.
    pub backups: Vec<BackupSummary>,
    /// Time spans in which every point can be restored, oldest first.
    #[serde(default)]
    #[schemars(!default)]
    pub points_in_time: Vec<PointsInTime>,
    /// Start times of automatic backups and drills; absent if nothing is backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<BackupTimes>,
    /// Latest attempt at a backup outside of an upgrade; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_try: Option<BackupTry>,
    /// Latest drill that a person requested; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_drill: Option<BackupTry>,
    /// Latest backup that did not begin because another operation ran; absent after a later attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refusal: Option<BackupTry>,
}

/// Summary of one backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    #[serde(default)]
    #[schemars(!default)]
    pub streams: Vec<StreamSummary>,
}

impl BackupSummary {
    /// Returns a short prefix of the ID for people.
    pub fn short_id(&self) -> &str {
        self.id.get(..SHORT_ID).unwrap_or(&self.id)
    }
}

/// Summary of one stream of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamSummary {
    /// Name of the stream: `COMPONENT/RULE`; for the cluster itself `cluster/objects` and `cluster/etcd`.
    pub name: String,
    /// Size in bytes, as read.
    pub size_bytes: u64,
}

/// Cut: the common time of the data of several components.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupCut {
    /// Time of the cut, RFC 3339 in UTC.
    pub time: String,
    /// Streams with data as of this time.
    pub streams: Vec<CutStream>,
}

impl BackupCut {
    /// Returns the time, if a stream belongs to the cut.
    pub fn time_of(&self, stream: &str) -> Option<Timestamp> {
        self.streams.iter().any(|of| of.name == stream).then(|| self.time.parse().ok()).flatten()
    }
}

/// Stream that belongs to a cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CutStream {
    /// Name of the stream: `COMPONENT/RULE`.
    pub name: String,
    /// Milliseconds for which its writers were held; null if its log leads to the time.
    pub held_milliseconds: Option<u64>,
}

/// Time span in which every point can be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointsInTime {
    /// Name of the stream: `COMPONENT/RULE`.
    pub stream: String,
    /// First point in time, RFC 3339 in UTC.
    pub from: String,
    /// Last point in time, RFC 3339 in UTC.
    pub until: String,
    /// Newest part of the span to whose end a drill has recovered.
    pub proven: Option<ProvenPoints>,
}

/// Part of a time span that a drill has proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProvenPoints {
    /// First point in time, RFC 3339 in UTC.
    pub from: String,
    /// Last point in time, RFC 3339 in UTC.
    pub until: String,
}

/// Start times of automatic backups and drills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupTimes {
    /// Time of the daily backup and of the drill that proves it, in the machine's time zone: `01:30`.
    pub daily: String,
    /// True if the timer of the daily backup is active.
    #[serde(default = "reports_timer")]
    #[schemars(!default)]
    pub active: bool,
    /// Start of the next daily backup, RFC 3339 in UTC; absent if the timer is not active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Maximum random delay of its start, in minutes.
    #[serde(default)]
    #[schemars(!default)]
    pub delay_minutes: i64,
    /// Interval of log backups in minutes; absent if no log is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_minutes: Option<u32>,
}

/// Assumes an active timer for a host that does not report it.
const fn reports_timer() -> bool {
    true
}
