//! What people want changed, as it is handed to the host.

use landfall_peer::{AbortWish, ApprovedWish, LookWish, PlanWish};

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
    /// The open change goes back.
    Abort(AbortWish),
}
