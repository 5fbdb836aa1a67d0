//! An answer that software keeps, and what it is worth later: it is given again while it is valid, and counts for its grace
//! where the site no longer answers.
//!
//! Threats: a wall clock that is set back so that a kept answer lasts (within a boot, running time counts), one that is set ahead
//! (it ends the grace of what was kept, until the site answers again, and nothing else), and a kept answer that was changed (its
//! signature is checked each time).

use jiff::{SignedDuration, Timestamp};
use landfall_bundle_spec::trust::PublicKey;
use serde::{Deserialize, Serialize};

use super::{Answer, AnswerError, Question, SealedAnswer, Subject};
use crate::trusted_time::Clocks;

/// When an answer came, by the clocks of the machine that it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    wall: Timestamp,
    boot: String,
    uptime_seconds: u64,
}

impl Receipt {
    /// Of an answer that comes now.
    pub fn now(clocks: &Clocks<'_>) -> Self {
        Self { wall: clocks.wall, boot: clocks.boot.to_owned(), uptime_seconds: clocks.uptime.as_secs() }
    }

    /// How long ago that was. Within a boot the machine's running time says so, and otherwise the wall clock; none where
    /// that was set back.
    fn age(&self, clocks: &Clocks<'_>) -> SignedDuration {
        let uptime = clocks.uptime.as_secs();
        if self.boot == clocks.boot && !self.boot.is_empty() && uptime >= self.uptime_seconds {
            let seconds = i64::try_from(uptime - self.uptime_seconds).unwrap_or(i64::MAX);
            return SignedDuration::from_secs(seconds);
        }
        clocks.wall.duration_since(self.wall).max(SignedDuration::ZERO)
    }
}

/// An answer that was opened, as it is kept on a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kept {
    /// The text of the answer, with its signature.
    answer: String,
    received: Receipt,
}

impl Kept {
    /// Keeps the answer to a question, if the site's key signed it.
    pub fn new(
        sealed: &SealedAnswer,
        key: &PublicKey,
        question: &Question,
        clocks: &Clocks<'_>,
    ) -> Result<Self, AnswerError> {
        sealed.open(key, question)?;
        let answer = String::from_utf8_lossy(sealed.bytes()).into_owned();
        Ok(Self { answer, received: Receipt::now(clocks) })
    }

    /// What it is worth now, for software that asks for this. An error where it is not what was kept, or of another key.
    pub fn report(&self, key: &PublicKey, subject: &Subject, clocks: &Clocks<'_>) -> Result<Report, AnswerError> {
        let answer = SealedAnswer::read(self.answer.as_bytes())?.reopen(key, subject)?;
        let age = self.received.age(clocks);
        let now = answer.issued.checked_add(age).unwrap_or(Timestamp::MAX);
        if now >= answer.grace_until {
            let reason = format!("the site has not answered since {:.0}, and that answer has ended", answer.issued);
            return Ok(Report::unknown(subject.clone(), reason));
        }
        let state = if now < answer.valid_until { ReportState::Current } else { ReportState::Kept };
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
