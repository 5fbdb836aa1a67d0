//! Sign-ins that a browser has begun: each is valid once, and for ten minutes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::credentials::Secret;

/// Time that a person may take at the provider.
pub const LIFETIME: Duration = Duration::from_mins(10);
/// Maximum number of remembered sign-ins; the oldest is forgotten first. Each address also has its own limit.
const MOST: usize = 10_000;

/// Purpose of a browser's visit to the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// Sign-in.
    Enter,
    /// New proof that the person is the user of this session.
    Prove {
        /// ID of the session.
        session: String,
        /// User of the session.
        user: String,
    },
}

/// A sign-in that has begun.
#[derive(Debug)]
struct SignInVisit {
    at: Instant,
    errand: Errand,
}

/// Visits in progress, by hashes of the browsers' secrets.
#[derive(Debug, Default)]
pub struct PendingVisits(Mutex<HashMap<String, SignInVisit>>);

impl PendingVisits {
    /// Remembers a sign-in.
    pub fn add(&self, secret: &Secret, errand: Errand) {
        let now = Instant::now();
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        begun.retain(|_, other| now.duration_since(other.at) < LIFETIME);
        if begun.len() >= MOST {
            let oldest = begun.iter().min_by_key(|(_, other)| other.at).map(|(hash, _)| hash.clone());
            oldest.map(|hash| begun.remove(&hash));
        }
        begun.insert(secret.hash(), SignInVisit { at: now, errand });
    }

    /// Returns and removes the visit begun with this secret, with its age, unless it has expired.
    pub fn take(&self, secret: &Secret) -> Option<(Errand, Duration)> {
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let SignInVisit { at, errand } = begun.remove(&secret.hash())?;
        Some((errand, at.elapsed())).filter(|(_, age)| *age < LIFETIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_sign_ins_count_once() {
        let pending = PendingVisits::default();
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        pending.add(&one, Errand::Enter);
        assert_eq!(pending.take(&other), None);
        assert!(pending.take(&one).is_some());
        assert_eq!(pending.take(&one), None, "the state counted twice");
        pending.add(&other, Errand::Enter);
        pending.0.lock().unwrap().values_mut().next().unwrap().at -= LIFETIME;
        assert_eq!(pending.take(&other), None, "too late");
        for _ in 0..MOST + 3 {
            pending.add(&Secret::random().unwrap(), Errand::Enter);
        }
        assert_eq!(pending.0.lock().unwrap().len(), MOST);
    }
}
