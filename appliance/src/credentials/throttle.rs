//! Throttle of sign-ins. Failures slow down further sign-ins with one name from one address, and with all names from
//! one address. An attacker elsewhere therefore locks no user out, and the host's one-use token only has its own limit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Number of failures without a delay: people mistype.
const FREE: u32 = 5;
/// Maximum delay.
const LONGEST: Duration = Duration::from_mins(15);
/// Time without a failure after which all earlier ones are forgotten.
const FORGIVEN: Duration = Duration::from_hours(1);
/// Maximum number of remembered pairs of name and address, and of addresses. One without a delay is forgotten first,
/// then the oldest.
const MOST: usize = 10_000;

/// Counter of failures in memory: a restart forgets them, and no attacker can restart the console.
#[derive(Debug, Default)]
pub struct Throttle {
    pairs: Mutex<HashMap<(String, IpAddr), Failures>>,
    sign_ins: Mutex<Addresses>,
    claims: Mutex<Addresses>,
    departures: Mutex<Addresses>,
}

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

    fn left(self, now: Instant) -> Duration {
        (self.last + self.delay()).saturating_duration_since(now)
    }
}

/// Number of attempts that an address has at once, and their rate of return.
#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: u32,
    each: Duration,
}

/// Rate of failed sign-ins with any name. Many people may share an address.
const SIGN_INS: Rate = Rate { burst: 100, each: Duration::from_secs(3) };
/// Rate of attempts with a one-use token, each of which asks the host.
const CLAIMS: Rate = Rate { burst: 30, each: Duration::from_secs(6) };

/// Rate of sign-ins that begin at an identity provider.
const DEPARTURES: Rate = Rate { burst: 100, each: Duration::from_secs(3) };

/// Time at which each address has all of its attempts again.
#[derive(Debug, Default)]
struct Addresses(HashMap<IpAddr, Instant>);

impl Addresses {
    fn left(&self, address: IpAddr, rate: Rate, now: Instant) -> Result<(), Duration> {
        let full = self.0.get(&address).copied().unwrap_or(now);
        let left = (full + rate.each).saturating_duration_since(now).saturating_sub(rate.each * rate.burst);
        if left.is_zero() { Ok(()) } else { Err(left) }
    }

    fn take(&mut self, address: IpAddr, rate: Rate, now: Instant) {
        if self.0.len() >= MOST && !self.0.contains_key(&address) {
            let first = self.0.iter().min_by_key(|(_, full)| **full).map(|(address, _)| *address);
            first.map(|address| self.0.remove(&address));
        }
        let full = self.0.entry(address).or_insert(now);
        *full = (*full).max(now) + rate.each;
    }

    fn give_back(&mut self, address: IpAddr, rate: Rate) {
        if let Some(full) = self.0.get_mut(&address) {
            *full = full.checked_sub(rate.each).unwrap_or(*full);
        }
    }
}

