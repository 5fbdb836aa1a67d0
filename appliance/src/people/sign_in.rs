//! Proof of a user's identity with a password, here or at a directory server, as often as the throttle permits.

use std::net::IpAddr;
use std::time::Instant;

use super::failures::record_failure;
use super::sessions::{Session, prove_session};
use super::source::Source;
use super::users::{canonical_name, put_password};
use super::vouched::{Person, admit};
use crate::audit::{Author, Event};
use crate::context::Context;
use crate::database::{Connection, query_scalar};
use crate::directory::{DirectoryError, Ldap, Name, VouchedUser};
use crate::refusal::{Prover, Refusal};

/// A user who has proven the identity, with the hash of the password used, which is empty if a directory vouched. It is
/// valid while the user has that password.
#[derive(Debug, Clone)]
pub struct ProvenUser {
    name: String,
    hash: String,
}

impl ProvenUser {
    pub(super) fn new(name: String, hash: String) -> Self {
        Self { name, hash }
    }

    /// Creates a proof for tests, without a password.
    #[cfg(test)]
    pub async fn without_password(context: &Context, name: &str) -> Self {
        let hash = query_scalar("SELECT password FROM users WHERE name = $1").bind(name);
        Self { name: name.to_owned(), hash: hash.fetch_one(context.database.read()).await.unwrap() }
    }

    /// Returns the user's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns an error if the password has been replaced since, or the user removed or disabled. Runs in the
    /// transaction that relies on the proof.
    pub(super) async fn counts(&self, connection: &mut Connection) -> Result<(), Refusal> {
        let present = "SELECT password FROM users WHERE name = $1 AND disabled IS NULL";
        let present = query_scalar(present).bind(&self.name);
        let present: Option<String> = present.fetch_optional(connection).await?;
        if present.is_some_and(|present| present == self.hash) { Ok(()) } else { Err(Refusal::SignIn) }
    }
}

/// Checks a password. Finding the queue full does not count as an attempt.
async fn check_password(
    context: &Context,
    (name, address): (&str, IpAddr),
    password: &str,
) -> Result<ProvenUser, Refusal> {
    let place = context.hasher.enter()?;
    let wait = context.throttle.attempt(name, address, Instant::now());
    wait.map_err(|left| Refusal::TooManyAttempts(left.as_secs() + 1))?;
    let hash = "SELECT password FROM users WHERE name = $1 AND source = 'local' AND disabled IS NULL";
    let hash: Option<String> = query_scalar(hash).bind(name).fetch_optional(context.database.read()).await?;
    let is_right = context.hasher.verify(place, password, hash.as_deref()).await?;
    let Some(hash) = hash.filter(|_| is_right) else { return Err(Refusal::SignIn) };
    context.throttle.succeeded(name, address);
    Ok(ProvenUser::new(name.to_owned(), hash))
}

/// Checks name and password. A failure is recorded; an attempt that the throttle refuses is not, so that no attacker
/// can fill the log.
pub async fn sign_in(
    context: &Context,
    author: &Author,
    (name, address): (&str, IpAddr),
    password: &str,
) -> Result<ProvenUser, Refusal> {
    let name = canonical_name(name).map_err(|_| Refusal::SignIn)?;
    let state = context.directory.now();
    let checked = match state.ldap() {
        Some(ldap) if !is_of_another_place(context, &name).await? => {
            return check_at_server(context, author, ldap, (&name, address), password).await;
        }
        _ => check_password(context, (&name, address), password).await,
    };
    context.metrics.signed_in(checked.is_ok());
    if matches!(checked, Err(Refusal::SignIn)) {
        let event = Event::refused("session.begin", &name, "name or password is wrong");
        record_failure(context, author, event).await?;
    }
    checked
}

/// Proves again, with the user's own password, that the person at a session's browser is its user. The throttle of
/// sign-ins applies, also to the recording of failures. A user of an identity provider proves it there.
pub async fn prove_again(
    context: &Context,
    author: &Author,
    (session, address): (&Session, IpAddr),
    password: &str,
) -> Result<(), Refusal> {
    if session.source == Source::Oidc {
        return Err(Refusal::ProofNeeded(Prover::Provider));
    }
    let proven = sign_in(context, author, (&session.user, address), password).await?;
    prove_session(context, author, &session.id, &proven).await
}

/// Returns true if a name belongs to a user from elsewhere than a directory server: passwords of such users are not
/// sent there.
async fn is_of_another_place(context: &Context, name: &str) -> Result<bool, Refusal> {
    let source = query_scalar("SELECT source FROM users WHERE name = $1").bind(name);
    let source: Option<String> = source.fetch_optional(context.database.read()).await?;
    Ok(source.is_some_and(|source| source != Source::Ldap.text()))
}

/// Lets a directory server check name and password, as often as the throttle permits. An outage does not count as a
/// failed attempt.
async fn check_at_server(
    context: &Context,
    author: &Author,
    ldap: &Ldap,
    (name, address): (&str, IpAddr),
    password: &str,
) -> Result<ProvenUser, Refusal> {
    let wait = context.throttle.attempt(name, address, Instant::now());
    wait.map_err(|left| Refusal::TooManyAttempts(left.as_secs() + 1))?;
    let vouched = match ldap.sign_in(name, password).await {
        Ok(vouched) => vouched,
        Err(error) => {
            if matches!(error, DirectoryError::Unavailable(_)) {
                context.throttle.was_not_judged(name, address);
            }
            context.metrics.signed_in(false);
            let why = error.to_string();
            record_failure(context, author, Event::refused("session.begin", name, &why)).await?;
            return Err(error.into());
        }
    };
    context.throttle.succeeded(name, address);
    let settings = ldap.settings();
    let role = settings.roles.highest(&vouched.groups, Name::is_same);
    let VouchedUser { subject, name, .. } = vouched;
    let directory = settings.url.to_string();
    admit(context, author, &Person { source: Source::Ldap, subject, name, role, directory }).await
}

/// Changes the user's own password, which requires the current one. All sessions end; the caller begins a new one.
pub async fn change_own_password(
    context: &Context,
    author: &Author,
    (name, address): (&str, IpAddr),
    (present, new): (&str, &str),
) -> Result<ProvenUser, Refusal> {
    context.hasher.judge(context.hasher.enter()?, new, name).await?;
    let proven = check_password(context, (name, address), present).await?;
    let hash = context.hasher.hash(new).await?;
    let mut write = context.database.write().await?;
    proven.counts(&mut write).await?;
    put_password(&mut write, author, name, &hash).await?;
    write.commit().await?;
    Ok(ProvenUser::new(name.to_owned(), hash))
}
