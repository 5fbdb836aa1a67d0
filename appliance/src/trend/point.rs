//! Content of a point: a status of the host in a few numbers, and the console's answers since the previous point.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::host::{Status, Verdict};
use crate::server::Tally;

/// The site at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TrendPoint")]
pub struct Point {
    /// When.
    pub at: Timestamp,
    /// What the host reported; none where it gave no status.
    pub site: Option<Reading>,
    /// Requests that the console answered since the point before, or since its start.
    pub requests: u64,
    /// Those among them that failed by a fault of the console, or because the host did not answer: the statuses from 500 on.
    pub failed: u64,
    /// What a request took on average, in microseconds; none without requests.
    pub mean_microseconds: Option<u64>,
}

/// What the host reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TrendReading")]
pub struct Reading {
    /// Whether all that should run is ready.
    pub ready: bool,
    /// Components of the release.
    pub components: u64,
    /// Those that are ready.
    pub components_ready: u64,
    /// The filesystem of the data folder.
    pub disk: Option<Share>,
    /// The machine's memory.
    pub memory: Option<Share>,
    /// The file of etcd, of the size from which on it refuses to write.
    pub etcd: Option<Share>,
    /// Whole days until the first certificate ends; negative once it has.
    pub certificate_days: Option<i64>,
    /// The operation that ran.
    pub operation: Option<String>,
}

/// What is used of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TrendShare")]
pub struct Share {
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

impl Share {
    const fn rest(total_bytes: u64, free_bytes: u64) -> Self {
        Self { used_bytes: total_bytes.saturating_sub(free_bytes), total_bytes }
    }
}

impl Reading {
    /// Summarizes a status as of a time.
    pub fn of(status: &Status, now: Timestamp) -> Self {
        let ready = status.components.iter().filter(|component| component.ready == component.total).count();
        let ends = status.certificates.as_ref().and_then(|certificates| certificates.soonest_end.as_deref());
        let ends = ends.and_then(|text| text.parse::<Timestamp>().ok());
        let running = status.operation.as_ref().filter(|operation| operation.running.is_some());
        Self {
            ready: status.verdict == Verdict::Ready,
            components: status.components.len() as u64,
            components_ready: ready as u64,
            disk: status.disk.as_ref().map(|disk| Share::rest(disk.total_bytes, disk.free_bytes)),
            memory: status.memory.as_ref().map(|memory| Share::rest(memory.total_bytes, memory.available_bytes)),
            etcd: status.etcd.as_ref().map(|etcd| Share { used_bytes: etcd.size_bytes, total_bytes: etcd.quota_bytes }),
            certificate_days: ends.map(|ends| ends.duration_since(now).as_secs().div_euclid(86_400)),
            operation: running.map(|operation| operation.name.clone()),
        }
    }
}

impl Point {
    /// Creates a point for the site at this time, with the requests between two counts.
    pub fn new(at: Timestamp, site: Option<Reading>, before: Tally, now: Tally) -> Self {
        let since = now.since(before);
        let mean_microseconds = since.microseconds.checked_div(since.requests);
        Self { at, site, requests: since.requests, failed: since.failed, mean_microseconds }
    }
}
