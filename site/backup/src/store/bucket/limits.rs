//! How long a bucket may take.

use std::time::Duration;

/// Longer than anything takes.
pub(super) const ENDLESS: Duration = Duration::from_hours(24 * 365);

/// Times and rates after which a server is called silent or slow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For a connection.
    pub connect: Duration,
    /// For an answer, beside the time that its bytes may take.
    pub answer: Duration,
    /// Bytes of a second that a server must take or deliver, on average over one request.
    pub least_rate: u64,
    /// How often a request is tried whose failure may pass.
    pub tries: u32,
    /// Time before the second try; each later one is four times as long.
    pub pause: Duration,
    /// For everything that is done with the bucket. What is there by then stays, and the next copy continues.
    pub total: Duration,
    /// For which a signed address is valid.
    pub signed: Duration,
    /// Requests at a time, where many small files are read.
    pub at_a_time: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            least_rate: 128 << 10,
            tries: 3,
            pause: Duration::from_secs(1),
            total: Duration::from_hours(12),
            signed: Duration::from_mins(15),
            at_a_time: 8,
        }
    }
}

impl Limits {
    /// For a request that moves up to so many bytes.
    pub(super) fn of(&self, bytes: u64) -> Duration {
        self.answer + Duration::from_secs(bytes / self.least_rate)
    }
}
