//! Repair: rewrites all damaged files as far as possible. Lost data comes from copies of the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use landfall_progress::Progress;
use rustic_core::repofile::{BlobType, SnapshotFile, SnapshotId};
use rustic_core::{BlobId, FileType, Id};
use uuid::Uuid;

use crate::backup::{Backup, BackupId};
use crate::change::Change;
use crate::check::{BackupLoss, Damage, Part};
use crate::error::{BackupError, Result};
use crate::folder::{Folder, View};
use crate::key::RepositoryKey;
use crate::library::{self, IndexedRepository};
use crate::read::checked_blob;
use crate::repository::Repository;
use crate::sealed::{self, SealedBlob};
use crate::store::Place;
use crate::writers::Writers;
use crate::{key_files, layout, walk, whole};

/// Maximum bytes of blobs stored in one pack.
const PACK_BYTES: usize = 16 << 20;

/// Result of a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairReport {
    /// Every damaged file before the repair.
    pub found: Vec<Damage>,
    /// Backups that had lost data and can be restored now.
    pub healed: Vec<BackupId>,
    /// Data that is still lost, by backup.
    pub lost: Vec<BackupLoss>,
}

/// Blobs that no pack has.
type MissingBlobs = BTreeSet<(BlobType, BlobId)>;

/// Opens a repository for which the key is valid, even if its config is lost, which is then rewritten durably.
pub fn open_damaged(place: impl Into<Place>, site: Uuid, key: &RepositoryKey) -> Result<Repository> {
    let place = place.into();
    match Repository::open(&place, site, key) {
        Err(BackupError::Damaged { .. }) => {}
        opened => return opened,
    }
    match Repository::owner(&place)? {
        Some(found) if found != site => {
            let store = place.store();
            return Err(BackupError::OtherSite { folder: store.place().to_owned(), found, expected: site });
        }
        _ => {}
    }
    let store = place.clone().store();
    Repository::of(&store, site, key, key_files::unlock(&store, key)?).mend_config()?;
    Repository::open(&place, site, key)
}

impl Repository {
    /// Reads everything, and repairs as much as possible: rewrites small files, and takes lost data from these copies.
    /// Data that no copy has no longer counts as stored, so the next backup stores it again if it still exists. All
    /// changes are durable on return.
    pub fn repair(&self, copies: &[Self], progress: &dyn Progress) -> Result<RepairReport> {
        self.settle(self.repair_all(copies, progress))
    }

    fn repair_all(&self, copies: &[Self], progress: &dyn Progress) -> Result<RepairReport> {
        let found = self.check(progress)?;
        self.mend_config()?;
        let writers = Writers::alone(self)?;
        self.store().remove_leftovers()?;
        self.mend()?;
        // This also rewrites the ledger and the files of the key.
        let mut change = Change::begin(self)?;
        self.remove_damaged_keys()?;
        self.return_snapshots(copies, &found, &mut change)?;
        self.refill(copies)?;
        change.finish()?;
        drop(writers);
        let lost = merge_losses(&self.check_small_files()?);
        let is_lost = |id: &BackupId| lost.iter().any(|taken| taken.backup == *id);
        let healed = merge_losses(&found).iter().map(|taken| taken.backup).filter(|id| !is_lost(id)).collect();
        Ok(RepairReport { found, healed, lost })
    }

    /// Returns the lost data by backup, as far as known without reading packs.
    pub fn losses(&self) -> Result<Vec<BackupLoss>> {
        self.settle(self.check_small_files()).map(|found| merge_losses(&found))
    }

    /// Returns true if a backup cannot be read, or refers to data that no pack has. The caller must hold the
    /// repository's lock.
    pub(crate) fn has_lost(&self) -> Result<bool> {
        let snapshots = Folder::new(self.store(), View::default()).list_files(FileType::Snapshot)?;
        let is_whole = |(id, _): &(Id, u32)| whole::is_named_right(&**self.store(), FileType::Snapshot, id);
        Ok(!snapshots.iter().all(is_whole) || !self.lacking(&self.indexed_session()?.1)?.is_empty())
    }

    /// Removes damaged key files of restic, once another one is intact: the repository's own was rewritten. A user
    /// whose additional password had a damaged file must add it again.
    fn remove_damaged_keys(&self) -> Result<()> {
        let keys = Folder::new(self.store(), View::default()).list_files(FileType::Key)?.into_iter().map(|(id, _)| id);
        let (whole, damaged): (Vec<Id>, Vec<Id>) =
            keys.partition(|id| whole::is_named_right(&**self.store(), FileType::Key, id));
        for id in damaged.iter().filter(|_| !whole.is_empty()) {
            self.store().remove(&layout::relative(FileType::Key, id))?;
        }
        Ok(())
    }

