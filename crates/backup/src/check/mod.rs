//! Check of a repository: reads everything, and reports all damage with the data that is lost.
//!
//! First, every file is compared with its name, which is its SHA-256 (`survey.rs`). Damaged index files are hidden from
//! the library, which would stop at them. Then each blob is decrypted and compared with its ID (`blobs.rs`). A walk of
//! each backup's trees leads from the damage to the lost streams (`takes.rs`). The nightly check only compares packs
//! with their names, and in a large repository only part of them (`rounds.rs`).

mod blobs;
mod damage;
mod rounds;
mod survey;
mod takes;

use landfall_progress::{Event, Progress, SilentProgress};
use rustic_core::FileType;

use self::blobs::{Depth, DescribedPack};
pub use self::damage::{BackupLoss, Damage, DamageKind, Part};
use self::survey::Survey;
use self::takes::Takes;
use crate::error::Result;
use crate::repository::{Lock, Repository};
use crate::{layout, suspects};

/// Selection of packs that a check reads.
#[derive(Debug, Clone, Copy)]
enum PackSelection {
    /// All packs; each of their blobs is decrypted.
    Everything,
    /// This many bytes of packs: those read longest ago.
    Round { bytes: u64 },
    /// No packs.
    SmallFiles,
}

impl Repository {
    /// Reads all data of the repository, and returns all damage in the order of its files; empty if every backup can be
    /// restored. Damaged packs are recorded, and no later backup relies on them; nothing else changes. It may run
    /// concurrently with changes, which wait for it only while it reads small files.
    pub fn check(&self, progress: &dyn Progress) -> Result<Vec<Damage>> {
        self.settle(self.check_those(PackSelection::Everything, progress))
    }

    /// Like [`Self::check`], but reads only small files and this many bytes of packs: those read longest ago. Packs are
    /// compared with their names. A repository with no more bytes of packs than that is read completely each time; of a
    /// larger one, at least a seventh is read.
    pub fn check_round(&self, bytes: u64, progress: &dyn Progress) -> Result<Vec<Damage>> {
        self.settle(self.check_those(PackSelection::Round { bytes }, progress))
    }

    /// Like [`Self::check`], but without packs: missing data is found, damage within a pack is not.
    pub(crate) fn check_small_files(&self) -> Result<Vec<Damage>> {
        self.check_those(PackSelection::SmallFiles, &SilentProgress)
    }

    fn check_those(&self, reading: PackSelection, progress: &dyn Progress) -> Result<Vec<Damage>> {
        let lock = self.lock(Lock::Shared)?;
        let mut survey = Survey::of(self)?;
        let mut takes = Takes::begin(self, &mut survey)?;
        let indexed = if survey.is_readable() { Some(self.indexed_session()?.1) } else { None };
        let named = match &indexed {
            Some(indexed) => blobs::described_packs(indexed, &survey)?,
            None => survey.packs.iter().map(|(id, _)| DescribedPack { id: *id, blobs: Vec::new() }).collect(),
        };
        // Packs never change, and stay for hours after nothing needs them, so they are read concurrently with changes.
        drop(lock);
        let (lost, present) = survey.part_missing(named);
        let (mut packs, depth) = match reading {
            PackSelection::Everything => (present, Depth::Blobs),
            PackSelection::Round { bytes } => (rounds::next(self, &survey, present, bytes)?, Depth::Bytes),
            PackSelection::SmallFiles => (Vec::new(), Depth::Bytes),
        };
        packs.extend(lost);
        let total_bytes = Some(survey.bytes_of(&packs));
        progress.event(Event::PhaseStarted { phase: "checking backups".to_owned(), total_bytes });
        let bad = blobs::check(indexed.as_ref(), &packs, depth, &mut survey, progress);
        if let Some(indexed) = &indexed {
            takes.follow(indexed, &bad, &mut survey);
        }
        progress.event(Event::PhaseDone);
        let found = self.without_removed(takes.attribute(survey))?;
        self.note_packs(&found);
        Ok(found)
    }

    /// Leaves out packs that were removed during the check and that nothing refers to any longer.
    fn without_removed(&self, mut found: Vec<Damage>) -> Result<Vec<Damage>> {
        let is_missing = |damage: &Damage| damage.part == Part::Pack && damage.what == DamageKind::Missing;
        if found.iter().any(is_missing) && self.opens() {
            let _lock = self.lock(Lock::Shared)?;
            let (survey, indexed) = (Survey::of(self)?, self.indexed_session()?.1);
            let named = blobs::described_packs(&indexed, &survey)?;
            let is_named =
                |damage: &Damage| named.iter().any(|pack| layout::relative(FileType::Pack, &pack.id) == damage.file);
            found.retain(|damage| !is_missing(damage) || is_named(damage));
        }
        Ok(found)
    }

    fn note_packs(&self, found: &[Damage]) {
        for damage in found.iter().filter(|damage| damage.part == Part::Pack) {
            let name = damage.file.file_name().and_then(|name| name.to_str());
            if let Some(id) = name.and_then(|name| name.parse().ok()) {
                suspects::note(&**self.store(), &id);
            }
        }
    }
}
