//! Tests of storing, listing and reading.

use std::cell::RefCell;

use super::*;
use crate::OpenBackup;

#[test]
fn streams_and_documents_round_trip() {
    let kept = empty();
    let (large, small) = (random(1, 40 * MIB), vec![7; 3 * MIB]);
    let streams: [(&str, &[u8]); 4] = [
        ("postgres/database", &large),
        ("postgres/globals", b"roles"),
        ("empty", b""),
        ("postgres-2/database", &small),
    ];
    let saved = save(&kept.repository, "2026-11-21T12:00:00.25Z", &streams).unwrap();

    let reopened = Repository::open(kept.repository.folder(), SITE, &kept.key).unwrap();
    assert_eq!(reopened.backups().unwrap(), std::slice::from_ref(&saved));
    assert_eq!((saved.time, saved.facts), (time("2026-11-21T12:00:00.25Z"), facts("starter")));
    let listed: Vec<(&str, u64)> = saved.streams.iter().map(|one| (one.name.as_str(), one.size_bytes)).collect();
    let (large_bytes, small_bytes) = (40 << 20, 3 << 20);
    let expected = [
        ("empty", 0),
        ("postgres/database", large_bytes),
        ("postgres/globals", 5),
        ("postgres-2/database", small_bytes),
        ("site.json", 2),
    ];
    assert_eq!(listed, expected);
    for (stream, bytes) in streams {
        assert!(read(&reopened, saved.id, stream).unwrap() == bytes, "{stream}");
    }
    assert_eq!(read(&reopened, saved.id, "site.json").unwrap(), b"{}");
    let opened: OpenBackup = reopened.open_backup(saved.id).unwrap();
    assert!(matches!(opened.read(&name("postgres")), Err(BackupError::NoStream { .. })));
    assert_eq!(opened.backup().id, saved.id);
}

/// A stream that records when it is read.
struct ReadRecorder<'a> {
    name: &'a str,
    bytes: Cursor<Vec<u8>>,
    order: &'a RefCell<Vec<String>>,
}

impl Read for ReadRecorder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut order = self.order.borrow_mut();
        if order.last().is_none_or(|last| last != self.name) {
            order.push(self.name.to_owned());
        }
        self.bytes.read(buffer)
    }
}

#[test]
fn streams_are_read_in_given_order() {
    let kept = empty();
    let order = RefCell::new(Vec::new());
    let names = ["postgres/database", "cache/keys", "postgres/globals", "a", "LANDFALL/logs/postgres"];
    let of = |(index, name): (usize, &'static str)| ReadRecorder {
        name,
        bytes: Cursor::new(random(index as u64, 2 * MIB + index)),
        order: &order,
    };
    let mut streams: Vec<ReadRecorder<'_>> = names.into_iter().enumerate().map(of).collect();
    let streams = streams.iter_mut().map(|one| (name(one.name), one as &mut dyn Read)).collect();
    let documents = vec![(name("LANDFALL/manifest.json"), b"{}".to_vec())];
    let (kind, time) = (BackupKind::Full, time("2026-11-21T12:00:00Z"));
    let new = NewBackup { kind, time, facts: facts("starter"), streams, documents };
    let noted = |failed: Vec<crate::FailedStream>| {
        assert!(failed.is_empty(), "{failed:?}");
        Ok(BTreeMap::from([("read".to_owned(), order.borrow().join(" "))]))
    };
    let saved = kept.repository.save_what_is_read(new, noted).unwrap();
    assert_eq!(saved.facts["read"], names.join(" "));
    assert_eq!(saved.facts["release"], "starter");
    let listed: Vec<&str> = saved.streams.iter().map(|one| one.name.as_str()).collect();
    let sorted = [
        "LANDFALL/logs/postgres",
        "LANDFALL/manifest.json",
        "a",
        "cache/keys",
        "postgres/database",
        "postgres/globals",
    ];
    assert_eq!(listed, sorted);
    assert_eq!(kept.repository.backups().unwrap(), std::slice::from_ref(&saved));
    for (index, stream) in names.into_iter().enumerate() {
        assert!(read(&kept.repository, saved.id, stream).unwrap() == random(index as u64, 2 * MIB + index), "{stream}");
    }
    assert_eq!(kept.repository.check(&landfall_progress::SilentProgress).unwrap(), []);
}

#[test]
fn unchanged_data_is_stored_once() {
    let kept = empty();
    let mut data = random(2, 40 * MIB);
    save(&kept.repository, "2026-11-20T12:00:00Z", &[("database", &data)]).unwrap();
    let first = stored_bytes(kept.repository.folder());
    // Some rows changed, one was inserted, and some were appended.
    data[10 * MIB] ^= 1;
    data.insert(20 * MIB, 5);
    data.extend(random(3, MIB));
    let saved = save(&kept.repository, "2026-11-21T12:00:00Z", &[("database", &data)]).unwrap();
    let added = stored_bytes(kept.repository.folder()) - first;
    // Chunks have 256 KiB on average and 1 MiB at most; two or three of them changed, and one mebibyte is new.
    assert!(added * 8 <= first, "{added} of {first} bytes");
    assert!(read(&kept.repository, saved.id, "database").unwrap() == data);
    assert_eq!(kept.repository.backups().unwrap().last().unwrap().id, saved.id);
}

