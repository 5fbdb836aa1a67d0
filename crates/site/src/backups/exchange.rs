//! Exchange of a site's key for another one, in the folder of its backups.
//!
//! The former key stays in a separate file. A copy that is unavailable during the exchange still opens with it, and
//! gets the new key later. This exposes nothing new, because readers of the data folder have the data itself.

use landfall_backup::{BackupError, Place, Repository, RepositoryKey};
use landfall_engine::step::StepError;
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use uuid::Uuid;

use super::unusable;

/// First half: creates another key, which becomes the site's key and opens its repository. The former key still opens
/// it, because no person has the new one yet. An interrupted exchange continues with the same key. On the disk on
/// return.
pub fn admit_new_key(paths: &SitePaths, repository: &Repository) -> Result<(), StepError> {
    let (current, next) = (paths.backup_key(), paths.backup_key_next());
    let former = RepositoryKey::read(&current).map_err(unusable)?;
    if !next.exists() {
        RepositoryKey::generate().write_new(&next).map_err(unusable)?;
    }
    let new = RepositoryKey::read(&next).map_err(unusable)?;
    repository.admit(&new).map_err(unusable)?;
    let mut all = vec![former.clone()];
    all.extend(former_keys(paths)?.into_iter().filter(|key| *key != former && *key != new));
    RepositoryKey::write_list(&all, &paths.backup_keys_former()).map_err(unusable)?;
    if paths.backup_key_printed().exists() {
        durable::remove_file(&paths.backup_key_printed())?;
    }
    Ok(durable::rename(&next, &current)?)
}

/// Second half, for the site's repository and each of its copies: former keys no longer open it. Nothing changes before
/// a person has the new key. Returns the number of passwords that a person added with restic.
pub fn shut_out_former(paths: &SitePaths, repository: &Repository) -> Result<usize, StepError> {
    let former = former_keys(paths)?;
    if former.is_empty() || !paths.backup_key_printed().exists() {
        return Ok(0);
    }
    repository.shut_out(&former).map_err(unusable)
}

/// Opens a copy repository for changes. If only a former key opens it, the site's key is added first.
pub(super) fn open_copies(paths: &SitePaths, repository: &Place, owner: Uuid) -> Result<Repository, BackupError> {
    let (opened, key) = open_with_any(paths, repository, owner)?;
    if opened.opens_with(&key) {
        return Ok(opened);
    }
    opened.admit(&key)?;
    Repository::open(repository, owner, &key)
}

/// Opens a copy repository with the site's key or a former one. Changes nothing. Also returns the site's key.
pub(super) fn open_with_any(
    paths: &SitePaths,
    repository: &Place,
    owner: Uuid,
) -> Result<(Repository, RepositoryKey), BackupError> {
    let key = RepositoryKey::read(&paths.backup_key())?;
    let refused = match Repository::open(repository, owner, &key) {
        Err(refused @ BackupError::WrongKey(_)) => refused,
        opened => return opened.map(|opened| (opened, key)),
    };
    for former in RepositoryKey::read_list(&paths.backup_keys_former())? {
        match Repository::open(repository, owner, &former) {
            Err(BackupError::WrongKey(_)) => {}
            opened => return opened.map(|opened| (opened, key)),
        }
    }
    Err(refused)
}

fn former_keys(paths: &SitePaths) -> Result<Vec<RepositoryKey>, StepError> {
    RepositoryKey::read_list(&paths.backup_keys_former()).map_err(unusable)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use landfall_media::mounted::on_tmpfs;
    use landfall_media::power::{Fate, Recording};

    use super::*;
    use crate::backups::BackupFolder;

    const SITE: Uuid = Uuid::from_u128(7);

    fn key_of(paths: &SitePaths) -> RepositoryKey {
        RepositoryKey::read(&paths.backup_key()).unwrap()
    }

    fn opens(paths: &SitePaths, key: &RepositoryKey) -> bool {
        Repository::open(&paths.backup_repository(), SITE, key).is_ok()
    }

    /// Runs `act`, and checks the site after each power cut in it.
    fn cut(paths: &SitePaths, root: &Path, act: impl Fn(), look: impl Fn(&str)) {
        let recording = Recording::begin(root).unwrap();
        act();
        let states = recording.end(&[Fate::Lost, Fate::Kept, Fate::Torn]);
        assert!(states.len() > 10, "{}", states.len());
        let done = states.iter().map(|left| left.edge).max().unwrap();
        for left in &states {
            std::fs::remove_dir_all(root).unwrap();
            left.place(root).unwrap();
            assert!(opens(paths, &key_of(paths)), "the site's key opens it after {} acts, {:?}", left.edge, left.fate);
            look(&format!("{} acts, {:?}", left.edge, left.fate));
        }
        let whole = states.iter().find(|left| left.edge == done).unwrap();
        std::fs::remove_dir_all(root).unwrap();
        whole.place(root).unwrap();
    }

    #[test]
    fn cut_exchange_keeps_known_key_valid() {
        let test = "backups::exchange::tests::cut_exchange_keeps_known_key_valid";
        let Some(tmpfs) = on_tmpfs(test, "size=64m") else { return };
        let root = tmpfs.join("site");
        let paths = SitePaths::below(&root);
        durable::create_folder(&paths.data()).unwrap();
        durable::write_file(&paths.data_uuid(), format!("{SITE}\n").as_bytes(), 0o644).unwrap();
        let folder = BackupFolder::of(&paths);
        folder.open_or_create().unwrap();
        folder.mark_printed().unwrap();
        let former = key_of(&paths);
        let repository = || folder.open().unwrap().unwrap();

        cut(
            &paths,
            &root,
            || admit_new_key(&paths, &repository()).unwrap(),
            |after| {
                assert!(opens(&paths, &former), "the previous key opens it after {after}");
                // After any night, the previous key is the only one that a person has.
                shut_out_former(&paths, &repository()).unwrap();
                assert!(opens(&paths, &former), "the previous key opens it after {after} and a night");
                let is_known = key_of(&paths) == former || former_keys(&paths).unwrap() == [former.clone()];
                assert!(is_known, "{after}");
            },
        );
        let new = key_of(&paths);
        assert!(new != former && opens(&paths, &former) && !paths.backup_key_next().exists());

        folder.mark_printed().unwrap();
        cut(
            &paths,
            &root,
            || assert_eq!(shut_out_former(&paths, &repository()).unwrap(), 0),
            |after| {
                assert!(key_of(&paths) == new, "{after}");
                // The next night or the next copy ends the exchange.
                shut_out_former(&paths, &repository()).unwrap();
                assert!(!opens(&paths, &former) && opens(&paths, &new), "{after}");
            },
        );
        assert!(!opens(&paths, &former));
    }

    #[test]
    fn interrupted_exchange_continues_with_its_key() {
        let (_root, paths) = super::super::folder::tests::host();
        let folder = BackupFolder::of(&paths);
        let repository = folder.open_or_create().unwrap();
        let next = RepositoryKey::generate();
        next.write_new(&paths.backup_key_next()).unwrap();
        admit_new_key(&paths, &repository).unwrap();
        assert!(key_of(&paths) == next && former_keys(&paths).unwrap().len() == 1);
    }
}
