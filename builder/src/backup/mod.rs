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
use std::path::Path;

use landfall_error_codes::codes;
use landfall_release_document::{BackupLogField, BackupRule, ComponentData};
use serde::Deserialize;
use serde_saphyr::Spanned;

pub use entry::{AppliedPreset, BackupEntry, expand};
pub use programs::check as check_programs;
pub use rendered::check as check_rendered;
pub use unsaved::{UnsavedDefinition, entry as unsaved_entry};

use crate::definition::{ComponentDefinition, Definition, Release};
use crate::error::{BuildError, Place, Result};
use crate::proofs::CommandExpectationDefinition;

/// Default time limit of `save` and of `load`, in seconds.
const LIMIT_SECONDS: u64 = 3600;

/// Default time after which a hold ends automatically, in seconds.
const HOLD_SECONDS: u64 = 30;

/// Default time limit of a check, in seconds.
const CHECK_LIMIT_SECONDS: u64 = 300;

/// A backup rule with all its programs, from the vendor or a preset.
#[derive(Debug, Clone)]
pub struct BackupDefinition {
    /// Name, a DNS label, unique within the component.
    pub name: Spanned<String>,
    /// Workload whose pods hold the data, such as `StatefulSet/postgres`.
    pub workload: Spanned<String>,
    /// Name of the container; by default the pod's first one.
    pub container: Option<Spanned<String>>,
    /// Volume of the pod with the data.
    pub volume: Spanned<String>,
    /// Time limit in seconds for `save`, and likewise for `load`.
    pub limit_seconds: Option<Spanned<u64>>,
    /// Preset that provided the programs, if any.
    pub preset: Option<AppliedPreset>,
    /// The program that writes the backup to its standard output, with its arguments.
    pub save: Spanned<Vec<String>>,
    /// The program that reads the backup from its standard input, with its arguments.
    pub load: Spanned<Vec<String>>,
    /// Log of the changes between two backups.
    pub log: Option<LogDefinition>,
    /// Programs that hold writers while the data is captured.
    pub hold: Option<HoldDefinition>,
    /// The program that prints the counts of the data, with its arguments.
    pub counts: Option<Spanned<Vec<String>>>,
    /// Marker that must return with the backup.
    pub marker: Option<MarkerDefinition>,
    /// Checks after a restore.
    pub checks: Vec<CheckDefinition>,
}

/// Programs that save the changes between two backups, and apply them to a loaded backup.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogDefinition {
    /// The program that makes the software retain its log until it is saved, with its arguments.
    pub keep: Spanned<Vec<String>>,
    /// The program that writes the log since the last `saved` to its standard output.
    pub save: Spanned<Vec<String>>,
    /// The program that runs after that is stored.
    pub saved: Spanned<Vec<String>>,
    /// The program that reads one log backup from its standard input.
    pub load: Spanned<Vec<String>>,
    /// The program that applies the log up to a time; `%{time}` in its arguments stands for that time.
    pub recover: Spanned<Vec<String>>,
}

impl LogDefinition {
    /// The program of a field.
    fn program(&self, field: BackupLogField) -> &Spanned<Vec<String>> {
        match field {
            BackupLogField::Keep => &self.keep,
            BackupLogField::Save => &self.save,
            BackupLogField::Saved => &self.saved,
            BackupLogField::Load => &self.load,
            BackupLogField::Recover => &self.recover,
        }
    }
}

/// Programs that briefly hold all writers of the data.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldDefinition {
    /// The program after which nothing is written, with its arguments. `%{seconds}` in them stands for the time after
    /// which the hold ends automatically.
    pub begin: Spanned<Vec<String>>,
    /// The program that ends the hold earlier.
    pub end: Spanned<Vec<String>>,
    /// Seconds after which the hold ends automatically.
    #[serde(default)]
    pub limit_seconds: Option<Spanned<u64>>,
    /// End of the hold; by default the end of `save`.
    #[serde(default)]
    pub until: Option<HoldUntilDefinition>,
}

/// Time at which the data is captured, so that writers may continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HoldUntilDefinition {
    /// The first byte that `save` writes.
    FirstByte,
    /// The end of `save`.
    End,
}

/// Programs that write a marker into the data, and read it from restored data.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MarkerDefinition {
    /// The program that writes the marker, with its arguments; `%{marker}` in them stands for it.
    pub write: Spanned<Vec<String>>,
    /// The program that prints the marker, with its arguments.
    pub read: Spanned<Vec<String>>,
}

/// A program that checks restored data.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckDefinition {
    /// One sentence that says what a pass shows.
    pub shows: Spanned<String>,
    /// The program and its arguments.
    pub arguments: Spanned<Vec<String>>,
    /// Time limit in seconds, after which the check fails.
    #[serde(default)]
    pub limit_seconds: Option<Spanned<u64>>,
    /// The required result.
    #[serde(default)]
    pub expect: Option<Spanned<CommandExpectationDefinition>>,
}

/// A component with the place of its data declaration, for errors.
#[derive(Clone, Copy)]
struct Component<'a> {
    path: &'a Path,
    index: usize,
    definition: &'a ComponentDefinition,
}

/// A rule with the place of its declaration, for errors.
struct Declared<'a> {
    component: Component<'a>,
    index: usize,
    definition: &'a BackupDefinition,
}

impl<'a> Component<'a> {
    fn new(path: &'a Path, release: &'a Release, index: usize) -> Self {
        Self { path, index, definition: &release.components[index] }
    }

    fn rules(self) -> impl Iterator<Item = Declared<'a>> {
        let rules = self.definition.rules.iter().enumerate();
        rules.map(move |(index, definition)| Declared { component: self, index, definition })
    }

    fn data(self) -> ComponentData {
        self.definition.data.as_ref().map_or(ComponentData::None, |data| data.value)
    }

    /// Error about `data`, at its line or at that of the component.
    fn wrong_data(self, what: impl Into<String>) -> BuildError {
        let name = &self.definition.name;
        let line = self.definition.data.as_ref().map_or(name.referenced.line(), |data| data.referenced.line());
        let place = Place::field(self.path, line, format!("components[{}].data", self.index));
        BuildError::at(codes::RELEASE_INVALID, place, what)
    }

    /// Checks that data has a rule, and that a rule has data.
    fn check_data(self) -> Result<()> {
        let (name, rules) = (&self.definition.name.value, &self.definition.rules);
        match (self.data(), rules.first()) {
            (ComponentData::None, Some(rule)) => {
                let place =
                    Place::field(self.path, rule.name.referenced.line(), format!("components[{}].backup", self.index));
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

impl Declared<'_> {
    fn place(&self, line: u64, field: &str) -> Place {
        let Component { path, index, .. } = self.component;
        Place::field(path, line, format!("components[{index}].backup[{}].{field}", self.index))
    }

    fn invalid<T>(&self, at: &Spanned<T>, field: &str, what: impl Into<String>) -> BuildError {
        BuildError::at(codes::RELEASE_INVALID, self.place(at.referenced.line(), field), what)
    }
}

/// Returns an error for data without rules, rules without data, and rules that are invalid by themselves: names,
/// limits, programs.
pub fn check(path: &Path, release: &Release) -> Result<()> {
    for index in 0..release.components.len() {
        let component = Component::new(path, release, index);
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
    let component = Component::new(&definition.path, &definition.release, index);
    let rules = component.rules().map(|declared| declared.rule()).collect::<Result<Vec<_>>>()?;
    Ok((component.data(), rules))
}
