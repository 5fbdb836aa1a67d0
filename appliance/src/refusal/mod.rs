//! Reasons for refusing a request, shared by pages and the API, which show them differently.

mod response;

use axum::http::StatusCode;
use landfall_error_codes::{Code, CodedError as _, codes};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Error;
use crate::host::{HostError, UnavailableDocument};
use crate::role::Role;

pub use response::{Page, add_advice, log, pending};

/// Reason for refusing a request.
#[derive(Debug)]
pub enum Refusal {
    /// A user must sign in first.
    SignInNeeded,
    /// The last proof of identity is too old; with the judge of the next one.
    ProofNeeded(Prover),
    /// The role is too low.
    Role(Role),
    /// The API key lacks the scope.
    Scope(&'static str),
    /// API keys never permit this.
    NotByKey,
    /// The request came from another origin, or without the form token.
    Foreign,
    /// A field is invalid, for this reason.
    Invalid(String),
    /// Nothing has this name.
    NotThere(String),
    /// The address does not support this method; with the supported ones.
    Method(String),
    /// The host keeps no plan with this digest.
    PlanGone,
    /// Too many failed sign-ins; with the seconds until the next attempt is checked.
    TooManyAttempts(u64),
    /// The user exists.
    NameTaken(String),
    /// The change would leave no administrator.
    LastAdministrator,
    /// The password is too easy to guess, for this reason.
    Password(&'static str),
    /// The host did not accept the token.
    Token,
    /// Name or password is wrong.
    SignIn,
    /// The user's role and password belong to a directory.
    FromDirectory,
    /// A directory, or the console's knowledge of the person, refuses, for this reason.
    Directory(String),
    /// A directory does not answer; the reason is logged.
    DirectorySilent,
    /// A second person must approve, for this reason.
    TwoPeople(String),
    /// The user cannot approve this as one of two people, for this reason.
    NotCounted(String),
    /// The request uses no supported version of the upload protocol.
    Protocol,
    /// The body has another content type than this one.
    ContentType(&'static str),
    /// Another request is sending data to the upload.
    Arriving,
    /// Too many programs listen to the operation.
    Listeners,
    /// The host refused or failed.
    Host(HostError),
    /// The request took too long.
    Late,
    /// A fault of the appliance, which is logged; only its code is shown.
    Internal(Error),
}

/// Judge of the proof that the person at a browser is the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prover {
    /// The console or a directory server, by the user's own password.
    Password,
    /// The identity provider, at which the user signs in.
    Provider,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Internal(error)
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl From<UnavailableDocument> for Refusal {
    fn from(unavailable: UnavailableDocument) -> Self {
        Self::Host(unavailable.error)
    }
}

impl From<HostError> for Refusal {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

/// Refusal in the form of RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Error code, such as `LF5041`.
    pub code: String,
    /// Failure in a few words.
    pub title: String,
    /// Cause of the failure, and the object that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Next step for a person.
    pub hint: String,
}

/// Returns the HTTP status of a fault: a transient one is no reason to give up.
fn status_of(code: Code) -> StatusCode {
    let passing = [codes::APPLIANCE_DATABASE_LOCKED, codes::APPLIANCE_DATABASE_FULL, codes::APPLIANCE_SERVER_SILENT];
    let passes = passing.contains(&code);
    if passes { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR }
}

impl Refusal {
    /// Returns the HTTP status and the registry's code.
    fn class(&self) -> (StatusCode, Code) {
        match self {
            Self::SignInNeeded => (StatusCode::UNAUTHORIZED, codes::SIGN_IN_NEEDED),
            Self::ProofNeeded(_) => (StatusCode::FORBIDDEN, codes::PROOF_NEEDED),
            Self::Role(_) | Self::Scope(_) | Self::NotByKey => (StatusCode::FORBIDDEN, codes::NOT_PERMITTED),
            Self::Foreign => (StatusCode::FORBIDDEN, codes::FOREIGN_REQUEST),
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, codes::REQUEST_INVALID),
            Self::NotThere(_) => (StatusCode::NOT_FOUND, codes::NOT_THERE),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, codes::METHOD_NOT_ALLOWED),
            Self::PlanGone => (StatusCode::NOT_FOUND, codes::PLAN_UNKNOWN),
            Self::TooManyAttempts(_) => (StatusCode::TOO_MANY_REQUESTS, codes::TOO_MANY_ATTEMPTS),
            Self::NameTaken(_) => (StatusCode::CONFLICT, codes::NAME_TAKEN),
            Self::LastAdministrator => (StatusCode::CONFLICT, codes::LAST_ADMINISTRATOR),
            Self::Password(_) => (StatusCode::UNPROCESSABLE_ENTITY, codes::PASSWORD_UNSUITABLE),
            Self::Token => (StatusCode::FORBIDDEN, codes::TOKEN_REFUSED),
            Self::SignIn => (StatusCode::UNAUTHORIZED, codes::SIGN_IN_FAILED),
            Self::FromDirectory => (StatusCode::CONFLICT, codes::FROM_DIRECTORY),
            Self::Directory(_) => (StatusCode::UNAUTHORIZED, codes::DIRECTORY_REFUSED),
            Self::DirectorySilent => (StatusCode::BAD_GATEWAY, codes::DIRECTORY_SILENT),
            Self::TwoPeople(_) => (StatusCode::CONFLICT, codes::SECOND_PERSON_NEEDED),
            Self::NotCounted(_) => (StatusCode::FORBIDDEN, codes::NOT_A_SECOND_PERSON),
            Self::Protocol => (StatusCode::PRECONDITION_FAILED, codes::UPLOAD_PROTOCOL),
            Self::ContentType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, codes::REQUEST_INVALID),
            Self::Arriving => (StatusCode::LOCKED, codes::UPLOAD_RUNS),
            Self::Listeners => (StatusCode::SERVICE_UNAVAILABLE, codes::LISTENERS_TOO_MANY),
            Self::Host(error) => (error.status(), error.registry_code()),
            Self::Late => (StatusCode::GATEWAY_TIMEOUT, codes::HOST_SILENT),
            Self::Internal(error) => (status_of(error.code()), error.code()),
        }
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> StatusCode {
        self.class().0
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::ProofNeeded(Prover::Password) => Some("the last sign-in was more than 15 minutes ago".to_owned()),
            Self::ProofNeeded(Prover::Provider) => {
                Some("the last sign-in at the identity provider was more than 15 minutes ago".to_owned())
            }
            Self::Role(role) => Some(format!("this needs the role {role}")),
            Self::Scope(scope) => Some(format!("the API key lacks the scope {scope}")),
            Self::NotByKey => Some("API keys cannot do this; sign in".to_owned()),
            Self::Invalid(why) | Self::Directory(why) | Self::TwoPeople(why) | Self::NotCounted(why) => {
                Some(why.clone())
            }
            Self::NotThere(what) => Some(format!("there is no {what}")),
            Self::Method(allowed) => Some(format!("it takes {allowed}")),
            Self::TooManyAttempts(seconds) => Some(format!("wait {seconds} seconds")),
            Self::ContentType(kind) => Some(format!("content-type: {kind}")),
            Self::Arriving => Some("another request sends to this upload now".to_owned()),
            Self::NameTaken(name) => Some(format!("the name {name} is taken")),
            Self::Password(why) => Some((*why).to_owned()),
            Self::Host(error) => Some(error.to_string()),
            Self::LastAdministrator => Some("a local one must remain, whom no directory can lock out".to_owned()),
            Self::SignInNeeded
            | Self::Foreign
            | Self::FromDirectory
            | Self::DirectorySilent
            | Self::Token
            | Self::SignIn
            | Self::PlanGone
            | Self::Protocol
            | Self::Listeners
            | Self::Internal(_) => None,
            Self::Late => Some("the request was not answered in 40 seconds".to_owned()),
        }
    }

    /// Returns the problem document for the API, which pages also show.
    pub fn problem(&self) -> Problem {
        let (status, code) = self.class();
        let status = status.as_u16();
        if let Self::Host(HostError::Refused(problem)) = self {
            return Problem {
                status,
                code: problem.code.clone().map_or_else(|| code.id.to_owned(), String::from),
                title: problem.title.clone(),
                detail: problem.detail.clone(),
                hint: problem.hint.clone().unwrap_or_else(|| code.fix.to_owned()),
            };
        }
        Problem {
            status,
            code: code.id.to_owned(),
            title: code.title.to_owned(),
            detail: self.detail(),
            hint: code.fix.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_error_shows_only_code() {
        let error = Error::new(codes::APPLIANCE_DATABASE, "/data/console.db is read-only");
        let problem = Refusal::Internal(error).problem();
        assert_eq!((problem.status, problem.code.as_str(), problem.detail), (500, "LF5002", None));
    }
}
