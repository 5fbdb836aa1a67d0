//! Failures: an error with its code, its causes and the next step.

use landfall_error_codes::CodedError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Error as the journal stores it, and as reports show it later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RecordedError")]
pub struct Failure {
    /// Error code: `LF` and four digits.
    pub code: String,
    /// Failure, and the object that it concerns.
    pub what: String,
    /// Causes, outermost first.
    pub causes: Vec<String>,
    /// Next step for a person.
    pub hint: String,
}

impl Failure {
    /// Records an error with all its causes.
    pub fn of<E: CodedError>(error: &E) -> Self {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        Self {
            code: error.code().id.to_owned(),
            what: error.to_string(),
            causes: causes.map(ToString::to_string).collect(),
            hint: error.hint().unwrap_or_else(|| error.code().fix.to_owned()),
        }
    }
}

/// Failure of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperationFailure {
    /// Title of the step.
    pub step: String,
    /// Error code.
    pub code: String,
    /// Failure in words.
    pub what: String,
    /// Causes, outermost first.
    pub causes: Vec<String>,
    /// Next step for a person.
    pub hint: String,
}
