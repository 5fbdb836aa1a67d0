//! Persistent problems of the agent. The agent checks several times a second, so it logs a problem when it begins, when
//! its cause changes, and when it ends.

use std::collections::BTreeMap;

use landfall_error_codes::{CodedError, codes};

use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;

/// The current problems: a short description of each, with the last logged error.
#[derive(Debug, Default)]
pub struct Concerns(BTreeMap<&'static str, String>);

impl Concerns {
    /// Logs an error and continues, because the next check may succeed. A failed sync is different: the kernel may have
    /// dropped the data and would report success next time. The agent then exits, and systemd starts one that reads the
    /// disk. Returns true if it logged a change.
    pub fn unless_fatal<T>(&mut self, outcome: Result<T, StepError>, what: &'static str) -> Result<bool, StepError> {
        match outcome {
            Err(error) if error.code() == codes::SYNC_FAILED => Err(error),
            outcome => Ok(self.note(outcome, what)),
        }
    }

    /// Logs any error and continues. Returns true if it logged a change.
    pub fn note<T>(&mut self, outcome: Result<T, StepError>, what: &'static str) -> bool {
        let Err(error) = outcome else {
            let is_over = self.0.remove(what).is_some();
            if is_over {
                tracing::info!("no longer so: {what}");
            }
            return is_over;
        };
        let error = with_causes(&error);
        let is_news = self.0.get(what) != Some(&error);
        if is_news {
            tracing::warn!(error, "{what}");
            self.0.insert(what, error);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use landfall_media::durable::{DurableError, SyncFailed};

    use super::*;

    const WHAT: &str = "it cannot be written";

    fn io_failure(number: i32) -> Result<(), StepError> {
        let cause = std::io::Error::from_raw_os_error(number);
        Err(StepError::new(codes::NODE_FILE, "cannot write it").because(cause))
    }

    #[test]
    fn only_failed_sync_ends_agent() {
        let mut concerns = Concerns::default();
        let sync = SyncFailed { path: "/etc/cni".into(), source: std::io::Error::from_raw_os_error(5) };
        let copy = SyncFailed { path: sync.path.clone(), source: std::io::Error::from_raw_os_error(5) };
        assert!(concerns.note::<()>(Err(DurableError::from(copy).into()), "trusted time"), "it is only logged");
        let ended = concerns.unless_fatal::<()>(Err(DurableError::from(sync).into()), WHAT);
        assert_eq!(ended.unwrap_err().code(), codes::SYNC_FAILED);
        assert!(concerns.unless_fatal(io_failure(28), WHAT).unwrap());
        assert!(!concerns.unless_fatal(Ok(true), "something else").unwrap());
    }

    #[test]
    fn concern_is_logged_once() {
        let mut concerns = Concerns::default();
        let mut is_news = |outcome| concerns.unless_fatal(outcome, WHAT).unwrap();
        assert!(!is_news(Ok(())));
        assert!(is_news(io_failure(28)) && !is_news(io_failure(28)));
        assert!(is_news(io_failure(30)), "another cause");
        assert!(is_news(Ok(())) && !is_news(Ok(())));
        is_news(io_failure(28));
        assert_eq!(concerns.0[WHAT], "cannot write it: No space left on device (os error 28)");
    }
}
