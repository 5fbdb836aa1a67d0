//! What software asks.

use std::fmt;

use landfall_bundle_spec::names::is_dns_label;
use serde::{Deserialize, Serialize};

use super::{AnswerError, Nonce};

/// What may be granted, by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "name")]
pub enum Subject {
    /// What a component of a release needs.
    Entitlement(String),
    /// A part of software.
    Feature(String),
}

impl Subject {
    /// The subject of this kind, `entitlement` or `feature`, and this name.
    pub fn named(kind: &str, name: &str) -> Result<Self, AnswerError> {
        if !is_dns_label(name) {
            let shown: String = name.escape_default().take(100).collect();
            return Err(AnswerError::Question(format!(
                "names `{shown}`, which is no name of anything that is granted"
            )));
        }
        match kind {
            "entitlement" => Ok(Self::Entitlement(name.to_owned())),
            "feature" => Ok(Self::Feature(name.to_owned())),
            _ => Err(AnswerError::Question("is about neither an entitlement nor a feature".to_owned())),
        }
    }

    /// `entitlement` or `feature`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Entitlement(_) => "entitlement",
            Self::Feature(_) => "feature",
        }
    }

    /// Its name, a DNS label.
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

/// A question to the site. The nonce is another one each time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What is asked for.
    pub subject: Subject,
    /// What the answer must repeat.
    pub nonce: Nonce,
}

impl Question {
    /// Refuses a question that was not made by [`Subject::named`].
    pub fn check(&self) -> Result<(), AnswerError> {
        Subject::named(self.subject.kind(), self.subject.name()).map(drop)
    }
}
