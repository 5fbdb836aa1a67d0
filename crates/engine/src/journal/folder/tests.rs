use std::process::Command;

use landfall_error_codes::{CodedError, codes};
use serde_json::Value;

use super::*;
use crate::journal::Outline;
use crate::journal::{Event, UndoCause};
use crate::plan::StepId;

fn pins() -> Outline {
    Outline { operation: Operation::Install, steps: vec![StepId("stage".to_owned())], closing: 0 }
}

#[test]
fn journals_are_numbered_and_continued() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = JournalFolder::<Outline>::at(temporary.path().join("data/journal"));
    assert_eq!(folder.list().unwrap(), []);
    assert!(folder.holder().is_none());
    assert!(!folder.path().exists(), "looking changes nothing");

    let lock = folder.lock("install").unwrap();
    let mut journal = folder.create(&lock, pins()).unwrap();
    let step = StepId("stage".to_owned());
    assert_eq!(journal.append(Event::Prepared { step: step.clone(), before: Value::Null }).unwrap(), 1);
    drop(journal);

    let file = folder.latest().unwrap().unwrap();
    assert!(file.path.ends_with("000001-install.journal"));
    let replay = folder.read(&file).unwrap();
    assert_eq!((replay.entries.len(), replay.last_sequence(), replay.torn_bytes), (2, 1, 0));
    let mut journal = folder.open(&lock, &file).unwrap();
    assert_eq!(journal.append(Event::Started { step }).unwrap(), 2);
    assert_eq!(*journal.pins().unwrap(), pins());

    let second = folder.create(&lock, pins()).unwrap();
    assert!(second.path().ends_with("000002-install.journal"));
    assert_eq!(folder.list().unwrap().len(), 2);

    folder.remove(lock).unwrap();
    assert!(!folder.path().exists());
}

#[test]
fn torn_record_is_truncated_on_disk() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = JournalFolder::<Outline>::at(temporary.path());
    let lock = folder.lock("install").unwrap();
    let path = folder.create(&lock, pins()).unwrap().path().to_owned();
    let whole = fs_err::read(&path).unwrap();
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(&whole[..70]).unwrap();

    let file = folder.latest().unwrap().unwrap();
    assert_eq!(folder.read(&file).unwrap().torn_bytes, 70);
    let mut journal = folder.open(&lock, &file).unwrap();
    assert_eq!(fs_err::read(&path).unwrap(), whole);
    journal.append(Event::UndoRequested { keep_data: false, cause: UndoCause::Requested }).unwrap();
    assert_eq!(folder.read(&file).unwrap().torn_bytes, 0);
}

#[test]
fn corrupt_and_newer_errors_differ() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = JournalFolder::<Outline>::at(temporary.path());
    let lock = folder.lock("install").unwrap();
    let path = folder.create(&lock, pins()).unwrap().path().to_owned();
    let file = folder.latest().unwrap().unwrap();
    let mut bytes = fs_err::read(&path).unwrap();
    let code_of = |bytes: &[u8]| {
        durable::write_file(&path, bytes, 0o600).unwrap();
        folder.open(&lock, &file).unwrap_err().code()
    };
    bytes[60] ^= 1;
    assert_eq!(code_of(&bytes), codes::JOURNAL_CORRUPT);
    bytes[60] ^= 1;
    bytes[4] = 2;
    for covered in [49, bytes.len() - 4] {
        let crc = crc32c::crc32c(&bytes[..covered]).to_le_bytes();
        bytes[covered..covered + 4].copy_from_slice(&crc);
    }
    assert_eq!(code_of(&bytes), codes::JOURNAL_NEWER);
}

#[test]
fn impossible_record_is_corrupt() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("000001-install.journal");
    let mut bytes = first_record(pins(), &path).unwrap();
    let tail = crate::journal::record::decode(&bytes).unwrap().tail;
    let payload = crate::journal::payload_of(Event::<Outline>::Committed).unwrap();
    bytes.extend(crate::journal::record::encode(&payload, tail).0);
    let error = Replay::<Outline>::of(&bytes, &path).unwrap_err();
    assert_eq!(error.code(), codes::JOURNAL_CORRUPT);
    assert!(matches!(error.kind(), JournalErrorKind::Contradiction { sequence: 1, .. }), "{error:?}");
}

