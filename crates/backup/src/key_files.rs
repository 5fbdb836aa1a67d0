//! Files by which a key opens a repository: restic's key file, and Landfall's of the master key (`master_file.rs`).

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rand::Rng as _;
use rustic_core::repofile::KeyFile as ResticKeyFile;
use rustic_core::{Credentials, FileType, Id};
use serde::Deserialize;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::{BackupError, Result};
use crate::folder::{Folder, View};
use crate::key::RepositoryKey;
use crate::master::Master;
use crate::master_file::MasterState;
use crate::store::Store;
use crate::{digest, layout, library, whole};

/// Prefix of the user in restic's key file; the name of the key follows.
const USER: &str = "landfall-";

/// Random bytes that make the derived key different for each file.
const SALT_BYTES: usize = 64;

/// Fields of restic's key file that Landfall reads.
#[derive(Deserialize)]
struct KeyFile {
    #[serde(default)]
    username: String,
}

/// Returns the master key of the repository at this place, opened by this key. Reports damage that prevents this.
pub(crate) fn unlock(store: &Arc<dyn Store>, key: &RepositoryKey) -> Result<Master> {
    if let MasterState::Master(master) = Master::read(&**store, key)? {
        return Ok(master);
    }
    let root = store.place();
    let folder = Folder::new(store, View::default());
    let (whole, damaged): (Vec<Id>, Vec<Id>) = folder
        .list_files(FileType::Key)?
        .into_iter()
        .map(|(id, _)| id)
        .partition(|id| whole::is_whole(&**store, FileType::Key, id));
    if whole.is_empty() {
        return Err(BackupError::damaged(root, "none of the files that a key opens can be read"));
    }
    let hidden = damaged.iter().map(|id| layout::relative(FileType::Key, id)).collect();
    let folder = Arc::new(Folder::new(store, View { hidden, ..View::default() }));
    let password = Credentials::Password(key.password().to_string());
    match library::open(&folder, &password) {
        Ok(opened) => Master::of_library(&opened.key())
            .ok_or_else(|| BackupError::damaged(root, "its master key is not one of this format")),
        Err(error) if error.is_incorrect_password() => Err(BackupError::WrongKey(root.to_owned())),
        Err(error) => Err(library::damage(root, "its file config is changed", error)),
    }
}

/// Rewrites lost or damaged files of the repository's own key. A process that opened the repository with a key that has
/// since been shut out does not readmit that key.
pub(crate) fn mend(store: &Arc<dyn Store>, site: Uuid, master: &Master, key: &RepositoryKey) -> Result<()> {
    let sealed = Master::read(&**store, key)?;
    if matches!(sealed, MasterState::Missing) && !Master::files(&**store)?.is_empty() {
        return Ok(());
    }
    if write_lost(store, site, master, key, &sealed)? {
        tracing::warn!(folder = %store.place().display(), "a file of the key was lost and is written again");
    }
    Ok(())
}

/// Returns true if both files of a key are intact.
pub(crate) fn are_intact(store: &Arc<dyn Store>, key: &RepositoryKey) -> Result<bool> {
    let is_sealed = matches!(Master::read(&**store, key)?, MasterState::Master(_));
    Ok(is_sealed && has_key_file(store, key)?)
}

/// Rewrites lost or damaged files of a key. Returns true if it wrote any.
pub(crate) fn write_lost(
    store: &Arc<dyn Store>,
    site: Uuid,
    master: &Master,
    key: &RepositoryKey,
    sealed: &MasterState,
) -> Result<bool> {
    let (has_file, is_sealed) = (has_key_file(store, key)?, matches!(sealed, MasterState::Master(_)));
    if !has_file {
        add(&Folder::new(store, View::default()), site, master, key)?;
    }
    if !is_sealed {
        master.write(&**store, key)?;
    }
    Ok(!has_file || !is_sealed)
}

/// Adds the file by which a key, as restic's password, opens the repository.
pub(crate) fn add(folder: &Folder, site: Uuid, master: &Master, key: &RepositoryKey) -> Result<()> {
    let written = |error: serde_json::Error| BackupError::Bug(format!("a key file: {error}"));
    let mut salt = vec![0; SALT_BYTES];
    rand::rng().fill_bytes(&mut salt);
    let plain = Zeroizing::new(serde_json::to_vec(&master.to_library()).map_err(written)?);
    let data = key.derivation().lock(&key.password(), &salt)?.seal(&plain)?;
    let (n, r, p) = key.derivation().numbers();
    let file = ResticKeyFile {
        hostname: Some(site.to_string()),
        username: Some(user_of(key)),
        created: Some(Timestamp::now().to_zoned(TimeZone::UTC)),
        kdf: "scrypt".to_owned(),
        n,
        r,
        p,
        data,
        salt,
    };
    let bytes = serde_json::to_vec(&file).map_err(written)?;
    folder.store(FileType::Key, &digest::of_bytes(&bytes), &bytes)
}

/// Returns the files by which one of these keys may open the repository, including damaged ones, relative to its
/// folder.
pub(crate) fn of_keys(
    store: &Arc<dyn Store>,
    keys: &[&RepositoryKey],
    listed: &[(Id, String)],
) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for key in keys {
        let user = user_of(key);
        let named = listed.iter().filter(|(_, found)| *found == user);
        files.extend(named.map(|(id, _)| layout::relative(FileType::Key, id)));
        if !matches!(Master::read(&**store, key)?, MasterState::Missing) {
            files.push(Master::file_of(key));
        }
    }
    Ok(files)
}

/// Returns restic's key files, each with the user that it names, or an empty string.
pub(crate) fn listed(store: &Arc<dyn Store>) -> Result<Vec<(Id, String)>> {
    let root = store.place();
    let mut found = Vec::new();
    for (id, _) in Folder::new(store, View::default()).list_files(FileType::Key)? {
        let file = layout::relative(FileType::Key, &id);
        let read = store.read(&file);
        let bytes = read.map_err(|error| BackupError::io("read", &root.join(file), error))?;
        let user = serde_json::from_slice(&bytes).map_or_else(|_| String::new(), |file: KeyFile| file.username);
        found.push((id, user));
    }
    Ok(found)
}

/// Returns true if someone added the password of this user with restic.
pub(crate) fn is_of_person(user: &str) -> bool {
    !user.starts_with(USER)
}

fn has_key_file(store: &Arc<dyn Store>, key: &RepositoryKey) -> Result<bool> {
    let user = user_of(key);
    let is_it = |(id, found): &(Id, String)| *found == user && whole::is_named_right(&**store, FileType::Key, id);
    Ok(listed(store)?.iter().any(is_it))
}

fn user_of(key: &RepositoryKey) -> String {
    format!("{USER}{}", key.name())
}
