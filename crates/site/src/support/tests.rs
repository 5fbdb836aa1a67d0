use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use landfall_support::redact::KEY_BYTES;
use landfall_support::{KnownValues, Redactor};
use serde_json::json;

use super::cluster::describe_secret;
use super::*;
use crate::configuration::BucketSettings;
use crate::console::AUDIT_FILE;

#[test]
fn runaway_programs_are_ended() {
    let limits = Limits { time: Duration::from_millis(500), bytes: 1000 };
    let begun = Instant::now();
    let ran = run(&["sh", "-c", "echo before; sleep 60"], &[], limits);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(ran.failure.unwrap().contains("was ended after"));
    let ran = run(&["yes", "a line"], &[], limits);
    assert!(ran.is_cut && ran.output.len() <= 1000 && ran.output.starts_with(b"a line\n"), "{}", ran.output.len());
    let ran = run(&["/no/such/program"], &[], limits);
    assert!(ran.failure.unwrap().contains("`/no/such/program` cannot be started"));
    let ran = run(&["sh", "-c", "echo out; echo err >&2; exit 3"], &[], limits);
    assert_eq!((ran.output.as_slice(), ran.is_cut), (&b"out\nerr\n"[..], false));
    assert!(ran.failure.unwrap().contains("exit status: 3"));
}

#[test]
fn tail_begins_with_whole_line() {
    let folder = tempfile::tempdir().unwrap();
    let (log, link) = (folder.path().join("0.log"), folder.path().join("1.log"));
    durable::write_file(&log, b"first line\nsecond line\nthird line\n", 0o600).unwrap();
    durable::symlink(&log, &link).unwrap();
    let tail = tail_of_file(&log, 20).unwrap();
    assert_eq!((tail.bytes.as_slice(), tail.is_cut), (&b"third line\n"[..], true));
    assert!(!tail_of_file(&log, 1000).unwrap().is_cut);
    let of_link = tail_of_file(&link, 20).unwrap_err();
    assert_eq!(of_link.raw_os_error(), Some(rustix::io::Errno::LOOP.raw_os_error()));
    assert_eq!(tail_of_file(folder.path(), 20).unwrap_err().to_string(), "it is not a plain file");
    assert_eq!(walk(folder.path(), 2, SystemTime::UNIX_EPOCH), [log]);
    assert!(walk(folder.path(), 2, SystemTime::now() + Duration::from_mins(1)).is_empty());
}

#[test]
fn cluster_secret_is_described_without_values() {
    let mut known = KnownValues::default();
    let secret = json!({
        "metadata": {"namespace": "db", "name": "db", "annotations": {"last-applied": "canary-value-9"}},
        "type": "Opaque",
        "data": {"password": STANDARD.encode("canary-value-9"), "odd": "!not base64!"},
    });
    let shown = describe_secret(&secret, &mut known);
    assert!(!shown.to_string().contains("canary") && !shown.to_string().contains("Y2Fu"), "{shown}");
    assert_eq!(shown["valueSizes"][1], json!({"key": "password", "empty": false, "kibibytes": 1}));
    let redactor = Redactor::new(known, [7; KEY_BYTES]).unwrap();
    assert!(!redactor.text("x canary-value-9 !not base64!").contains("canary"));
    assert!(!redactor.text("!not base64!").contains("not"));
}

