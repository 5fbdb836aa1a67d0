//! What a page shows in place of what the host did not report.

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
