//! The questions that software asks.

use std::fmt;

use landfall_bundle_spec::names::is_dns_label;
use serde::{Deserialize, Serialize};

use super::{AnswerError, Nonce};

/// Something that a license may grant, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "name")]
pub enum Subject {
    /// An entitlement that a component of a release needs.
    Entitlement(String),
    /// A feature of software.
    Feature(String),
}

impl Subject {
    /// Creates a subject of this kind (`entitlement` or `feature`) and this name.
    pub fn new(kind: &str, name: &str) -> Result<Self, AnswerError> {
        if !is_dns_label(name) {
            let shown: String = name.escape_default().take(100).collect();
            return Err(AnswerError::Question(format!(
                "names `{shown}`, which is not the name of anything that is granted"
            )));
        }
        match kind {
            "entitlement" => Ok(Self::Entitlement(name.to_owned())),
            "feature" => Ok(Self::Feature(name.to_owned())),
            _ => Err(AnswerError::Question("is about neither an entitlement nor a feature".to_owned())),
        }
    }

    /// Kind of the subject: `entitlement` or `feature`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Entitlement(_) => "entitlement",
            Self::Feature(_) => "feature",
        }
    }

    /// Name of the subject, a DNS label.
    pub fn name(&self) -> &str {
        let (Self::Entitlement(name) | Self::Feature(name)) = self;
        name
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind(), self.name())
    }
}

/// A question to the site. Each has a new nonce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The subject of the question.
    pub subject: Subject,
    /// The nonce that the answer must repeat.
    pub nonce: Nonce,
}

impl Question {
    /// Returns an error if the subject is not one that [`Subject::new`] accepts.
    pub fn check(&self) -> Result<(), AnswerError> {
        Subject::new(self.subject.kind(), self.subject.name()).map(drop)
    }
}
