use proptest::prelude::*;
use serde_json::{Value, json};

use crate::ReleaseDocument;

fn blob() -> Value {
    json!({ "mediaType": "application/octet-stream", "digest": format!("sha256:{}", "ab".repeat(32)), "size": 3 })
}

fn backup_rule(name: &str) -> Value {
    json!({
        "name": name, "workload": { "kind": "StatefulSet", "name": "db" }, "container": "db", "volume": name,
        "limit_seconds": 60, "save": ["dump"], "load": ["fill"],
        "marker": { "write": ["set", "%{marker}"], "read": ["get"] },
    })
}

fn good() -> Value {
    let file = |path: &str, links: Value| json!({ "path": path, "blob": blob(), "links": links });
    json!({
        "type": "landfall.dev/release/1", "name": "shop", "version": "1.0.0", "counter": 1, "assembled": false,
        "platform": "linux/amd64",
        "node_packs": [{ "kubernetes": "v1.36.3", "artifacts": ["node"], "images": { "pause": "k8s.io/pause:3" },
            "glibc": "2.34" }],
        "images": [{ "reference": "k8s.io/pause:3", "manifest": blob(), "config": blob(), "layers": [blob()] }],
        "artifacts": [{
            "name": "node", "kind": "node", "reference": "landfall.internal/node:1", "manifest": blob(),
            "config": blob(), "files": [file("bin/tool", json!(["alias"])), file("other", json!([]))],
        }],
        "components": [
            { "name": "dns", "namespace": "kube-system", "needs": [], "objects": "documents/objects/dns.json",
              "pod_security": "baseline", "ready_seconds": 60 },
            { "name": "db", "namespace": "db", "needs": ["dns"], "objects": "documents/objects/db.json",
              "pod_security": "restricted", "ready_seconds": 60, "quota": { "requests.memory": "2Gi" },
              "secrets": [{ "name": "db-login", "random": { "password": 32 }, "fixed": { "user": "app" }, "copies": {} }],
              "mounts": [{ "artifact": "node", "claim": "tools" }], "entitlement": "rows",
              "editable": [{ "kind": "ConfigMap", "name": "db", "path": "/data" }],
              "data": "kept", "backup": [backup_rule("rows"), backup_rule("blobs")] },
        ],
        "soak_seconds": 300,
        "upgrades": [{ "from": "0.9.0" }, { "from": "0.8.0", "through": "0.9.0" }],
        "values": [{ "name": "db.storage", "schema": {}, "targets": [
            { "component": "db", "kind": "StatefulSet", "name": "system:db", "path": "/spec/size" }] }],
        "requirements": { "cores": 2, "memory_bytes": 1_u64 << 33, "data_bytes": 0, "gpus": {
            "count": 2, "memory_bytes": 24_u64 << 30, "compute_capability": "8.9", "driver": "570.86.15",
            "mig": "whole",
            "plugin": { "mig_strategy": "db.storage" } } },
        "rules": [{ "name": "enough", "severity": "blocker", "require": "facts.cores > 1", "message": "Too few",
            "measured": { "cel": "facts.cores" }, "threshold": "2", "fix": "Buy more.", "commands": ["lscpu"] }],
        "proofs": [{ "name": "rows", "component": "db", "shows": "Rows are read", "limit_seconds": 30,
            "trial": { "command": {
            "workload": { "kind": "StatefulSet", "name": "db" }, "container": "db", "arguments": ["true"],
            "expect": { "exit_code": 0 } } } }, {
            "name": "answers", "component": "db", "shows": "It answers", "limit_seconds": 30, "trial": { "request": {
            "service": "db", "port": 80, "method": "GET", "path": "/", "expect": { "status": 200 } } } }],
        "signatures": [{ "image": "k8s.io/pause:3", "subject": blob(), "kind": "signature", "manifest": blob(),
            "tag": format!("sha256-{}.sig", "ab".repeat(32)), "blobs": [blob()], "keys": ["cd".repeat(32)],
            "predicates": ["https://slsa.dev/provenance/v1"] }],
    })
}

fn node_packs<const N: usize>(versions: [&str; N]) -> Value {
    versions.iter().map(|version| json!({ "kubernetes": version, "artifacts": [], "images": {} })).collect()
}

fn refusal(document: &Value) -> Option<String> {
    let refused = ReleaseDocument::read(&serde_json::to_vec(document).unwrap()).err()?;
    Some(std::error::Error::source(&refused).map_or_else(|| refused.to_string(), ToString::to_string))
}

