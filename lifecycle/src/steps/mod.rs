//! One file per step: its parameters, as the plan holds them, with `observe`, `act` and `undo`.

pub mod identity;

use crate::plan::action::Action;
use crate::site::Site;
use crate::step::Step;

/// The step that an action of a plan means.
pub fn resolve(action: &Action) -> &dyn Step<Site> {
    match action {
        Action::Identity(step) => step,
    }
}
