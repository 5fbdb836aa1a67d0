//! Sign-ins that a browser has begun: each counts once, and for ten minutes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::people::Secret;

/// For how long a person may take at the provider.
pub const LIFETIME: Duration = Duration::from_mins(10);
/// Most that are remembered; the oldest one is forgotten first. An address has a limit of its own before.
const MOST: usize = 10_000;

/// Hashes of the secrets of browsers, with the time at which they began.
#[derive(Debug, Default)]
pub struct Pending(Mutex<HashMap<String, Instant>>);

impl Pending {
    /// Remembers a sign-in.
    pub fn add(&self, secret: &Secret) {
        let now = Instant::now();
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        begun.retain(|_, at| now.duration_since(*at) < LIFETIME);
        if begun.len() >= MOST {
            let oldest = begun.iter().min_by_key(|(_, at)| **at).map(|(hash, _)| hash.clone());
            oldest.map(|hash| begun.remove(&hash));
        }
        begun.insert(secret.hash(), now);
    }

    /// Whether a sign-in was begun with this secret and has not ended. It has ended after this.
    pub fn take(&self, secret: &Secret) -> bool {
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        begun.remove(&secret.hash()).is_some_and(|at| at.elapsed() < LIFETIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counts_once_and_memory_is_bounded() {
        let pending = Pending::default();
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        pending.add(&one);
        assert!(!pending.take(&other));
        assert!(pending.take(&one));
        assert!(!pending.take(&one), "a second time");
        pending.add(&other);
        *pending.0.lock().unwrap().values_mut().next().unwrap() -= LIFETIME;
        assert!(!pending.take(&other), "too late");
        for _ in 0..MOST + 3 {
            pending.add(&Secret::random().unwrap());
        }
        assert_eq!(pending.0.lock().unwrap().len(), MOST);
    }
}
