//! Rate limit per address: pods that ask endlessly must not block the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Number of questions that an address may ask at once: the pods of a node may share one.
const BURST: u32 = 60;
/// Time until one more is allowed.
const PAUSE: Duration = Duration::from_secs(1);
/// Maximum number of remembered addresses. The one with the most remaining questions is forgotten first.
const MOST: usize = 10_000;

/// Time at which each address has all of its questions again.
#[derive(Debug, Default)]
pub struct Allowance(Mutex<HashMap<IpAddr, Instant>>);

impl Allowance {
    /// Takes a question of an address, if it has one. Otherwise returns the time until then.
    pub fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = known.get(&address).map_or(now, |full| (*full).max(now)) + PAUSE;
        let most = now + PAUSE * BURST;
        if full > most {
            return Err(full - most);
        }
        if known.len() >= MOST && !known.contains_key(&address) {
            known.retain(|_, full| *full > now);
            let first = known.iter().min_by_key(|(_, full)| **full).map(|(address, _)| *address);
            first.filter(|_| known.len() >= MOST).map(|address| known.remove(&address));
        }
        known.insert(address, full);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from(number).into()
    }

    #[test]
    fn bursts_are_per_address() {
        let (allowance, begin) = (Allowance::default(), Instant::now());
        let taken =
            |number: u32, now: Instant| (0..1000).take_while(|_| allowance.take(address(number), now).is_ok()).count();
        assert_eq!([taken(1, begin), taken(2, begin)], [60, 60]);
        assert_eq!(allowance.take(address(1), begin), Err(PAUSE));
        assert_eq!(taken(1, begin + PAUSE * 2), 2);
        assert_eq!(taken(1, begin + PAUSE * 10_000), 60, "the burst exceeds its limit");
    }

    #[test]
    fn address_memory_is_bounded() {
        let (allowance, now) = (Allowance::default(), Instant::now());
        for number in 0..3 * u32::try_from(MOST).unwrap() {
            allowance.take(address(number), now).unwrap();
        }
        assert_eq!(allowance.0.lock().unwrap().len(), MOST);
    }
}