/// Another process holds the lock: util-linux's `flock`, which writes nothing to the file.
#[test]
fn second_operation_names_lock_holder() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = JournalFolder::<Outline>::at(temporary.path());
    let lock = folder.lock("install").unwrap();
    let busy = folder.lock("uninstall").unwrap_err();
    assert_eq!(busy.code(), codes::SITE_BUSY);
    let text = busy.to_string();
    let expected = format!("`landfall install` (process {}, since ", std::process::id());
    assert!(text.starts_with(&expected) && text.ends_with(") runs on this site"), "{text}");
    assert_eq!(folder.holder().unwrap().pid, std::process::id());
    let path = folder.path().join(LOCK_NAME);
    let flock = || Command::new("flock").arg("--nonblock").arg(&path).arg("true").status().unwrap().success();
    assert!(!flock(), "another process sees the lock");
    drop(lock);
    assert!(flock(), "and its end");
    assert_eq!(fs_err::metadata(&path).unwrap().len(), 0);
    assert!(folder.holder().is_none());
    folder.lock("uninstall").unwrap();
}

/// Between its fork and its exec, a program that another thread starts holds every open file.
#[test]
fn lock_release_ignores_inherited_descriptor() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = JournalFolder::<Outline>::at(temporary.path());
    let lock = folder.lock("install").unwrap();
    let inherited = lock.file.file().try_clone().unwrap();
    assert!(folder.holder().is_some());
    drop(lock);
    assert!(folder.holder().is_none());
    folder.lock("uninstall").unwrap();
    drop(inherited);
}

/// The lock's text finds no space; the records have reserved space, which no other file can take. The test appends as
/// many records as two hundred steps write.
#[test]
fn uninstall_journals_on_full_disk() {
    let name = "journal::folder::tests::uninstall_journals_on_full_disk";
    let Some(root) = landfall_media::mounted::on_tmpfs(name, "size=4m") else { return };
    let folder = JournalFolder::<Outline>::at(root.join("journal"));
    let lock = folder.lock("install").unwrap();
    let mut pins = pins();
    let steps: Vec<StepId> = (0..200).map(|number| StepId(format!("step-{number}"))).collect();
    pins.steps.clone_from(&steps);
    let mut journal = folder.create(&lock, pins).unwrap();
    for step in steps.iter().cloned() {
        journal.append(Event::Prepared { step: step.clone(), before: Value::Null }).unwrap();
        journal.append(Event::Started { step: step.clone() }).unwrap();
        journal.append(Event::Done { step, output: Value::Null }).unwrap();
    }
    drop((lock, journal));
    let mut rest = durable::create_file(&root.join("rest"), 0o600).unwrap();
    while rest.write_all(&[1; 4096]).is_ok() {}

    let lock = folder.lock("uninstall").unwrap();
    let file = folder.latest().unwrap().unwrap();
    let mut journal = folder.open(&lock, &file).unwrap();
    journal.append(Event::UndoRequested { keep_data: false, cause: UndoCause::Requested }).unwrap();
    for step in steps.into_iter().rev() {
        journal.append(Event::UndoStarted { step: step.clone() }).unwrap();
        journal.append(Event::UndoDone { step }).unwrap();
    }
    journal.append(Event::Undone).unwrap();
    folder.remove(lock).unwrap();
    assert!(!folder.path().exists());
}

#[test]
fn removed_folder_releases_its_lock() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = JournalFolder::<Outline>::at(temporary.path().join("journal"));
    let first = folder.lock("uninstall").unwrap();
    folder.remove(first).unwrap();
    let second = folder.lock("install").unwrap();
    assert_eq!(folder.lock("install").unwrap_err().code(), codes::SITE_BUSY);
    drop(second);
}

