//! An answer that software keeps, and its later validity. It is reused while it is valid, and applies during its grace
//! if the site no longer answers.
//!
//! Threats:
//! - a wall clock that is set back or dead, so that a kept answer lasts (running time counts, and is summed over
//!   boots);
//! - a wall clock that is set ahead (it costs at most a day for each boot);
//! - a kept answer that was changed (its signature is checked each time).
//!
//! Running time that a reboot cuts off before it was stored is lost. If no program looks while software runs, a boot
//! costs a day, unless the clock shows less.

use jiff::{SignedDuration, Timestamp};
use landfall_bundle_spec::trust::PublicKey;
use serde::{Deserialize, Serialize};

use super::age::{Look, Receipt, Watch};
use super::{Answer, AnswerError, Question, SealedAnswer, Subject};
use crate::trusted_time::Clocks;

/// An opened answer, as it is kept on a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptAnswer {
    /// The text of the answer, with its signature.
    answer: String,
    received: Receipt,
    /// The last look at its age; `None` before the first one, as in all files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    looked: Option<Look>,
    /// The watch in use since then.
    #[serde(default, skip_serializing_if = "Watch::is_steady")]
    watch: Watch,
}

impl KeptAnswer {
    /// Keeps the answer to a question, watched in this way. Returns an error if the site's key did not sign it.
    pub fn new(
        sealed: &SealedAnswer,
        key: &PublicKey,
        question: &Question,
        clocks: &Clocks<'_>,
        watch: Watch,
    ) -> Result<Self, AnswerError> {
        sealed.open(key, question)?;
        let answer = String::from_utf8_lossy(sealed.bytes()).into_owned();
        Ok(Self { answer, received: Receipt::now(clocks), looked: None, watch })
    }

    /// Records the current age, and the watch to use from now on. Returns true if that must be stored; otherwise it is
    /// lost at the next boot.
    pub fn look(&mut self, clocks: &Clocks<'_>, watch: Watch) -> bool {
        let last = self.last_look();
        if self.watch == watch && !last.is_over(clocks, self.watch) {
            return false;
        }
        let Some(next) = last.next(clocks, self.watch) else { return false };
        (self.looked, self.watch) = (Some(next), watch);
        true
    }

    fn last_look(&self) -> Look {
        self.looked.clone().unwrap_or_else(|| Look::first(self.received.clone()))
    }

    /// Age of the answer.
    pub(super) fn age(&self, clocks: &Clocks<'_>) -> SignedDuration {
        let seconds = self.last_look().age_seconds(clocks, self.watch);
        SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    /// Reports the current validity of the answer, for software that asks about this subject. Returns an error if the
    /// text is not the one that was kept, or is signed by another key.
    pub fn report(&self, key: &PublicKey, subject: &Subject, clocks: &Clocks<'_>) -> Result<Report, AnswerError> {
        let answer = SealedAnswer::read(self.answer.as_bytes())?.reopen(key, subject)?;
        let now = answer.issued.checked_add(self.age(clocks)).unwrap_or(Timestamp::MAX);
        if now >= answer.grace_until {
            let reason = format!("the site has not answered since {:.0}, and that answer has ended", answer.issued);
            return Ok(Report::unknown(subject.clone(), reason));
        }
        // How long the machine was off is unknown, so after a boot the site is asked again.
        let is_current = now < answer.valid_until && self.received.is_of_this_boot(clocks);
        let state = if is_current { ReportState::Current } else { ReportState::Kept };
        Ok(Report {
            subject: subject.clone(),
            state,
            granted: Some(answer.granted),
            answer: Some(answer),
            reason: None,
        })
    }
}

/// The source of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportState {
    /// The site answered within the last minutes.
    Current,
    /// The site no longer answers, and its last answer still applies.
    Kept,
    /// No valid answer is known.
    Unknown,
}

/// The report that software reads, as a file or from the sidecar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The subject of the question.
    pub subject: Subject,
    /// Source of the report.
    pub state: ReportState,
    /// True if the subject is granted; `None` if nothing is known.
    pub granted: Option<bool>,
    /// The site's answer; `None` if nothing is known.
    pub answer: Option<Answer>,
    /// Reason why nothing is known.
    pub reason: Option<String>,
}

impl Report {
    /// Creates a report that nothing is known, with the reason.
    pub const fn unknown(subject: Subject, reason: String) -> Self {
        Self { subject, state: ReportState::Unknown, granted: None, answer: None, reason: Some(reason) }
    }
}
