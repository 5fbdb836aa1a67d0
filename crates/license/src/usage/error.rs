//! Errors for reports of usage that are refused.

use landfall_bundle_spec::trust::KeyId;
use landfall_error_codes::{Code, CodedError, codes};

/// The reason why a report of usage is refused or cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The file is not a report of usage.
    #[error("{name} is not a report of usage")]
    Form {
        /// Name of the file.
        name: String,
        /// The cause.
        #[source]
        source: Box<landfall_bundle_spec::Error>,
    },
    /// A key other than the expected one signed the report.
    #[error("the report is signed by the key {found}, and the key of the site is {wanted}")]
    OtherKey {
        /// The key in the report.
        found: KeyId,
        /// The expected key.
        wanted: KeyId,
    },
    /// The report was edited after it was signed.
    #[error("the signature of the report does not match: it was edited, or another key signed it")]
    Signature,
    /// The days do not follow one another as they were measured.
    #[error("the record of {day} does not follow the one before it: days were edited, or cut out")]
    Chain {
        /// The first such day.
        day: jiff::civil::Date,
    },
    /// The report's totals do not match its days.
    #[error("the report's totals are not the sums of its days")]
    Totals,
    /// The report is about another license or another site.
    #[error("the report is about another license or site: {reason}")]
    Other {
        /// The difference.
        reason: String,
    },
    /// The report cannot be encoded for signing.
    #[error("the report of usage cannot be written as JSON")]
    Unwritable(#[source] serde_json::Error),
}

impl CodedError for UsageError {
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
