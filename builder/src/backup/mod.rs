//! Data and backup rules of components: read from `release.yaml`, checked against what the components render, and written
//! into the release document.

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

/// Seconds that `save` and `load` may each take where a rule names no limit.
const LIMIT_SECONDS: u64 = 3600;

/// Seconds after which a hold ends by itself where it names no limit.
const HOLD_SECONDS: u64 = 30;

/// Seconds that a check may take where it names no limit.
const CHECK_LIMIT_SECONDS: u64 = 300;

/// A backup rule with all of its programs, whoever wrote them.
#[derive(Debug, Clone)]
pub struct BackupDefinition {
    /// Name, a DNS label, unique within the component.
    pub name: Spanned<String>,
    /// Whose pods, such as `StatefulSet/postgres`.
    pub workload: Spanned<String>,
    /// Which container; the pod's first where none is named.
    pub container: Option<Spanned<String>>,
    /// The volume of the pod that holds the data.
    pub volume: Spanned<String>,
    /// Seconds until `save` counts as failed, and seconds until `load` does.
    pub limit_seconds: Option<Spanned<u64>>,
    /// The preset that brought the programs, if one did.
    pub preset: Option<AppliedPreset>,
    /// The program that writes the backup to its standard output, with its arguments.
    pub save: Spanned<Vec<String>>,
    /// The program that reads the backup from its standard input, with its arguments.
    pub load: Spanned<Vec<String>>,
    /// The log of what is written between two backups.
    pub log: Option<LogDefinition>,
    /// How writers are held while the data is captured.
    pub hold: Option<HoldDefinition>,
    /// The program that prints what the data counts, with its arguments.
    pub counts: Option<Spanned<Vec<String>>>,
    /// A word that must return with the backup.
    pub marker: Option<MarkerDefinition>,
    /// What is checked after a restore.
    pub checks: Vec<CheckDefinition>,
}

/// How what is written between two backups is saved, and how it is applied to a backup that was loaded.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogDefinition {
    /// The program after which the software keeps its log until it was saved, with its arguments.
    pub keep: Spanned<Vec<String>>,
    /// The program that writes the log since the last `saved` to its standard output.
    pub save: Spanned<Vec<String>>,
    /// The program that runs once that is stored.
    pub saved: Spanned<Vec<String>>,
    /// The program that reads one log backup from its standard input.
    pub load: Spanned<Vec<String>>,
    /// The program that applies the log up to a time, for which `%{time}` stands in its arguments.
    pub recover: Spanned<Vec<String>>,
}

impl LogDefinition {
    /// One of its programs.
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

/// How whatever writes the data is held for a moment.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldDefinition {
    /// The program after whose end nothing is written, with its arguments, in which `%{seconds}` stands for the seconds after
    /// which the hold ends by itself.
    pub begin: Spanned<Vec<String>>,
    /// The program that ends it sooner.
    pub end: Spanned<Vec<String>>,
    /// Seconds after which it ends by itself.
    #[serde(default)]
    pub limit_seconds: Option<Spanned<u64>>,
    /// How long writers are held: until `save` has ended, where nothing is said.
    #[serde(default)]
    pub until: Option<HoldUntilDefinition>,
}

/// When the data is captured, so that writers may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HoldUntilDefinition {
    /// When `save` writes its first byte.
    FirstByte,
    /// When `save` has ended.
    End,
}

/// How a word gets into the data, and out of restored data.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MarkerDefinition {
    /// The program that writes the word, with its arguments, in which `%{marker}` stands for it.
    pub write: Spanned<Vec<String>>,
    /// The program that prints the word, with its arguments.
    pub read: Spanned<Vec<String>>,
}

/// A program that looks at restored data.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckDefinition {
    /// What a pass shows, in one sentence.
    pub shows: Spanned<String>,
    /// The program and its arguments.
    pub arguments: Spanned<Vec<String>>,
    /// Seconds until it counts as failed.
    #[serde(default)]
    pub limit_seconds: Option<Spanned<u64>>,
    /// The required result.
    #[serde(default)]
    pub expect: Option<Spanned<CommandExpectationDefinition>>,
}

/// A component whose data is declared, for errors.
#[derive(Clone, Copy)]
struct Component<'a> {
    path: &'a Path,
    index: usize,
    definition: &'a ComponentDefinition,
}

/// Where a rule is declared, for errors.
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

    /// An error about `data`, at its line or at the component's.
    fn wrong_data(self, what: impl Into<String>) -> BuildError {
        let name = &self.definition.name;
        let line = self.definition.data.as_ref().map_or(name.referenced.line(), |data| data.referenced.line());
        let place = Place::field(self.path, line, format!("components[{}].data", self.index));
        BuildError::at(codes::RELEASE_INVALID, place, what)
    }

    /// Data needs a rule, and a rule needs data.
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

/// Refuses data without rules, rules without data, and rules that are wrong by themselves: names, limits, programs.
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

/// The data and the rules of a component, as the release document has them.
pub fn rules(definition: &Definition, index: usize) -> Result<(ComponentData, Vec<BackupRule>)> {
    let component = Component::new(&definition.path, &definition.release, index);
    let rules = component.rules().map(|declared| declared.rule()).collect::<Result<Vec<_>>>()?;
    Ok((component.data(), rules))
}
