//! Source of a user.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

/// Source of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Created in the console, with a password that is stored there.
    Local,
    /// Confirmed by an identity provider.
    Oidc,
    /// Confirmed by an LDAP server.
    Ldap,
}

impl Source {
    const ALL: [Self; 3] = [Self::Local, Self::Oidc, Self::Ldap];

    /// Returns the stored text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Oidc => "oidc",
            Self::Ldap => "ldap",
        }
    }
}

/// Formats the source for people.
impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Local => "local",
            Self::Oidc => "OpenID Connect",
            Self::Ldap => "LDAP",
        })
    }
}

impl FromStr for Source {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|source| source.text() == text).ok_or(())
    }
}
