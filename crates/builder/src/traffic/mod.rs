//! Network traffic between components: from the ports that they offer and the components that they reach, `build`
//! writes both sides of each network policy ([ADR 138](../../../docs/adr/0138-components-offer-ports-and-reach-each-other.md)).
//!
//! ```text
//! offers, reaches ─ check ─▶ (rendered) ─ inject ─▶ a NetworkPolicy for each component that states one of them
//! ```

mod check;
mod policy;
#[cfg(test)]
mod tests;

pub use check::{check, check_rendered, served_ports};
pub use policy::inject;

use crate::definition::{ComponentDefinition, Release};

/// A component whose traffic is stated.
#[derive(Clone, Copy)]
struct Traffic<'a> {
    release: &'a Release,
    component: &'a ComponentDefinition,
}

impl<'a> Traffic<'a> {
    /// The traffic of a component, which is that of its chart for the hooks of that; `None` if nothing is stated.
    fn of(release: &'a Release, index: usize) -> Option<Self> {
        let index = release.components[index].hooks_of.unwrap_or(index);
        let component = &release.components[index];
        let is_stated = !component.offers.is_empty() || !component.reaches.is_empty();
        is_stated.then_some(Self { release, component })
    }

    /// Components that it reaches.
    fn reached(self) -> impl Iterator<Item = &'a ComponentDefinition> {
        self.component
            .reaches
            .iter()
            .filter_map(move |name| self.release.components.iter().find(|other| other.name.value == name.value))
    }

    /// Components that reach it.
    fn reaching(self) -> impl Iterator<Item = &'a ComponentDefinition> {
        let name = &self.component.name.value;
        let reaches = move |other: &&ComponentDefinition| other.reaches.iter().any(|reached| reached.value == *name);
        self.release.components.iter().filter(reaches)
    }
}
