//! Creation, opening and listing of a repository.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use landfall_media::durable;
use rustic_core::repofile::{SnapshotFile, SnapshotId};
use rustic_core::{ConfigOptions, Credentials, FileType, KeyOptions};
use uuid::Uuid;

use crate::backup::{Backup, BackupId};
use crate::error::{BackupError, LibraryError, Result};
use crate::folder::{Folder, View};
use crate::key::RepositoryKey;
use crate::layout::{self, CONFIG, FOLDERS};
use crate::ledger::{Ledger, LedgerState};
use crate::library::{self, IndexedRepository, OpenRepository};
use crate::master::Master;
use crate::reserve::Reserve;
use crate::store::{Place, Store};
use crate::{key_files, snapshot, walk, whole};

/// Size of a pack, the unit in which data is written: about five of them are in memory at a time.
const PACK_SIZE: ByteSize = ByteSize::mib(16);

/// Average size of the content-defined chunks of streams. A database changes in small places throughout, so a chunk
/// that is stored again is mostly unchanged data. An index uses about 60 bytes of memory per chunk.
const PIECE_SIZE: ByteSize = ByteSize::kib(256);
const LEAST_PIECE_SIZE: ByteSize = ByteSize::kib(64);
const LARGEST_PIECE_SIZE: ByteSize = ByteSize::mib(1);

/// Default time that a change waits for another one: a log backup must not make the nightly backup fail that begins at
/// the same time.
const PATIENCE: Duration = Duration::from_mins(30);

/// Time between two attempts to take the lock.
const INTERVAL: Duration = Duration::from_millis(200);

/// The opened backup repository of a site.
pub struct Repository {
    store: Arc<dyn Store>,
    site: Uuid,
    key: RepositoryKey,
    master: Master,
    patience: Duration,
    reserve: Reserve,
}

/// All backups of a repository, each list in the order in which they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backups {
    /// Backups of all data.
    pub full: Vec<Backup>,
    /// Log backups.
    pub logs: Vec<Backup>,
}

impl Backups {
    /// Sorts these backups, given in any order.
    pub fn of(mut all: Vec<Backup>) -> Self {
        all.sort_by_key(Backup::order);
        let (full, logs) = all.into_iter().partition(Backup::is_full);
        Self { full, logs }
    }

    /// Returns the sequence number of the newest backup; `None` if no backup has one.
    pub fn last_sequence(&self) -> Option<u64> {
        self.full.iter().chain(&self.logs).filter_map(|backup| backup.sequence).max()
    }
}

/// Mode of the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// For readers of everything.
    Shared,
    /// For changes.
    Exclusive,
}

impl Repository {
    /// Creates an empty repository at this place, durably, including a missing folder; finishes an interrupted
    /// creation. Refuses a place that holds anything else.
    pub fn create(place: impl Into<Place>, site: Uuid, key: &RepositoryKey) -> Result<Self> {
        let repository = Self::of(&place.into().store(), site, key, Master::random());
        repository.store.make_root()?;
        let created = repository.fill();
        repository.settle(created)?;
        Ok(repository)
    }

    fn fill(&self) -> Result<()> {
        let _lock = self.lock(Lock::Exclusive)?;
        self.refuse_occupied()?;
        let view = Arc::new(Folder::new(&self.store, View::default()));
        for (id, _) in view.list_files(FileType::Key)? {
            self.store.remove(&layout::relative(FileType::Key, &id))?;
        }
        for file in Master::files(&*self.store)? {
            self.store.remove(&file)?;
        }
        Ledger::new(self.site).write(&*self.store)?;
        self.master.write(&*self.store, &self.key)?;
        let made = self.write_config(&view);
        made.map_err(|error| library::failure(&view, "create a backup repository", error))?;
        key_files::add(&view, self.site, &self.master, &self.key)
    }

    /// Writes a config, and opens the repository with it.
    fn write_config(&self, view: &Arc<Folder>) -> Result<OpenRepository, Box<rustic_core::RusticError>> {
        // The pack size does not grow with the repository, so memory use does not either.
        let config = ConfigOptions::default().set_datapack_size(PACK_SIZE).set_datapack_growfactor(0_u32);
        let config = config.set_treepack_growfactor(0_u32).set_chunk_size(PIECE_SIZE);
        let config = config.set_chunk_min_size(LEAST_PIECE_SIZE).set_chunk_max_size(LARGEST_PIECE_SIZE);
        library::closed_repository(view)?.init(&self.credentials(), &KeyOptions::default(), &config)
    }

