//! When something was last deleted from each table of the packet filter. A thread listens to the kernel's notices, so that
//! the time is right however long the agent is at something else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use landfall_host::netlink::{self, Deleted};
use landfall_host::process;

/// What the notices told since the agent began, as times after boot.
#[derive(Debug, Clone, Default)]
pub struct Deletions(Arc<Mutex<Last>>);

#[derive(Debug, Default)]
struct Last {
    by_table: BTreeMap<String, Duration>,
    /// When notices were lost: any table may have been deleted then.
    unknown: Option<Duration>,
}

impl Deletions {
    /// Listens from now on. Without the kernel's notices nothing is ever known to be deleted: the log says so, and the
    /// agent's looks remain.
    pub fn listen() -> Self {
        let deletions = Self::default();
        let shared = deletions.clone();
        let listening = netlink::Deletions::subscribe().and_then(|notices| {
            let name = "packet-filter".to_owned();
            std::thread::Builder::new().name(name).spawn(move || {
                let ended = loop {
                    match notices.next() {
                        Ok(deleted) => shared.note(deleted, process::time_since_boot()),
                        Err(error) => break error,
                    }
                };
                warn_of_silence(&ended);
            })
        });
        if let Err(error) = listening {
            warn_of_silence(&error);
        }
        deletions
    }

    fn note(&self, deleted: Deleted, now: Duration) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match deleted {
            Deleted::Tables(tables) => last.by_table.extend(tables.into_iter().map(|table| (table, now))),
            Deleted::Unknown => last.unknown = Some(now),
        }
    }

    /// Whether something of a table was deleted, or may have been, after this time.
    pub fn any_after(&self, table: &str, time: Duration) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.by_table.get(table).copied().max(last.unknown).is_some_and(|deleted| deleted > time)
    }
}

fn warn_of_silence(error: &std::io::Error) {
    tracing::warn!(%error, "no notices of the packet filter; a table that is lost twice within seconds is seen later");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_counts_for_its_table_and_lost_notices_for_all() {
        let [early, then, later] = [1, 2, 3].map(Duration::from_secs);
        let deletions = Deletions::default();
        assert!(!deletions.any_after("kube-proxy", early));
        deletions.note(Deleted::Tables(vec!["kube-proxy".to_owned()]), then);
        assert!(deletions.any_after("kube-proxy", early));
        assert!(!deletions.any_after("kube-proxy", then), "the program began after it");
        assert!(!deletions.any_after("flannel-ipv4", early));
        deletions.note(Deleted::Unknown, later);
        assert!(deletions.any_after("flannel-ipv4", then));
        assert!(deletions.any_after("kube-proxy", then));
    }
}
