//! New audit entries for a syslog server: RFC 5424 over TLS (RFC 5425) or TCP with counted octets (RFC 6587).
//!
//! The log itself is the queue: what is sent next follows from the number of the last entry that the server has received, which is in the
//! same database. So nothing is lost while the server is away, nothing waits in memory, and no request waits for the server. Syslog
//! has no receipts: an entry counts as received once its bytes were acknowledged by the server's TCP, and those behind it are sent
//! again over the next connection. So a server may get an entry twice, and recognizes it by its number and hash.

mod link;
mod position;
mod settings;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

pub use watch::watch;

/// The state of forwarding, for pages and metrics.
#[derive(Debug, Default)]
pub struct Forward(Mutex<Standing>);

/// The state of forwarding.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The server; none where none is configured.
    pub server: Option<String>,
    /// Why the settings cannot be used.
    pub faults: Vec<String>,
    /// Number of the last entry that the server has received.
    pub received: i64,
    /// Since when nothing could be sent, and why.
    pub failing: Option<Failing>,
}

/// Why nothing can be sent.
#[derive(Debug, Clone)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub why: String,
}

impl Forward {
    /// As it is now.
    pub fn standing(&self) -> Standing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Notes a failure. Returns whether it is the first one.
    fn failed(&self, why: &str) -> bool {
        let mut standing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = standing.failing.is_none();
        let since = standing.failing.as_ref().map_or_else(Timestamp::now, |failing| failing.since);
        standing.failing = Some(Failing { since, why: why.to_owned() });
        is_first
    }
}