    /// Rewrites the config if it is lost. The data depends on nothing in it except the chunk boundaries: the next
    /// backup stores its data once more.
    pub(crate) fn mend_config(&self) -> Result<()> {
        let _lock = self.lock(Lock::Exclusive)?;
        if self.opens() {
            return Ok(());
        }
        tracing::warn!(folder = %self.folder().display(), "the file config is lost and is written again");
        self.store.remove(Path::new(CONFIG))?;
        let view = Arc::new(Folder::new(&self.store, View::default()));
        let made = self.write_config(&view);
        made.map(drop).map_err(|error| library::failure(&view, "write the file config again", error))
    }

    /// Opens the repository at this place, without changing it. Refuses a repository of another site and one that the
    /// key does not open, and reports damage that prevents opening.
    pub fn open(place: impl Into<Place>, site: Uuid, key: &RepositoryKey) -> Result<Self> {
        let store = place.into().store();
        let opened = Self::open_store(&store, site, key);
        store.failure().map_or(opened, Err)
    }

    fn open_store(store: &Arc<dyn Store>, site: Uuid, key: &RepositoryKey) -> Result<Self> {
        let place = store.place();
        let config = store.size(Path::new(CONFIG)).map_err(|error| BackupError::io("look at", place, error))?;
        if config.is_none() {
            // An interrupted creation leaves empty folders.
            return Err(if has_parts(store)? {
                BackupError::damaged(place, "its file config is missing")
            } else {
                BackupError::NoRepository(place.to_owned())
            });
        }
        // An unreadable ledger is no reason to refuse: the check reports it.
        if let Ok(LedgerState::Ledger(Ledger { site: found, .. })) = Ledger::read(&**store)
            && found != site
        {
            return Err(BackupError::OtherSite { folder: place.to_owned(), found, expected: site });
        }
        let repository = Self::of(store, site, key, key_files::unlock(store, key)?);
        repository.session(View::default())?;
        Ok(repository)
    }

    pub(crate) fn of(store: &Arc<dyn Store>, site: Uuid, key: &RepositoryKey, master: Master) -> Self {
        let (store, reserve) = (store.clone(), Reserve::default());
        Self { store, site, key: key.clone(), master, patience: PATIENCE, reserve }
    }

    /// Returns the site that owns the repository at this place; `None` if unknown because its ledger is lost.
    pub fn owner(place: impl Into<Place>) -> Result<Option<Uuid>> {
        match Ledger::read(&*place.into().store())? {
            LedgerState::Ledger(Ledger { site, .. }) => Ok(Some(site)),
            _ => Ok(None),
        }
    }

