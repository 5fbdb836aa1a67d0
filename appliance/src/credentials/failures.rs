//! Counter of failures of unauthenticated clients. In an hour of an address, the first one of each kind has an entry in
//! the audit log, and the others have one together.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::throttle::network;

/// Period for which failures are counted together.
const HOUR: Duration = Duration::from_hours(1);
/// Maximum number of kinds of failures with an entry, per address and hour: reasons may contain the client's own words.
const KINDS: usize = 4;
/// Maximum number of addresses counted separately. All further ones are counted together.
const MOST: usize = 250;
/// Maximum number of names in the entry of an hour.
pub const NAMES: usize = 5;

/// Counter of the failures of each address.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<Option<IpAddr>, Count>>);

/// Failures of an address in an hour.
#[derive(Debug)]
struct Count {
    begun: Instant,
    /// Kinds with an entry.
    kinds: BTreeSet<String>,
    more: u64,
    names: BTreeSet<String>,
}

/// Handling of a failure.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is recorded.
    Written,
    /// It is counted; the number is recorded when the hour ends.
    Counted,
}

/// Failures of an hour that have no entry yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Rest {
    /// The address; `None` for all further ones together.
    pub from: Option<IpAddr>,
    /// Number of failures without an entry.
    pub more: u64,
    /// Names of these failures; at most one more than an entry names.
    pub names: BTreeSet<String>,
}

impl Failures {
    fn counts(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a failure of a kind, with a name.
    pub fn fate(&self, from: Option<IpAddr>, (kind, name): (&str, &str), now: Instant) -> Fate {
        let mut counts = self.counts();
        let from = from.map(network).filter(|from| counts.len() < MOST || counts.contains_key(&Some(*from)));
        let new = || Count { begun: now, kinds: BTreeSet::new(), more: 0, names: BTreeSet::new() };
        let count = counts.entry(from).or_insert_with(new);
        if from.is_some() && count.kinds.len() < KINDS && count.kinds.insert(kind.to_owned()) {
            return Fate::Written;
        }
        count.more += 1;
        if count.names.len() <= NAMES {
            count.names.insert(name.to_owned());
        }
        Fate::Counted
    }

    /// Takes the hours that have ended.
    pub fn take_over(&self, now: Instant) -> Vec<Rest> {
        self.take(|count| now.duration_since(count.begun) >= HOUR)
    }

    /// Takes all hours, ended or not.
    pub fn take_all(&self) -> Vec<Rest> {
        self.take(|_| true)
    }

    fn take(&self, is_over: impl Fn(&Count) -> bool) -> Vec<Rest> {
        let over = self.counts().extract_if(|_, count| is_over(count)).collect::<Vec<_>>();
        let rest = over.into_iter().map(|(from, Count { more, names, .. })| Rest { from, more, names });
        rest.filter(|rest| rest.more > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn failures_are_counted_per_hour() {
        let failures = Failures::default();
        let now = Instant::now();
        let fail = |from, kind: &str, name: &str| failures.fate(Some(address(from)), (kind, name), now);
        assert_eq!(fail(1, "wrong", "alice"), Fate::Written);
        for name in ["alice", "bob", "carl"] {
            assert_eq!(fail(1, "wrong", name), Fate::Counted);
        }
        assert_eq!(fail(1, "another reason", "alice"), Fate::Written);
        assert_eq!(fail(2, "wrong", "alice"), Fate::Written, "another address");
        assert_eq!(failures.take_over(now + HOUR / 2), []);
        let rest = failures.take_over(now + HOUR);
        let names = ["alice", "bob", "carl"].map(str::to_owned).into();
        assert_eq!(rest, [Rest { from: Some(address(1)), more: 3, names }], "a single failure has a second entry");
        assert_eq!(fail(1, "wrong", "alice"), Fate::Written, "the next hour shares the entry");
    }

    #[test]
    fn unknown_clients_write_few_entries() {
        let failures = Failures::default();
        let now = Instant::now();
        let mut written = 0;
        for number in 0..100_000 {
            let kind = format!("reason {number}");
            written += u32::from(failures.fate(Some(address(number % 5000)), (&kind, &kind), now) == Fate::Written);
        }
        assert_eq!(written, u32::try_from(MOST * KINDS).unwrap());
        assert!(failures.counts().len() <= MOST + 1);
        let rest = failures.take_over(now + HOUR);
        assert_eq!(rest.iter().map(|rest| rest.more).sum::<u64>() + u64::from(written), 100_000, "failures were lost");
        assert!(rest.iter().all(|rest| rest.names.len() <= NAMES + 1));
    }
}
