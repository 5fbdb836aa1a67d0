//! Requests of people for changes, as sent to the host.

use landfall_peer::{AbortRequest, ApprovedRequest, LookRequest, PlanRequest, Requester, SupportRequest};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeRequest {
    /// Look at the media.
    Look(LookRequest),
    /// Plan a change.
    Plan(PlanRequest),
    /// Begin an approved upgrade.
    Upgrade(ApprovedRequest),
    /// Begin an approved rollback.
    RollBack(ApprovedRequest),
    /// Begin an approved restore.
    Restore(ApprovedRequest),
    /// Begin an approved change of settings.
    Configure(ApprovedRequest),
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
            Self::Upgrade(request) | Self::RollBack(request) | Self::Restore(request) | Self::Configure(request) => {
                &request.asking
            }
            Self::Abort(request) => &request.asking,
            Self::Support(request) => &request.asking,
        }
    }
}
