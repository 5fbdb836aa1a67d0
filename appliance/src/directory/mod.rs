//! People from a directory: by `OpenID` Connect from an identity provider, by LDAP from a directory server, or both.
//!
//! Nothing here decides alone who enters: a directory says who a person is, and in which groups, `roles` turns groups into a role, and
//! `people` keeps the account. Faults of the settings and a directory that does not answer never concern local users or the token from
//! the host.

mod check;
mod error;
mod files;
mod ldap;
mod oidc;
mod roles;
mod settings;
mod watch;

use std::sync::{Arc, PoisonError, RwLock};

pub use check::check;
pub use error::DirectoryError;
pub use files::Files;
pub use ldap::{Groups, Ldap, Name, Way};
pub use oidc::{Errand, Pending, Provider, RETURN, Returned, Vouched};
pub use settings::{authority, read, trusting};
pub use watch::{follow, watch};

/// What the console knows of directories now.
#[derive(Debug, Default)]
pub struct Directory {
    state: RwLock<Arc<State>>,
    /// Sign-ins that a browser has begun and not come back from.
    pub pending: Pending,
}

/// Whether people come from a directory.
#[derive(Debug, Default)]
pub enum State {
    /// There are no settings: people are local.
    #[default]
    Off,
    /// The settings cannot be used, and all the reasons. People are local until they are corrected.
    Faulty(Vec<String>),
    /// The settings are sound.
    On(Box<Sources>),
}

/// Where people come from.
#[derive(Debug)]
pub struct Sources {
    /// The identity provider.
    pub oidc: Option<Provider>,
    /// The directory server.
    pub ldap: Option<Ldap>,
}

impl Directory {
    /// What is known now. A sign-in that runs keeps what it began with.
    pub fn now(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses other settings from the next sign-in on.
    pub fn replace(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }
}

impl State {
    /// The identity provider, if there is one.
    pub fn oidc(&self) -> Option<&Provider> {
        match self {
            Self::On(sources) => sources.oidc.as_ref(),
            Self::Off | Self::Faulty(_) => None,
        }
    }

    /// The directory server, if there is one.
    pub fn ldap(&self) -> Option<&Ldap> {
        match self {
            Self::On(sources) => sources.ldap.as_ref(),
            Self::Off | Self::Faulty(_) => None,
        }
    }

    /// Why the settings cannot be used.
    pub fn faults(&self) -> &[String] {
        match self {
            Self::Faulty(faults) => faults,
            Self::Off | Self::On(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests;
