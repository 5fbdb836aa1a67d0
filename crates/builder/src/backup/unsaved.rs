//! Claims that no backup includes, as the vendor declares: caches, and replicas that software restores from others.
//!
//! Every claim of a component has a backup rule or such a declaration, so that no claim is forgotten.

use std::collections::BTreeSet;

use landfall_error_codes::codes;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::rendered::{claimed_volumes, is_mount, templates};
use super::{Component, LocatedRule};
use crate::definition::{ComponentDefinition, FILL_IN};
use crate::error::{BuildError, Result};
use crate::rendered::title;
use crate::workloads::{self, UnknownName};
use crate::yaml::quote_scalar;

/// An entry for a user to complete.
pub fn entry(volume: &str) -> String {
    format!("- {{volume: {}, because: {FILL_IN}}}", quote_scalar(volume))
}

/// Claims of an object, except those of artifacts.
pub fn claims_of(definition: &ComponentDefinition, object: &Value) -> Vec<String> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if object["kind"] == "PersistentVolumeClaim" && !is_mount(definition, name) {
        return vec![title(object)];
    }
    templates(object).map(|template| format!("{}/{template}", title(object))).collect()
}

impl Component<'_> {
    /// Returns an error for claims without a rule or a declaration, and for declarations about anything else.
    pub(super) fn check_unsaved(self, objects: &[Value]) -> Result<()> {
        let claims: BTreeSet<_> = objects.iter().flat_map(|object| claims_of(self.definition, object)).collect();
        let saved: BTreeSet<_> = self.rules().filter_map(|rule| rule.saves(objects)).collect();
        let mut stated = BTreeSet::new();
        for (index, statement) in self.definition.unsaved.iter().enumerate() {
            let volume = &statement.volume;
            let refuse = |what: String| self.wrong_statement(volume, index, what);
            if statement.because.value.trim().is_empty() {
                return Err(refuse(format!("`{}` has no reason", volume.value)));
            }
            if saved.contains(&volume.value) {
                return Err(refuse(format!("`{}` has a backup rule", volume.value)));
            }
            if !claims.contains(&volume.value) {
                let what = format!("the component `{}` has no volume `{}`", self.definition.name.value, volume.value);
                return Err(UnknownName::new(what, &volume.value, claims.iter().map(String::as_str)).at(refuse));
            }
            stated.insert(volume.value.clone());
        }
        let forgotten: Vec<_> = claims.iter().filter(|it| !saved.contains(*it) && !stated.contains(*it)).collect();
        if forgotten.is_empty() { Ok(()) } else { Err(self.forgot(&forgotten)) }
    }

    fn wrong_statement(self, at: &Spanned<String>, index: usize, what: String) -> BuildError {
        let place = self.sources.place(at.referenced, format!("components[{}].unsaved[{index}].volume", self.index));
        BuildError::at(codes::RELEASE_INVALID, place, what)
    }

    /// Error for all undeclared claims, with lines that declare them.
    fn forgot(self, volumes: &[&String]) -> BuildError {
        let name = &self.definition.name.value;
        let listed: Vec<_> = volumes.iter().map(|volume| format!("`{volume}`")).collect();
        let listed = listed.join(", ");
        let what = if self.data().is_none() {
            format!("the component `{name}` brings volumes, but declares no data: {listed}")
        } else {
            format!("no backup rule of the component `{name}` saves {listed}")
        };
        let lines: Vec<_> = volumes.iter().map(|volume| format!("\n  {}", entry(volume))).collect();
        let lines = lines.concat();
        self.wrong_data(what).hint(format!(
            "Declare `data: kept` with a `backup` rule for each, or `data: migrated` if an upgrade changes the data. \
             Of a volume that a site can do without, say why under `unsaved` in its component.yaml:{lines}"
        ))
    }
}

impl LocatedRule<'_> {
    /// The claim that the rule saves, in the form of a declaration.
    fn saves(&self, objects: &[Value]) -> Option<String> {
        let (component, volume) = (&self.component.definition.name.value, &self.definition.volume.value);
        let workload = workloads::find(component, objects, &self.definition.workload.value).ok()?;
        if templates(workload).any(|template| template == volume) {
            return Some(format!("{}/{volume}", title(workload)));
        }
        claimed_volumes(workload)
            .find(|(name, _)| name == volume)
            .map(|(_, claim)| format!("PersistentVolumeClaim/{claim}"))
    }
}
