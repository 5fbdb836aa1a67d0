//! What people want changed, as it is handed to the host.

use landfall_peer::{AbortWish, ApprovedWish, Asking, LookWish, PlanWish, SupportWish};

/// A wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Media are looked at.
    Look(LookWish),
    /// A change is planned.
    Plan(PlanWish),
    /// An approved upgrade begins.
    Upgrade(ApprovedWish),
    /// An approved rollback begins.
    RollBack(ApprovedWish),
    /// An approved restore begins.
    Restore(ApprovedWish),
    /// An approved change of settings begins.
    Configure(ApprovedWish),
    /// The open change goes back.
    Abort(AbortWish),
    /// A support bundle is collected.
    Support(SupportWish),
}

impl Wish {
    /// Who wants it, and the id by which it is recognized if it is sent again.
    pub const fn asking(&self) -> &Asking {
        match self {
            Self::Look(wish) => &wish.asking,
            Self::Plan(wish) => &wish.asking,
            Self::Upgrade(wish) | Self::RollBack(wish) | Self::Restore(wish) | Self::Configure(wish) => &wish.asking,
            Self::Abort(wish) => &wish.asking,
            Self::Support(wish) => &wish.asking,
        }
    }
}