/// The next version may have begun an operation that this version does not know.
#[test]
fn newer_operation_is_left_untouched() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = JournalFolder::<Outline>::at(temporary.path());
    let lock = folder.lock("install").unwrap();
    let old = folder.create(&lock, pins()).unwrap().path().to_owned();
    let newer = temporary.path().join("000002-relocate.journal");
    durable::write_file(&newer, &fs_err::read(&old).unwrap(), 0o600).unwrap();

    let latest = folder.latest().unwrap().unwrap();
    assert_eq!((latest.number, latest.operation, &latest.path), (2, None, &newer));
    for error in [folder.read(&latest).unwrap_err(), folder.open(&lock, &latest).unwrap_err()] {
        assert_eq!(error.code(), codes::JOURNAL_NEWER);
        assert!(error.to_string().contains("000002-relocate.journal"), "{error}");
    }
    let third = folder.create(&lock, pins()).unwrap();
    assert!(third.path().ends_with("000003-install.journal"), "{}", third.path().display());
    assert_eq!(folder.remove(lock).unwrap_err().code(), codes::JOURNAL_NEWER);
    assert_eq!(folder.list().unwrap().len(), 3, "nothing was removed");
    assert_eq!(fs_err::read(&newer).unwrap(), fs_err::read(&old).unwrap());
}

#[test]
fn closed_journal_frees_reserved_space() {
    use std::os::unix::fs::MetadataExt;
    let temporary = tempfile::tempdir().unwrap();
    let folder = JournalFolder::<Outline>::at(temporary.path());
    let lock = folder.lock("configure").unwrap();
    let blocks = |operation| {
        let pins = Outline { operation, ..pins() };
        let mut journal = folder.create(&lock, pins).unwrap();
        let step = StepId("stage".to_owned());
        let open = fs_err::metadata(journal.path()).unwrap().blocks();
        journal.append(Event::Prepared { step: step.clone(), before: Value::Null }).unwrap();
        journal.append(Event::Started { step: step.clone() }).unwrap();
        journal.append(Event::Done { step, output: Value::Null }).unwrap();
        journal.append(Event::Committed).unwrap();
        let committed = fs_err::metadata(journal.path()).unwrap().blocks();
        let file = folder.latest().unwrap().unwrap();
        assert_eq!(folder.read(&file).unwrap().last_sequence(), 4);
        (open, committed)
    };
    let (open, committed) = blocks(Operation::Configure);
    assert!(open * 512 > 1 << 20 && committed * 512 < 1 << 16, "{open} {committed}");
    let (_, committed) = blocks(Operation::Install);
    assert!(committed * 512 > 1 << 20, "its uninstall is recorded in it: {committed}");
    // The state that an earlier program left.
    let file = folder.list().unwrap().remove(0);
    drop(folder.open(&lock, &file).unwrap());
    assert!(fs_err::metadata(&file.path).unwrap().blocks() * 512 > 1 << 20);
    folder.release_room(&lock, &file).unwrap();
    assert!(fs_err::metadata(&file.path).unwrap().blocks() * 512 < 1 << 16);
    assert_eq!(folder.read(&file).unwrap().last_sequence(), 4);
}