#[test]
fn failed_stream_leaves_no_backup() {
    let kept = empty();
    let older = save(&kept.repository, "2026-11-20T12:00:00Z", &[("database", b"rows")]).unwrap();
    let data = random(4, 30 * MIB);
    for (failing, whole) in [("a", "b"), ("b", "a")] {
        let (mut fails, mut works) = (FailingReader(&data), Cursor::new(&data[..MIB]));
        let streams: Vec<(StreamName, &mut dyn Read)> = vec![(name(failing), &mut fails), (name(whole), &mut works)];
        let new = NewBackup {
            kind: BackupKind::Full,
            time: time("2026-11-21T12:00:00Z"),
            facts: facts("new"),
            streams,
            documents: Vec::new(),
        };
        let error = kept.repository.save(new).unwrap_err();
        assert!(matches!(&error, BackupError::Stream { name, .. } if name.as_str() == failing), "{error:?}");
    }
    assert_eq!(kept.repository.backups().unwrap(), std::slice::from_ref(&older));
    assert_eq!(read(&kept.repository, older.id, "database").unwrap(), b"rows");
    assert_eq!(kept.repository.check(&landfall_progress::SilentProgress).unwrap(), []);
    // The next backup uses its stored data.
    let before = stored_bytes(kept.repository.folder());
    let saved = save(&kept.repository, "2026-11-21T13:00:00Z", &[("database", &data)]).unwrap();
    assert!(stored_bytes(kept.repository.folder()) - before < data.len() as u64 / 4);
    assert!(read(&kept.repository, saved.id, "database").unwrap() == data);
}

#[test]
fn clashing_names_and_facts_are_refused() {
    let kept = empty();
    let before = files(kept.repository.folder());
    let clash = save(&kept.repository, "2026-11-21T12:00:00Z", &[("a", b""), ("a/b", b"")]).unwrap_err();
    assert!(matches!(clash, BackupError::Name(_)), "{clash:?}");
    let document = save(&kept.repository, "2026-11-21T12:00:00Z", &[("site.json", b"")]).unwrap_err();
    assert!(matches!(document, BackupError::Name(_)), "{document:?}");
    let comma = NewBackup {
        kind: BackupKind::Full,
        time: time("2026-11-21T12:00:00Z"),
        facts: facts("a,b"),
        streams: Vec::new(),
        documents: Vec::new(),
    };
    assert!(matches!(kept.repository.save(comma), Err(BackupError::Name(_))));
    assert_eq!(files(kept.repository.folder()), before);
}

#[test]
fn empty_backup_is_listed() {
    let kept = empty();
    let new = NewBackup {
        kind: BackupKind::Full,
        time: time("2026-11-21T12:00:00Z"),
        facts: BTreeMap::new(),
        streams: Vec::new(),
        documents: Vec::new(),
    };
    let saved = kept.repository.save(new).unwrap();
    assert_eq!(kept.repository.backups().unwrap(), [saved]);
    assert_eq!(kept.repository.check(&landfall_progress::SilentProgress).unwrap(), []);
}

#[test]
fn failed_stream_spares_the_others() {
    let kept = empty();
    let (rows, files) = (random(61, 3 * MIB), random(62, 2 * MIB));
    let mut rows_reader = Cursor::new(&rows[..]);
    let (mut broken, mut files_reader) = (FailingReader(&files[..MIB]), Cursor::new(&files[..]));
    let streams: Vec<(StreamName, &mut dyn Read)> = vec![
        (name("db/rows"), &mut rows_reader),
        (name("web/broken"), &mut broken),
        (name("web/files"), &mut files_reader),
    ];
    let new = NewBackup {
        kind: BackupKind::Full,
        time: time("2026-11-21T12:00:00Z"),
        facts: facts("starter"),
        streams,
        documents: vec![(name("site.json"), b"{}".to_vec())],
    };
    let backup = kept.repository.save_what_is_read(new, |failed| {
        assert_eq!(failed[0].source.to_string(), "the connection was lost");
        Ok(crate::lacking_facts(failed.iter().map(|failed| failed.name.as_str())))
    });
    let backup = backup.unwrap();
    assert_eq!(kept.repository.backups().unwrap(), std::slice::from_ref(&backup));
    assert_eq!(backup.lacking().collect::<Vec<_>>(), ["web/broken"]);
    let names: Vec<&str> = backup.streams.iter().map(|stream| stream.name.as_str()).collect();
    assert_eq!(names, ["db/rows", "site.json", "web/files"]);
    assert!(read(&kept.repository, backup.id, "db/rows").unwrap() == rows);
    assert!(read(&kept.repository, backup.id, "web/files").unwrap() == files);
    let error = read(&kept.repository, backup.id, "web/broken").unwrap_err().to_string();
    assert!(error.ends_with("has no stream web/broken"), "{error}");
    assert_eq!(kept.repository.check(&landfall_progress::SilentProgress).unwrap(), []);
    let proof = crate::Proof { time: backup.time, report: "restored".into() };
    let proven = kept.repository.mark_proven(backup.id, proof).unwrap();
    assert!(proven.proof.is_some() && !proven.is_proven(), "{proven:?}");
}

#[test]
fn failure_verdict_can_prevent_backup() {
    let kept = empty();
    let mut broken = FailingReader(b"half");
    let streams: Vec<(StreamName, &mut dyn Read)> = vec![(name("web/broken"), &mut broken)];
    let (kind, time) = (BackupKind::Full, time("2026-11-21T12:00:00Z"));
    let new = NewBackup { kind, time, facts: facts("starter"), streams, documents: Vec::new() };
    let error = kept.repository.save_what_is_read(new, |failed| Err(failed.into_iter().next().unwrap())).unwrap_err();
    assert!(matches!(&error, BackupError::Stream { name, .. } if name.as_str() == "web/broken"), "{error:?}");
    assert_eq!(kept.repository.backups().unwrap(), []);
}
