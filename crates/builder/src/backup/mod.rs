//! Data policies and backup rules of components: read from `release.yaml`, checked against the rendered components, and
//! written into the release document.

mod declared;
mod entry;
mod presets;
mod programs;
mod rendered;
#[cfg(test)]
mod tests;
mod unsaved;

use std::collections::HashSet;

use landfall_error_codes::codes;
use landfall_release_document::{BackupRule, ComponentData};
use serde_saphyr::{Location, Spanned};

pub use entry::expand;
pub use programs::check as check_programs;
pub use rendered::check as check_rendered;
pub use unsaved::entry as unsaved_entry;

use crate::definition::{BackupDefinition, ComponentDefinition, Definition, Release, Sources};
use crate::error::{BuildError, Place, Result};

/// Default time limit of `save` and of `load`, in seconds.
const LIMIT_SECONDS: u64 = 3600;

/// Default time after which a hold ends automatically, in seconds.
const HOLD_SECONDS: u64 = 30;

/// Default time limit of a check, in seconds.
const CHECK_LIMIT_SECONDS: u64 = 300;

/// A component with the place of its data declaration, for errors.
#[derive(Clone, Copy)]
struct Component<'a> {
    sources: &'a Sources,
    index: usize,
    definition: &'a ComponentDefinition,
}

/// A rule with the place of its declaration, for errors.
struct LocatedRule<'a> {
    component: Component<'a>,
    index: usize,
    definition: &'a BackupDefinition,
}

impl<'a> Component<'a> {
    fn new(sources: &'a Sources, release: &'a Release, index: usize) -> Self {
        Self { sources, index, definition: &release.components[index] }
    }

    fn rules(self) -> impl Iterator<Item = LocatedRule<'a>> {
        let rules = self.definition.rules.iter().enumerate();
        rules.map(move |(index, definition)| LocatedRule { component: self, index, definition })
    }

    fn data(self) -> ComponentData {
        self.definition.data.as_ref().map_or(ComponentData::None, |data| data.value)
    }

    /// Error about `data`, at its line or at that of the component.
    fn wrong_data(self, what: impl Into<String>) -> BuildError {
        let name = &self.definition.name;
        let at = self.definition.data.as_ref().map_or(name.referenced, |data| data.referenced);
        let place = self.sources.place(at, format!("components[{}].data", self.index));
        BuildError::at(codes::RELEASE_INVALID, place, what)
    }

    /// Checks that data has a rule, and that a rule has data.
    fn check_data(self) -> Result<()> {
        let (name, rules) = (&self.definition.name.value, &self.definition.rules);
        match (self.data(), rules.first()) {
            (ComponentData::None, Some(rule)) => {
                let place = self.sources.place(rule.name.referenced, format!("components[{}].backup", self.index));
                let what = format!("the component `{name}` has a backup rule, but declares no data");
                let hint = "Declare `data: kept`, or `data: migrated` if an upgrade changes the data.";
                Err(BuildError::at(codes::RELEASE_INVALID, place, what).hint(hint))
            }
            (ComponentData::Kept | ComponentData::Migrated, None) => {
                let what = format!("the component `{name}` has data, but no backup rule");
                Err(self.wrong_data(what).hint("List under `backup` how the data is saved and loaded."))
            }
            (_, Some(_)) if name == BackupRule::RESERVED_COMPONENT => {
                let what = format!(
                    "the component `{name}` has data, and its streams would be named as those of the cluster itself"
                );
                Err(self.wrong_data(what).hint("Give the component another name."))
            }
            _ if rules.len() > BackupRule::PER_COMPONENT => {
                let what = format!("the component `{name}` has {} backup rules", rules.len());
                Err(self.wrong_data(what).hint(format!("List up to {}.", BackupRule::PER_COMPONENT)))
            }
            _ => Ok(()),
        }
    }
}

impl LocatedRule<'_> {
    fn place(&self, at: Location, field: &str) -> Place {
        let Component { sources, index, .. } = self.component;
        sources.place(at, format!("components[{index}].backup[{}].{field}", self.index))
    }

    fn invalid<T>(&self, at: &Spanned<T>, field: &str, what: impl Into<String>) -> BuildError {
        BuildError::at(codes::RELEASE_INVALID, self.place(at.referenced, field), what)
    }
}

/// Returns an error for data without rules, rules without data, and rules that are invalid in themselves: names,
/// limits, programs.
pub fn check(sources: &Sources, release: &Release) -> Result<()> {
    for index in 0..release.components.len() {
        let component = Component::new(sources, release, index);
        component.check_data()?;
        let mut seen = HashSet::new();
        for declared in component.rules() {
            declared.rule()?;
            let name = &declared.definition.name;
            if !seen.insert(&name.value) {
                return Err(declared.invalid(name, "name", format!("the name `{}` occurs twice", name.value)));
            }
        }
    }
    Ok(())
}

/// Data policy and rules of a component, in the form of the release document.
pub fn rules(definition: &Definition, index: usize) -> Result<(ComponentData, Vec<BackupRule>)> {
    let component = Component::new(&definition.sources, &definition.release, index);
    let rules = component.rules().map(|declared| declared.rule()).collect::<Result<Vec<_>>>()?;
    Ok((component.data(), rules))
}