    /// Takes the snapshots of lost backups from copies that have these backups.
    fn return_snapshots(&self, copies: &[Self], found: &[Damage], change: &mut Change<'_>) -> Result<()> {
        let mut lost: BTreeMap<BackupId, PathBuf> = BTreeMap::new();
        for damage in found.iter().filter(|damage| damage.part == Part::Snapshot) {
            lost.extend(damage.takes.iter().map(|taken| (taken.backup, damage.file.clone())));
        }
        for copy in copies {
            for (backup, snapshot) in copy.latest_snapshots()? {
                if let Some(file) = lost.remove(&backup.id) {
                    self.return_snapshot(&backup, snapshot, &file, change)?;
                }
            }
        }
        Ok(())
    }

    /// Stores the snapshot, then removes the lost file.
    fn return_snapshot(
        &self,
        backup: &Backup,
        mut snapshot: SnapshotFile,
        lost: &Path,
        change: &mut Change<'_>,
    ) -> Result<()> {
        snapshot.original.get_or_insert(snapshot.id);
        let (folder, opened) = self.session(View::default())?;
        let saved = opened.save_snapshots(vec![snapshot]);
        saved.map_err(|error| library::failure(&folder, "store a snapshot", error))?;
        let new = folder.last_snapshot().ok_or_else(|| BackupError::Bug("no snapshot was written".to_owned()))?;
        change.add(new.into(), backup)?;
        let name = lost.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<Id>().ok());
        if let Some(former) = name.filter(|former| *former != new) {
            change.remove(&[SnapshotId::from(former)])?;
            self.store().remove(&layout::relative(FileType::Snapshot, &former))?;
        }
        Ok(())
    }

    /// Takes blobs that no pack has from copies. A recovered tree may name more lost blobs.
    fn refill(&self, copies: &[Self]) -> Result<()> {
        let sources = copies.iter().map(|copy| Ok((copy, copy.indexed_session()?.1))).collect::<Result<Vec<_>>>()?;
        let mut lacking = self.lacking(&self.indexed_session()?.1)?;
        while !lacking.is_empty() {
            self.take_blobs(&sources, &lacking)?;
            let left = self.lacking(&self.indexed_session()?.1)?;
            // Each round recovers something, or is the last one.
            if left.is_superset(&lacking) {
                break;
            }
            lacking = left;
        }
        Ok(())
    }

    fn take_blobs(&self, sources: &[(&Self, IndexedRepository)], lacking: &MissingBlobs) -> Result<()> {
        let folder = Folder::new(self.store(), View::default());
        for kind in [BlobType::Tree, BlobType::Data] {
            let (mut sealed, mut bytes) = (Vec::new(), 0);
            for (_, id) in lacking.iter().filter(|(of, _)| *of == kind) {
                let mut found = sources.iter().map(|(copy, source)| checked_blob(source, copy.folder(), *id, kind));
                let Some(plain) = found.find_map(Result::ok) else { continue };
                bytes += plain.len();
                sealed.push(SealedBlob::seal(self.master(), kind, **id, &plain)?);
                if bytes >= PACK_BYTES {
                    sealed::store_pack(&folder, self.master(), &std::mem::take(&mut sealed))?;
                    bytes = 0;
                }
            }
            if !sealed.is_empty() {
                sealed::store_pack(&folder, self.master(), &sealed)?;
            }
        }
        Ok(())
    }

    /// Returns blobs that backups refer to but that the index lacks.
    fn lacking(&self, indexed: &IndexedRepository) -> Result<MissingBlobs> {
        let mut lacking = MissingBlobs::new();
        let trees: BTreeSet<_> = self.all_snapshots()?.into_iter().map(|(_, snapshot)| *snapshot.tree).collect();
        for tree in trees {
            let (files, unread) = walk::files(indexed, tree.into());
            lacking.extend(unread.into_iter().map(|unread| (BlobType::Tree, unread.tree.into())));
            let content = files.into_iter().flat_map(|file| file.content);
            let lost = content.filter(|blob| indexed.get_index_entry(blob).is_err());
            lacking.extend(lost.map(|blob| (BlobType::Data, blob.into())));
        }
        Ok(lacking)
    }
}

/// Merges the losses of all damage, each backup once.
fn merge_losses(damages: &[Damage]) -> Vec<BackupLoss> {
    let mut all: BTreeMap<BackupId, BackupLoss> = BTreeMap::new();
    for taken in damages.iter().flat_map(|damage| &damage.takes) {
        match all.get_mut(&taken.backup) {
            Some(known) => {
                known.streams.extend(taken.streams.iter().cloned());
                known.streams.sort();
                known.streams.dedup();
            }
            None => drop(all.insert(taken.backup, taken.clone())),
        }
    }
    let mut all: Vec<BackupLoss> = all.into_values().collect();
    all.sort_by_key(|taken| (taken.time, taken.backup));
    all
}