    /// Returns the repository's folder, or the address of its bucket.
    pub fn folder(&self) -> &Path {
        self.store.place()
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Returns this result, unless the repository's place has failed in the meantime: then no finding is certain.
    pub(crate) fn settle<T>(&self, result: Result<T>) -> Result<T> {
        self.store.failure().map_or(result, Err)
    }

    /// Returns the same repository, whose changes wait this long for another change.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Returns the same repository, whose backups fail rather than leave less of its filesystem free.
    #[must_use]
    pub fn with_reserve(self, reserve: Reserve) -> Self {
        Self { reserve, ..self }
    }

    pub(crate) fn reserve(&self) -> Reserve {
        self.reserve
    }

    /// Returns every complete backup of all data, in the order in which they were made; see [`Repository::everything`].
    pub fn backups(&self) -> Result<Vec<Backup>> {
        Ok(self.everything()?.full)
    }

    /// Returns every complete backup. An unreadable snapshot is left out and logged: [`Repository::check`] reports it.
    pub fn everything(&self) -> Result<Backups> {
        let all = self.settle(self.latest_snapshots())?.into_iter().map(|(backup, _)| backup);
        Ok(Backups::of(all.collect()))
    }

    /// Returns backups with their valid snapshots, in the order in which they were made.
    pub(crate) fn latest_snapshots(&self) -> Result<Vec<(Backup, SnapshotFile)>> {
        Ok(latest_of(self.all_snapshots()?))
    }

    /// Returns the backup with this ID, with its valid snapshot.
    pub(crate) fn find(&self, id: BackupId) -> Result<(Backup, SnapshotFile)> {
        let found = self.find_all(&[id])?.pop();
        found.ok_or_else(|| BackupError::NoBackup { folder: self.folder().to_owned(), id })
    }

    /// Returns the backups with these IDs, in order, each with its valid snapshot.
    pub(crate) fn find_all(&self, ids: &[BackupId]) -> Result<Vec<(Backup, SnapshotFile)>> {
        self.pick(self.latest_snapshots()?, ids)
    }

    /// Selects the backups with these IDs, in order.
    pub(crate) fn pick(
        &self,
        known: Vec<(Backup, SnapshotFile)>,
        ids: &[BackupId],
    ) -> Result<Vec<(Backup, SnapshotFile)>> {
        let mut known: BTreeMap<BackupId, (Backup, SnapshotFile)> =
            known.into_iter().map(|found| (found.0.id, found)).collect();
        let missing = |id: &BackupId| BackupError::NoBackup { folder: self.folder().to_owned(), id: *id };
        ids.iter().map(|id| known.remove(id).ok_or_else(|| missing(id))).collect()
    }

    /// Returns every readable snapshot of Landfall's with its backup, ordered by ID. An intact file under another one's
    /// name is left out: the library would take it for the other backup.
    pub(crate) fn all_snapshots(&self) -> Result<Vec<(Backup, SnapshotFile)>> {
        let (folder, opened) = self.session(View { compares_snapshots: true, ..View::default() })?;
        let mut files = folder.list_files(FileType::Snapshot)?;
        files.sort_unstable();
        let names: Vec<_> = files.iter().map(|(id, _)| layout::relative(FileType::Snapshot, id)).collect();
        self.store.read_ahead(&names);
        let (mut found, mut is_any_read) = (Vec::new(), false);
        for (id, _) in files {
            let id = SnapshotId::from(id);
            match opened.get_file::<SnapshotFile>(&id) {
                Ok(snapshot) => {
                    is_any_read = true;
                    let snapshot = snapshot::snapshot_with_id(id, snapshot);
                    found.extend(Backup::of(&snapshot).map(|backup| (backup, snapshot)));
                }
                Err(error) => {
                    let error = LibraryError::from(error);
                    tracing::warn!(file = %id.to_hex().as_str(), %error, "a snapshot cannot be read");
                }
            }
        }
        if !is_any_read {
            self.expect_answer(&names)?;
        }
        if found.iter().any(|(backup, _)| backup.streams.is_empty()) {
            self.name_streams(&mut found)?;
        }
        Ok(found)
    }

    /// Fails if none of these files can be read, so that a failing disk is not mistaken for one without backups.
    fn expect_answer(&self, files: &[PathBuf]) -> Result<()> {
        let mut failure = None;
        for file in files {
            match self.store.read(file) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => failure = Some(BackupError::io("read", &self.folder().join(file), error)),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Fills in the streams of backups whose snapshots do not name them, because restic has rewritten them.
    fn name_streams(&self, found: &mut [(Backup, SnapshotFile)]) -> Result<()> {
        let (folder, indexed) = self.indexed_session()?;
        for (backup, snapshot) in found.iter_mut().filter(|(backup, _)| backup.streams.is_empty()) {
            let (files, unread) = walk::files(&indexed, snapshot.tree);
            backup.streams = files.into_iter().map(walk::TreeFile::into_stream).collect();
            if let Some(error) = unread.into_iter().next() {
                let error = library::failure(&folder, "read a tree", error.error);
                tracing::warn!(backup = %backup.id, %error, "not every stream of a backup can be named");
            }
        }
        Ok(())
    }

    /// Opens the folder for one session.
    pub(crate) fn session(&self, view: View) -> Result<(Arc<Folder>, OpenRepository)> {
        let folder = Arc::new(Folder::new(&self.store, view));
        match library::open(&folder, &self.credentials()) {
            Ok(opened) => Ok((folder, opened)),
            Err(error) => Err(self.why_not_opened(error)),
        }
    }

    /// Returns true if the library still opens the folder.
    pub(crate) fn opens(&self) -> bool {
        library::open(&Arc::new(Folder::new(&self.store, View::default())), &self.credentials()).is_ok()
    }

    /// Like [`Repository::session`], with the index in memory.
    pub(crate) fn indexed_session(&self) -> Result<(Arc<Folder>, IndexedRepository)> {
        self.indexed_in(self.view_of_whole_indexes()?)
    }

    /// Like [`Repository::indexed_session`], with this view.
    pub(crate) fn indexed_in(&self, view: View) -> Result<(Arc<Folder>, IndexedRepository)> {
        let (folder, opened) = self.session(view)?;
        match opened.to_indexed() {
            Ok(indexed) => Ok((folder, indexed)),
            Err(error) => Err(library::damage(self.folder(), "its index cannot be read", error)),
        }
    }

    /// Returns a view without damaged index files, at which the library would stop. Data that they name counts as
    /// missing, and the rest can be read and extended.
    pub(crate) fn view_of_whole_indexes(&self) -> Result<View> {
        let files = Folder::new(&self.store, View::default()).list_files(FileType::Index)?;
        let names: Vec<_> = files.iter().map(|(id, _)| layout::relative(FileType::Index, id)).collect();
        self.store.read_ahead(&names);
        let damaged = files.iter().filter(|(id, _)| !whole::is_whole(&*self.store, FileType::Index, id));
        let hidden = damaged.map(|(id, _)| layout::relative(FileType::Index, id)).collect();
        Ok(View { hidden, ..View::default() })
    }

    /// Takes the lock of the repository, held until the returned file is closed. Waits up to the repository's patience.
    pub(crate) fn lock(&self, lock: Lock) -> Result<Option<File>> {
        self.store.lock_file()?.map(|file| self.lock_file(file, lock)).transpose()
    }

    /// Takes a lock on this file, as [`Repository::lock`] does.
    pub(crate) fn lock_file(&self, file: File, lock: Lock) -> Result<File> {
        let begun = Instant::now();
        loop {
            let locked = match lock {
                Lock::Shared => file.try_lock_shared(),
                Lock::Exclusive => file.try_lock(),
            };
            match locked {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if begun.elapsed() < self.patience => std::thread::sleep(INTERVAL),
                Err(TryLockError::WouldBlock) => return Err(BackupError::InUse(self.folder().to_owned())),
                Err(TryLockError::Error(error)) => return Err(BackupError::io("lock", self.folder(), error)),
            }
        }
    }

    /// Returns the site that owns it.
    pub fn site(&self) -> Uuid {
        self.site
    }

    pub(crate) fn key(&self) -> &RepositoryKey {
        &self.key
    }

    pub(crate) fn master(&self) -> &Master {
        &self.master
    }

    fn credentials(&self) -> Credentials {
        Credentials::Masterkey(self.master.to_library())
    }

    /// Returns an error unless the folder holds only leftovers of an interrupted creation, or the folder of a
    /// filesystem check.
    fn refuse_occupied(&self) -> Result<()> {
        let names = self.store.names().map_err(|error| BackupError::io("list", self.folder(), error))?;
        let occupied =
            |found: &str| BackupError::Occupied { folder: self.folder().to_owned(), found: found.to_owned() };
        for name in names {
            if name == CONFIG {
                return Err(occupied("a repository already"));
            }
            let is_leftover = FOLDERS.contains(&name.as_str()) || durable::is_temporary(Path::new(&name));
            if !is_leftover && name != "lost+found" {
                return Err(occupied(&name));
            }
        }
        if has_parts(&self.store)? {
            return Err(occupied("parts of a repository that has lost its file config"));
        }
        Ok(())
    }

    /// Explains why the library did not open the repository: the key had already opened it.
    fn why_not_opened(&self, error: Box<rustic_core::RusticError>) -> BackupError {
        let is_there = matches!(self.store.size(Path::new(CONFIG)), Ok(Some(_)));
        let what = if is_there { "its file config is changed" } else { "its file config is missing" };
        library::damage(self.folder(), what, error)
    }
}

/// Returns true if any backup data is stored at this place.
fn has_parts(store: &Arc<dyn Store>) -> Result<bool> {
    let folder = Folder::new(store, View::default());
    for kind in [FileType::Snapshot, FileType::Index, FileType::Pack] {
        if !folder.list_files(kind)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the valid snapshot of each backup, in the order in which they were made. An interrupted mark leaves two
/// snapshots of one backup, of which the marked one is valid. Of two marks, the failed drill's is valid.
pub(crate) fn latest_of(all: Vec<(Backup, SnapshotFile)>) -> Vec<(Backup, SnapshotFile)> {
    let mut latest: BTreeMap<BackupId, (Backup, SnapshotFile)> = BTreeMap::new();
    for (backup, snapshot) in all {
        let rank = |backup: &Backup| (backup.disproof.is_some(), backup.proof.is_some());
        if latest.get(&backup.id).is_none_or(|(other, _)| rank(other) < rank(&backup)) {
            latest.insert(backup.id, (backup, snapshot));
        }
    }
    let mut sorted: Vec<_> = latest.into_values().collect();
    sorted.sort_by_key(|(backup, _)| backup.order());
    sorted
}
