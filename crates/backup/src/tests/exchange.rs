//! Tests of the exchange of one key for another.

use landfall_error_codes::{CodedError, codes};
use landfall_progress::SilentProgress;

use super::*;

fn open_with(kept: &TestRepository, key: &RepositoryKey) -> Repository {
    Repository::open(kept.repository.folder(), SITE, key).unwrap()
}

fn is_refused(kept: &TestRepository, key: &RepositoryKey) -> bool {
    let refused = Repository::open(kept.repository.folder(), SITE, key).err();
    refused.is_some_and(|error| error.code() == codes::BACKUP_WRONG_KEY)
}

#[test]
fn both_keys_open_until_shut_out() {
    let (kept, new) = (empty(), new_key());
    let first = save(&kept.repository, "2026-11-20T12:00:00Z", &[("database", b"rows")]).unwrap();
    assert!(is_refused(&kept, &new));
    kept.repository.admit(&new).unwrap();
    for key in [&kept.key, &new] {
        assert_eq!(open_with(&kept, key).check(&SilentProgress).unwrap(), []);
        assert_eq!(read(&open_with(&kept, key), first.id, "database").unwrap(), b"rows");
    }
    let admitted = files(kept.repository.folder());
    kept.repository.admit(&new).unwrap();
    assert_eq!(files(kept.repository.folder()), admitted, "a key that opens it changes nothing");

    let repository = open_with(&kept, &new);
    assert_eq!(repository.shut_out(&[kept.key.clone(), new.clone()]).unwrap(), 0);
    assert!(is_refused(&kept, &kept.key));
    let second = save(&repository, "2026-11-21T12:00:00Z", &[("database", b"more rows")]).unwrap();
    assert_eq!(open_with(&kept, &new).backups().unwrap(), [first, second]);
    assert_eq!(repository.check(&SilentProgress).unwrap(), []);
    let changed = files(kept.repository.folder());
    assert_eq!(repository.shut_out(std::slice::from_ref(&kept.key)).unwrap(), 0);
    assert_eq!(files(kept.repository.folder()), changed, "nothing is left to shut out");
}

/// A log backup may have opened the repository before the exchange, and store something after it.
#[test]
fn open_session_readmits_no_former_key() {
    let (kept, new) = (empty(), new_key());
    let former = open_with(&kept, &kept.key);
    kept.repository.admit(&new).unwrap();
    open_with(&kept, &new).shut_out(std::slice::from_ref(&kept.key)).unwrap();
    let saved = save(&former, "2026-11-20T12:00:00Z", &[("database", b"rows")]).unwrap();
    assert!(is_refused(&kept, &kept.key));
    assert_eq!(open_with(&kept, &new).backups().unwrap(), [saved]);
    assert_eq!(open_with(&kept, &new).check(&SilentProgress).unwrap(), []);
}

/// A previous key's files give no access, whatever happens to the files of the new key.
#[test]
fn shut_out_survives_lost_key_file() {
    let (kept, new) = (empty(), new_key());
    kept.repository.admit(&new).unwrap();
    std::fs::remove_file(kept.repository.folder().join(crate::master::Master::file_of(&new))).unwrap();
    open_with(&kept, &new).shut_out(std::slice::from_ref(&kept.key)).unwrap();
    assert!(is_refused(&kept, &kept.key));
    assert_eq!(open_with(&kept, &new).check(&SilentProgress).unwrap(), []);
}
