//! LDAP: a directory server judges a person's password, and returns the person's groups.
//!
//! Threats and defenses. No password is sent in clear text: TLS, with one authority, comes before anything else. An
//! empty password, which servers accept from any client, is refused before a connection. A name cannot change a query:
//! names have few characters, and are escaped as well. Several entries with one name are refused, and referrals to
//! other servers are not followed. Limits on the duration and the number of sign-ins handle a server that never
//! answers.

mod name;
mod session;
mod settings;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

pub use name::Name;
pub use settings::{Groups, LdapSettings, LdapText, Way, check};

use super::error::DirectoryError;
use super::oidc::VouchedUser;
use session::{Entry, Session};
use settings::{ENTRY, NAME, Query};

/// Time limit of a whole sign-in.
const PATIENCE: Duration = Duration::from_secs(15);
/// Maximum number of concurrent sign-ins; more wait within their time limit.
const AT_ONCE: usize = 8;
/// Maximum length of a password, in bytes.
const MOST_BYTES: usize = 1024;

/// Tracks whether the server has a person's password but has not yet judged it. A server may answer late, or with an
/// unusual error, if a password is wrong. That must not pass for an outage, in which nothing is judged.
#[derive(Debug, Default)]
struct PasswordQuestion(AtomicBool);

impl PasswordQuestion {
    /// Authenticates as this entry, with the password of a person.
    async fn ask(&self, session: &mut Session, name: &str, password: &str) -> Result<(), DirectoryError> {
        self.0.store(true, Ordering::Relaxed);
        session.bind(name, password).await?;
        self.0.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Interprets an error in the current state of the question.
    fn seen_in(&self, error: DirectoryError) -> DirectoryError {
        match error {
            DirectoryError::Unavailable(why) if self.0.load(Ordering::Relaxed) => DirectoryError::Undecided(why),
            other => other,
        }
    }
}

/// A directory server.
#[derive(Debug)]
pub struct Ldap {
    settings: LdapSettings,
    turns: Semaphore,
}

impl Ldap {
    /// Creates a server that has not been contacted yet.
    pub fn new(settings: LdapSettings) -> Self {
        Self { settings, turns: Semaphore::new(AT_ONCE) }
    }

    /// Returns the settings.
    pub fn settings(&self) -> &LdapSettings {
        &self.settings
    }

    /// Returns the user for whom the server vouches, by a name and a password.
    pub async fn sign_in(&self, name: &str, password: &str) -> Result<VouchedUser, DirectoryError> {
        if password.is_empty() || password.len() > MOST_BYTES || password.contains('\0') {
            return Err(DirectoryError::Wrong);
        }
        let late = |_| DirectoryError::Unavailable(format!("no answer in {} seconds", PATIENCE.as_secs()));
        let question = PasswordQuestion::default();
        let sign_in = async {
            let ended = |_| DirectoryError::Unavailable("no sign-in runs any longer".to_owned());
            let _turn = self.turns.acquire().await.map_err(ended)?;
            self.ask(name, password, &question).await
        };
        let outcome = timeout(PATIENCE, sign_in).await.unwrap_or_else(|elapsed| Err(late(elapsed)));
        outcome.map_err(|error| question.seen_in(error))
    }

    /// Checks that the server answers, and that the console's own account may search for people.
    pub async fn check(&self) -> Result<String, DirectoryError> {
        let late = |_| DirectoryError::Unavailable(format!("no answer in {} seconds", PATIENCE.as_secs()));
        let asked = async {
            let mut session = Session::open(&self.settings).await?;
            let Way::Search { user, password, query } = &self.settings.way else {
                session.close().await;
                return Ok("answers over TLS; people are found with their own passwords".to_owned());
            };
            session.bind_own(user, &password.0).await?;
            session.find(query, NAME, "no-such-user").await?;
            session.close().await;
            Ok(format!("answers over TLS; {user} may look for people"))
        };
        timeout(PATIENCE, asked).await.map_err(late)?
    }

    async fn ask(
        &self,
        name: &str,
        password: &str,
        question: &PasswordQuestion,
    ) -> Result<VouchedUser, DirectoryError> {
        let mut session = Session::open(&self.settings).await?;
        let entry = match &self.settings.way {
            Way::Search { user, password: own, query } => {
                session.bind_own(user, &own.0).await?;
                let entry = self.one(&mut session, query, name).await?;
                let mut theirs = Session::open(&self.settings).await?;
                question.ask(&mut theirs, &entry.name, password).await?;
                theirs.close().await;
                entry
            }
            Way::Direct { template, query } => {
                let bound = template.replace(NAME, &ldap3::dn_escape(name));
                question.ask(&mut session, &bound, password).await?;
                match query {
                    // The bound name and the one in the filter may belong to two people: the password must be that of
                    // the entry.
                    Some(query) => {
                        let entry = self.one(&mut session, query, name).await?;
                        question.ask(&mut session, &entry.name, password).await?;
                        entry
                    }
                    None => session.read(&bound, self.attributes()).await?,
                }
            }
        };
        let groups = self.groups(&mut session, &entry).await?;
        session.close().await;
        Ok(VouchedUser { subject: entry.subject(), name: name.to_owned(), groups, proven: None })
    }

    fn attributes(&self) -> Option<&str> {
        match &self.settings.groups {
            Groups::Attribute(attribute) => Some(attribute),
            Groups::Query(_) => None,
        }
    }

    /// Returns the one entry of a person. Several entries with one name are refused, because it is unclear whose they
    /// are.
    async fn one(&self, session: &mut Session, query: &Query, name: &str) -> Result<Entry, DirectoryError> {
        session.wants(self.attributes());
        let mut found = session.find(query, NAME, name).await?;
        match (found.pop(), found.is_empty()) {
            (Some(entry), true) => Ok(entry),
            (None, _) => Err(DirectoryError::Wrong),
            (Some(_), false) => Err(DirectoryError::refused("several people have the name in the directory")),
        }
    }

    async fn groups(&self, session: &mut Session, entry: &Entry) -> Result<Vec<String>, DirectoryError> {
        match &self.settings.groups {
            Groups::Attribute(attribute) => Ok(entry.values(attribute)),
            Groups::Query(query) => {
                session.wants(None);
                let found = session.find(query, ENTRY, &entry.name).await?;
                Ok(found.into_iter().map(|entry| entry.name).collect())
            }
        }
    }
}
