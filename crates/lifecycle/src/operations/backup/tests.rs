use jiff::{SignedDuration, Timestamp};
use landfall_backup::{BackupKind, NewBackup};
use landfall_documents::backups::BackupTry;
use landfall_media::durable;
use serde_json::json;

use super::*;
use crate::operations::testing::{installed_site, operations, with_data};
use landfall_site::testing::log;

#[test]
fn busy_site_is_no_try() {
    let (_root, operations) = operations();
    durable::create_folder(&operations.paths.data()).unwrap();
    durable::write_file(&operations.paths.data_uuid(), b"", 0o644).unwrap();
    let error = |code| OperationError::from(StepError::new(code, "it is not there"));
    for code in [codes::SITE_BUSY, codes::BACKUP_NO_RULES, codes::NOT_INSTALLED] {
        operations.note_try(Err(&error(code)));
        assert_eq!(last_try::read_backup(&operations.paths), None, "{}", code.id);
    }
    assert!(operations.refused_backup().is_some(), "that the site was busy is noted beside the tries");
    operations.note_try(Err(&error(codes::BACKUP_UNKNOWN)));
    let noted = |found: Option<BackupTry>| found.and_then(|found| found.failure).map(|failure| failure.code);
    assert_eq!(noted(last_try::read_backup(&operations.paths)).as_deref(), Some(codes::BACKUP_UNKNOWN.id));
    operations.note_drill(Err(&error(codes::BACKUP_UNKNOWN)));
    assert_eq!(noted(operations.last_drill()).as_deref(), Some(codes::BACKUP_UNKNOWN.id));
}

#[test]
fn missing_backups_have_specific_hints() {
    let [first, second] = ["a", "b"].map(|link| log(1, link, link));
    let next = |backups: &[Backup], id: &str| {
        let error = find_in(backups, id).unwrap_err();
        assert_eq!(error.code(), codes::BACKUP_UNKNOWN);
        error.hint()
    };
    let both = [first, second];
    for (backups, id, case) in [
        (&both[..0], "0", cases::BACKUPS_NONE),
        (&both[..], "f", cases::BACKUP_ID_UNKNOWN),
        (&both[..], "0", cases::BACKUP_ID_AMBIGUOUS),
    ] {
        assert_eq!(next(backups, id).as_deref(), Some(case.next), "{id}");
    }
    assert_eq!([without_one(&[]), without_one(&both)], [cases::BACKUPS_NONE, cases::BACKUPS_OF_OTHERS]);
}

#[test]
fn refused_backup_is_noted() {
    let fixture = installed_site(&with_data(), json!({}));
    let operations = &fixture.operations;
    durable::create_folder(&operations.paths.data()).unwrap();
    durable::write_file(&operations.paths.data_uuid(), b"", 0o644).unwrap();
    let lock = operations.journals().lock("upgrade").unwrap();
    assert_eq!(operations.back_up(true).err().unwrap().code(), codes::SITE_BUSY);
    let failure = operations.refused_backup().and_then(|refused| refused.failure).unwrap();
    assert_eq!(failure.code, codes::SITE_BUSY);
    assert_eq!(last_try::read_backup(&operations.paths), None, "it is no try");
    drop(lock);
}

#[test]
fn refused_drill_is_noted() {
    let fixture = installed_site(&with_data(), json!({}));
    let operations = &fixture.operations;
    durable::create_folder(&operations.paths.data()).unwrap();
    durable::write_file(&operations.paths.data_uuid(), b"", 0o644).unwrap();
    let lock = operations.journals().lock("backup").unwrap();
    assert_eq!(operations.drill(None).err().unwrap().code(), codes::SITE_BUSY);
    let failure = operations.last_drill().and_then(|last| last.failure).unwrap();
    assert_eq!(failure.code, codes::SITE_BUSY);
    drop(lock);
}

/// Saves a backup of the stream `db/rows` of this release, and a log that continues it.
fn save_with_log(repository: &Repository, pins: &Pins) {
    let rule = json!({
        "name": "rows", "workload": { "kind": "StatefulSet", "name": "db" }, "volume": "data", "limit_seconds": 60,
        "save": ["dump"], "load": ["fill"],
    });
    let stream = json!({
        "component": "db", "namespace": "db", "readySeconds": 60, "workload": {}, "link": "a", "rule": rule,
    });
    let Pins { release, version, .. } = pins;
    let manifest = json!({ "schema": 1, "release": release, "version": version, "streams": [stream] });
    let facts = [("release", release), ("version", version)].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let manifest = ("LANDFALL/manifest.json".parse().unwrap(), manifest.to_string().into_bytes());
    let (time, documents) = (Timestamp::now(), vec![manifest]);
    let backup = NewBackup { kind: BackupKind::Full, time, facts: facts.into(), streams: Vec::new(), documents };
    repository.save(backup).unwrap();
    let time = time + SignedDuration::from_mins(1);
    let facts = log(1, "a", "b").facts;
    let later = NewBackup { kind: BackupKind::Log, time, facts, streams: Vec::new(), documents: Vec::new() };
    repository.save(later).unwrap();
}

/// A person takes the good copy of the journal out of a listed backup.
#[test]
fn backups_are_listed_beside_damaged_journal() {
    let fixture = installed_site(&with_data(), json!({}));
    let operations = &fixture.operations;
    let history = operations.history().unwrap();
    let pins = operations.changeable(&history).unwrap();
    save_with_log(&BackupFolder::of(&operations.paths).open_or_create().unwrap(), pins);
    let list = || (operations.backups().unwrap(), operations.points_in_time().unwrap());
    let before = list();
    assert_eq!(before.1.iter().map(|points| points.stream.as_str()).collect::<Vec<_>>(), ["db/rows"]);
    let journal = operations.journals().list().unwrap().pop().unwrap().path;
    let mut bytes = fs_err::read(&journal).unwrap();
    bytes[200] ^= 1;
    durable::write_file(&journal, &bytes, 0o600).unwrap();
    assert_eq!(operations.history().err().map(|error| error.code()), Some(codes::JOURNAL_CORRUPT));
    assert_eq!(list(), before);
}
