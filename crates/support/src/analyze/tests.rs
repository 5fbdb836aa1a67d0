use serde_json::{Value, json};

use super::*;
use crate::archive::{Head, Writer, read};
use crate::redact::{KEY_BYTES, KnownValues, Redactor};

/// Status of a site on which everything is ready, in the form of `landfall status --json`.
fn status() -> Value {
    json!({
        "kind": "status", "schema": 1, "verdict": "ready", "state": "installed", "ready": true,
        "notes": ["policies are not enforced"],
        "operation": {"operation": "install", "step": null},
        "agent": {"ready": true, "reason": null},
        "nodes": [{"name": "node-1", "ready": true, "reason": null, "pressures": []}],
        "serviceAddresses": {"ready": true, "reason": null},
        "registry": {"ready": true, "reason": null, "stagedBlobs": 80, "blobs": 80},
        "certificates": {"ready": true, "reason": null, "daysLeft": 364, "soonestEnd": "2027-11-20T07:40:00Z"},
        "clock": {"ready": true, "reason": null, "now": "2026-11-20T08:00:00Z", "earlierThan": null},
        "disk": {"ready": true, "reason": null, "freeBytes": 60_000_000_000_u64},
        "etcd": {"ready": true, "reason": null, "sizeBytes": 20 << 20, "quotaBytes": 2_u64 << 30},
        "backups": {"count": 3, "newestProven": "2026-11-20T01:40:00Z", "reason": null},
        "license": {"terms": {"permits": true, "warningDays": null, "standing": "valid", "text": "valid"}, "needs": [],
            "date": {"agrees": true}},
    })
}

fn pod(status: &Value) -> Value {
    json!({"kind": "Pod", "metadata": {"namespace": "shop", "name": "web-0", "labels": {"k8s-app": "kube-dns"}},
        "status": status})
}

fn container(state: &Value, last: &Value) -> Value {
    pod(&json!({"containerStatuses": [{"name": "web", "state": state, "lastState": last}]}))
}

fn proof(name: &str, passed: bool) -> Value {
    let failure = json!({"expected": "exit code 0", "found": "exit code 1"});
    json!({"name": name, "component": "db", "shows": "A row is read again", "passed": passed,
        "failure": (!passed).then_some(failure)})
}

