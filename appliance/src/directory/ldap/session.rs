//! A connection to a directory server.

use std::net::SocketAddr;
use std::time::Duration;

use ldap3::{
    DerefAliases, Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope, SearchEntry, SearchOptions,
    StdStream,
};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::error::DirectoryError;
use super::settings::{LdapSettings, Query};

/// Time limit of a connection and its handshakes.
const CONNECT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 5 });
/// Time limit of each answer.
const ANSWER: Duration = Duration::from_secs(8);
/// Maximum number of entries in an answer.
const MOST: i32 = 1000;
/// Result code of a wrong password, RFC 4511.
const INVALID_CREDENTIALS: u32 = 49;
/// Result code of more entries than requested.
const SIZE_LIMIT_EXCEEDED: u32 = 4;
/// Result code of a missing entry.
const NO_SUCH_OBJECT: u32 = 32;
/// Attributes that identify a person permanently: those of `OpenLDAP` and similar servers, and of Active Directory.
const IDENTITIES: [&str; 2] = ["entryUUID", "objectGUID"];

/// An open connection.
pub struct Session {
    ldap: Ldap,
    attributes: Vec<String>,
}

/// A found entry.
pub struct Entry {
    /// Name of the entry.
    pub name: String,
    entry: SearchEntry,
}

impl Entry {
    /// Returns the values of an attribute, whose name the server may write in another case.
    pub fn values(&self, attribute: &str) -> Vec<String> {
        let same = self.entry.attrs.iter().filter(|(name, _)| name.eq_ignore_ascii_case(attribute));
        same.flat_map(|(_, values)| values.clone()).collect()
    }

    /// Returns the permanent identity of the person: the first identity attribute, or else the entry's name.
    pub fn subject(&self) -> String {
        for identity in IDENTITIES {
            let texts = self.values(identity).into_iter().next().map(String::into_bytes);
            let binary = self.entry.bin_attrs.iter().find(|(name, _)| name.eq_ignore_ascii_case(identity));
            let binary = binary.and_then(|(_, values)| values.first().cloned());
            if let Some(value) = texts.or(binary) {
                return format!("{identity} {}", hex::encode(value));
            }
        }
        format!("name {}", self.name.to_lowercase())
    }
}

impl Session {
    /// Connects over TLS. Only the request for TLS is sent in clear text.
    pub async fn open(settings: &LdapSettings) -> Result<Self, DirectoryError> {
        let mut options = LdapConnSettings::new()
            .set_conn_timeout(CONNECT)
            .set_config(settings.tls.clone())
            .set_starttls(settings.url.scheme() == "ldap");
        if let Some(address) = settings.address {
            let port = settings.url.port().unwrap_or(if settings.url.scheme() == "ldap" { 389 } else { 636 });
            options = options.set_std_stream(StdStream::Tcp(connect((address, port).into()).await?));
        }
        let (connection, ldap) =
            LdapConnAsync::from_url_with_settings(options, &settings.url).await.map_err(unavailable_error)?;
        ldap3::drive!(connection);
        Ok(Self { ldap, attributes: Vec::new() })
    }

    /// Sets the requested attribute of entries, in addition to those that identify the person.
    pub fn wants(&mut self, attribute: Option<&str>) {
        self.attributes = IDENTITIES.into_iter().chain(attribute).map(str::to_owned).collect();
    }

    /// Authenticates as the console's own account. A wrong password of this account is a fault of the settings.
    pub async fn bind_own(&mut self, name: &str, password: &str) -> Result<(), DirectoryError> {
        let refused = |_| DirectoryError::Unavailable(format!("the server refuses the password of {name}"));
        match self.bind(name, password).await {
            Err(DirectoryError::Wrong) => Err(refused(DirectoryError::Wrong)),
            other => other,
        }
    }

    /// Authenticates as this entry.
    pub async fn bind(&mut self, name: &str, password: &str) -> Result<(), DirectoryError> {
        let bound = self.ldap.with_timeout(ANSWER).simple_bind(name, password).await.map_err(unavailable_error)?;
        match bound.rc {
            0 => Ok(()),
            INVALID_CREDENTIALS | NO_SUCH_OBJECT => Err(DirectoryError::Wrong),
            _ => Err(inconclusive_error(&bound)),
        }
    }

    /// Returns entries that a query finds, with a value in place of its placeholder.
    pub async fn find(&mut self, query: &Query, placeholder: &str, value: &str) -> Result<Vec<Entry>, DirectoryError> {
        let filter = query.filter.replace(placeholder, &ldap3::ldap_escape(value));
        self.search(&query.base, Scope::Subtree, &filter).await
    }

    /// Reads one entry by its name.
    pub async fn read(&mut self, name: &str, attribute: Option<&str>) -> Result<Entry, DirectoryError> {
        self.wants(attribute);
        let found = self.search(name, Scope::Base, "(objectClass=*)").await?;
        found.into_iter().next().ok_or_else(|| DirectoryError::refused("the person may not read the own entry"))
    }

    async fn search(&mut self, base: &str, scope: Scope, filter: &str) -> Result<Vec<Entry>, DirectoryError> {
        let options = SearchOptions::new().deref(DerefAliases::Never).sizelimit(MOST);
        let attributes = self.attributes.clone();
        let ldap = self.ldap.with_search_options(options).with_timeout(ANSWER);
        let found = ldap.search(base, scope, filter, attributes).await.map_err(unavailable_error)?;
        // Entries of other servers appear as references here, not as entries.
        let (entries, result) = (found.0, found.1);
        match result.rc {
            0 => {}
            NO_SUCH_OBJECT => return Ok(Vec::new()),
            SIZE_LIMIT_EXCEEDED => {
                return Err(DirectoryError::refused("the directory has too many entries for one person"));
            }
            _ => return Err(inconclusive_error(&result)),
        }
        let entries = entries.into_iter().filter(|entry| !entry.is_ref() && !entry.is_intermediate());
        let entries = entries.map(SearchEntry::construct).map(|entry| Entry { name: entry.dn.clone(), entry });
        Ok(entries.collect())
    }

    /// Ends the connection.
    pub async fn close(mut self) {
        let _ended = self.ldap.unbind().await;
    }
}

async fn connect(address: SocketAddr) -> Result<std::net::TcpStream, DirectoryError> {
    let late = |_| DirectoryError::Unavailable(format!("{address} does not answer in {} seconds", CONNECT.as_secs()));
    let refused = |error: std::io::Error| DirectoryError::unavailable("the server does not answer", &error);
    let stream = timeout(CONNECT, TcpStream::connect(address)).await.map_err(late)?.map_err(refused)?;
    stream.into_std().map_err(refused)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn unavailable_error(error: LdapError) -> DirectoryError {
    DirectoryError::unavailable("the server does not answer", &error)
}

/// Creates an error for an inconclusive answer of the server. Its text may contain anything, so it is shortened.
fn inconclusive_error(result: &LdapResult) -> DirectoryError {
    let text: String = result.text.chars().filter(|letter| !landfall_peer::is_hidden(*letter)).take(120).collect();
    DirectoryError::Unavailable(format!("the server answered {}: {text}", result.rc))
}
