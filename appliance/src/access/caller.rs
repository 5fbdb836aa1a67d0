//! Caller of a request.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use landfall_error_codes::codes;

use crate::approval::Approver;
use crate::audit::Author;
use crate::error::Error;
use crate::people::{Key, Role, Secret, Session};
use crate::refusal::Refusal;

/// Proven identity of a caller.
#[derive(Debug, Clone)]
pub enum Identity {
    /// No proof: the caller may be anyone.
    Anonymous,
    /// A user's browser.
    Browser(Session),
    /// A program with a key.
    Program(Key),
}

/// Caller of a request, with its address. The guard adds it to every request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Proven identity of the caller.
    pub identity: Identity,
    /// Secret from which form tokens derive: of the session, or of the browser before a sign-in.
    pub form_secret: Option<Secret>,
    /// Secret of the browser from before its sign-in, for forms opened then.
    pub door_secret: Option<Secret>,
    /// Address of the caller.
    pub address: IpAddr,
    /// ID of the request.
    pub correlation: String,
}

impl Caller {
    /// Returns the session, which pages require.
    pub fn session(&self) -> Result<&Session, Refusal> {
        match &self.identity {
            Identity::Browser(session) => Ok(session),
            _ => Err(Refusal::SignInNeeded),
        }
    }

    /// Returns the name of the user for whom the caller acts.
    pub fn user(&self) -> Option<&str> {
        match &self.identity {
            Identity::Anonymous => None,
            Identity::Browser(session) => Some(&session.user),
            Identity::Program(key) => Some(&key.user),
        }
    }

    /// Returns the role of the user.
    pub fn role(&self) -> Option<Role> {
        match &self.identity {
            Identity::Anonymous => None,
            Identity::Browser(session) => Some(session.role),
            Identity::Program(key) => Some(key.role),
        }
    }

    /// Returns the caller as named in the audit log.
    pub fn author(&self) -> Author {
        let name = match &self.identity {
            Identity::Anonymous => "-".to_owned(),
            Identity::Browser(session) => session.user.clone(),
            Identity::Program(key) => format!("key:{} of {}", key.id, key.user),
        };
        Author { name, from: self.address.to_string(), correlation: self.correlation.clone() }
    }

    /// Returns the caller as a person who approves.
    pub fn approver(&self) -> Approver {
        Approver { user: self.user().map(str::to_owned), role: self.role(), author: self.author() }
    }

    /// Returns the token that forms on a page for this caller carry.
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

/// Returns the peer address of a request's connection: a browser, or a proxy.
pub fn peer(parts: &Parts) -> IpAddr {
    let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|connection| connection.0.ip().to_canonical());
    address.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into())
}
