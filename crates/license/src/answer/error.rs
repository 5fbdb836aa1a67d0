//! Errors for questions that cannot be answered, and for answers that are not valid.

use landfall_error_codes::{Code, CodedError, codes};

/// The reason why a question cannot be answered, or an answer is not valid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The text is not a valid question.
    #[error("the question about the license {0}")]
    Question(String),
    /// The bytes do not have the form of an answer.
    #[error("the answer about the license cannot be read")]
    Form(#[source] Box<landfall_bundle_spec::Error>),
    /// The answer is too long, or contradicts itself.
    #[error("the answer about the license {0}")]
    Content(String),
    /// The site's key did not sign the answer.
    #[error("the answer about the license is not signed by this site's key")]
    Signature,
    /// The answer is to another question.
    #[error("the answer about the license belongs to another question: it has another {0}")]
    OtherQuestion(&'static str),
}

impl CodedError for AnswerError {
    fn code(&self) -> Code {
        match self {
            Self::Question(_) => codes::LICENSE_QUESTION,
            _ => codes::LICENSE_ANSWER,
        }
    }
}
