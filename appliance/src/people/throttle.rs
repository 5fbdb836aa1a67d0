//! Failed sign-ins slow down further ones, of one name from one address. So an attacker elsewhere locks nobody out, and the host's
//! one-use token is not subject to it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures that cost nothing: people mistype.
const FREE: u32 = 5;
/// Longest delay.
const LONGEST: Duration = Duration::from_mins(15);
/// Without a failure for this long, everything is forgiven.
const FORGIVEN: Duration = Duration::from_hours(1);
/// Most pairs of name and address that are remembered; the oldest one is forgotten first.
const MOST: usize = 10_000;

/// Counts failures in memory: a restart forgives, and no attacker can restart the console.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<(String, IpAddr), Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn delay(self) -> Duration {
        let doublings = self.count.saturating_sub(FREE).min(16);
        if doublings == 0 { Duration::ZERO } else { Duration::from_secs(1 << (doublings - 1)).min(LONGEST) }
    }
}

impl Throttle {
    /// How long this name must wait at this address. Counts as a failure until [`Self::succeeded`] says otherwise, so that parallel
    /// tries do not pass together.
    pub fn attempt(&self, name: &str, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (name.to_owned(), address);
        let before = known.get(&pair).copied().filter(|failures| now.duration_since(failures.last) < FORGIVEN);
        if let Some(failures) = before {
            let left = (failures.last + failures.delay()).saturating_duration_since(now);
            if !left.is_zero() {
                return Err(left);
            }
        }
        if known.len() >= MOST && !known.contains_key(&pair) {
            let oldest = known.iter().min_by_key(|(_, failures)| failures.last).map(|(pair, _)| pair.clone());
            oldest.map(|pair| known.remove(&pair));
        }
        known.insert(pair, Failures { count: before.map_or(0, |failures| failures.count) + 1, last: now });
        Ok(())
    }

    /// Forgives a name at an address, after it was right.
    pub fn succeeded(&self, name: &str, address: IpAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(name.to_owned(), address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8));

    #[test]
    fn the_delay_grows_and_ends() {
        let throttle = Throttle::default();
        let mut now = Instant::now();
        for _ in 0..6 {
            assert_eq!(throttle.attempt("alice", HERE, now), Ok(()));
        }
        let mut delays = Vec::new();
        for _ in 0..12 {
            let delay = throttle.attempt("alice", HERE, now).unwrap_err();
            delays.push(delay.as_secs());
            now += delay;
            assert_eq!(throttle.attempt("alice", HERE, now), Ok(()));
        }
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(throttle.attempt("alice", THERE, now), Ok(()), "from elsewhere she signs in");
        assert_eq!(throttle.attempt("bob", HERE, now), Ok(()), "others sign in from there");
        assert_eq!(throttle.attempt("alice", HERE, now + FORGIVEN), Ok(()));
    }

    #[test]
    fn what_was_right_is_forgiven_and_memory_is_bounded() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..6 {
            throttle.attempt("alice", HERE, now).unwrap();
        }
        throttle.succeeded("alice", HERE);
        assert_eq!(throttle.attempt("alice", HERE, now), Ok(()));
        for number in 0..MOST + 50 {
            throttle.attempt(&number.to_string(), HERE, now + Duration::from_millis(1)).unwrap();
        }
        assert_eq!(throttle.0.lock().unwrap().len(), MOST);
    }
}