/// Returns the unit that counts as one address: a device in a network has a whole /64 of IPv6.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Throttle {
    /// Registers an attempt; fails with the wait if one is required for this name at this address. It counts as a
    /// failure until [`Self::succeeded`] or [`Self::was_not_judged`] is called, so that parallel attempts do not all
    /// pass.
    pub fn attempt(&self, name: &str, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let address = network(address);
        let (mut known, mut addresses) = (lock(&self.pairs), lock(&self.sign_ins));
        let pair = (name.to_owned(), address);
        let before = known.get(&pair).copied().filter(|failures| now.duration_since(failures.last) < FORGIVEN);
        let left = before.map_or(Duration::ZERO, |failures| failures.left(now));
        if !left.is_zero() {
            return Err(left);
        }
        addresses.left(address, SIGN_INS, now)?;
        addresses.take(address, SIGN_INS, now);
        if known.len() >= MOST && !known.contains_key(&pair) {
            let least = |(_, failures): &(_, &Failures)| (!failures.left(now).is_zero(), failures.last);
            let first = known.iter().min_by_key(least).map(|(pair, _)| pair.clone());
            first.map(|pair| known.remove(&pair));
        }
        known.insert(pair, Failures { count: before.map_or(0, |failures| failures.count) + 1, last: now });
        Ok(())
    }

    /// Forgets the failures of a name at an address after a success.
    pub fn succeeded(&self, name: &str, address: IpAddr) {
        let address = network(address);
        let mut known = lock(&self.pairs);
        lock(&self.sign_ins).give_back(address, SIGN_INS);
        known.remove(&(name.to_owned(), address));
    }

    /// Takes back an attempt whose password no server judged. Earlier failures still count, and their delay starts
    /// again.
    pub fn was_not_judged(&self, name: &str, address: IpAddr) {
        let address = network(address);
        let mut known = lock(&self.pairs);
        lock(&self.sign_ins).give_back(address, SIGN_INS);
        let Entry::Occupied(mut pair) = known.entry((name.to_owned(), address)) else { return };
        pair.get_mut().count = pair.get().count.saturating_sub(1);
        if pair.get().count == 0 {
            pair.remove();
        }
    }

    /// Registers an attempt with a one-use token; fails with the wait if one is required.
    pub fn claim(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut addresses = lock(&self.claims);
        addresses.left(network(address), CLAIMS, now)?;
        addresses.take(network(address), CLAIMS, now);
        Ok(())
    }

    /// Registers the beginning of a sign-in at an identity provider; fails with the wait if one is required.
    pub fn depart(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut addresses = lock(&self.departures);
        addresses.left(network(address), DEPARTURES, now)?;
        addresses.take(network(address), DEPARTURES, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8));

    #[test]
    fn delay_grows_and_ends() {
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
        assert_eq!(throttle.attempt("alice", THERE, now), Ok(()), "another address is throttled");
        assert_eq!(throttle.attempt("bob", HERE, now), Ok(()), "other users are throttled");
        assert_eq!(throttle.attempt("alice", HERE, now + FORGIVEN), Ok(()));
    }

    #[test]
    fn success_resets_bounded_failures() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..6 {
            throttle.attempt("alice", HERE, now).unwrap();
        }
        throttle.succeeded("alice", HERE);
        assert_eq!(throttle.attempt("alice", HERE, now), Ok(()));
        for _ in 0..5 {
            throttle.attempt("alice", HERE, now).unwrap();
        }
        for number in 0..MOST + 50 {
            let address = IpAddr::V4(u32::try_from(number / 50).unwrap().into());
            throttle.attempt(&number.to_string(), address, now + Duration::from_millis(1)).unwrap();
        }
        assert_eq!(throttle.pairs.lock().unwrap().len(), MOST);
        let delayed = Err(Duration::from_secs(1));
        assert_eq!(throttle.attempt("alice", HERE, now), delayed, "a flood of names ended the delay");
    }

    #[test]
    fn unjudged_attempts_change_nothing() {
        let throttle = Throttle::default();
        let mut now = Instant::now();
        for _ in 0..3 * SIGN_INS.burst {
            throttle.attempt("alice", HERE, now).unwrap();
            throttle.was_not_judged("alice", HERE);
        }
        assert!(throttle.pairs.lock().unwrap().is_empty(), "attempts are remembered");
        for _ in 0..=FREE {
            throttle.attempt("alice", HERE, now).unwrap();
        }
        for _ in 0..3 {
            assert_eq!(
                throttle.attempt("alice", HERE, now),
                Err(Duration::from_secs(1)),
                "a pending attempt does not count"
            );
            now += Duration::from_secs(1);
            throttle.attempt("alice", HERE, now).unwrap();
            throttle.was_not_judged("alice", HERE);
        }
        now += Duration::from_secs(1);
        throttle.attempt("alice", HERE, now).unwrap();
        assert_eq!(throttle.attempt("alice", HERE, now), Err(Duration::from_secs(2)), "the failures were forgotten");
        throttle.was_not_judged("bob", THERE);
    }

    #[test]
    fn address_limit_spans_names() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for number in 0..SIGN_INS.burst {
            throttle.attempt(&number.to_string(), HERE, now).unwrap();
        }
        assert_eq!(throttle.attempt("alice", HERE, now), Err(SIGN_INS.each));
        assert_eq!(throttle.attempt("alice", THERE, now), Ok(()));
        assert_eq!(throttle.attempt("alice", HERE, now + SIGN_INS.each), Ok(()));
        assert_eq!((0..=CLAIMS.burst).filter(|_| throttle.claim(HERE, now).is_ok()).count(), 30);
        assert_eq!((0..=DEPARTURES.burst).filter(|_| throttle.depart(HERE, now).is_ok()).count(), 100);
        let six = |last: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last));
        assert_eq!(network(six(1)), network(six(2)));
    }
}
