//! The clock, before an operation continues: a site that lost its power may have lost its time with it.

use jiff::Timestamp;
use landfall_media::progress::Event;

use super::error::{OperationError, Result};
use super::running::Running;
use crate::preflight::clock;

impl Running {
    /// Refuses to go forward under a clock that cannot be right, as preflight does: the next step may make certificates.
    pub(super) fn expect_clock(&self) -> Result<()> {
        match clock::of_site(&self.site().paths, &self.built_at(), Timestamp::now()) {
            Ok(note) => self.note(note),
            Err(blocker) => return Err(OperationError::NotReady { blockers: vec![*blocker] }),
        }
        Ok(())
    }

    /// Reports a clock that cannot be right. Going back makes no certificate, and may be the only way out of a site whose
    /// authorities were made under a wrong clock.
    pub(super) fn note_clock(&self) {
        match clock::of_site(&self.site().paths, &self.built_at(), Timestamp::now()) {
            Ok(note) => self.note(note),
            Err(blocker) => self.note(Some(format!("{blocker}; what was begun is undone all the same"))),
        }
    }

    fn note(&self, note: Option<String>) {
        if let Some(note) = note {
            self.site().progress.event(Event::Note(note));
        }
    }
}