/// Every place of the document with a name, and texts that are invalid there.
const PLACES: &[&str] = &[
    "/name",
    "/version",
    "/platform",
    "/node_packs/0/kubernetes",
    "/node_packs/0/artifacts/0",
    "/node_packs/0/images/pause",
    "/node_packs/0/glibc",
    "/images/0/reference",
    "/images/0/manifest/mediaType",
    "/artifacts/0/name",
    "/artifacts/0/reference",
    "/artifacts/0/files/0/path",
    "/artifacts/0/files/0/links/0",
    "/components/1/name",
    "/components/1/namespace",
    "/components/1/needs/0",
    "/components/1/objects",
    "/components/1/quota/requests.memory",
    "/components/1/secrets/0/name",
    "/components/1/mounts/0/artifact",
    "/components/1/mounts/0/claim",
    "/components/1/entitlement",
    "/components/1/editable/0/kind",
    "/components/1/editable/0/name",
    "/components/1/editable/0/path",
    "/components/1/backup/0/name",
    "/components/1/backup/0/workload/name",
    "/components/1/backup/0/container",
    "/components/1/backup/0/volume",
    "/upgrades/0/from",
    "/upgrades/1/through",
    "/values/0/name",
    "/values/0/targets/0/component",
    "/values/0/targets/0/kind",
    "/values/0/targets/0/name",
    "/values/0/targets/0/path",
    "/proofs/0/name",
    "/proofs/0/component",
    "/proofs/0/trial/command/workload/name",
    "/proofs/0/trial/command/container",
    "/proofs/1/trial/request/service",
    "/proofs/1/trial/request/path",
    "/signatures/0/image",
    "/signatures/0/tag",
];

#[test]
fn hostile_names_are_refused() {
    assert_eq!(refusal(&good()), None);
    let long = "a".repeat(1 << 20);
    for place in PLACES {
        for bad in ["", "..", "../../etc/passwd", "a/../../b", "\u{1b}[32mverified\u{1b}[0m", "a\nb", "a\0b", &long] {
            let mut document = good();
            *document.pointer_mut(place).unwrap() = bad.into();
            let reason = refusal(&document).unwrap_or_else(|| panic!("{place} takes {bad:.40?}"));
            assert!(reason.len() < 1000 && !reason.chars().any(char::is_control), "{place}: {reason}");
        }
    }
}