#[test]
fn host_secrets_are_redacted() {
    let root = tempfile::tempdir().unwrap();
    let paths = SitePaths::below(root.path());
    let write = |path: std::path::PathBuf, bytes: &[u8]| {
        durable::create_folder(path.parent().unwrap()).unwrap();
        durable::write_file(&path, bytes, 0o600).unwrap();
    };
    write(
        paths.secrets().join("db/db.json"),
        br#"{"namespace":"db","name":"db","values":{"password":"canary-in-secrets"}}"#,
    );
    let given = |kind: &str, value: &str| {
        let file = json!({"namespace": "web", "name": "a", "number": 1, "kind": kind, "value": STANDARD.encode(value)});
        file.to_string().into_bytes()
    };
    let site_secrets = paths.site_secrets().join("web");
    write(site_secrets.join("a.1.json"), &given("password", "canary-given-password\n"));
    let pair = "-----BEGIN CERTIFICATE-----\npublic-part-of-it\n-----END CERTIFICATE-----\n\
        -----BEGIN PRIVATE KEY-----\ncanary-given-key\n-----END PRIVATE KEY-----\n";
    write(site_secrets.join("b.1.json"), &given("tls", pair));
    write(site_secrets.join("c.1.json"), &given("authorities", "an-authority-is-public"));
    write(paths.console().join("token.json"), br#"{"token":"canary-of-console"}"#);
    write(paths.backup_key(), b"canary-backup-key\n");
    write(paths.backup_key_next(), b"canary-next-key\n");
    write(paths.backup_keys_former(), b"canary-former-key\ncanary-earlier-key\n");
    let credentials = root.path().join("offsite.credentials");
    let keys = b"[default]\naws_access_key_id = canary-access-key\naws_secret_access_key=canary/secret=key\n";
    write(credentials.clone(), keys);
    let bucket = json!({"name": "offsite", "endpoint": "https://s3.example.com", "bucket": "backups",
        "credentials": credentials});
    let buckets: Vec<BucketSettings> = vec![serde_json::from_value(bucket).unwrap()];
    write(paths.admin_kubeconfig(), b"users:\n- user:\n    client-key-data: Y2FuYXJ5LWFkbWluLWtleQ==\n");
    let pods = paths.kubelet_mount().join("pods/1234/volumes");
    write(pods.join("kubernetes.io~secret/db/..2026/password"), b"canary-in-volume");
    write(pods.join("kubernetes.io~projected/api/..2026/token"), b"canary-in-projected-token");
    write(pods.join("kubernetes.io~projected/api/..2026/namespace"), b"kube-system");
    let environment =
        br#"{"process":{"env":["DB_PASSWORD=canary-in-env","DB_PASS=canary-of-pass","MYSQL_PWD=canary-of-pwd",
        "FERNET_KEY=canary-of-key","DATABASE_URL=postgresql://platform:canary-of-url@db:5432/platform",
        "PATH=/usr/bin:/bin","TOKEN_FILE=/run/token","TOKENIZERS_PARALLELISM=disabled-here",
        "KEYBOARD_LAYOUT=neo-german"]}}"#;
    write(paths.containers().join("one/config.json"), environment);
    let (mut known, mut unknown) = (KnownValues::default(), Vec::new());
    known_values(&paths, &buckets, &mut known, &mut unknown);
    assert!(unknown.is_empty(), "{unknown:?}");
    let redactor = Redactor::new(known, [7; KEY_BYTES]).unwrap();
    for secret in [
        "canary-in-secrets",
        "canary-of-console",
        "canary-given-password",
        "canary-given-key",
        "canary-backup-key",
        "canary-next-key",
        "canary-former-key",
        "canary-earlier-key",
        "canary-access-key",
        "canary/secret=key",
        "Y2FuYXJ5LWFkbWluLWtleQ==",
        "canary-in-volume",
        "canary-in-projected-token",
        "canary-in-env",
        "canary-of-pass",
        "canary-of-pwd",
        "canary-of-key",
        "canary-of-url",
    ] {
        assert!(!redactor.text(&format!("a {secret} b")).contains(secret), "{secret}");
    }
    let plain =
        "kube-system /usr/bin:/bin /run/token disabled-here neo-german public-part-of-it an-authority-is-public";
    assert_eq!(redactor.text(plain), plain);
}

/// The key in any part of the file is known, and the whole content if it can no longer be parsed.
#[test]
fn audit_key_is_redacted() {
    let whole = r#"{"key":"canary-of-audit-key","ledger":{"last":{"site":"site-that-exports-name"},"restarts":[]}}"#;
    let cut = &whole[..40];
    let redacted = |content: &str, text: &str| {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        durable::create_folder(&paths.console()).unwrap();
        durable::write_file(&paths.console().join(AUDIT_FILE), content.as_bytes(), 0o600).unwrap();
        let (mut known, mut unknown) = (KnownValues::default(), Vec::new());
        known_values(&paths, &[], &mut known, &mut unknown);
        assert!(unknown.is_empty(), "{unknown:?}");
        Redactor::new(known, [7; KEY_BYTES]).unwrap().text(text)
    };
    let log = "a canary-of-audit-key b site-that-exports-name c";
    assert!(redacted("{}", log).contains("canary-of-audit-key"), "it is found because the file has it");
    let shown = redacted(whole, log);
    assert!(!shown.contains("canary") && shown.contains("site-that-exports-name"), "{shown}");
    assert!(!redacted(whole, &STANDARD.encode("canary-of-audit-key")).contains("Y2FuYXJ5"));
    assert!(!redacted(cut, &format!("the file says {cut}")).contains("canary"));
}
