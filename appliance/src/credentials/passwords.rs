//! Passwords: acceptance rules, and Argon2id with the parameters that OWASP recommends.
//!
//! Clients determine the time that both take. Therefore both run outside of the serving threads, two at a time, from a
//! queue of bounded length.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use landfall_error_codes::codes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::common;
use super::guessed::is_guessed_soon;
use super::leaked::is_leaked;
use crate::error::{Context as _, Error, Result};
use crate::refusal::Refusal;

/// Minimum number of characters of a password.
pub const LEAST_CHARACTERS: usize = 12;
/// Maximum number of bytes of a password, which bounds the time of hashing it.
pub const MOST_BYTES: usize = 1024;
/// Memory of one hash, in KiB. OWASP: 19 MiB with two passes and one lane.
const MEMORY_KIB: u32 = if cfg!(test) { 64 } else { 19 * 1024 };
/// Number of hashes computed at once; more wait, so that sign-ins cannot fill the memory.
const AT_ONCE: usize = 2;
/// Maximum number of hashes computed or waiting; further ones are refused, so that a flood of sign-ins does not create
/// a queue of minutes.
const MOST: usize = AT_ONCE + 16;
/// Seconds after which a person who found the queue full may retry.
const LATER: u64 = 5;

/// Slot in the queue of hashes.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

/// Computes hashes outside of the serving threads.
#[derive(Debug, Clone)]
pub struct Hasher {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// Hash of a password that no one has: an unknown name takes as long as a known one.
    decoy: Arc<str>,
}

impl Hasher {
    /// Creates a hasher.
    pub fn new() -> Self {
        let decoy = compute("a password that no one has").unwrap_or_default();
        let (turns, places) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(Semaphore::new(MOST)));
        Self { turns, places, decoy: decoy.into() }
    }

    /// Takes a slot in the queue, if it is not full.
    pub fn enter(&self) -> Result<Place, Refusal> {
        let place = self.places.clone().try_acquire_owned();
        place.map(Place).map_err(|_| Refusal::TooManyAttempts(LATER))
    }

    /// Waits for a slot in the queue: only for callers for whom the host vouches, never for sign-ins.
    pub async fn wait(&self) -> Result<Place> {
        let ended = || "the queue of passwords has ended".to_owned();
        self.places.clone().acquire_owned().await.map(Place).context(codes::BUG, ended)
    }

    /// Returns an error if a new password for a user is not good enough.
    pub async fn judge(&self, _place: Place, password: &str, name: &str) -> Result<(), Refusal> {
        judge_length(password)?;
        let (password, name) = (password.to_owned(), name.to_owned());
        self.run(move || reason(&password, &name)).await?.map_or(Ok(()), |why| Err(Refusal::Password(why)))
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let ended = || "the hashing of passwords has ended".to_owned();
        let turn = self.turns.clone().acquire_owned().await.context(codes::BUG, ended)?;
        let done = spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.context(codes::BUG, || "the hashing of a password was interrupted".to_owned())
    }

    /// Returns the hash of a new password, in PHC format.
    pub async fn hash(&self, password: &str) -> Result<String, Refusal> {
        let _place = self.enter()?;
        Ok(self.hash_surely(password).await?)
    }

    /// Like [`Self::hash`], however long the queue is: for a caller who has spent a one-use token.
    pub async fn hash_surely(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.run(move || compute(&password)).await?
    }

    /// Returns true if a password has this hash. Without a hash it is compared with the decoy, and is wrong.
    pub async fn verify(&self, _place: Place, password: &str, hash: Option<&str>) -> Result<bool> {
        if password.len() > MOST_BYTES {
            return Ok(false);
        }
        let is_known = hash.is_some();
        let (password, hash) = (password.to_owned(), hash.unwrap_or(&self.decoy).to_owned());
        let matches = move || {
            let parsed = PasswordHash::new(&hash);
            parsed
                .is_ok_and(|parsed| argon2().is_ok_and(|own| own.verify_password(password.as_bytes(), &parsed).is_ok()))
        };
        Ok(self.run(matches).await? && is_known)
    }
}

fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, 2, 1, None);
    let params = params.map_err(|error| Error::new(codes::BUG, format!("Argon2 refuses its parameters: {error}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn compute(password: &str) -> Result<String> {
    let hash: Result<PasswordHash, _> = argon2()?.hash_password(password.as_bytes());
    let hash = hash.map_err(|error| Error::new(codes::BUG, format!("no hash can be computed: {error}")))?;
    Ok(hash.to_string())
}

fn judge_length(password: &str) -> Result<(), Refusal> {
    if password.chars().count() < LEAST_CHARACTERS {
        return Err(Refusal::Password("it has fewer than 12 characters"));
    }
    if password.len() > MOST_BYTES {
        return Err(Refusal::Password("it has more than 1024 bytes"));
    }
    Ok(())
}

/// Returns why a password of a valid length is not good enough, if so.
fn reason(password: &str, name: &str) -> Option<&'static str> {
    common::reason(password, name)
        .or_else(|| {
            is_leaked(password).then_some("it is in a list of leaked passwords, or is one of them with a little more")
        })
        .or_else(|| {
            is_guessed_soon(password, name)
                .then_some("it is built from names, words, dates or leaked passwords that are guessed first")
        })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn queue_is_bounded() {
        let hasher = Hasher::new();
        let mut held: Vec<_> = (0..MOST).map(|_| hasher.enter().unwrap()).collect();
        assert!(matches!(hasher.enter(), Err(Refusal::TooManyAttempts(LATER))));
        held.pop();
        assert!(hasher.enter().is_ok());
    }

    #[test]
    fn common_passwords_name_reason() {
        for (password, why) in [
            ("password1234", "it is built from words and rows of keys that are guessed first"),
            ("30SecondsToMars", "it is in a list of leaked passwords, or is one of them with a little more"),
            ("Manchester2026!", "it is built from names, words, dates or leaked passwords that are guessed first"),
        ] {
            assert_eq!(reason(password, "alice"), Some(why), "{password}");
        }
        assert_eq!(reason("gravel tuba cinnamon orbit", "alice"), None);
    }

    /// Tests with the characters that stand for the most letters each, and other expensive ones.
    #[test]
    fn longest_password_is_judged_quickly() {
        reason("the lists are read once", "alice");
        let name = "n.".repeat(32);
        for piece in
            ["4@8({[<369&#!1/|0$5+7%2", "a", "ab", "password", "2026-11-27", "1qaz2wsx", "aA4@", "velvet anchor "]
        {
            let longest = piece.repeat(MOST_BYTES / piece.len());
            let begun = Instant::now();
            reason(&longest, &name);
            assert!(begun.elapsed() < Duration::from_secs(1), "{piece}: {:?}", begun.elapsed());
        }
    }
}
