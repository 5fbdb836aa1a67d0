//! Answers to software that asks what the license allows: short-lived, signed by the site's host, one for each
//! question.
//!
//! ```text
//! Question ─▶ host: License and Standing ─▶ Answer ─ seal ─▶ SealedAnswer
//! SealedAnswer ─ open, with the site's key ─▶ Answer ─▶ Kept ─▶ Report
//! ```
//!
//! Threats from an attacker between software and host, or one with control of the console:
//! - an answer in the host's name (only the site's key opens an answer);
//! - an older answer, or one to another question (each carries the question's nonce);
//! - software is kept from asking (a kept answer applies for its grace, and never longer).
//!
//! Another threat is software that learns more of the license than it asked for (an answer has one name and its terms,
//! never a list).
//!
//! A license never stops running software: what software does with an answer is its own decision.

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
pub use kept::{KeptAnswer, Report, ReportState};
pub use nonce::Nonce;
pub use question::{Question, Subject};
pub use sealed::{ANSWER_BYTES, SealedAnswer, UnsignedAnswer};

use crate::document::License;
use crate::standing::Standing;
use crate::terms::Terms;

/// The `type` of the signed part of an answer.
pub(crate) const ANSWER_TYPE: &str = "landfall.dev/license-answer/1";

/// Time for which an answer is reused without asking.
pub const VALID: SignedDuration = SignedDuration::from_mins(10);

/// Time for which an answer applies after it was given, if the site no longer answers.
pub const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Standing of a site without a license, or without a usable one.
const NO_LICENSE: &str = "none";

/// The limits that belong to a grant. A missing limit means no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Maximum number of namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<u64>,
    /// Maximum number of nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u64>,
    /// Maximum number of GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u64>,
    /// Maximum number of users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// Percentage by which a limit may be exceeded.
    pub overage_percent: u64,
}

/// A site's answer. If it comes from [`SealedAnswer::open`], the site's key signed all of it. Fields of later versions
/// are signed like all others, and ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Always [`ANSWER_TYPE`].
    #[serde(rename = "type")]
    pub(crate) document_type: String,
    /// The site's UUID.
    pub site: String,
    /// The subject of the question.
    pub subject: Subject,
    /// Nonce of the question.
    pub nonce: Nonce,
    /// Time of the signature, by the site's trusted time.
    pub issued: Timestamp,
    /// Time until which it is reused without asking.
    pub valid_until: Timestamp,
    /// Time until which it applies if the site no longer answers.
    pub grace_until: Timestamp,
    /// True if the license grants the subject now, including during its grace.
    pub granted: bool,
    /// Standing: `valid`, `ending`, `grace`, `ended`, `not-yet-valid`, `revoked`, `superseded`, `other-site`, or `none`
    /// without a license.
    pub standing: String,
    /// Id of the license; `None` without a license.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// End of the license; only with a grant, and `None` if the license does not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// End of the license's grace; only with a grant, and `None` if the license does not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts_until: Option<Timestamp>,
    /// Limits that belong to the grant; only with a grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

impl Answer {
    /// Creates the answer of a site at this trusted time, with the site's usable license, if it has one.
    pub fn new(question: &Question, held: Option<(&License, &Standing)>, site: &str, now: Timestamp) -> Self {
        // Whole seconds, so that the signed text has a single representation.
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
