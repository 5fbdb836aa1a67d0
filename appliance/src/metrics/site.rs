//! Metrics of the site on `/metrics`: the host's status as gauges. They are created for each scrape, so that data which
//! the host no longer reports has no value. An old one would look like a new one.

use std::collections::BTreeSet;

use jiff::Timestamp;
use landfall_documents::history::{OperationHistory, OperationOutcome};
use landfall_documents::status::{StatusReport, Verdict};
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::host::RunningOperation;

/// Labels with their values.
type Labels = Vec<(&'static str, String)>;

/// Writes the metrics as text. More may follow.
pub fn write(
    text: &mut String,
    status: &StatusReport,
    running: Option<&RunningOperation>,
    history: Option<&OperationHistory>,
) -> std::fmt::Result {
    let mut scrape = Scrape { registry: Registry::with_prefix("landfall_site") };
    scrape.add_parts(status);
    scrape.add_sizes(status);
    scrape.add_components(status);
    scrape.add_backups(status);
    scrape.add_license(status);
    scrape.add_operation(status, running);
    scrape.add_ends(history);
    encode_registry(text, &scrape.registry)
}

struct Scrape {
    registry: Registry,
}

impl Scrape {
    /// Adds a value, if there is one.
    fn one(&mut self, name: &str, help: &str, value: Option<i64>) {
        if let Some(value) = value {
            let gauge: Gauge = Gauge::default();
            gauge.set(value);
            self.registry.register(name, help, gauge);
        }
    }

    /// Adds a value for each text of a label.
    fn each(&mut self, name: &str, help: &str, label: &'static str, values: impl IntoIterator<Item = (String, i64)>) {
        let family = Family::<Labels, Gauge>::default();
        for (text, value) in values {
            family.get_or_create(&vec![(label, text)]).set(value);
        }
        self.registry.register(name, help, family);
    }

    fn add_parts(&mut self, status: &StatusReport) {
        let is_ready = i64::from(status.verdict == Verdict::Ready);
        self.one("ready", "Whether all that should run is ready: 1 or 0", Some(is_ready));
        let parts = [
            ("agent", status.agent.as_ref().map(|agent| agent.ready)),
            ("certificates", status.certificates.as_ref().map(|certificates| certificates.ready)),
            ("clock", status.clock.as_ref().map(|clock| clock.ready)),
            ("disk", status.disk.as_ref().map(|disk| disk.ready)),
            ("etcd", status.etcd.as_ref().map(|etcd| etcd.ready)),
            ("firewall", status.firewall.as_ref().map(|firewall| firewall.ready)),
            ("registry", status.registry.as_ref().map(|registry| registry.ready)),
            ("service-addresses", status.service_addresses.as_ref().map(|services| services.ready)),
        ];
        let parts = parts.into_iter().filter_map(|(part, ready)| Some((part.to_owned(), i64::from(ready?))));
        self.each("part_ready", "Whether a part of the host is ready: 1 or 0", "part", parts);
        let nodes = status.nodes.iter().map(|node| (node.name.clone(), i64::from(node.ready)));
        self.each("node_ready", "Whether a node is ready: 1 or 0", "node", nodes);
    }

    fn add_sizes(&mut self, status: &StatusReport) {
        let (disk, memory, etcd) = (status.disk.as_ref(), status.memory.as_ref(), status.etcd.as_ref());
        let help = "Bytes of the filesystem with the data folder";
        self.one("disk_total_bytes", help, disk.map(|disk| gauge(disk.total_bytes)));
        let help = "Bytes of it that can be written";
        self.one("disk_free_bytes", help, disk.map(|disk| gauge(disk.free_bytes)));
        let help = "Bytes of the machine's memory";
        self.one("memory_total_bytes", help, memory.map(|memory| gauge(memory.total_bytes)));
        let help = "Bytes of it that programs can have without swapping";
        self.one("memory_available_bytes", help, memory.map(|memory| gauge(memory.available_bytes)));
        self.one("etcd_size_bytes", "Bytes of etcd's file", etcd.map(|etcd| gauge(etcd.size_bytes)));
        let help = "Bytes from which on etcd refuses to write";
        self.one("etcd_quota_bytes", help, etcd.map(|etcd| gauge(etcd.quota_bytes)));
        let certificates = status.certificates.iter().flat_map(|certificates| &certificates.certificates);
        let ends = certificates.filter_map(|one| Some((one.file.display().to_string(), seconds(one.ends.as_deref())?)));
        let help = "When a certificate ends, in seconds since 1970";
        self.each("certificate_end_timestamp_seconds", help, "file", ends);
    }

    fn add_components(&mut self, status: &StatusReport) {
        let counts = status.components.iter().map(|one| (one.component.clone(), one.ready, one.total));
        let ready = counts.clone().map(|(name, ready, _)| (name, gauge(ready as u64)));
        self.each("component_ready_objects", "Objects of a component that are ready", "component", ready);
        let all = counts.map(|(name, _, total)| (name, gauge(total as u64)));
        self.each("component_objects", "Objects of a component", "component", all);
    }

    fn add_backups(&mut self, status: &StatusReport) {
        let Some(backups) = &status.backups else { return };
        self.one("backups", "Backups in the repository", Some(gauge(backups.count as u64)));
        let help = "When the newest backup was made that a drill has restored, in seconds since 1970";
        self.one("backup_proven_timestamp_seconds", help, seconds(backups.newest_proven.as_deref()));
        let help = "Whether the last try to make a backup failed, and no proven one followed: 1 or 0";
        self.one("backup_fails", help, Some(i64::from(backups.failed_last().is_some())));
    }

    fn add_license(&mut self, status: &StatusReport) {
        let Some(terms) = status.license.as_ref().and_then(|license| license.terms.as_ref()) else { return };
        self.one(
            "license_permits",
            "Whether the license permits what needs one: 1 or 0",
            Some(i64::from(terms.permits)),
        );
        let help = "When the license ends, in seconds since 1970";
        self.one("license_end_timestamp_seconds", help, seconds(terms.ends.as_deref()));
        let help = "When its grace ends, in seconds since 1970";
        self.one("license_grace_end_timestamp_seconds", help, seconds(terms.grace_ends.as_deref()));
    }

    fn add_operation(&mut self, status: &StatusReport, running: Option<&RunningOperation>) {
        let Some(latest) = &status.operation else { return };
        let is_running = i64::from(latest.running.is_some());
        let help = "Whether the latest operation runs now: 1 or 0";
        self.each("operation_running", help, "operation", [(latest.operation.clone(), is_running)]);
        let step = latest.step.as_ref();
        let help = "Whether the latest operation needs a person to continue: 1 or 0";
        self.one("operation_stuck", help, Some(i64::from(step.is_some_and(|step| step.stuck))));
        let help = "When the journal of the latest operation was last written, in seconds since 1970";
        self.one("operation_timestamp_seconds", help, seconds(latest.at.as_deref()));
        let now = running.and_then(|running| Some((running.current()?.index, running.count)));
        let help = "Number of the step that the running operation is at, from 1";
        self.one("operation_step", help, now.map(|(step, _)| gauge(step as u64)));
        self.one("operation_steps", "Steps of the running operation", now.map(|(_, steps)| gauge(steps as u64)));
    }

    /// Adds the latest ended operation of each kind, so that one that ended between two scrapes is seen, whatever ran
    /// since.
    fn add_ends(&mut self, history: Option<&OperationHistory>) {
        let (ends, durations) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
        let mut seen = BTreeSet::new();
        for past in history.into_iter().flat_map(|history| &history.operations) {
            let (Some(outcome), Some(ended)) = (end(past.outcome), seconds(past.ended.as_deref())) else { continue };
            if seen.insert(&past.operation) {
                let labels = vec![("operation", past.operation.clone()), ("outcome", outcome.to_owned())];
                ends.get_or_create(&labels).set(ended);
                if let Some(took) = past.seconds {
                    durations.get_or_create(&labels).set(gauge(took));
                }
            }
        }
        let help = "When the latest operation of a kind ended, in seconds since 1970";
        self.registry.register("operation_last_ended_timestamp_seconds", help, ends);
        let help = "Seconds that the latest operation of a kind took";
        self.registry.register("operation_last_duration_seconds", help, durations);
    }
}

/// Returns the label of an ended operation's outcome.
const fn end(outcome: OperationOutcome) -> Option<&'static str> {
    match outcome {
        OperationOutcome::Committed => Some("committed"),
        OperationOutcome::Undone => Some("undone"),
        OperationOutcome::Stuck | OperationOutcome::Open | OperationOutcome::Unreadable | OperationOutcome::Unknown => {
            None
        }
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Parses a time of a document.
fn seconds(text: Option<&str>) -> Option<i64> {
    text?.parse::<Timestamp>().ok().map(Timestamp::as_second)
}
