//! Mending: damaged data no longer counts as stored, and intact data in a damaged file stays readable.
//!
//! The library trusts the index: data that it names is not stored again. Therefore a damaged pack is removed from the
//! index, after its readable blobs were moved to another pack. A damaged index file is rebuilt from the headers of the
//! packs. The next backup of data that still exists is then intact, and so is every earlier one that lacks nothing
//! else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rustic_core::repofile::{BlobType, IndexBlob, IndexFile, IndexPack};
use rustic_core::{DataId, FileType, Id, RepairIndexOptions, TreeId};

use crate::change::Change;
use crate::error::Result;
use crate::folder::{Folder, View};
use crate::library::{self, IndexedRepository};
use crate::read::checked_blob;
use crate::repository::Repository;
use crate::sealed::{self, SealedBlob};
use crate::{layout, suspects, whole};

/// Packs that may be damaged, with their blobs; without blobs if no index file names the pack.
type DoubtfulPacks = BTreeMap<Id, Vec<IndexBlob>>;

impl Repository {
    /// Excludes damaged index files, and packs with failed reads, from the stored data, except for their intact blobs.
    /// The caller must hold the writers' lock exclusively ([`crate::writers::Writers`]). All changes are durable on
    /// return.
    pub(crate) fn mend(&self) -> Result<()> {
        let damaged_indexes = self.view_of_whole_indexes()?.hidden;
        let suspects = suspects::list(&**self.store())?;
        if damaged_indexes.is_empty() && suspects.is_empty() {
            return Ok(());
        }
        let change = Change::begin(self)?;
        self.mend_files(&damaged_indexes, &suspects)?;
        for suspect in &suspects {
            suspects::forget(&**self.store(), suspect)?;
        }
        change.finish()
    }

    fn mend_files(&self, damaged_indexes: &BTreeSet<PathBuf>, suspects: &[Id]) -> Result<()> {
        let (folder, indexed) = self.indexed_session()?;
        let mut damaged = BTreeSet::new();
        for (id, blobs) in self.doubtful(&indexed, suspects)? {
            let file = layout::relative(FileType::Pack, &id);
            let intact = self.intact_blobs(&indexed, &id, &blobs);
            if whole::is_whole(&**self.store(), FileType::Pack, &id) && intact.len() == blobs.len() {
                continue;
            }
            tracing::warn!(pack = %file.display(), intact = intact.len(), "a damaged pack no longer counts");
            if !intact.is_empty() {
                sealed::store_pack(&folder, self.master(), &intact)?;
            }
            damaged.insert(file);
        }
        let hidden = damaged_indexes.union(&damaged).cloned().collect();
        let (folder, opened) = self.session(View { hidden, ..View::default() })?;
        let repaired = opened.repair_index(&RepairIndexOptions::default(), false);
        repaired.map_err(|error| library::failure(&folder, "write the index again", error))?;
        for file in damaged_indexes.iter().chain(&damaged) {
            self.store().remove(file)?;
        }
        Ok(())
    }

    /// Returns the packs that may be damaged: suspects, packs whose size differs from the index, and packs that no
    /// index file names.
    fn doubtful(&self, indexed: &IndexedRepository, suspects: &[Id]) -> Result<DoubtfulPacks> {
        let listed = Folder::new(self.store(), View::default()).list_files(FileType::Pack)?;
        let mut unnamed: BTreeMap<Id, u32> = listed.into_iter().collect();
        let mut doubtful = DoubtfulPacks::new();
        let sizes = unnamed.clone();
        let unread = |error| library::damage(self.folder(), "an index file cannot be read", error);
        for read in indexed.stream_files::<IndexFile>().map_err(unread)? {
            let (_, index) = read.map_err(unread)?;
            for pack in index.packs.into_iter().chain(index.packs_to_delete) {
                unnamed.remove(&*pack.id);
                let has_size = sizes.get(&*pack.id) == Some(&pack.pack_size());
                if !has_size || suspects.contains(&pack.id) {
                    let IndexPack { id, blobs, .. } = pack;
                    doubtful.entry(*id).or_default().extend(blobs);
                }
            }
        }
        for id in unnamed.into_keys() {
            doubtful.entry(id).or_default();
        }
        Ok(doubtful)
    }

    /// Returns the readable blobs of a pack, in sealed form. Blobs that another pack also has are left out.
    fn intact_blobs(&self, indexed: &IndexedRepository, pack: &Id, blobs: &[IndexBlob]) -> Vec<SealedBlob> {
        let file = layout::relative(FileType::Pack, pack);
        let intact = |blob: &IndexBlob| {
            let id = *blob.id;
            let entry = match blob.tpe {
                BlobType::Data => indexed.get_index_entry(&DataId::from(id)),
                BlobType::Tree => indexed.get_index_entry(&TreeId::from(id)),
            };
            let is_only_here = entry.is_ok_and(|entry| *entry.pack == *pack);
            if !is_only_here || checked_blob(indexed, self.folder(), blob.id, blob.tpe).is_err() {
                return None;
            }
            let bytes = self.store().read_part(&file, blob.location.offset, blob.location.length).ok()?;
            let uncompressed_length = blob.location.uncompressed_length;
            Some(SealedBlob { kind: blob.tpe, id, bytes: bytes.to_vec(), uncompressed_length })
        };
        blobs.iter().filter_map(intact).collect()
    }
}
