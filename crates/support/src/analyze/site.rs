//! Rules about the site: operations, cluster, backups, license.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::evidence::{BundleReading, Evidence, PROOFS, list, text};
use super::hosts::not_ready;

/// Age of the newest proven backup at which it becomes an observation: a timer makes one every day.
const PROOF_AGE: SignedDuration = SignedDuration::from_hours(48);

/// Number of etcd's messages about a slow disk at which it becomes an observation: a few occur at every start.
const SLOW_WRITES: usize = 20;

pub(super) fn operation(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let (status, verdict) = (&reading.status, text(&reading.status, "/verdict"));
    if !matches!(verdict, "stuck" | "unfinished") {
        return Vec::new();
    }
    let operation = text(status, "/operation/operation");
    let mut found = vec![reading.in_status(&["verdict"], format!("{operation}: {verdict}"))];
    for (pointer, field) in [("/operation/step/failure/what", "what"), ("/operation/step/blocked", "blocked")] {
        if let Some(text) = status.pointer(pointer).and_then(Value::as_str) {
            found.push(reading.in_status(&["operation", field], text));
        }
    }
    found
}

pub(super) fn cluster(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let notes = list(&reading.status, "/notes").iter().filter_map(Value::as_str);
    let silent = notes.filter(|note| note.starts_with("the cluster does not answer"));
    silent.map(|note| reading.in_status(&["notes"], note)).collect()
}

pub(super) fn nodes(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let unready = list(&reading.status, "/nodes").iter().filter(|node| node["ready"] == Value::Bool(false));
    let evidence = unready.map(|node| {
        let (name, reason) = (text(node, "/name"), text(node, "/reason"));
        reading.in_status(&["nodes", "reason"], format!("{name}: {reason}"))
    });
    evidence.collect()
}

pub(super) fn registry(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let found = not_ready(reading, "registry");
    let number = |name: &str| reading.status["registry"][name].as_u64();
    match (number("stagedBlobs"), number("blobs")) {
        (Some(staged), Some(all)) if staged < all && reading.status["state"] == "installed" && found.is_empty() => {
            vec![reading.in_status(&["registry", "stagedBlobs"], format!("{staged} of {all} blobs are in the store"))]
        }
        _ => found,
    }
}

pub(super) fn backup_failed(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let backups = &reading.status["backups"];
    let mut found = Vec::new();
    if let Some(reason) = backups["reason"].as_str() {
        found.push(reading.in_status(&["backups", "reason"], reason));
    }
    if let Some(what) = backups.pointer("/lastTry/failure/what").and_then(Value::as_str) {
        found.push(reading.in_status(&["backups", "lastTry", "what"], what));
    }
    for (list_name, named) in [("copies", "folder"), ("logs", "stream")] {
        for one in list(backups, &format!("/{list_name}")) {
            if let Some(reason) = one["reason"].as_str() {
                let name = text(one, &format!("/{named}"));
                found.push(reading.in_status(&["backups", list_name, "reason"], format!("{name}: {reason}")));
            }
        }
    }
    found
}

pub(super) fn backup_old(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let backups = &reading.status["backups"];
    let (Some(now), true) = (reading.collected_at, backups.is_object()) else { return Vec::new() };
    let proven: Option<Timestamp> = backups["newestProven"].as_str().and_then(|time| time.parse().ok());
    let what = match proven {
        Some(proven) if now.duration_since(proven) <= PROOF_AGE => return Vec::new(),
        Some(proven) => format!("the newest proven backup is of {proven:.0}"),
        None if backups["count"].as_u64().unwrap_or_default() == 0 => return Vec::new(),
        None => "no backup is proven".to_owned(),
    };
    vec![reading.in_status(&["backups", "newestProven"], what)]
}

pub(super) fn license(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let license = &reading.status["license"];
    let terms = &license["terms"];
    let mut found = Vec::new();
    if terms["permits"] == Value::Bool(false) || terms["warningDays"].is_number() {
        found.push(reading.in_status(&["license", "standing"], text(terms, "/text")));
    }
    let missing = list(license, "/needs").iter().filter(|need| need["granted"] == Value::Bool(false));
    found.extend(missing.map(|need| {
        let what = format!("{} needs the entitlement {}", text(need, "/component"), text(need, "/entitlement"));
        reading.in_status(&["license", "needs", "granted"], what)
    }));
    found
}

/// Failed proofs, each at its own line: names of proofs are unique.
pub(super) fn proofs(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let proofs = list(&reading.proofs, "/proofs").iter().zip(1..);
    let failed = proofs.filter(|(proof, _)| proof["passed"] == Value::Bool(false));
    let evidence = failed.map(|(proof, number)| {
        let found = text(proof, "/failure/found");
        let what = format!("{}: expected {}, found {found}", text(proof, "/name"), text(proof, "/failure/expected"));
        reading.in_document(PROOFS, &vec!["name"; number], what)
    });
    evidence.collect()
}

pub(super) fn etcd_full(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let mut found = not_ready(reading, "etcd");
    let number = |name: &str| reading.status["etcd"][name].as_u64();
    if let (Some(size), Some(quota), true) = (number("sizeBytes"), number("quotaBytes"), found.is_empty())
        && size >= quota / 5 * 4
    {
        found.push(reading.in_status(&["etcd", "sizeBytes"], format!("{size} of {quota} bytes")));
    }
    found.extend(reading.lines("pods/kube-system/", ".log", |line| line.contains("mvcc: database space exceeded")));
    found
}

pub(super) fn etcd_slow(reading: &BundleReading<'_>) -> Vec<Evidence> {
    let is_slow = |line: &str| line.contains("slow fdatasync") || line.contains("failed to send out heartbeat on time");
    let lines = reading.lines("pods/kube-system/etcd-", ".log", is_slow);
    if lines.len() >= SLOW_WRITES { lines } else { Vec::new() }
}
