//! Who makes a request.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use landfall_error_codes::codes;

use crate::audit::Author;
use crate::error::Error;
use crate::people::{Key, Role, Secret, Session};
use crate::refusal::Refusal;

/// What a caller has proven to be.
#[derive(Debug, Clone)]
pub enum Identity {
    /// Nothing: the caller may be anyone.
    Anonymous,
    /// A user's browser.
    Browser(Session),
    /// A program with a key.
    Program(Key),
}

/// Who makes a request, from where. The guard puts it into every request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// What the caller has proven to be.
    pub identity: Identity,
    /// The word that forms carry: of the session, or of the browser before a sign-in.
    pub form_secret: Option<Secret>,
    /// The word of the browser from before its sign-in, which a form that was opened then still carries.
    pub door_secret: Option<Secret>,
    /// The address.
    pub address: IpAddr,
    /// Id of the request.
    pub correlation: String,
}

impl Caller {
    /// The session; pages have one.
    pub fn session(&self) -> Result<&Session, Refusal> {
        match &self.identity {
            Identity::Browser(session) => Ok(session),
            _ => Err(Refusal::SignInNeeded),
        }
    }

    /// The name of the user that the caller acts for.
    pub fn user(&self) -> Option<&str> {
        match &self.identity {
            Identity::Anonymous => None,
            Identity::Browser(session) => Some(&session.user),
            Identity::Program(key) => Some(&key.user),
        }
    }

    /// What the user may do.
    pub fn role(&self) -> Option<Role> {
        match &self.identity {
            Identity::Anonymous => None,
            Identity::Browser(session) => Some(session.role),
            Identity::Program(key) => Some(key.role),
        }
    }

    /// As the audit log names the caller.
    pub fn author(&self) -> Author {
        let name = match &self.identity {
            Identity::Anonymous => "-".to_owned(),
            Identity::Browser(session) => session.user.clone(),
            Identity::Program(key) => format!("key:{} of {}", key.id, key.user),
        };
        Author { name, from: self.address.to_string(), correlation: self.correlation.clone() }
    }

    /// The token that forms on a page for this caller carry.
    pub fn form_token(&self) -> String {
        self.form_secret.as_ref().map(Secret::form_token).unwrap_or_default()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let missing = || Refusal::Internal(Error::new(codes::BUG, "a request did not pass the guard"));
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}
