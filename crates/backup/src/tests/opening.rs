//! Tests of repositories that cannot be opened.

use landfall_error_codes::{Code, CodedError, codes};

use super::*;

fn code_of(folder: &Path, site: Uuid, key: &RepositoryKey) -> Code {
    Repository::open(folder, site, key).err().unwrap().code()
}

#[test]
fn refused_opens_have_distinct_codes() {
    let kept = empty();
    let root = kept.repository.folder();
    save(&kept.repository, "2026-11-21T12:00:00Z", &[("database", b"rows")]).unwrap();
    let before = (files(root), stored_bytes(root));
    assert_eq!(code_of(root, SITE, &new_key()), codes::BACKUP_WRONG_KEY);
    assert_eq!(code_of(root, Uuid::from_u128(1), &kept.key), codes::BACKUP_OTHER_SITE);
    assert_eq!(code_of(kept.folder.path(), SITE, &kept.key), codes::BACKUP_NO_REPOSITORY);
    assert_eq!(code_of(&kept.folder.path().join("missing"), SITE, &kept.key), codes::BACKUP_NO_REPOSITORY);
    assert_eq!((files(root), stored_bytes(root)), before);
}

#[test]
fn damaged_config_is_not_wrong_key() {
    let kept = empty();
    let root = kept.repository.folder();
    save(&kept.repository, "2026-11-21T12:00:00Z", &[("database", b"rows")]).unwrap();
    let config = std::fs::read(root.join("config")).unwrap();
    let mut changed = config.clone();
    changed[20] ^= 1;
    landfall_media::durable::write_file(&root.join("config"), &changed, 0o600).unwrap();
    assert_eq!(code_of(root, SITE, &kept.key), codes::BACKUP_DAMAGED);
    assert_eq!(code_of(root, SITE, &new_key()), codes::BACKUP_WRONG_KEY);
    std::fs::remove_file(root.join("config")).unwrap();
    assert_eq!(code_of(root, SITE, &kept.key), codes::BACKUP_DAMAGED);
    landfall_media::durable::write_file(&root.join("config"), &config, 0o600).unwrap();
    Repository::open(root, SITE, &kept.key).unwrap();
}

#[test]
fn next_backup_restores_lost_key_file() {
    let kept = empty();
    let root = kept.repository.folder();
    let saved = save(&kept.repository, "2026-11-20T12:00:00Z", &[("database", b"rows")]).unwrap();
    let key_file = || {
        let mut found = root.join("keys").read_dir().unwrap().map(|entry| entry.unwrap().path());
        let first = found.next();
        assert!(found.next().is_none());
        first
    };
    let sealed = root.join(crate::master::Master::file_of(&kept.key));
    for (index, lost) in [key_file().unwrap(), sealed.clone()].into_iter().enumerate() {
        std::fs::remove_file(&lost).unwrap();
        let reopened = Repository::open(root, SITE, &kept.key).unwrap();
        assert_eq!(reopened.check(&landfall_progress::SilentProgress).unwrap().len(), 1);
        assert_eq!(read(&reopened, saved.id, "database").unwrap(), b"rows");
        save(&reopened, &format!("2026-11-21T12:0{index}:00Z"), &[("database", b"more rows")]).unwrap();
        assert!(key_file().is_some() && sealed.exists());
        assert_eq!(reopened.check(&landfall_progress::SilentProgress).unwrap(), []);
    }
    std::fs::remove_file(key_file().unwrap()).unwrap();
    put(&sealed, b"00\n");
    assert_eq!(code_of(root, SITE, &kept.key), codes::BACKUP_DAMAGED);
}

#[test]
fn occupied_folder_is_refused() {
    let kept = empty();
    let key = new_key();
    let code = |folder: &Path| Repository::create(folder, SITE, &key).err().unwrap().code();
    assert_eq!(code(kept.repository.folder()), codes::BACKUP_FOLDER_OCCUPIED);
    assert_eq!(code(kept.folder.path()), codes::BACKUP_FOLDER_OCCUPIED);
    // A repository that has lost its config is not created again.
    save(&kept.repository, "2026-11-21T12:00:00Z", &[("database", b"rows")]).unwrap();
    std::fs::remove_file(kept.repository.folder().join("config")).unwrap();
    assert_eq!(code(kept.repository.folder()), codes::BACKUP_FOLDER_OCCUPIED);
}

#[test]
fn interrupted_creation_is_finished() {
    let kept = empty();
    let root = kept.repository.folder();
    std::fs::remove_file(root.join("config")).unwrap();
    std::fs::create_dir(root.join("lost+found")).unwrap();
    assert_eq!(code_of(root, SITE, &kept.key), codes::BACKUP_NO_REPOSITORY);
    let other = new_key();
    let repository = Repository::create(root, SITE, &other).unwrap();
    save(&repository, "2026-11-21T12:00:00Z", &[("database", b"rows")]).unwrap();
    assert_eq!(root.join("keys").read_dir().unwrap().count(), 1);
    assert_eq!(repository.check(&landfall_progress::SilentProgress).unwrap(), []);
    assert_eq!(code_of(root, SITE, &kept.key), codes::BACKUP_WRONG_KEY);
}

#[test]
fn changes_are_exclusive() {
    let kept = empty();
    let second = Repository::open(kept.repository.folder(), SITE, &kept.key).unwrap();
    let second = second.with_patience(std::time::Duration::from_millis(300));
    let lock = kept.repository.lock(crate::repository::Lock::Exclusive).unwrap();
    let error = save(&second, "2026-11-21T12:00:00Z", &[("database", b"rows")]).unwrap_err();
    assert_eq!(error.code(), codes::BACKUP_IN_USE);
    assert_eq!(second.check(&landfall_progress::SilentProgress).unwrap_err().code(), codes::BACKUP_IN_USE);
    assert_eq!(second.backups().unwrap(), []);
    drop(lock);
    save(&second, "2026-11-21T12:00:00Z", &[("database", b"rows")]).unwrap();
}
