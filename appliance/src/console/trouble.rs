//! Content of a page in place of data that the host did not report.

use landfall_error_codes::codes;

use super::moment::Moment;
use crate::host::{HostError, UnavailableDocument};
use crate::refusal::Refusal;

/// Trouble: what cannot be shown, why, since when, and what to do.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// Summary of the failure.
    pub title: String,
    /// Reason.
    pub why: String,
    /// Time since which nothing was received.
    pub since: Option<Moment>,
    /// Next step.
    pub hint: String,
    /// Error code.
    pub code: String,
}

/// Next step for a person if the API server does not answer.
pub const SILENT_NEXT: &str = "What runs continues. On the host, `journalctl --unit landfall-kubelet` and the logs in \
    `/var/log/pods` say why it does not answer.";

impl Trouble {
    /// Creates the trouble of a silent API server, without which parts of the state are unknown.
    pub fn of_silent_cluster(why: &str) -> Self {
        let code = codes::CLUSTER_UNREACHABLE;
        let (why, hint) = (why.to_owned(), SILENT_NEXT.to_owned());
        Self { title: code.title.to_owned(), why, since: None, hint, code: code.id.to_owned() }
    }
}

impl From<UnavailableDocument> for Trouble {
    fn from(unavailable: UnavailableDocument) -> Self {
        let why = match &unavailable.error {
            HostError::Unreachable(why) | HostError::Late(why) | HostError::Unreadable(why) => why.to_string(),
            HostError::Refused(problem) => problem.detail.clone().unwrap_or_default(),
        };
        let since = unavailable.since.map(Moment::new);
        let problem = Refusal::Host(unavailable.error).problem();
        Self { title: problem.title, why, since, hint: problem.hint, code: problem.code }
    }
}
