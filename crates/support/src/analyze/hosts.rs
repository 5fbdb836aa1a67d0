//! Rules about the host.

use serde_json::Value;

use super::evidence::{BundleReading, Evidence, list, text};

/// Days before a certificate's end at which it becomes an observation: the agent renews long before.
const CERTIFICATE_DAYS: i64 = 14;

/// Number of restarts at which a service is reported as restarting repeatedly.
const RESTARTS: usize = 5;

/// Evidence of a part of the status that is not ready, with its reason.
pub(super) fn not_ready(reading: &BundleReading<'_>, part: &str) -> Vec<Evidence> {
    let status = &reading.status[part];
    if status["ready"] != Value::Bool(false) {
        return Vec::new();
    }
    let reason = status["reason"].as_str().unwrap_or("not ready");
    vec![reading.in_status(&[part, "reason"], reason)]
}

pub(super) fn disk(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let mut found = not_ready(reading, "disk");
    for node in list(&reading.status, "/nodes") {
        if list(node, "/pressures").iter().any(|pressure| pressure == "DiskPressure") {
            found.push(
                reading.in_status(&["nodes", "pressures"], format!("{} reports DiskPressure", text(node, "/name"))),
            );
        }
    }
    let is_full = |filesystem: &&Value| {
        filesystem["freeBytes"].as_u64().is_some_and(|free| free < 64 << 20) || filesystem["freeInodes"] == 0
    };
    for filesystem in
        list(&reading.facts, "/filesystems").iter().filter(is_full).filter(|one| one["readOnly"] != Value::Bool(true))
    {
        let (paths, free) = (&filesystem["paths"], &filesystem["freeBytes"]);
        found.push(reading.in_document(
            "facts.json",
            &["filesystems", "freeBytes"],
            format!("{free} bytes are free for {paths}"),
        ));
    }
    found.extend(reading.lines("journald/", ".log", |line| line.contains("No space left on device")));
    found
}

pub(super) fn disk_fault(reading: &BundleReading<'_>) -> Vec<Evidence> {
    const WORDS: [&str; 5] =
        ["I/O error, dev ", "EXT4-fs error", "Remounting filesystem read-only", "XFS (", "critical medium error"];
    let is_fault = |line: &str| {
        WORDS.iter().any(|word| line.contains(word)) && (!line.contains("XFS (") || line.contains("orruption"))
    };
    reading.lines("journald/kernel", ".log", is_fault)
}

pub(super) fn certificates(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let mut found = not_ready(reading, "certificates");
    let days = reading.status.pointer("/certificates/daysLeft").and_then(Value::as_i64);
    if let Some(days) = days.filter(|days| found.is_empty() && *days < CERTIFICATE_DAYS) {
        let end = text(&reading.status, "/certificates/soonestEnd");
        found.push(
            reading.in_status(
                &["certificates", "daysLeft"],
                format!("the first certificate ends on {end}, in {days} days"),
            ),
        );
    }
    let is_ended = |line: &str| line.contains("x509: certificate has expired or is not yet valid");
    // A single line may stem from the moment before a renewal.
    let lines = reading.lines("", ".log", is_ended);
    if lines.len() > 3 { found.into_iter().chain(lines).collect() } else { found }
}

pub(super) fn clock(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let mut found = not_ready(reading, "clock");
    if let Some(seen) = reading.status.pointer("/clock/earlierThan").and_then(Value::as_str) {
        let now = text(&reading.status, "/clock/now");
        found.push(
            reading.in_status(&["clock", "earlierThan"], format!("the clock says {now}, and the site has seen {seen}")),
        );
    }
    if reading.status.pointer("/license/date/agrees") == Some(&Value::Bool(false)) {
        found.push(
            reading.in_status(&["license", "agrees"], "the clock differs from the date by which licenses are judged"),
        );
    }
    found
}

pub(super) fn services(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let mut found = not_ready(reading, "agent");
    found.extend(reading.lines("host/units", ".txt", |line| {
        line.contains("landfall-") && (line.contains(" failed ") || line.contains("activating auto-restart"))
    }));
    found
}

pub(super) fn restarts(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let is_restart = |line: &str| line.contains("Scheduled restart job, restart counter is at");
    let lines = reading.lines("journald/landfall-", ".log", is_restart);
    if lines.len() >= RESTARTS { lines } else { Vec::new() }
}

pub(super) fn service_addresses(reading: &BundleReading<'_>) -> Vec<Evidence> {
    not_ready(reading, "serviceAddresses")
}

pub(super) fn closed_chains(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let accepts_pods = |chain: &Value| {
        // An interface of pods, any source, or a range that may be the pods' range.
        let accepts =
            |one: &Value| one.as_str().is_some_and(|one| one == "*" || one.starts_with("cni") || one.contains('/'));
        list(chain, "/accepts").iter().any(accepts)
    };
    let closed = list(&reading.facts, "/network/closedChains").iter().filter(|chain| !accepts_pods(chain));
    let evidence = closed.map(|chain| {
        let name = text(chain, "/name");
        reading.in_document(
            "facts.json",
            &["closedChains", "name"],
            format!("the chain {name} accepts no packets of pods"),
        )
    });
    evidence.collect()
}
