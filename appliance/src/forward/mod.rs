//! Forwarding of new audit entries to a syslog server: RFC 5424 over TLS (RFC 5425) or TCP with octet counting (RFC
//! 6587).
//!
//! The log itself is the queue. The number of the last entry that the server has received, in the same database,
//! determines what is sent next. Therefore nothing is lost while the server is down, nothing waits in memory, and no
//! request waits for the server. Syslog has no receipts: an entry counts as received once the server's TCP has
//! acknowledged its bytes. Later ones are sent again over the next connection. A server may therefore get an entry
//! twice, and recognizes it by its number and hash.

mod link;
mod position;
mod settings;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

pub use watch::watch;

/// State of forwarding, for pages and metrics.
#[derive(Debug, Default)]
pub struct Forward(Mutex<ForwardingState>);

/// State of forwarding.
#[derive(Debug, Clone, Default)]
pub struct ForwardingState {
    /// The server; `None` if none is configured.
    pub server: Option<String>,
    /// Faults of unusable settings.
    pub faults: Vec<String>,
    /// Number of the last entry that the server has received.
    pub received: i64,
    /// Current failure to send, if any.
    pub failing: Option<SendFailure>,
}

/// Failure to send.
#[derive(Debug, Clone)]
pub struct SendFailure {
    /// Time of its beginning.
    pub since: Timestamp,
    /// Reason.
    pub why: String,
}

impl Forward {
    /// Returns the current state.
    pub fn standing(&self) -> ForwardingState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut ForwardingState)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Records a failure. Returns true if it is the first one.
    fn record_failure(&self, why: &str) -> bool {
        let mut standing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = standing.failing.is_none();
        let since = standing.failing.as_ref().map_or_else(Timestamp::now, |failing| failing.since);
        standing.failing = Some(SendFailure { since, why: why.to_owned() });
        is_first
    }
}
