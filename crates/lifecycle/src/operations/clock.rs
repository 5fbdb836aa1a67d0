//! Check of the clock before an operation continues, because a power cut may have reset it.

use jiff::Timestamp;
use landfall_documents::operation::Operation;
use landfall_media::progress::Event;

use super::error::{OperationError, Result};
use super::running::RunningOperation;
use crate::preflight::clock;

impl RunningOperation {
    /// Fails if the clock cannot be right, as preflight does, because the next step may issue certificates.
    pub(super) fn expect_clock(&self) -> Result<()> {
        match clock::of_site(&self.site().data.paths, &self.built_at(), Timestamp::now()) {
            Ok(note) => self.note(note),
            Err(blocker) => return Err(OperationError::NotReady { blockers: vec![*blocker] }),
        }
        Ok(())
    }

    /// Like [`Self::expect_clock`], before a change. An undo, a restore or a rollback only gets a report, because it
    /// repairs a site. An undo may be the only way out if authorities were made under a wrong clock.
    pub(super) fn expect_clock_of_change(&self) -> Result<()> {
        let repairs = matches!(self.pins.operation, Operation::Restore | Operation::Rollback);
        if self.goes_back() {
            self.note_clock();
        } else if repairs {
            self.report_clock(&format!("the {} continues anyway", self.pins.operation.name()));
        } else {
            self.expect_clock()?;
        }
        Ok(())
    }

    /// Reports a clock that cannot be right before the operation is undone.
    pub(super) fn note_clock(&self) {
        self.report_clock("the started change is undone anyway");
    }

    fn report_clock(&self, consequence: &str) {
        match clock::of_site(&self.site().data.paths, &self.built_at(), Timestamp::now()) {
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
