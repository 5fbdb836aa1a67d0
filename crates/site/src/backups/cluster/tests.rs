use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::Mutex;

use landfall_backup::{BackupKind, NewBackup, OpenBackup};
use landfall_cluster::{ClusterError, ListedKind};
use landfall_engine::step::StepError;
use landfall_error_codes::{CodedError, codes};
use landfall_host::command::{CommandOutput, CommandRunner, HostCommand, Input};
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use landfall_media::progress::SilentProgress;
use serde_json::{Value, json};

use super::objects::ObjectStream;
use super::scratch::Scratch;
use super::{ETCD, EtcdTrial, OBJECTS, etcd, name, read_objects};
use crate::backups::BackupFolder;
use crate::backups::folder::tests::host;
use crate::testing::Notes;

fn object(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "team"}})
}

fn listed_kind(kind: &str, names: &[&str]) -> ListedKind {
    let objects = names.iter().map(|name| object(kind, name)).collect();
    ListedKind { kind: format!("v1 {kind}"), objects, ..ListedKind::default() }
}

/// Returns the lines of these kinds, read in pieces of this many bytes.
fn lines(kinds: Vec<Result<ListedKind, ClusterError>>, piece: usize) -> io::Result<Vec<u8>> {
    let (notes, mut lines) = (Notes::default(), Vec::new());
    let mut stream = ObjectStream::new(kinds.into_iter(), &notes);
    let mut buffer = vec![0; piece];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(lines),
            read => lines.extend_from_slice(&buffer[..read]),
        }
    }
}

