//! Proving to be a user: with a password, as often as the throttle allows.

use std::net::IpAddr;
use std::time::Instant;

use sqlx::SqliteConnection;

use super::passwords::suitable;
use super::users::{canonical_name, put_password};
use crate::audit::{Author, Event};
use crate::context::Context;
use crate::refusal::Refusal;

/// A user who has proven to be one, and the hash of the password that proved it. It counts for as long as that is the user's.
#[derive(Debug, Clone)]
pub struct Proven {
    name: String,
    hash: String,
}

impl Proven {
    pub(super) fn new(name: String, hash: String) -> Self {
        Self { name, hash }
    }

    /// As a test has it: whatever the password is.
    #[cfg(test)]
    pub async fn without_password(context: &Context, name: &str) -> Self {
        let hash = sqlx::query_scalar("SELECT password FROM users WHERE name = $1").bind(name);
        Self { name: name.to_owned(), hash: hash.fetch_one(context.database.read()).await.unwrap() }
    }

    /// The user's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Refuses where the password has been replaced since, or the user removed. In the transaction of what follows from the proof.
    pub(super) async fn counts(&self, connection: &mut SqliteConnection) -> Result<(), Refusal> {
        let present = sqlx::query_scalar("SELECT password FROM users WHERE name = $1").bind(&self.name);
        let present: Option<String> = present.fetch_optional(connection).await?;
        if present.is_some_and(|present| present == self.hash) { Ok(()) } else { Err(Refusal::SignIn) }
    }
}

/// Compares a password. Who finds the queue full has not tried.
async fn check_password(context: &Context, (name, address): (&str, IpAddr), password: &str) -> Result<Proven, Refusal> {
    let place = context.hasher.enter()?;
    let wait = context.throttle.attempt(name, address, Instant::now());
    wait.map_err(|left| Refusal::TooManyAttempts(left.as_secs() + 1))?;
    let hash = sqlx::query_scalar("SELECT password FROM users WHERE name = $1").bind(name);
    let hash: Option<String> = hash.fetch_optional(context.database.read()).await?;
    let is_right = context.hasher.verify(place, password, hash.as_deref()).await?;
    let Some(hash) = hash.filter(|_| is_right) else { return Err(Refusal::SignIn) };
    context.throttle.succeeded(name, address);
    Ok(Proven::new(name.to_owned(), hash))
}

/// Checks name and password. A failure is recorded; what the throttle refuses is not, so that no attacker can fill the log.
pub async fn sign_in(
    context: &Context,
    author: &Author,
    (name, address): (&str, IpAddr),
    password: &str,
) -> Result<Proven, Refusal> {
    let name = canonical_name(name).map_err(|_| Refusal::SignIn)?;
    let checked = check_password(context, (&name, address), password).await;
    context.metrics.signed_in(checked.is_ok());
    if matches!(checked, Err(Refusal::SignIn)) {
        let event = Event::refused("session.begin", &name, "name or password is wrong");
        super::failures::record_failure(context, author, event).await?;
    }
    checked
}

/// Changes one's own password, which needs the present one. All sessions end; the caller begins a new one.
pub async fn change_own_password(
    context: &Context,
    author: &Author,
    (name, address): (&str, IpAddr),
    (present, new): (&str, &str),
) -> Result<Proven, Refusal> {
    suitable(new, name)?;
    let proven = check_password(context, (name, address), present).await?;
    let hash = context.hasher.hash(new).await?;
    let mut write = context.database.write().await?;
    proven.counts(&mut write).await?;
    put_password(&mut write, author, name, &hash).await?;
    write.commit().await?;
    Ok(Proven::new(name.to_owned(), hash))
}
