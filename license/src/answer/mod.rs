//! Answers to software that asks what the license allows: short-lived, signed by the site's host, one for each question.
//!
//! ```text
//! Question ─▶ host: License and Standing ─▶ Answer ─ seal ─▶ SealedAnswer ─ open, with the site's key ─▶ Answer ─▶ Kept ─▶ Report
//! ```
//!
//! Threats: whoever is between software and host, or took over the console, who answers in the host's name (only the site's key
//! opens an answer), gives an older answer or one to another question (each carries the question's nonce), or keeps software
//! from asking (a kept answer counts for its grace, and never longer), and software that learns of the license what it did not
//! ask for (an answer has one name and its terms, never a list).
//!
//! A license stops nothing that runs: what software does with an answer is its own decision.

mod age;
mod error;
mod kept;
mod nonce;
mod question;
mod sealed;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use age::{Receipt, Watch};
pub use error::AnswerError;
pub use kept::{Kept, Report, ReportState};
pub use nonce::Nonce;
pub use question::{Question, Subject};
pub use sealed::{ANSWER_BYTES, SealedAnswer, UnsignedAnswer};

use crate::document::License;
use crate::standing::Standing;
use crate::terms::Terms;

/// The `type` of the signed part of an answer.
pub(crate) const ANSWER_TYPE: &str = "landfall.dev/license-answer/1";

/// How long an answer is given again without asking.
pub const VALID: SignedDuration = SignedDuration::from_mins(10);

/// How long it counts after it was given where the site no longer answers.
pub const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The standing of a site that has no license, or none that can be used.
const NO_LICENSE: &str = "none";

/// The limits that belong to what is granted. One that is missing is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// How many namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<u64>,
    /// How many nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u64>,
    /// How many GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u64>,
    /// How many users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// By how much a limit may be exceeded, in percent.
    pub overage_percent: u64,
}

/// What a site answered. All of it was signed by the site's key, where it comes out of [`SealedAnswer::open`]. Fields of later
/// versions are signed like all others, and ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Always [`ANSWER_TYPE`].
    #[serde(rename = "type")]
    pub(crate) document_type: String,
    /// The site's UUID.
    pub site: String,
    /// What was asked for.
    pub subject: Subject,
    /// The question's.
    pub nonce: Nonce,
    /// When it was signed, by the site's trusted time.
    pub issued: Timestamp,
    /// Until when it is given again without asking.
    pub valid_until: Timestamp,
    /// Until when it counts where the site no longer answers.
    pub grace_until: Timestamp,
    /// Whether the license grants it now, its grace included.
    pub granted: bool,
    /// `valid`, `ending`, `grace`, `ended`, `not-yet-valid`, `revoked`, `superseded`, `other-site`, or `none` without a license.
    pub standing: String,
    /// Id of the license; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// When the license ends; only with what is granted, and none if it does not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// Until when the license counts, its grace included; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts_until: Option<Timestamp>,
    /// The limits that belong to it; only with what is granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

impl Answer {
    /// What a site with this license, if it has one that can be used, answers at this trusted time.
    pub fn new(question: &Question, held: Option<(&License, &Standing)>, site: &str, now: Timestamp) -> Self {
        // Whole seconds: what is signed has one spelling.
        let issued = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let later = |time: SignedDuration| issued.checked_add(time).unwrap_or(Timestamp::MAX);
        let granting = held.filter(|(license, standing)| standing.permits() && grants(license, &question.subject));
        let terms = granting.map(|(license, _)| license.terms());
        let counts_until = terms.and_then(Terms::grace_ends);
        let before_end = |time: Timestamp| counts_until.map_or(time, |end| time.min(end));
        Self {
            document_type: ANSWER_TYPE.to_owned(),
            site: site.to_owned(),
            subject: question.subject.clone(),
            nonce: question.nonce,
            issued,
            valid_until: before_end(later(VALID)),
            grace_until: before_end(later(GRACE)),
            granted: granting.is_some(),
            standing: held.map_or(NO_LICENSE, |(_, standing)| standing.name()).to_owned(),
            license: held.map(|(license, _)| license.terms().id.clone()),
            ends: terms.and_then(|terms| terms.ends),
            counts_until,
            limits: terms.map(Limits::of),
        }
    }
}

impl Limits {
    fn of(terms: &Terms) -> Self {
        let granted = &terms.entitlements;
        Self {
            namespaces: granted.namespaces,
            nodes: granted.nodes,
            gpus: granted.gpus,
            users: granted.users,
            overage_percent: terms.overage_percent,
        }
    }
}

fn grants(license: &License, subject: &Subject) -> bool {
    match subject {
        Subject::Entitlement(name) => license.grants(name),
        Subject::Feature(name) => license.terms().entitlements.features.contains(name),
    }
}

#[cfg(test)]
mod tests;
