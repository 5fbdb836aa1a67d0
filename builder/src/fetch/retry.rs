//! Trying again after failures that may pass, each time after a longer wait.

use std::time::Duration;

/// How often and after what waits a transfer is tried again. Progress resets it.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Tries without progress before it is given up.
    pub attempts: u32,
    /// Wait after the first failure; doubled after each further one.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 6, first_wait: Duration::from_millis(500), longest_wait: Duration::from_secs(15) }
    }
}

impl Retry {
    /// How long to wait after the `failures`th failure in a row; none when it is enough.
    pub fn wait(&self, failures: u32) -> Option<Duration> {
        if failures >= self.attempts {
            return None;
        }
        let factor = 2u32.saturating_pow(failures.saturating_sub(1));
        Some(self.first_wait.saturating_mul(factor).min(self.longest_wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let waits: Vec<_> =
            (1..=6).map(|failures| Retry::default().wait(failures).map(|wait| wait.as_millis())).collect();
        assert_eq!(waits, [Some(500), Some(1000), Some(2000), Some(4000), Some(8000), None]);
    }
}
