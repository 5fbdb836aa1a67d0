//! Requests of people for changes, as sent to the host.

use landfall_documents::change::Change;
use landfall_peer::{AbortRequest, ApprovedRequest, LookRequest, PlanRequest, Requester, SupportRequest, routes};
use serde::Serialize;

/// A request. Its document is the one that its route reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ChangeRequest {
    /// Look at the media.
    Look(LookRequest),
    /// Plan a change.
    Plan(PlanRequest),
    /// Begin an approved change.
    Begin(ApprovedRequest),
    /// Undo the open change.
    Abort(AbortRequest),
    /// Collect a support bundle.
    Support(SupportRequest),
}

impl ChangeRequest {
    /// Returns the requester, with the ID by which a repeated request is recognized.
    pub const fn asking(&self) -> &Requester {
        match self {
            Self::Look(request) => &request.asking,
            Self::Plan(request) => &request.asking,
            Self::Begin(request) => &request.asking,
            Self::Abort(request) => &request.asking,
            Self::Support(request) => &request.asking,
        }
    }

    /// Returns the route of the host that serves it.
    pub const fn route(&self) -> &'static str {
        match self {
            Self::Look(_) => routes::MEDIA,
            Self::Plan(_) => routes::PLANS,
            Self::Begin(request) => match request.change {
                Change::Upgrade { .. } => routes::UPGRADES,
                Change::Rollback { .. } => routes::ROLLBACKS,
                Change::Restore { .. } => routes::RESTORES,
                Change::Configure { .. } => routes::CONFIGURATIONS,
            },
            Self::Abort(_) => routes::ABORT,
            Self::Support(_) => routes::SUPPORT,
        }
    }
}
