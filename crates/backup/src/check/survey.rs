//! Survey of the files that exist and must exist, and of the integrity of their bytes. Packs are only listed: they are
//! read once, later.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustic_core::{FileType, Id};

use super::blobs::DescribedPack;
use super::damage::{Damage, DamageKind, Part};
use crate::error::{BackupError, Result};
use crate::folder::{Folder, View};
use crate::layout::{self, CONFIG};
use crate::ledger::{self, Ledger, LedgerState};
use crate::master::Master;
use crate::master_file::MasterState;
use crate::repository::Repository;
use crate::store::Store;

/// Knowledge before data is read.
pub(super) struct Survey {
    pub store: Arc<dyn Store>,
    /// The ledger, if readable.
    pub ledger: Option<Ledger>,
    /// Intact snapshots.
    pub snapshots: Vec<Id>,
    /// Existing packs, with their sizes in bytes.
    pub packs: Vec<(Id, u32)>,
    /// Damage found so far, without the resulting losses.
    pub damage: Vec<Damage>,
}

impl Survey {
    pub(super) fn of(repository: &Repository) -> Result<Self> {
        let store = repository.store().clone();
        let folder = Folder::new(&store, View::default());
        let packs = folder.list_files(FileType::Pack)?;
        let ids = |kind| -> Result<Vec<Id>> { Ok(folder.list_files(kind)?.into_iter().map(|(id, _)| id).collect()) };
        let (keys, indexes, snapshots) = (ids(FileType::Key)?, ids(FileType::Index)?, ids(FileType::Snapshot)?);

        let mut survey = Self { store, ledger: None, snapshots: Vec::new(), packs, damage: Vec::new() };
        survey.look_at_config(repository);
        survey.look_at_ledger();
        if survey.intact_files(FileType::Key, &keys).is_empty() && keys.is_empty() {
            survey.note(Part::Key, PathBuf::from(FileType::Key.dirname()), DamageKind::Missing);
        }
        survey.look_at_sealed_master(repository);
        survey.intact_files(FileType::Index, &indexes);
        survey.snapshots = survey.intact_files(FileType::Snapshot, &snapshots);
        survey.miss(&indexes, &snapshots);
        Ok(survey)
    }

    pub(super) fn note(&mut self, part: Part, file: PathBuf, what: DamageKind) {
        self.damage.push(Damage { part, file, what, takes: Vec::new() });
    }

    /// Returns true if the library can open the repository.
    pub(super) fn is_readable(&self) -> bool {
        self.damage.iter().all(|damage| damage.part != Part::Config)
    }

    /// Returns the total size in bytes of these packs, as far as they exist.
    pub(super) fn bytes_of(&self, packs: &[DescribedPack]) -> u64 {
        let sizes: HashMap<Id, u32> = self.packs.iter().copied().collect();
        packs.iter().filter_map(|pack| sizes.get(&pack.id)).map(|size| u64::from(*size)).sum()
    }

    /// Splits packs into missing and existing ones.
    pub(super) fn part_missing(&self, packs: Vec<DescribedPack>) -> (Vec<DescribedPack>, Vec<DescribedPack>) {
        let present: BTreeSet<Id> = self.packs.iter().map(|(id, _)| *id).collect();
        packs.into_iter().partition(|pack| !present.contains(&pack.id))
    }

    /// Checks the config. The key decrypted it when the repository was opened, so if it no longer does, the config has
    /// changed.
    fn look_at_config(&mut self, repository: &Repository) {
        let what = match self.store.read(Path::new(CONFIG)) {
            Ok(_) => (!repository.opens()).then_some(DamageKind::Changed),
            Err(error) => Some(what_of(&error)),
        };
        if let Some(what) = what {
            self.note(Part::Config, CONFIG.into(), what);
        }
    }

    fn look_at_sealed_master(&mut self, repository: &Repository) {
        let what = match Master::read(&*self.store, repository.key()) {
            Ok(MasterState::Master(_)) => return,
            Ok(MasterState::Missing) => DamageKind::Missing,
            Ok(MasterState::Changed) => DamageKind::Changed,
            Err(BackupError::Io { source, .. }) => what_of(&source),
            Err(error) => DamageKind::Unreadable(error.to_string()),
        };
        self.note(Part::Key, Master::file_of(repository.key()), what);
    }

    fn look_at_ledger(&mut self) {
        let what = match Ledger::read(&*self.store) {
            Ok(LedgerState::Ledger(ledger)) => {
                self.ledger = Some(ledger);
                return;
            }
            Ok(LedgerState::Missing) => DamageKind::Missing,
            Ok(LedgerState::Changed) => DamageKind::Changed,
            Err(BackupError::Io { source, .. }) => what_of(&source),
            Err(error) => DamageKind::Unreadable(error.to_string()),
        };
        self.note(Part::Ledger, ledger::FILE.into(), what);
    }

    /// Returns the intact ones of these files, and records the others as damage.
    fn intact_files(&mut self, kind: FileType, ids: &[Id]) -> Vec<Id> {
        let mut whole = Vec::new();
        self.store.read_ahead(&ids.iter().map(|id| layout::relative(kind, id)).collect::<Vec<_>>());
        for id in ids {
            let file = layout::relative(kind, id);
            match state(&*self.store, &file, id, &mut |_| {}) {
                None => whole.push(*id),
                Some(what) => self.note(part_of(kind), file, what),
            }
        }
        whole
    }

    /// Records index files and snapshots that the ledger names but that do not exist.
    fn miss(&mut self, indexes: &[Id], snapshots: &[Id]) {
        let Some(ledger) = &self.ledger else { return };
        let snapshots_named = ledger.snapshots.keys().map(|name| (FileType::Snapshot, name));
        let indexes_named = ledger.indexes.iter().flatten().map(|name| (FileType::Index, name));
        let mut missing = Vec::new();
        for (kind, name) in snapshots_named.chain(indexes_named) {
            let present = if kind == FileType::Index { indexes } else { snapshots };
            if !present.iter().any(|id| id.to_hex().as_str() == name) {
                missing.push((part_of(kind), Path::new(kind.dirname()).join(name)));
            }
        }
        for (part, file) in missing {
            self.note(part, file, DamageKind::Missing);
        }
    }
}

/// Returns the damage of a file, if any. `advance` is called with the number of bytes of each piece read.
pub(super) fn state(store: &dyn Store, file: &Path, id: &Id, advance: &mut dyn FnMut(u64)) -> Option<DamageKind> {
    match store.digest(file, advance) {
        Ok(found) if found == *id => None,
        Ok(_) => Some(DamageKind::Changed),
        Err(error) => Some(what_of(&error)),
    }
}

fn what_of(error: &io::Error) -> DamageKind {
    match error.kind() {
        io::ErrorKind::NotFound => DamageKind::Missing,
        _ => DamageKind::Unreadable(error.to_string()),
    }
}

fn part_of(kind: FileType) -> Part {
    match kind {
        FileType::Config => Part::Config,
        FileType::Index => Part::Index,
        FileType::Key => Part::Key,
        FileType::Snapshot => Part::Snapshot,
        FileType::Pack => Part::Pack,
    }
}