/// After a rollback, and during one, an older program reads the journals of a newer one. It continues none of them.
#[test]
fn unknown_fields_block_continuation() {
    let path = Path::new("000001-configure.journal");
    let at = "\"at\":\"2026-11-21T08:00:00Z\"";
    let pins = r#"{"operation":"configure","steps":["1"],"later":{"a":1}}"#;
    let events = [
        format!("{{{at},\"event\":\"opened\",\"pins\":{pins},\"later\":1}}"),
        format!("{{{at},\"event\":\"prepared\",\"step\":\"1\",\"before\":{{\"any\":1}},\"later\":1}}"),
        format!("{{{at},\"event\":\"started\",\"step\":\"1\",\"later\":1}}"),
        format!("{{{at},\"event\":\"done\",\"step\":\"1\",\"output\":null,\"later\":1}}"),
        format!("{{{at},\"event\":\"committed\",\"later\":1}}"),
    ];
    let mut bytes = Vec::new();
    let mut tail = crate::journal::record::Tail::default();
    for (index, event) in events.iter().enumerate() {
        let (record, next) = crate::journal::record::encode(event.as_bytes(), tail);
        bytes.extend(record);
        tail = next;
        let replay = Replay::<Outline>::of(&bytes, path).unwrap();
        assert!(!replay.is_understood, "{index}");
        let continued = Replay::<Outline>::to_continue(&bytes, path);
        if replay.state.is_closed() {
            assert_eq!(replay.state.steps[0].before, serde_json::json!({"any": 1}));
            assert_eq!(continued.unwrap().state, replay.state);
        } else {
            assert_eq!(continued.unwrap_err().code(), codes::JOURNAL_NEWER, "{index}");
        }
    }
}

/// Measured, not guessed: status waits for the replay. The `figures` part of `cargo xtask test` runs this test in the
/// release profile, with the goals as limits. Elsewhere, the limits are generous, because other tests run at the same
/// time; a replay in quadratic time takes minutes.
#[test]
fn replay_takes_time_in_proportion_to_its_steps() {
    let journal_of = |count: usize| {
        let steps: Vec<StepId> = (0..count).map(|number| StepId(format!("component/number-{number}"))).collect();
        let pins = Outline { operation: Operation::Configure, steps: steps.clone(), closing: 0 };
        let mut bytes = first_record(pins, Path::new("journal")).unwrap();
        let mut tail = crate::journal::record::decode(&bytes).unwrap().tail;
        let events = steps.into_iter().flat_map(|step| {
            let prepared = Event::<Outline>::Prepared { step: step.clone(), before: Value::Null };
            let done = Event::Done { step: step.clone(), output: Value::Null };
            [prepared, Event::Started { step }, done]
        });
        for event in events.chain([Event::Committed]) {
            let (record, next) = crate::journal::record::encode(&crate::journal::payload_of(event).unwrap(), tail);
            bytes.extend(record);
            tail = next;
        }
        bytes
    };
    let replayed = |bytes: &[u8]| {
        let begun = std::time::Instant::now();
        let replay = Replay::<Outline>::of(bytes, Path::new("journal")).unwrap();
        assert!(replay.state.is_closed());
        begun.elapsed()
    };
    let large = journal_of(6000);
    let fastest = (0..3).map(|_| replayed(&large)).min().unwrap();
    let small = journal_of(20);
    let begun = std::time::Instant::now();
    for _ in 0..200 {
        replayed(&small);
    }
    let many = begun.elapsed();
    let limits = if cfg!(debug_assertions) { [5000, 5000] } else { [50, 100] }.map(std::time::Duration::from_millis);
    assert!(fastest <= limits[0], "6,000 steps took {fastest:?}");
    assert!(many <= limits[1], "200 closed journals took {many:?}");
}

#[test]
fn unknown_events_and_fields_mean_newer() {
    let path = Path::new("000001-install.journal");
    let first = first_record(pins(), path).unwrap();
    let code_of = |payload: &[u8]| {
        let tail = crate::journal::record::decode(&first).unwrap().tail;
        let bytes = [&first[..], &crate::journal::record::encode(payload, tail).0].concat();
        Replay::<Outline>::to_continue(&bytes, path).unwrap_err().code()
    };
    let at = "\"at\":\"2026-11-21T08:00:00Z\"";
    assert_eq!(code_of(format!("{{{at},\"event\":\"paused\"}}").as_bytes()), codes::JOURNAL_NEWER);
    let field = format!("{{{at},\"event\":\"undo-requested\",\"keep_data\":true,\"keep_logs\":true}}");
    assert_eq!(code_of(field.as_bytes()), codes::JOURNAL_NEWER);
    assert_eq!(code_of(b"no JSON"), codes::JOURNAL_CORRUPT);
}
