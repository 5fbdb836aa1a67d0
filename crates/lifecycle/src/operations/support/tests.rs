use std::fmt::Write as _;
use std::io::BufWriter;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use landfall_error_codes::{CodedError, codes};
use landfall_media::durable;
use landfall_support::redact::KEY_BYTES;
use landfall_support::{KnownValues, Redactor, archive};
use serde_json::json;

use super::host::log_name;
use super::{Collection, Writer};
use crate::operations::testing::operations;
use landfall_site::console::{AuditRecord, ConsoleFiles};

const CANARIES: usize = 1000;

/// Returns a value that only this test contains, with characters that each encoding writes differently.
fn canary(number: usize) -> String {
    format!("canary/{number:04}+\"Zq{}", number * 7919)
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _infallible = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[test]
fn support_bundle_contains_no_secrets() {
    let (root, operations) = operations();
    let paths = &operations.paths;
    let write = |path: std::path::PathBuf, bytes: &[u8]| {
        durable::create_folder(path.parent().unwrap()).unwrap();
        durable::write_file(&path, bytes, 0o600).unwrap();
    };
    let values: std::collections::BTreeMap<_, _> =
        (0..CANARIES).map(|number| (format!("key{number}"), canary(number))).collect();
    write(
        paths.secrets().join("db/db.json"),
        json!({"namespace": "db", "name": "db", "values": values}).to_string().as_bytes(),
    );
    let mut log = String::new();
    for canary in values.values() {
        let form = [canary.clone(), STANDARD.encode(canary), percent(canary), json!(canary).to_string()];
        let encoded = STANDARD.encode(format!("user:{canary}"));
        let _infallible =
            writeln!(log, "2026 plain {} url {} json {} b64 {} basic {encoded}", form[0], form[2], form[3], form[1]);
    }
    write(paths.pod_logs().join("db_postgres-0_1234/postgres/0.log"), log.as_bytes());
    write(paths.logs().join("20261120-install.log"), log.as_bytes());
    let file = root.path().join("support.tar.gz");
    let collected = operations.collect_support(&file, Duration::from_hours(1)).unwrap();
    assert!(collected.known_values >= CANARIES && !collected.unknown.is_empty(), "{collected:?}");
    let contents = archive::read(&fs_err::read(&file).unwrap()[..]).unwrap();
    let log = &contents.files["pods/db/postgres-0/postgres-0.log"];
    assert_eq!(log.split(|byte| *byte == b'\n').count() - 1, CANARIES);
    assert!(
        contents.files.contains_key("operations/20261120-install.log") && contents.files.contains_key("status.json")
    );
    for (name, bytes) in &contents.files {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("canary") && !text.contains("Zq"), "{name}");
        for canary in values.values() {
            let core = &STANDARD.encode(canary)[4..16];
            assert!(!text.contains(core), "{name}: {canary}");
        }
    }
    // A site without a cluster and without journals can still be collected.
    let cluster = collected.collectors.iter().find(|one| one.name == "cluster").unwrap();
    assert_eq!(cluster.failures, ["there is no cluster on this machine"]);
    let names: Vec<_> = collected.collectors.iter().map(|one| one.name.as_str()).collect();
    let proofs = names.iter().position(|name| *name == "proofs").unwrap();
    assert_eq!((names[proofs - 1], names[proofs + 1]), ("metrics", "host"), "what is small comes first");
    assert_eq!(collected.collectors[proofs].failures, ["no release is installed on this machine"]);
    let again = operations.collect_support(&file, Duration::from_hours(1)).unwrap_err();
    assert_eq!(again.code(), codes::SUPPORT_EXISTS);
}

/// The key of the audit log is in one file of the host and in a log that quotes it in every usual form. No bundle may
/// contain it.
#[test]
fn support_bundle_omits_audit_key() {
    let (root, operations) = operations();
    let paths = &operations.paths;
    let files = ConsoleFiles::of(paths);
    AuditRecord::ensure(&files).unwrap();
    let path = paths.console().join("audit.json");
    let content = fs_err::read_to_string(&path).unwrap();
    let record: serde_json::Value = serde_json::from_str(&content).unwrap();
    let pem = record["key"].as_str().unwrap();
    let lines: Vec<_> = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    assert!(pem.contains("PRIVATE KEY") && lines.len() == 3, "the canaries are those of a key");
    let quoted = json!(content).to_string();
    let mut log = format!("read {content}\nquoted {quoted}\ntwice {}\nkey {pem}\n", json!(quoted));
    let forms = [pem.to_owned(), STANDARD.encode(pem), percent(pem), json!(pem).to_string()];
    for (number, form) in forms.iter().enumerate() {
        let _infallible = writeln!(log, "form {number}: {form}");
    }
    for line in &lines {
        let _infallible = writeln!(log, "line {line} b64 {} url {}", STANDARD.encode(line), percent(line));
    }
    let unaware = Redactor::new(KnownValues::default(), [7; KEY_BYTES]).unwrap().text(&log);
    assert!(lines.iter().all(|line| unaware.contains(line)), "patterns alone do not find the lines of a key");
    durable::create_folder(&paths.logs()).unwrap();
    durable::write_file(&paths.logs().join("20261120-install.log"), log.as_bytes(), 0o600).unwrap();
    let pod = paths.pod_logs().join("landfall-console_console-0_1234/console/0.log");
    durable::create_folder(pod.parent().unwrap()).unwrap();
    durable::write_file(&pod, log.as_bytes(), 0o600).unwrap();
    let file = root.path().join("support.tar.gz");
    operations.collect_support(&file, Duration::from_hours(1)).unwrap();
    let contents = archive::read(&fs_err::read(&file).unwrap()[..]).unwrap();
    assert!(contents.files.contains_key("operations/20261120-install.log"));
    assert!(contents.files.contains_key("pods/landfall-console/console-0/console-0.log"));
    for (name, bytes) in &contents.files {
        assert!(!name.contains("audit.json"), "{name}");
        let text = String::from_utf8_lossy(bytes);
        for line in &lines {
            assert!(!text.contains(line), "{name}: {line}");
            // Any 24 characters of it would be a significant part of the key.
            for at in (0..line.len() - 24).step_by(8) {
                assert!(!text.contains(&line[at..at + 24]), "{name}: from {at} of {line}");
            }
            let core = &STANDARD.encode(line)[4..40];
            assert!(!text.contains(core), "{name}: {core}");
        }
    }
}

#[test]
fn pod_logs_are_named_by_container() {
    assert_eq!(log_name("pods", "db_postgres-0_1234-5678/postgres/3.log"), "pods/db/postgres-0/postgres-3.log");
    assert_eq!(log_name("operations", "install.log"), "operations/install.log");
    assert_eq!(log_name("operations", "a/events"), "operations/a/events.log");
}

#[test]
fn late_collector_is_recorded_as_skipped() {
    let (root, operations) = operations();
    let output = BufWriter::new(durable::create_file(&root.path().join("bundle"), 0o600).unwrap());
    let redactor = Redactor::new(KnownValues::default(), [7; KEY_BYTES]).unwrap();
    let writer = Writer::new(output, redactor, 0);
    let mut collection = Collection { writer, collectors: Vec::new(), until: Instant::now() };
    operations.collect(&mut collection, "pods", |_, brought| brought.add_failure("it ran")).unwrap();
    let [pods] = collection.collectors.as_slice() else { panic!("{:?}", collection.collectors) };
    assert_eq!(pods.name, "pods");
    assert_eq!(pods.failures, ["left out: the collectors before it took all of the time"]);
}