/// A healthy site, to be changed in one respect.
struct Sample {
    status: Value,
    facts: Value,
    proofs: Value,
    pods: Vec<Value>,
    claims: Vec<Value>,
    logs: Vec<(&'static str, String)>,
}

fn healthy() -> Sample {
    let ready =
        json!({"conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]});
    let open = json!({"name": "inet filter forward", "accepts": ["cni0"]});
    Sample {
        status: status(),
        facts: json!({"filesystems": [{"paths": ["/"], "freeBytes": 60_000_000_000_u64, "freeInodes": 1000,
            "readOnly": false}], "network": {"closedChains": [open]}}),
        proofs: json!({"kind": "proofs", "schema": 1, "passed": true,
            "proofs": [proof("rows", true), proof("keys", true)]}),
        pods: vec![pod(&ready), container(&json!({"running": {}}), &json!({}))],
        claims: vec![json!({"metadata": {"namespace": "shop", "name": "data"}, "status": {"phase": "Bound"}})],
        // A few messages occur at every start.
        logs: vec![
            ("pods/kube-system/etcd-node-1/etcd-0.log", "slow fdatasync\n".repeat(5)),
            ("pods/kube-system/coredns-1/coredns-0.log", "[ERROR] plugin/errors: 2 a.b. A: i/o timeout\n".repeat(5)),
            ("journald/landfall-kubelet.log", "Scheduled restart job, restart counter is at 1.\n".to_owned()),
            ("journald/kernel.log", "XFS (sda1): Mounting V5 Filesystem\n".to_owned()),
            ("host/units.txt", "landfall-kubelet.service loaded active running Landfall\n".to_owned()),
        ],
    }
}

fn analyze_sample(sample: Sample) -> Analysis {
    let mut writer = Writer::new(Vec::new(), Redactor::new(KnownValues::default(), [7; KEY_BYTES]).unwrap(), 0);
    writer.add_document("status.json", sample.status).unwrap();
    writer.add_document("facts.json", sample.facts).unwrap();
    writer.add_document("proofs.json", sample.proofs).unwrap();
    writer.add_lines("cluster/pods.jsonl", sample.pods).unwrap();
    writer.add_lines("cluster/persistentvolumeclaims.jsonl", sample.claims).unwrap();
    for (name, text) in sample.logs {
        writer.add_text(name, text.as_bytes(), None).unwrap();
    }
    let head = Head {
        collected_at: "2026-11-20T08:00:00Z".to_owned(),
        landfall: "0.1.0".to_owned(),
        since_seconds: 86_400,
        unknown: Vec::new(),
        collectors: Vec::new(),
    };
    analyze(&read(&writer.finish(head).unwrap().0[..]).unwrap())
}

fn rules(analysis: &Analysis) -> Vec<&str> {
    analysis.observations.iter().map(|observation| observation.rule).collect()
}

#[test]
fn healthy_site_has_no_observations() {
    assert_eq!(analyze_sample(healthy()).observations, []);
}

/// A sample with a different value at a pointer of the status.
fn with(pointer: &str, value: Value) -> Sample {
    let mut sample = healthy();
    *sample.status.pointer_mut(pointer).unwrap() = value;
    sample
}

fn logging(name: &'static str, line: &str, count: usize) -> Sample {
    let mut sample = healthy();
    sample.logs.retain(|(known, _)| *known != name);
    sample.logs.push((name, format!("{line}\n").repeat(count)));
    sample
}

fn running(pod: Value) -> Sample {
    Sample { pods: vec![pod], ..healthy() }
}

#[test]
fn rules_match_only_their_problem() {
    let not_ready = json!({"ready": false, "reason": "for a reason"});
    let waiting = |reason: &str| container(&json!({"waiting": {"reason": reason, "message": "m"}}), &json!({}));
    let mut closed = healthy();
    closed.facts["network"]["closedChains"][0]["accepts"] = json!(["eth0"]);
    let mut full = healthy();
    full.facts["filesystems"][0]["freeInodes"] = json!(0);
    let mut failing = healthy();
    failing.proofs["proofs"][1] = proof("keys", false);
    let claim = json!({"metadata": {"namespace": "shop", "name": "data"}, "status": {"phase": "Pending"}});
    let unready = json!({"conditions": [{"type": "Ready", "status": "False"}]});
    let unfit =
        json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]});
    let mut seen: Vec<&str> = Vec::new();
    for (expected, sample) in [
        ("disk-full", with("/disk", not_ready.clone())),
        ("disk-full", with("/nodes/0/pressures", json!(["DiskPressure"]))),
        ("disk-full", full),
        ("disk-full", logging("journald/landfall-agent.log", "write /x: No space left on device", 1)),
        ("disk-fault", logging("journald/kernel.log", "blk_update_request: I/O error, dev sda, sector 1", 1)),
        ("certificate", with("/certificates", not_ready.clone())),
        ("certificate", with("/certificates/daysLeft", json!(3))),
        ("clock", with("/clock", not_ready.clone())),
        ("clock", with("/clock/earlierThan", json!("2026-12-01T00:00:00Z"))),
        ("clock", with("/license/date/agrees", json!(false))),
        ("service", with("/agent", not_ready.clone())),
        ("service", logging("host/units.txt", "landfall-containerd.service loaded failed failed Landfall", 1)),
        (
            "service-restarts",
            logging("journald/landfall-kubelet.log", "Scheduled restart job, restart counter is at 9.", 9),
        ),
        ("firewall", with("/serviceAddresses", not_ready.clone())),
        ("firewall-closed", closed),
        ("operation", with("/verdict", json!("stuck"))),
        ("cluster", with("/notes/0", json!("the cluster does not answer: timeout"))),
        ("node", with("/nodes/0/ready", json!(false))),
        ("registry", with("/registry", not_ready.clone())),
        ("registry", with("/registry/stagedBlobs", json!(79))),
        ("backup-failed", with("/backups/reason", json!("the disk is not mounted"))),
        ("backup-old", with("/backups/newestProven", json!("2026-11-15T00:00:00Z"))),
        ("backup-old", with("/backups/newestProven", json!(null))),
        ("license", with("/license/terms/permits", json!(false))),
        ("license", with("/license/terms/warningDays", json!(14))),
        ("proof", failing),
        ("etcd-full", with("/etcd", not_ready)),
        ("etcd-full", with("/etcd/sizeBytes", json!(1_900 << 20))),
        ("etcd-slow", logging("pods/kube-system/etcd-node-1/etcd-0.log", "slow fdatasync", 30)),
        ("image", running(waiting("ImagePullBackOff"))),
        ("crash", running(waiting("CrashLoopBackOff"))),
        ("memory", running(container(&json!({"running": {}}), &json!({"terminated": {"reason": "OOMKilled"}})))),
        ("memory", logging("journald/kernel.log", "Out of memory: Killed process 7 (postgres)", 1)),
        ("claim", Sample { claims: vec![claim], ..healthy() }),
        ("scheduling", running(pod(&unfit))),
        ("nameserver", running(pod(&unready))),
        ("nameserver", logging("pods/kube-system/coredns-1/coredns-0.log", "plugin/errors: 2 a: i/o timeout", 30)),
    ] {
        let analysis = analyze_sample(sample);
        assert_eq!(rules(&analysis), [expected]);
        let observation = &analysis.observations[0];
        let evidence = &observation.evidence[0];
        assert!(
            evidence.line > 0 && !evidence.text.is_empty() && observation.evidence.len() <= MAX_EVIDENCE,
            "{observation:?}"
        );
        seen.push(expected);
    }
    for rule in RULES {
        assert!(seen.contains(&rule.name), "{} has no sample", rule.name);
    }
}