#[test]
fn contradictory_documents_are_refused() {
    for (place, value, expected) in [
        ("/artifacts/0/files/1/path", json!("bin/tool"), "the path `bin/tool` twice"),
        ("/artifacts/0/files/1/path", json!("bin/alias"), "the path `bin/alias` twice"),
        ("/artifacts/0/files/1/path", json!("bin"), "a file and a folder of one name"),
        ("/artifacts/0/files/0/links", json!(["a/b"]), "the link `a/b`"),
        ("/artifacts/0/kind", json!("model"), "not an artifact for nodes"),
        ("/components/0/needs", json!(["db"]), "before `db`, which it needs"),
        ("/components/0/name", json!("db"), "the component `db` twice"),
        ("/components/0/ready_seconds", json!(1_u64 << 40), "to become ready"),
        ("/components/1/secrets/0/random/password", json!(0), "a random value of 0 characters"),
        ("/components/1/secrets/0/random/password", json!(1 << 30), "a random value of"),
        ("/components/1/secrets/0/fixed", json!({ "../x": "" }), "the key `../x`"),
        (
            "/components/1/secrets/0/copies",
            json!({ "own": { "namespace": "db", "secret": "db-login", "key": "password" } }),
            "a copy of `password`, which no earlier component generates",
        ),
        ("/components/1/data", json!("none"), "a backup rule without data in component db"),
        ("/components/1/name", json!("cluster"), "a backup rule in a component named cluster"),
        ("/components/1/backup", json!([]), "data without a backup rule in component db"),
        ("/components/1/backup/1/name", json!("rows"), "the backup rule `rows` twice"),
        ("/components/1/backup/1/volume", json!("rows"), "a second backup rule for the volume rows of component db"),
        (
            "/components/1/backup/0/limit_seconds",
            json!(0),
            "a limit of 0 seconds, where 1 to 86400 are allowed in backup rule",
        ),
        ("/components/1/backup", (0..17).map(|number| backup_rule(&format!("r{number}"))).collect(), "17 backup rules"),
        ("/upgrades/0/from", json!("1.0.0"), "`1.0.0`, which is the release itself in its upgrades"),
        ("/upgrades/1/through", json!("0.7.0"), "`0.7.0`, which is not a `from` of the list in its upgrades"),
        ("/soak_seconds", json!(0), "a soak of 0 seconds, where 1 to 86400 are allowed"),
        ("/soak_seconds", json!(86_401), "a soak of 86401 seconds"),
        ("/requirements/memory_bytes", json!(u64::MAX), "a requirement of"),
        ("/requirements/gpus/count", json!(0), "a requirement of 0 GPUs"),
        ("/requirements/gpus/memory_bytes", json!(u64::MAX), "bytes for each GPU"),
        ("/requirements/gpus/compute_capability", json!("8"), "`8`, which is not a compute capability"),
        ("/requirements/gpus/driver", json!("new"), "`new`, which is not a version of a driver"),
        (
            "/requirements/gpus/plugin",
            json!({ "replicas": "a.b" }),
            "the value `a.b` of its device plugin, which it does not",
        ),
        ("/rules/0/name", json!("Enough"), "the rule `Enough`"),
        ("/rules/0/require", json!("a".repeat(2049)), "an expression of 2049 bytes"),
        ("/rules/0/measured", json!({ "cel": "" }), "an expression of 0 bytes"),
        ("/rules/0/fix", json!("one\ntwo"), "which is not one line in `fix` of rule enough"),
        ("/rules/0/message", json!(""), "a text of 0 bytes"),
        ("/rules/0/commands", json!(["a", "b", "c", "d", "e", "f", "g", "h", "i"]), "9 commands"),
        ("/images/0/config/size", json!(1_u64 << 50), "a blob of"),
        ("/proofs/1/name", json!("rows"), "the proof `rows` twice"),
        ("/proofs/0/component", json!("web"), "the component `web` of proof rows"),
        ("/proofs/0/limit_seconds", json!(0), "a limit of 0 seconds"),
        ("/signatures/0/image", json!("k8s.io/none:1"), "a signature of `k8s.io/none:1`, which it does not have"),
        ("/signatures/0/tag", json!(format!("sha256-{}.sig", "cd".repeat(32))), "of a signature of k8s.io/pause:3"),
        ("/signatures/0/tag", json!(format!("sha256-{}", "ab".repeat(32))), "of a signature of k8s.io/pause:3"),
        ("/signatures/0/tag", json!("latest"), "the tag `latest` of a signature"),
        ("/signatures/0/kind", json!("referrers"), "of a signature of k8s.io/pause:3"),
        ("/signatures/0/predicates", json!(["a".repeat(513)]), "the predicate `aaa"),
        ("/signatures/0/subject/size", json!(1_u64 << 50), "a blob of"),
        ("/node_packs/0/images/pause", json!("k8s.io/none:1"), "which the release does not have"),
        ("/node_packs/0/glibc", json!("2.34.1"), "`2.34.1`, which is not a version of glibc"),
        ("/node_packs", node_packs(["v1.36.3", "v1.38.0"]), "and Kubernetes cannot skip v1.37 in its node packs"),
    ] {
        let mut document = good();
        *document.pointer_mut(place).unwrap() = value;
        let reason = refusal(&document).unwrap_or_else(|| panic!("{place} is accepted"));
        assert!(reason.contains(expected), "{place}: {reason}");
    }
}

/// Fuzzing begins with this seed, so that it reaches every field.
#[test]
fn fuzz_seed_is_valid() {
    let seed = include_bytes!("../../../../tests/fuzz/seeds/release.json");
    assert_eq!(refusal(&serde_json::from_slice(seed).unwrap()), None);
}

proptest! {
    #[test]
    fn accepted_paths_stay_in_folder(path in "[a-z./]{0,10}", link in "[a-z./]{0,6}") {
        let mut document = good();
        document["artifacts"][0]["files"][0]["path"] = path.clone().into();
        document["artifacts"][0]["files"][0]["links"][0] = link.clone().into();
        if refusal(&document).is_none() {
            let folder = std::path::Path::new("/folder");
            for joined in [folder.join(&path), folder.join(&path).with_file_name(&link)] {
                let inside = joined.components().skip(2);
                prop_assert!(joined.starts_with(folder) && joined != folder, "{joined:?}");
                prop_assert!(inside.clone().all(|part| matches!(part, std::path::Component::Normal(_))), "{joined:?}");
            }
        }
    }

    #[test]
    fn accepted_text_has_no_control_characters(place in prop::sample::select(PLACES), text in "\\PC{0,12}|.{0,8}") {
        let mut document = good();
        *document.pointer_mut(place).unwrap() = text.clone().into();
        if refusal(&document).is_none() {
            prop_assert!(!text.chars().any(char::is_control), "{place}: {text:?}");
        }
    }
}
