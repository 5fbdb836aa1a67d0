//! What a page shows in place of what the host did not report.

use landfall_error_codes::codes;

use super::moment::Moment;
use crate::host::{HostError, Unavailable};
use crate::refusal::Refusal;

/// Why something cannot be shown, since when, and what to do.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// What failed.
    pub title: String,
    /// Why.
    pub why: String,
    /// Since when nothing came back.
    pub since: Option<Moment>,
    /// What to do.
    pub hint: String,
    /// Its code.
    pub code: String,
}

/// What a person does about an API server that does not answer.
pub const SILENT_NEXT: &str = "What runs continues. On the host, `journalctl --unit landfall-kubelet` and the logs in `/var/log/pods` say why it does not answer.";

impl Trouble {
    /// The cluster's API server does not answer, so nothing is known of what only it knows.
    pub fn of_silent_cluster(why: &str) -> Self {
        let code = codes::CLUSTER_UNREACHABLE;
        let (why, hint) = (why.to_owned(), SILENT_NEXT.to_owned());
        Self { title: code.title.to_owned(), why, since: None, hint, code: code.id.to_owned() }
    }
}

impl From<Unavailable> for Trouble {
    fn from(unavailable: Unavailable) -> Self {
        let why = match &unavailable.error {
            HostError::Unreachable(why) | HostError::Late(why) | HostError::Unreadable(why) => why.to_string(),
            HostError::Refused(problem) => problem.detail.clone().unwrap_or_default(),
        };
        let since = unavailable.since.map(Moment::new);
        let problem = Refusal::Host(unavailable.error).problem();
        Self { title: problem.title, why, since, hint: problem.hint, code: problem.code }
    }
}
