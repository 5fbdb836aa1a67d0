//! Time limits of a bucket.

use std::time::Duration;

/// A duration longer than any operation.
pub(super) const ENDLESS: Duration = Duration::from_hours(24 * 365);

/// Times and rates beyond which a server counts as silent or slow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Limit for a connection.
    pub connect: Duration,
    /// Limit for an answer, in addition to the time for its bytes.
    pub answer: Duration,
    /// Minimum bytes per second that a server must transfer, on average over one request.
    pub least_rate: u64,
    /// Number of attempts at a request with a transient failure.
    pub tries: u32,
    /// Time before the second attempt; each later one is four times as long.
    pub pause: Duration,
    /// Time limit for all work with the bucket. Data stored by then stays, and the next copy continues.
    pub total: Duration,
    /// Validity of a signed address.
    pub signed: Duration,
    /// Number of concurrent requests when reading many small files.
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
    /// Returns the limit for a request that transfers up to this many bytes.
    pub(super) fn of(&self, bytes: u64) -> Duration {
        self.answer + Duration::from_secs(bytes / self.least_rate)
    }
}
