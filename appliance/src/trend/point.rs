//! Content of a point: a status of the host in a few numbers, and the console's answers since the previous point.

use jiff::Timestamp;
use landfall_documents::status::{StatusReport, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metrics::Tally;

/// State of the site at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TrendPoint")]
pub struct Point {
    /// Time of the point.
    pub at: Timestamp,
    /// Report of the host; null if it gave no status.
    pub site: Option<TrendReading>,
    /// Number of requests that the console answered since the point before, or since its start.
    pub requests: u64,
    /// Number of these requests that failed by a fault of the console, or because the host did not answer: status 500
    /// and above.
    pub failed: u64,
    /// Mean duration of a request, in microseconds; null without requests.
    pub mean_microseconds: Option<u64>,
}

/// Report of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TrendReading")]
pub struct TrendReading {
    /// True if everything that should run is ready.
    pub ready: bool,
    /// Number of components of the release.
    pub components: u64,
    /// Number of ready components.
    pub components_ready: u64,
    /// Use of the filesystem of the data folder.
    pub disk: Option<Share>,
    /// Use of the machine's memory.
    pub memory: Option<Share>,
    /// Size of etcd's file, out of the size at which it refuses writes.
    pub etcd: Option<Share>,
    /// Whole days until the first certificate expires; negative once it has expired.
    pub certificate_days: Option<i64>,
    /// Running operation.
    pub operation: Option<String>,
}

/// Used part of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TrendShare")]
pub struct Share {
    /// Used bytes.
    pub used_bytes: u64,
    /// Total bytes.
    pub total_bytes: u64,
}

impl Share {
    const fn rest(total_bytes: u64, free_bytes: u64) -> Self {
        Self { used_bytes: total_bytes.saturating_sub(free_bytes), total_bytes }
    }
}

impl TrendReading {
    /// Summarizes a status as of a time.
    pub fn from_status(status: &StatusReport, now: Timestamp) -> Self {
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
            operation: running.map(|operation| operation.operation.clone()),
        }
    }
}

impl Point {
    /// Creates a point for the site at this time, with the requests between two counts.
    pub fn new(at: Timestamp, site: Option<TrendReading>, before: Tally, now: Tally) -> Self {
        let since = now.since(before);
        let mean_microseconds = since.microseconds.checked_div(since.requests);
        Self { at, site, requests: since.requests, failed: since.failed, mean_microseconds }
    }
}
