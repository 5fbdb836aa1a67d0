//! Why a question has no answer, or an answer does not count.

use landfall_error_codes::{Code, Coded, codes};

/// Why a question has no answer, or an answer does not count.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// A text that is no question.
    #[error("the question about the license {0}")]
    Question(String),
    /// Not in the form of an answer.
    #[error("the answer about the license cannot be read")]
    Form(#[source] Box<landfall_bundle_spec::Error>),
    /// It is too long, or says what contradicts itself.
    #[error("the answer about the license {0}")]
    Content(String),
    /// The site's key did not sign it.
    #[error("the answer about the license is not signed by this site's key")]
    Signature,
    /// The answer to another question.
    #[error("the answer about the license is one to another question: it has another {0}")]
    OtherQuestion(&'static str),
}

impl Coded for AnswerError {
    fn code(&self) -> Code {
        match self {
            Self::Question(_) => codes::LICENSE_QUESTION,
            _ => codes::LICENSE_ANSWER,
        }
    }
}
