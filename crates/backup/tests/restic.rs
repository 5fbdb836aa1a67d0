//! Tests that plain restic reads Landfall's repositories: an exit that requires nothing of Landfall except the key.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;
use std::process::Command;

use landfall_backup::{NewBackup, Proof, Repository, RepositoryKey, Retention, StreamName};
use landfall_progress::SilentProgress;
use sha2::{Digest, Sha256};
use uuid::Uuid;

const SITE: Uuid = Uuid::from_u128(0x5117e);

/// Runs restic with the file of the key as its password file, and returns its output.
fn restic(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("restic")
        .args(["--no-cache", "--quiet", "--repo"])
        .arg(folder.join("backups"))
        .arg("--password-file")
        .arg(folder.join("key"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "restic {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn json(folder: &Path, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_slice(&restic(folder, arguments)).unwrap()
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn name(text: &str) -> StreamName {
    text.parse().unwrap()
}

/// Returns bytes that do not repeat, without a generator: a chain of digests.
fn data(seed: u8, digests: usize) -> Vec<u8> {
    let mut last = [seed; 32];
    let mut bytes = Vec::with_capacity(32 * digests);
    for _ in 0..digests {
        last = Sha256::digest(last).into();
        bytes.extend(last);
    }
    bytes
}

fn save(repository: &Repository, at: &str, data: &[u8]) -> landfall_backup::Backup {
    let (mut database, mut empty) = (Cursor::new(data), Cursor::new(b""));
    let new = NewBackup {
        kind: landfall_backup::BackupKind::Full,
        time: at.parse().unwrap(),
        facts: BTreeMap::from([("release".to_owned(), "starter".to_owned()), ("version".into(), "1.2.3".into())]),
        streams: vec![(name("postgres/database"), &mut database), (name("empty"), &mut empty)],
        documents: vec![(name("site.json"), b"{}".to_vec())],
    };
    repository.save(new).unwrap()
}

#[test]
#[ignore = "needs restic, which `cargo xtask test` installs"]
fn restic_reads_every_stream() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let key = RepositoryKey::generate();
    key.write_new(&folder.join("key")).unwrap();
    let repository = Repository::create(&folder.join("backups"), SITE, &key).unwrap();
    let (older, newer) = (data(1, 700_000), data(2, 300_000));
    save(&repository, "2026-11-20T12:00:00Z", &older);
    let second = save(&repository, "2026-11-21T12:00:00Z", &newer);
    let proof = Proof { time: "2026-11-21T20:00:00Z".parse().unwrap(), report: "restored".into() };
    repository.mark_proven(second.id, proof).unwrap();

    let listed = json(folder, &["snapshots", "--json"]);
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[1]["hostname"], SITE.to_string());
    assert_eq!(listed[1]["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap(), second.time);
    let tags: Vec<&str> = listed[1]["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    assert_eq!(tags, ["landfall", "proven=2026-11-21T20:00:00Z", "release=starter", "sequence=2", "version=1.2.3"]);

    restic(folder, &["check", "--read-data"]);
    for (snapshot, database) in [(&listed[0], &older), (&listed[1], &newer)] {
        let id = snapshot["id"].as_str().unwrap();
        let files = String::from_utf8(restic(folder, &["ls", "--long", id])).unwrap();
        assert!(files.contains(&format!(" {} ", database.len())), "no size in {files}");
        let streams: [(&str, &[u8]); 3] = [("postgres/database", database), ("empty", b""), ("site.json", b"{}")];
        let target = folder.join(format!("restored-{id}"));
        restic(folder, &["restore", id, "--target", target.to_str().unwrap()]);
        for (stream, bytes) in streams {
            let dumped = restic(folder, &["dump", id, &format!("/{stream}")]);
            assert_eq!(digest(&dumped), digest(bytes), "dump of {stream}");
            assert_eq!(digest(&std::fs::read(target.join(stream)).unwrap()), digest(bytes), "restore of {stream}");
        }
    }
}

#[test]
#[ignore = "needs restic, which `cargo xtask test` installs"]
fn restic_reads_copy_with_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    let key = RepositoryKey::generate();
    let make = |folder: &Path| {
        std::fs::create_dir(folder).unwrap();
        key.write_new(&folder.join("key")).unwrap();
        Repository::create(&folder.join("backups"), SITE, &key).unwrap()
    };
    let (source, copies) = (make(&here), make(&there));
    let rows = data(4, 500_000);
    for at in ["2026-11-20T12:00:00Z", "2026-11-21T12:00:00Z"] {
        let saved = save(&source, at, &rows);
        source.copy_to(saved.id, &copies).unwrap();
    }
    restic(&there, &["check", "--read-data"]);
    let listed = json(&there, &["snapshots", "--json"]);
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    for id in ids {
        assert_eq!(digest(&restic(&there, &["dump", id, "/postgres/database"])), digest(&rows));
    }
}

#[test]
#[ignore = "needs restic, which `cargo xtask test` installs"]
fn restic_rewrite_keeps_the_backup() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let key = RepositoryKey::generate();
    key.write_new(&folder.join("key")).unwrap();
    let repository = Repository::create(&folder.join("backups"), SITE, &key).unwrap();
    let rows = data(3, 100_000);
    let saved = save(&repository, "2026-11-20T12:00:00Z", &rows);
    let proof = Proof { time: "2026-11-21T20:00:00Z".parse().unwrap(), report: "restored".into() };
    let marked = repository.mark_proven(saved.id, proof).unwrap();
    restic(folder, &["tag", "--add", "precious"]);

    let listed = repository.backups().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id, listed[0].time, &listed[0].facts), (saved.id, saved.time, &marked.facts));
    let sizes = |backup: &landfall_backup::Backup| -> Vec<(StreamName, u64)> {
        backup.streams.iter().map(|stream| (stream.name.clone(), stream.size_bytes)).collect()
    };
    assert_eq!(sizes(&listed[0]), sizes(&saved));
    assert_eq!(listed[0].proof.as_ref().map(|proof| proof.time), marked.proof.map(|proof| proof.time));
    let mut bytes = Vec::new();
    repository
        .open_backup(saved.id)
        .unwrap()
        .read(&name("postgres/database"))
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    assert!(bytes == rows);
    assert_eq!(repository.check(&SilentProgress).unwrap(), []);
    // restic accepts the result of Landfall's prune.
    save(&repository, "2026-11-22T12:00:00Z", &data(4, 100_000));
    let retention = Retention { hourly: 0, daily: 1, weekly: 0, monthly: 0, log_days: 7 };
    assert_eq!(repository.forget(retention).unwrap().dropped, []);
    restic(folder, &["check", "--read-data"]);
    assert_eq!(repository.check(&SilentProgress).unwrap(), []);
}

