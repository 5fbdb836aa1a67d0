//! Times of the last deletion from each table of the packet filter. A thread listens to the kernel's notifications, so
//! that the time is right even if the agent is busy, and wakes a waiting agent.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landfall_host::netlink::{self, Deletion};
use landfall_host::process;

/// Notified deletions since the agent began, as times after boot.
#[derive(Debug, Clone, Default)]
pub struct Deletions(Arc<SharedState>);

#[derive(Debug, Default)]
struct SharedState {
    last: Mutex<Last>,
    /// Wakes all threads that wait for a notification.
    news: Condvar,
}

#[derive(Debug, Default)]
struct Last {
    /// Start of complete knowledge: no later deletion is missed. `None` without a listening thread.
    since: Option<Duration>,
    by_table: BTreeMap<String, Duration>,
    /// Time at which notifications were lost: any table may have been deleted then.
    unknown: Option<Duration>,
    /// Number of notifications.
    notices: u64,
}

impl Deletions {
    /// Listens from now on. Without the kernel's notifications, no deletion is ever known: this is logged, and only the
    /// agent's periodic checks remain.
    pub fn listen() -> Self {
        let deletions = Self::default();
        let shared = deletions.clone();
        let listening = netlink::Deletions::subscribe().and_then(|notices| {
            deletions.last().since = Some(process::time_since_boot());
            let name = "packet-filter".to_owned();
            std::thread::Builder::new().name(name).spawn(move || {
                let ended = loop {
                    match notices.next() {
                        Ok(deleted) => shared.note(deleted, process::time_since_boot()),
                        Err(error) => break error,
                    }
                };
                shared.last().since = None;
                warn_of_silence(&ended);
            })
        });
        if let Err(error) = listening {
            warn_of_silence(&error);
        }
        deletions
    }

    fn note(&self, deleted: Deletion, now: Duration) {
        let mut last = self.last();
        match deleted {
            Deletion::Tables(tables) => last.by_table.extend(tables.into_iter().map(|table| (table, now))),
            Deletion::Unknown => last.unknown = Some(now),
        }
        last.notices += 1;
        self.0.news.notify_all();
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of notifications so far.
    pub fn notices(&self) -> u64 {
        self.last().notices
    }

    /// Waits until the number of notifications differs from `notices`, or until the time limit. Returns true if it
    /// differs.
    pub fn wait(&self, notices: u64, limit: Duration) -> bool {
        let waited = self.0.news.wait_timeout_while(self.last(), limit, |last| last.notices == notices);
        waited.unwrap_or_else(PoisonError::into_inner).0.notices != notices
    }

    /// Returns true if every deletion after this time is known.
    pub fn are_known_after(&self, time: Duration) -> bool {
        self.last().since.is_some_and(|since| since < time)
    }

    /// Returns true if anything in a table was deleted, or may have been, after this time.
    pub fn any_after(&self, table: &str, time: Duration) -> bool {
        let last = self.last();
        last.by_table.get(table).copied().max(last.unknown).is_some_and(|deleted| deleted > time)
    }
}

fn warn_of_silence(error: &std::io::Error) {
    tracing::warn!(%error, "no notices of the packet filter; a table that is lost twice within seconds is seen later");
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn only_later_deletions_are_known() {
        let [early, then, later] = [1, 2, 3].map(Duration::from_secs);
        let deletions = Deletions::default();
        assert!(!deletions.are_known_after(later), "no thread listens");
        deletions.last().since = Some(then);
        assert!(!deletions.are_known_after(early) && deletions.are_known_after(later));
    }

    #[test]
    fn notice_ends_the_wait() {
        let deletions = Deletions::default();
        let begun = Instant::now();
        assert!(!deletions.wait(0, Duration::from_millis(10)), "there is none");
        let later = deletions.clone();
        let listening = std::thread::spawn(move || later.note(Deletion::Unknown, Duration::from_secs(1)));
        assert!(deletions.wait(0, Duration::from_mins(1)));
        listening.join().unwrap();
        assert!(deletions.wait(0, Duration::from_mins(1)), "a deletion before the wait is not missed");
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert_eq!(deletions.notices(), 1);
    }

    #[test]
    fn lost_notices_count_for_every_table() {
        let [early, then, later] = [1, 2, 3].map(Duration::from_secs);
        let deletions = Deletions::default();
        assert!(!deletions.any_after("kube-proxy", early));
        deletions.note(Deletion::Tables(vec!["kube-proxy".to_owned()]), then);
        assert!(deletions.any_after("kube-proxy", early));
        assert!(!deletions.any_after("kube-proxy", then), "the program began after it");
        assert!(!deletions.any_after("flannel-ipv4", early));
        deletions.note(Deletion::Unknown, later);
        assert!(deletions.any_after("flannel-ipv4", then));
        assert!(deletions.any_after("kube-proxy", then));
    }
}
