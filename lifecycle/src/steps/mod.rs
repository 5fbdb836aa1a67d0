//! One file per step: its parameters, as the plan holds them, with `observe`, `act` and `undo`.

pub mod component;
pub mod component_ready;
pub mod identity;
pub mod mount;
pub mod namespace;
pub(crate) mod objects;
pub mod secret;

use crate::plan::action::Action;
use crate::site::Site;
use crate::step::Step;

/// The step that an action of a plan means.
pub fn resolve(action: &Action) -> &dyn Step<Site> {
    match action {
        Action::Identity(step) => step,
        Action::Namespace(step) => step,
        Action::Secret(step) => step,
        Action::Mount(step) => step,
        Action::Component(step) => step,
        Action::ComponentReady(step) => step,
    }
}
