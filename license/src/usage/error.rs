//! Why a report of usage is refused.

use landfall_bundle_spec::trust::KeyId;
use landfall_error_codes::{Code, Coded, codes};

/// Why a report of usage is refused, or cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// It is not such a report.
    #[error("{name} is not a report of usage")]
    Form {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: Box<landfall_bundle_spec::Error>,
    },
    /// Another key signed it than the one that counts.
    #[error("the report is signed by the key {found}, and the key of the site is {wanted}")]
    OtherKey {
        /// The key in the report.
        found: KeyId,
        /// The key that counts.
        wanted: KeyId,
    },
    /// It was edited after it was signed.
    #[error("the signature of the report does not match: it was edited, or another key signed it")]
    Signature,
    /// Its days do not follow one another as they were measured.
    #[error("the record of {day} does not follow the one before it: days were edited, or cut out")]
    Chain {
        /// The first day of which that is so.
        day: jiff::civil::Date,
    },
    /// What it says in sum is not what its days come to.
    #[error("the report says in sum what its days do not come to")]
    Totals,
    /// It is about another license or another site.
    #[error("the report is about another license or site: {reason}")]
    Other {
        /// What differs.
        reason: String,
    },
    /// It cannot be signed.
    #[error("the report of usage cannot be written as JSON")]
    Unwritable(#[source] serde_json::Error),
}

impl Coded for UsageError {
    fn code(&self) -> Code {
        match self {
            Self::Form { .. } => codes::USAGE_REPORT_FORM,
            Self::OtherKey { .. } | Self::Signature => codes::USAGE_REPORT_SIGNATURE,
            Self::Chain { .. } => codes::USAGE_REPORT_CHAIN,
            Self::Totals => codes::USAGE_REPORT_TOTALS,
            Self::Other { .. } => codes::USAGE_REPORT_OTHER,
            Self::Unwritable(_) => codes::BUG,
        }
    }
}
