use landfall_documents::backups::BackupTry;
use landfall_media::durable;
use serde_json::json;

use super::*;
use crate::backups::logs::tests::log;
use crate::operations::testing::{installed_site, operations, with_data};

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
