//! Failures of unauthenticated clients in the audit log. The first one of each kind from an address in an hour has an
//! entry. After the hour, one more entry has the number of the others. Therefore no such client can fill the disk, and
//! the log stays readable for people.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::throttle::network;
use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::error::Result;

/// Period for which failures are counted together.
const HOUR: Duration = Duration::from_hours(1);
/// Maximum number of kinds of failures with an entry, per address and hour: reasons may contain the client's own words.
const KINDS: usize = 4;
/// Maximum number of addresses counted separately. All further ones are counted together.
const MOST: usize = 250;
/// Maximum number of names in the entry of an hour.
const NAMES: usize = 5;
/// Interval of checks for hours that have ended.
const PAUSE: Duration = Duration::from_mins(1);

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
enum Fate {
    /// It is recorded.
    Written,
    /// It is counted; the number is recorded when the hour ends.
    Counted,
}

/// Failures of an hour that have no entry yet.
#[derive(Debug, PartialEq, Eq)]
struct Rest {
    /// The address; `None` for all further ones together.
    from: Option<IpAddr>,
    more: u64,
    names: BTreeSet<String>,
}

impl Failures {
    fn counts(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self, from: Option<IpAddr>, (kind, name): (&str, &str), now: Instant) -> Fate {
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
    fn take_over(&self, now: Instant) -> Vec<Rest> {
        self.take(|count| now.duration_since(count.begun) >= HOUR)
    }

    fn take(&self, is_over: impl Fn(&Count) -> bool) -> Vec<Rest> {
        let over = self.counts().extract_if(|_, count| is_over(count)).collect::<Vec<_>>();
        let rest = over.into_iter().map(|(from, Count { more, names, .. })| Rest { from, more, names });
        rest.filter(|rest| rest.more > 0).collect()
    }
}

/// Records a failure of a caller who is not signed in, or counts it.
pub async fn record_failure(context: &Context, author: &Author, event: Event<'_>) -> Result<()> {
    let kind = format!("{} {}", event.action, event.detail);
    match context.failures.fate(author.from.parse().ok(), (&kind, event.object), Instant::now()) {
        Fate::Written => append(context, author, event).await,
        Fate::Counted => Ok(()),
    }
}

/// Repeatedly records the numbers of failures of each hour that has ended.
pub async fn record_hours(context: Context) {
    loop {
        tokio::time::sleep(PAUSE).await;
        record_all(&context, context.failures.take_over(Instant::now())).await;
    }
}

/// Records all numbers, for a console that ends.
pub async fn record_rest(context: &Context) {
    record_all(context, context.failures.take(|_| true)).await;
}

async fn record_all(context: &Context, all: Vec<Rest>) {
    for Rest { from, more, names } in all {
        let named = names.iter().take(NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
        let others = if names.len() > NAMES { " and others" } else { "" };
        let whose = if from.is_some() { "" } else { "of other addresses " };
        let detail = format!("{more} more failures {whose}within an hour, with the names {named}{others}");
        let from = from.map_or_else(|| "-".to_owned(), |from| from.to_string());
        let author = Author { from, ..Author::console() };
        if let Err(error) = append(context, &author, Event::refused("session.begin", "-", &detail)).await {
            tracing::error!(%error, detail, "failed sign-ins are not recorded");
        }
    }
}

async fn append(context: &Context, author: &Author, event: Event<'_>) -> Result<()> {
    let mut write = context.database.write().await?;
    record(&mut write, author, event).await?;
    write.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{PASSWORD, Site, author};

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn an_hour_of_an_address_has_an_entry_and_a_number() {
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
        assert_eq!(rest, [Rest { from: Some(address(1)), more: 3, names }], "who failed once has no second entry");
        assert_eq!(fail(1, "wrong", "alice"), Fate::Written, "it is another hour");
    }

    #[test]
    fn strangers_write_a_bounded_number_of_entries() {
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
        assert_eq!(rest.iter().map(|rest| rest.more).sum::<u64>() + u64::from(written), 100_000, "each is counted");
        assert!(rest.iter().all(|rest| rest.names.len() <= NAMES + 1));
    }

    #[tokio::test]
    async fn a_thousand_wrong_passwords_make_two_entries() {
        let site = Site::begin().await;
        let log = async || site.sign_in("root").await.get("/api/v1/audit").await.body;
        for number in 0..1000 {
            let name = format!("user-{number}");
            let event = Event::refused("session.begin", &name, "name or password is wrong");
            record_failure(&site.context, &author(), event).await.unwrap();
        }
        record_rest(&site.context).await;
        let log = log().await;
        let failed: Vec<_> = log.lines().filter(|line| line.contains("refused")).collect();
        assert_eq!(failed.len(), 2, "{failed:?}");
        assert!(
            failed[1].contains("999 more failures within an hour") && failed[1].contains("192.0.2.7"),
            "{failed:?}"
        );
        assert!(!log.contains(PASSWORD));
    }
}
