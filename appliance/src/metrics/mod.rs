//! Metrics of `/metrics`, in the text format of Prometheus.

pub mod site;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::Method;
use landfall_documents::license::UsageStatus;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::audit::CheckpointSigner;
use crate::forward::Forward;

/// Bounds of the histogram, in seconds.
const BOUNDS: [f64; 9] = [0.002, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 15.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    metric: String,
}

/// Requests that the process has answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of requests.
    pub requests: u64,
    /// Number of requests with a status of 500 or above.
    pub failed: u64,
    /// Their total duration in microseconds.
    pub microseconds: u64,
}

impl Tally {
    /// Returns the difference to an earlier count.
    pub const fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(before.requests),
            failed: self.failed.saturating_sub(before.failed),
            microseconds: self.microseconds.saturating_sub(before.microseconds),
        }
    }
}

/// Returns the name of a method in labels and logs.
pub fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Counters of the process.
pub struct Metrics {
    registry: Registry,
    tally: Mutex<Tally>,
    requests: Family<Request, Counter>,
    seconds: Histogram,
    sign_ins: Family<Outcome, Counter>,
    host_answers: Gauge,
    signed_entry: Gauge,
    signing_fails: Gauge,
    forwarded_entry: Gauge,
    forwarding_fails: Gauge,
    license_used: Family<LimitLabels, Gauge>,
    license_limit: Family<LimitLabels, Gauge>,
}

impl Metrics {
    /// Creates counters that begin at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("landfall_console");
        let requests = Family::<Request, Counter>::default();
        let seconds = Histogram::new(BOUNDS);
        let sign_ins = Family::<Outcome, Counter>::default();
        let host_answers = Gauge::default();
        let signed_entry = Gauge::default();
        let signing_fails = Gauge::default();
        registry.register("requests", "Requests by method, route and status", requests.clone());
        registry.register("request_seconds", "Seconds from a request to its response", seconds.clone());
        registry.register("sign_ins", "Sign-ins with a password", sign_ins.clone());
        registry.register("host_answers", "Whether the host answers: 1 or 0", host_answers.clone());
        let help = "Number of the last audit entry that the host has signed; 0 until the first one since the start";
        registry.register("audit_signed_entry", help, signed_entry.clone());
        let help = "Whether the last try to have the audit log signed failed: 1 or 0";
        registry.register("audit_signing_fails", help, signing_fails.clone());
        let (forwarded_entry, forwarding_fails) = (Gauge::default(), Gauge::default());
        let help =
            "Number of the last audit entry that the syslog server has received; 0 until the start of forwarding";
        registry.register("audit_forwarded_entry", help, forwarded_entry.clone());
        let help = "Whether audit entries that should be forwarded are not: 1 or 0";
        registry.register("audit_forwarding_fails", help, forwarding_fails.clone());
        let (license_used, license_limit) =
            (Family::<LimitLabels, Gauge>::default(), Family::<LimitLabels, Gauge>::default());
        let help = "What the site uses of its license, as the host measured it last";
        registry.register("license_used", help, license_used.clone());
        registry.register("license_limit", "What the license allows, without its overage", license_limit.clone());
        Self {
            registry,
            tally: Mutex::default(),
            requests,
            seconds,
            sign_ins,
            host_answers,
            signed_entry,
            signing_fails,
            forwarded_entry,
            forwarding_fails,
            license_used,
            license_limit,
        }
    }

    /// Counts a request. The route is the router's pattern, so that paths do not become labels. Unknown methods do not
    /// either: a label is kept until the process ends, and any client that reaches the port chooses the method.
    pub fn answered(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let label = Request { method: known(method), route: route.to_owned(), status };
        self.requests.get_or_create(&label).inc();
        self.seconds.observe(took.as_secs_f64());
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.requests += 1;
        tally.failed += u64::from(status >= 500);
        tally.microseconds = tally.microseconds.saturating_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Returns the requests so far.
    pub fn tally(&self) -> Tally {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a sign-in.
    pub fn signed_in(&self, is_done: bool) {
        self.sign_ins.get_or_create(&Outcome { outcome: if is_done { "done" } else { "refused" } }).inc();
    }

    /// Writes all metrics as text, with the current state of the host: its availability, its report on the license, and
    /// its signatures of the audit log. More may follow.
    pub fn write(
        &self,
        text: &mut String,
        host_answers: bool,
        usage: Option<&UsageStatus>,
        signing: &CheckpointSigner,
        forward: &Forward,
    ) -> std::fmt::Result {
        self.show_usage(usage);
        let forward = forward.standing();
        self.forwarded_entry.set(forward.received);
        self.forwarding_fails.set(i64::from(forward.failing.is_some() || !forward.faults.is_empty()));
        self.host_answers.set(i64::from(host_answers));
        self.signed_entry.set(signing.last().map_or(0, |last| last.head.number));
        self.signing_fails.set(i64::from(signing.failing().is_some()));
        encode_registry(text, &self.registry)
    }

    /// Sets the usage of the license. Unknown values are removed: an old one would look like a new one.
    fn show_usage(&self, usage: Option<&UsageStatus>) {
        self.license_used.clear();
        self.license_limit.clear();
        for limit in usage.iter().flat_map(|usage| &usage.limits) {
            let label = LimitLabels { metric: limit.since.metric.id().to_owned() };
            for (family, count) in [(&self.license_used, limit.now), (&self.license_limit, limit.since.limit)] {
                if let Some(count) = count {
                    family.get_or_create(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
                }
            }
        }
    }
}
