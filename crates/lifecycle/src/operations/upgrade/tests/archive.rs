//! Old closed journals are an archive: damage in them stops nothing, and is reported.

use super::*;

fn flip(path: &std::path::Path, at: usize) {
    let mut bytes = fs_err::read(path).unwrap();
    bytes[at] ^= 1;
    durable::write_file(path, &bytes, 0o600).unwrap();
}

fn journals(fixture: &Fixture) -> Vec<JournalFile> {
    fixture.operations.journals().list().unwrap()
}

#[test]
fn damaged_old_journal_stops_nothing() {
    let fixture = site_with_changes();
    let operations = &fixture.operations;
    let before = operations.status().unwrap();
    let files = journals(&fixture);
    let (deciding, old) = files.split_last().unwrap();
    for (number, file) in old.iter().enumerate() {
        flip(&file.path, 60 + 100 * number);
    }
    let after = operations.status().unwrap();
    assert_eq!((after.state, &after.notes), (before.state, &before.notes));
    let history = operations.history().unwrap();
    operations.changeable(&history).unwrap();
    assert!(!history.last_actions().unwrap().is_empty());
    assert_eq!(operations.releases().unwrap().len(), 2);
    assert_eq!(operations.past_operations(1).unwrap().operations.len(), 1);
    // Each of them is reported.
    let damaged = operations.damaged_journals().unwrap();
    assert_eq!(
        damaged.iter().map(|one| &one.path).collect::<Vec<_>>(),
        old.iter().map(|one| &one.path).collect::<Vec<_>>()
    );
    assert!(damaged[0].note().contains("000001-install.journal"), "{}", damaged[0].note());
    // The journal that decides is still checked strictly.
    flip(&deciding.path, 200);
    assert_eq!(operations.status().unwrap_err().code(), codes::JOURNAL_CORRUPT);
}

/// Without the folded operations, the content of a damaged journal is unknown. Only operations that depend on it are
/// refused.
#[test]
fn lost_journal_refuses_dependent_operations() {
    let fixture = site_with_changes();
    let operations = &fixture.operations;
    durable::remove_tree(&operations.paths.activity()).unwrap();
    let files = journals(&fixture);
    flip(&files[1].path, 100);
    let status = operations.status().unwrap();
    let notes: Vec<_> = status.notes.iter().filter(|note| note.contains("000002-upgrade.journal")).collect();
    assert_eq!(notes.len(), 1, "{:?}", status.notes);
    let history = operations.history().unwrap();
    operations.changeable(&history).unwrap();
    for error in [
        history.last_actions().unwrap_err(),
        history.newest_trust().unwrap_err(),
        operations.needed_engines().unwrap_err(),
    ] {
        assert_eq!(error.code(), codes::OLD_JOURNAL_UNREADABLE);
        assert!(error.to_string().contains("000002-upgrade.journal"), "{error}");
    }
    // Content that it may need is not collected.
    let releases = collection::below(&operations.paths.releases());
    operations.remove_strays(&operations.journals().lock("upgrade").unwrap()).unwrap();
    assert_eq!(collection::below(&operations.paths.releases()), releases);
    // The install's own journal decides whether the site is being removed, unless it was folded.
    durable::remove_tree(&operations.paths.activity()).unwrap();
    flip(&files[0].path, 100);
    assert_eq!(operations.status().unwrap_err().code(), codes::JOURNAL_CORRUPT);
}

/// Both releases of the rollback set are read, and shared blobs only once.
#[test]
fn site_check_reads_previous_release() {
    let fixture = site_with_changes();
    let operations = &fixture.operations;
    let found = operations.verify_site().unwrap();
    assert_eq!((found.release.as_str(), found.rollback.as_deref()), ("tiny 1.1.0", Some("tiny 1.2.0")));
    let payloads: Vec<_> =
        operations.kept_releases().unwrap().into_iter().map(|(_, head)| head.unwrap().payload()).collect();
    let all: std::collections::BTreeSet<_> =
        payloads.iter().flat_map(|payload| payload.blobs().iter().map(|blob| blob.sha256)).collect();
    assert_eq!(found.blobs, all.len());
    let store = landfall_media::store::ContentStore::at(operations.paths.registry());
    let own =
        payloads[1].blobs().iter().find(|blob| payloads[0].blobs().iter().all(|other| other.sha256 != blob.sha256));
    flip(&store.path(own.unwrap().sha256), 0);
    assert!(matches!(operations.verify_site().unwrap_err(), crate::operations::OperationError::Staged { .. }));
}

#[test]
fn long_history_is_read_without_journals() {
    let fixture = site_with_changes();
    let operations = &fixture.operations;
    let lock = operations.journals().lock("configure").unwrap();
    let latest = journals(&fixture).pop().unwrap();
    let bytes = fs_err::read(&latest.path).unwrap();
    for number in latest.number + 1..=200 {
        let path = operations.paths.journal().join(format!("{number:06}-rollback.journal"));
        durable::write_file(&path, &bytes, 0o600).unwrap();
    }
    operations.fold_history(&lock);
    // All journals except the deciding one may be noise of the same length.
    for file in &journals(&fixture)[..199] {
        let length = fs_err::metadata(&file.path).unwrap().len();
        durable::write_file(&file.path, &vec![0; usize::try_from(length).unwrap()], 0o600).unwrap();
    }
    let begun = std::time::Instant::now();
    let history = operations.history().unwrap();
    let took = begun.elapsed();
    assert_eq!((history.deciding().unwrap().file.number, history.kept_releases().len()), (200, 2));
    assert!(history.unreadable().is_empty());
    // The limit is generous, because tests are not optimized and share their machine.
    assert!(took < std::time::Duration::from_secs(5), "{took:?}");
}