#[test]
fn listed_objects_round_trip() {
    let kinds = || {
        let unreadable = ListedKind {
            kind: "example.com/v1 Widget".to_owned(),
            unreadable: Some("500 InternalError: no conversion".to_owned()),
            ..ListedKind::default()
        };
        let left_out = ListedKind { left_out: ["it passes"].into(), ..listed_kind("Event", &[]) };
        vec![Ok(listed_kind("ConfigMap", &["a", "b"])), Ok(left_out), Ok(unreadable), Ok(listed_kind("Secret", &["c"]))]
    };
    let written = lines(kinds(), 7).unwrap();
    assert_eq!(written, lines(kinds(), 1 << 20).unwrap());
    let mut found = Vec::new();
    let read = read_objects(&written[..], |object| {
        found.push(object);
        Ok(())
    })
    .unwrap();
    assert_eq!(found, [object("ConfigMap", "a"), object("ConfigMap", "b"), object("Secret", "c")]);
    assert_eq!((read.totals(), read.difference()), ((3, 2), None));
    assert_eq!(read.unreadable().collect::<Vec<_>>(), ["example.com/v1 Widget"]);
    let last = String::from_utf8(written).unwrap().lines().last().unwrap().to_owned();
    insta::assert_snapshot!(last, @r#"{"landfallListing":{"counts":{"v1 ConfigMap":2,"v1 Secret":1},"leftOut":{"v1 Event":["it passes"]},"unreadable":{"example.com/v1 Widget":"500 InternalError: no conversion"}}}"#);
}

#[test]
fn failed_list_ends_the_stream() {
    let failed = ClusterError::UnknownKind { api_version: "v1".to_owned(), kind: "Secret".to_owned() };
    let error = lines(vec![Ok(listed_kind("ConfigMap", &["a"])), Err(failed)], 64).unwrap_err();
    assert!(error.to_string().contains("kind Secret"), "{error}");
}

#[test]
fn lost_and_malformed_objects_are_found() {
    let text = String::from_utf8(lines(vec![Ok(listed_kind("ConfigMap", &["a", "b"]))], 64).unwrap()).unwrap();
    let all: Vec<&str> = text.lines().collect();
    let read = |kept: &[&str]| read_objects(kept.join("\n").as_bytes(), |_| Ok(()));
    assert_eq!(read(&all).unwrap().difference(), None);
    let lost = read(&[all[0], all[2]]).unwrap().difference().unwrap();
    assert_eq!(lost, "1 of the kind v1 ConfigMap, where 2 were listed");
    let surplus = [all[0], all[1], &object("Secret", "c").to_string(), all[2]].map(str::to_owned);
    let surplus = read(&surplus.each_ref().map(String::as_str)).unwrap().difference().unwrap();
    assert_eq!(surplus, "1 of the kind v1 Secret, where 0 were listed");
    assert!(read(&all[..2]).unwrap().difference().unwrap().contains("without saying"));
    let empty = lines(Vec::new(), 64).unwrap();
    assert_eq!(read_objects(&empty[..], |_| Ok(())).unwrap().difference().as_deref(), Some("no objects"));
    for malformed in [&[all[0], "{"][..], &["{}"], &[all[2], all[0]], &[r#"{"landfallListing": {"more": 1}}"#]] {
        assert_eq!(read(malformed).unwrap_err().code(), codes::BACKUP_DAMAGED, "{malformed:?}");
    }
}

/// Fake of etcd's tools: a snapshot is its revision as text.
#[derive(Default)]
struct Etcd {
    revision: u64,
    /// Verb that fails.
    failing: Option<&'static str>,
    ran: Mutex<Vec<String>>,
}

impl Etcd {
    fn of(&self, command: &HostCommand) -> io::Result<CommandOutput> {
        let arguments: Vec<String> =
            command.arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
        let at = arguments.iter().position(|argument| argument == "snapshot").unwrap();
        let (verb, file) = (arguments[at + 1].as_str(), PathBuf::from(&arguments[at + 2]));
        self.ran.lock().unwrap().push(verb.to_owned());
        if self.failing == Some(verb) {
            return Ok(CommandOutput {
                success: false,
                stderr: b"checksum mismatch".to_vec(),
                ..CommandOutput::default()
            });
        }
        let mut stdout = Vec::new();
        match verb {
            "save" => durable::write_file(&file, self.revision.to_string().as_bytes(), 0o644).unwrap(),
            "status" => {
                let revision: u64 = fs_err::read_to_string(&file)?.parse().unwrap();
                let status = json!({"hash": revision + 7, "revision": revision, "totalKey": 3, "totalSize": 9,
                    "version": "3.6.0"});
                stdout = status.to_string().into_bytes();
            }
            _ => {
                let folder = PathBuf::from(arguments.last().unwrap()).join("member/snap");
                durable::create_folder(&folder).unwrap();
                durable::write_file(&folder.join("db"), &fs_err::read(&file)?, 0o600).unwrap();
            }
        }
        Ok(CommandOutput { success: true, stdout, ..CommandOutput::default() })
    }
}

impl CommandRunner for Etcd {
    fn run(&self, command: &HostCommand, _input: Option<Input<'_>>) -> io::Result<CommandOutput> {
        self.of(command)
    }
}

fn place_tools(paths: &SitePaths) {
    durable::create_folder(&paths.node_link()).unwrap();
    for tool in ["etcdctl", "etcdutl"] {
        durable::write_file(&paths.node_link().join(tool), b"", 0o755).unwrap();
    }
}

/// Returns a backup with this snapshot of etcd.
fn backup(paths: &SitePaths, bytes: &[u8]) -> OpenBackup {
    let repository = BackupFolder::of(paths).open_or_create().unwrap();
    let mut bytes = bytes;
    let streams: Vec<(_, &mut dyn io::Read)> = vec![(name(ETCD).unwrap(), &mut bytes)];
    let new = NewBackup {
        kind: BackupKind::Full,
        time: jiff::Timestamp::UNIX_EPOCH,
        facts: std::collections::BTreeMap::new(),
        streams,
        documents: Vec::new(),
    };
    let saved = repository.save(new).unwrap();
    repository.open_backup(saved.id).unwrap()
}

#[test]
fn etcd_snapshot_opens_and_leaves_nothing() {
    let (_root, paths) = host();
    place_tools(&paths);
    let etcd = Etcd { revision: 42, ..Etcd::default() };
    let scratch = Scratch::begin(&paths).unwrap();
    let mut taken = etcd::take(&paths, &etcd, &scratch, &SilentProgress).unwrap().unwrap();
    let mut bytes = Vec::new();
    taken.file.read_to_end(&mut bytes).unwrap();
    assert_eq!((bytes.as_slice(), taken.status.revision, taken.status.keys), (&b"42"[..], 42, 3));
    drop(scratch);
    assert!(!paths.backup_scratch().exists());

    let backup = backup(&paths, &bytes);
    let tried = |etcd: &Etcd| -> Result<(), StepError> {
        let trial = EtcdTrial::begin(&paths, etcd, &SilentProgress)?;
        trial.is_whole(&backup, &taken.status)?;
        trial.opens(&taken.status)
    };
    tried(&etcd).unwrap();
    assert!(!paths.backup_scratch().exists());
    assert_eq!(*etcd.ran.lock().unwrap(), ["save", "status", "status", "restore", "status"]);
    for failing in ["status", "restore"] {
        let error = tried(&Etcd { failing: Some(failing), ..Etcd::default() }).unwrap_err();
        assert_eq!(error.code(), codes::RESTORE_LOAD);
        assert!(error.to_string().contains("checksum mismatch"), "{error}");
    }
    durable::remove_file(&paths.node_link().join("etcdutl")).unwrap();
    assert_ne!(tried(&etcd).unwrap_err().code(), codes::RESTORE_LOAD, "it says nothing of the backup");
}

#[test]
fn different_etcd_snapshot_is_found() {
    let (_root, paths) = host();
    place_tools(&paths);
    let etcd = Etcd { revision: 42, ..Etcd::default() };
    let scratch = Scratch::begin(&paths).unwrap();
    let status = etcd::take(&paths, &etcd, &scratch, &SilentProgress).unwrap().unwrap().status;
    drop(scratch);
    let other = backup(&paths, b"41");
    let error = EtcdTrial::begin(&paths, &etcd, &SilentProgress).unwrap().is_whole(&other, &status).unwrap_err();
    assert_eq!(error.code(), codes::RESTORE_LOAD);
    insta::assert_snapshot!(error, @"it has hash 00000030, revision 41 and 3 keys, and hash 00000031, revision 42 and 3 keys was saved");
}

#[test]
fn missing_etcd_tools_are_noted() {
    let (_root, paths) = host();
    durable::create_folder(&paths.backup_scratch()).unwrap();
    durable::write_file(&paths.backup_scratch().join("snapshot.db.part"), b"half", 0o600).unwrap();
    let notes = Notes::default();
    let scratch = Scratch::begin(&paths).unwrap();
    assert!(fs_err::read_dir(paths.backup_scratch()).unwrap().next().is_none());
    assert!(etcd::take(&paths, &Etcd::default(), &scratch, &notes).unwrap().is_none());
    assert!(notes.0.lock().unwrap().concat().contains("no snapshot of etcd"));
}

#[test]
fn cluster_stream_names_are_valid() {
    for stream in [ETCD, OBJECTS] {
        assert_eq!(name(stream).unwrap().as_str(), stream);
    }
}