#[test]
#[ignore = "needs restic, which `cargo xtask test` installs"]
fn restic_refuses_the_former_key() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (former, new) = (RepositoryKey::generate(), RepositoryKey::generate());
    former.write_new(&folder.join("key")).unwrap();
    let repository = Repository::create(&folder.join("backups"), SITE, &former).unwrap();
    let rows = data(5, 100_000);
    save(&repository, "2026-11-20T12:00:00Z", &rows);
    repository.admit(&new).unwrap();
    restic(folder, &["check"]);
    // A password that someone added stays, and is listed.
    former.write_new(&folder.join("former")).unwrap();
    landfall_media::durable::write_file(&folder.join("own"), b"a person's password", 0o600).unwrap();
    restic(folder, &["key", "add", "--new-password-file", folder.join("own").to_str().unwrap()]);
    std::fs::remove_file(folder.join("key")).unwrap();
    new.write_new(&folder.join("key")).unwrap();
    let repository = Repository::open(&folder.join("backups"), SITE, &new).unwrap();
    assert_eq!(repository.shut_out(std::slice::from_ref(&former)).unwrap(), 1);

    restic(folder, &["check", "--read-data"]);
    let listed = json(folder, &["snapshots", "--json"]);
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!(digest(&restic(folder, &["dump", id, "/postgres/database"])), digest(&rows));
    let refused = Command::new("restic")
        .args(["--no-cache", "snapshots", "--repo"])
        .arg(folder.join("backups"))
        .arg("--password-file")
        .arg(folder.join("former"))
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("wrong password or no key found"), "{said}");
}
