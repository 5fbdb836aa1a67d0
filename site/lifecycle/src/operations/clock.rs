//! The clock, before an operation continues: a site that lost its power may have lost its time with it.

use jiff::Timestamp;
use landfall_engine::plan::Operation;
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

    /// The same before a change. A restore and a rollback are what a site is repaired with, and one that goes back may be the only way out
    /// of a site whose authorities were made under a wrong clock: a clock that cannot be right is reported there.
    pub(super) fn expect_clock_of_change(&self) -> Result<()> {
        let repairs = matches!(self.pins.operation, Operation::Restore | Operation::Rollback);
        if self.goes_back() {
            self.note_clock();
        } else if repairs {
            self.report_clock(&format!("the {} continues all the same", self.pins.operation.name()));
        } else {
            self.expect_clock()?;
        }
        Ok(())
    }

    /// Reports a clock that cannot be right, before what was begun is undone.
    pub(super) fn note_clock(&self) {
        self.report_clock("what was begun is undone all the same");
    }

    fn report_clock(&self, consequence: &str) {
        match clock::of_site(&self.site().paths, &self.built_at(), Timestamp::now()) {
            Ok(note) => self.note(note),
            Err(blocker) => self.note(Some(format!("{blocker}; {consequence}"))),
        }
    }

    fn note(&self, note: Option<String>) {
        if let Some(note) = note {
            self.site().progress.event(Event::Note(note));
        }
    }
}
