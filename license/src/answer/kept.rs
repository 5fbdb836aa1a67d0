//! An answer that software keeps, and what it is worth later: it is given again while it is valid, and counts for its grace
//! where the site no longer answers.
//!
//! Threats: a wall clock that is set back or dead so that a kept answer lasts (running time counts, and is added up over boots), one
//! that is set ahead (it costs a day for each boot at most), and a kept answer that was changed (its signature is checked each
//! time). What a reboot cuts off of the running time before it was stored is lost. Where nobody looks while software runs, a boot
//! costs a day, unless the clock names less.

use jiff::{SignedDuration, Timestamp};
use landfall_bundle_spec::trust::PublicKey;
use serde::{Deserialize, Serialize};

use super::age::{Look, Receipt, Watch};
use super::{Answer, AnswerError, Question, SealedAnswer, Subject};
use crate::trusted_time::Clocks;

/// An answer that was opened, as it is kept on a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// The text of the answer, with its signature.
    answer: String,
    received: Receipt,
    /// The last look at its age; none before the first one, as in all files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    looked: Option<Look>,
    /// How it has been watched since then.
    #[serde(default, skip_serializing_if = "Watch::is_steady")]
    watch: Watch,
}

impl Kept {
    /// Keeps the answer to a question, if the site's key signed it, for whoever watches it like this.
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

    /// Notes how old it is now, and how it is watched from now on. Whether that must be stored: what is not stored is lost with
    /// the next boot.
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

    /// How old it is.
    pub(super) fn age(&self, clocks: &Clocks<'_>) -> SignedDuration {
        let seconds = self.last_look().age_seconds(clocks, self.watch);
        SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    /// What it is worth now, for software that asks for this. An error where it is not what was kept, or of another key.
    pub fn report(&self, key: &PublicKey, subject: &Subject, clocks: &Clocks<'_>) -> Result<Report, AnswerError> {
        let answer = SealedAnswer::read(self.answer.as_bytes())?.reopen(key, subject)?;
        let now = answer.issued.checked_add(self.age(clocks)).unwrap_or(Timestamp::MAX);
        if now >= answer.grace_until {
            let reason = format!("the site has not answered since {:.0}, and that answer has ended", answer.issued);
            return Ok(Report::unknown(subject.clone(), reason));
        }
        // How long the machine was off is not certain: after a boot the site is asked again.
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

/// How a report is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportState {
    /// The site has answered within the last minutes.
    Current,
    /// The site no longer answers, and what it answered last still counts.
    Kept,
    /// Nothing that counts is known.
    Unknown,
}

/// What software reads: as a file, or from the sidecar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What it is about.
    pub subject: Subject,
    /// How it is known.
    pub state: ReportState,
    /// Whether it is granted; none where nothing is known.
    pub granted: Option<bool>,
    /// What the site answered; none where nothing is known.
    pub answer: Option<Answer>,
    /// Why nothing is known.
    pub reason: Option<String>,
}

impl Report {
    /// Nothing is known, and why.
    pub const fn unknown(subject: Subject, reason: String) -> Self {
        Self { subject, state: ReportState::Unknown, granted: None, answer: None, reason: Some(reason) }
    }
}
