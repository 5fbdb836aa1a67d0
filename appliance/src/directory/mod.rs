//! Users from a directory: by `OpenID` Connect from an identity provider, by LDAP from a directory server, or both.
//!
//! No single part decides who may sign in. A directory identifies a person and the person's groups, `roles` maps groups
//! to a role, and `people` keeps the account. Faults of the settings and a silent directory never affect local users or
//! the token from the host.

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
pub use ldap::{Groups, Ldap, Name, Way};
pub use oidc::{CallbackParameters, Errand, PendingVisits, Provider, RETURN, VouchedUser};
pub use settings::read;
pub use watch::watch;

/// The console's current knowledge of directories.
#[derive(Debug, Default)]
pub struct Directory {
    state: RwLock<Arc<State>>,
    /// Sign-ins that a browser has begun but not finished.
    pub pending: PendingVisits,
}

/// State of the directory settings.
#[derive(Debug, Default)]
pub enum State {
    /// There are no settings: all users are local.
    #[default]
    Off,
    /// The settings are unusable, for all these reasons. All users are local until they are corrected.
    Faulty(Vec<String>),
    /// The settings are valid.
    On(Box<Sources>),
}

/// Sources of users.
#[derive(Debug)]
pub struct Sources {
    /// The identity provider.
    pub oidc: Option<Provider>,
    /// The directory server.
    pub ldap: Option<Ldap>,
}

impl Directory {
    /// Returns the current state. A running sign-in keeps the state with which it began.
    pub fn now(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses other settings from the next sign-in on.
    pub fn replace(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }
}

impl State {
    /// Returns the identity provider, if any.
    pub fn oidc(&self) -> Option<&Provider> {
        match self {
            Self::On(sources) => sources.oidc.as_ref(),
            Self::Off | Self::Faulty(_) => None,
        }
    }

    /// Returns the directory server, if any.
    pub fn ldap(&self) -> Option<&Ldap> {
        match self {
            Self::On(sources) => sources.ldap.as_ref(),
            Self::Off | Self::Faulty(_) => None,
        }
    }

    /// Returns why the settings cannot be used.
    pub fn faults(&self) -> &[String] {
        match self {
            Self::Faulty(faults) => faults,
            Self::Off | Self::On(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests;
