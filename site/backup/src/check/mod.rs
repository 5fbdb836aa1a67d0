//! Reading everything that a repository holds, and naming all damage with what it takes.
//!
//! First every file is compared with its name, which is its SHA-256 (`survey.rs`). Damaged index files are hidden from
//! the library, which would stop at them. Then each blob is decrypted and compared with its id
//! (`blobs.rs`), and each backup's trees lead from the damage to the streams that it takes (`takes.rs`).

mod blobs;
mod damage;
mod survey;
mod takes;

use landfall_progress::{Event, Progress};

pub use self::damage::{Damage, Part, Taken, What};
use self::survey::Survey;
use self::takes::Takes;
use crate::error::Result;
use crate::repository::{Lock, Repository};

impl Repository {
    /// Reads all data of the repository, and returns all damage in the order of its files; nothing if every backup can be
    /// restored. It changes nothing, and may run beside readers, but not beside a change.
    pub fn check(&self, progress: &dyn Progress) -> Result<Vec<Damage>> {
        self.settle(self.check_all(progress))
    }

    fn check_all(&self, progress: &dyn Progress) -> Result<Vec<Damage>> {
        let _lock = self.lock(Lock::Shared)?;
        let mut survey = Survey::of(self)?;
        let total_bytes = Some(survey.pack_bytes());
        progress.event(Event::PhaseStarted { phase: "checking backups".to_owned(), total_bytes });
        let mut takes = Takes::begin(self, &mut survey)?;
        if survey.is_readable() {
            let (_, indexed) = self.indexed()?;
            let bad = blobs::check(&indexed, &mut survey, progress)?;
            takes.follow(&indexed, &bad, &mut survey);
        } else {
            blobs::check_names(&mut survey, progress);
        }
        progress.event(Event::PhaseDone);
        Ok(takes.attribute(survey))
    }
}