#[test]
fn evidence_names_the_line() {
    let observation =
        analyze_sample(with("/disk", json!({"ready": false, "reason": "512 MiB are free"}))).observations.remove(0);
    let text =
        serde_json::to_string_pretty(&with("/disk", json!({"ready": false, "reason": "512 MiB are free"})).status)
            .unwrap();
    let line = text.lines().position(|line| line.contains("512 MiB are free")).unwrap() + 1;
    assert_eq!((observation.evidence[0].line, observation.evidence[0].text.as_str()), (line, "512 MiB are free"));
}

#[test]
fn malformed_documents_never_panic() {
    for odd in [
        json!(null),
        json!([]),
        json!("text"),
        json!({"disk": 7, "nodes": {}, "backups": [1], "license": "x", "etcd": [], "proofs": {"name": 7}}),
    ] {
        let sample = Sample {
            status: odd.clone(),
            facts: odd.clone(),
            proofs: odd.clone(),
            pods: vec![odd.clone()],
            claims: vec![odd],
            logs: Vec::new(),
        };
        assert_eq!(rules(&analyze_sample(sample)), Vec::<&str>::new());
    }
}

#[test]
fn failed_proof_is_located() {
    let mut sample = healthy();
    sample.proofs["proofs"][1] = proof("keys", false);
    let text = serde_json::to_string_pretty(&sample.proofs).unwrap();
    let line = text.lines().position(|line| line.contains("\"keys\"")).unwrap() + 1;
    let evidence = analyze_sample(sample).observations.remove(0).evidence;
    let expected = Evidence {
        file: "proofs.json".to_owned(),
        line,
        text: "keys: expected exit code 0, found exit code 1".to_owned(),
    };
    assert_eq!(evidence, [expected]);
}

#[test]
fn rules_link_to_runbooks() {
    let page = |name: &str| RULES.iter().find(|rule| rule.name == name).map(|rule| rule.page);
    for (rule, runbook) in [
        ("disk-full", "field/runbooks/full-disk"),
        ("certificate", "field/runbooks/certificate"),
        ("clock", "field/runbooks/wrong-clock"),
        ("license", "field/runbooks/expired-license"),
    ] {
        assert_eq!(page(rule), Some(runbook));
    }
}

#[test]
fn linked_pages_exist() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for rule in RULES {
        assert!(docs.join(rule.page).with_extension("md").is_file(), "{}", rule.page);
    }
}
