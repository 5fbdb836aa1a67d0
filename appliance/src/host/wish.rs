//! Requests of people for changes, as sent to the host.

use landfall_peer::{AbortWish, ApprovedWish, LookWish, PlanWish, Requester, SupportWish};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Look at the media.
    Look(LookWish),
    /// Plan a change.
    Plan(PlanWish),
    /// Begin an approved upgrade.
    Upgrade(ApprovedWish),
    /// Begin an approved rollback.
    RollBack(ApprovedWish),
    /// Begin an approved restore.
    Restore(ApprovedWish),
    /// Begin an approved change of settings.
    Configure(ApprovedWish),
    /// Undo the open change.
    Abort(AbortWish),
    /// Collect a support bundle.
    Support(SupportWish),
}

impl Wish {
    /// Returns the requester, with the ID by which a repeated request is recognized.
    pub const fn asking(&self) -> &Requester {
        match self {
            Self::Look(wish) => &wish.asking,
            Self::Plan(wish) => &wish.asking,
            Self::Upgrade(wish) | Self::RollBack(wish) | Self::Restore(wish) | Self::Configure(wish) => &wish.asking,
            Self::Abort(wish) => &wish.asking,
            Self::Support(wish) => &wish.asking,
        }
    }
}
