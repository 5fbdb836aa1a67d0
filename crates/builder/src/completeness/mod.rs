//! Completeness of components: what every component is expected to have, and what it says that it does without.
//!
//! ```text
//! without: {probes: REASON} ─ check ─▶ (rendered) ─ check_rendered ─▶ refusal with lines to paste, or a remark
//! ```

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use landfall_error_codes::codes;
use serde_json::Value;

use crate::definition::{ComponentDefinition, Definition, FILL_IN, Property, Release, Sources};
use crate::error::{BuildError, Result};
use crate::rendered::{RenderedComponent, pods, title};

/// Maximum length of a reason, in bytes.
const REASON_BYTES: usize = 200;

/// Kinds of objects whose pods keep running.
const RUNNING: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// Returns an error for a reason that says nothing.
pub fn check(sources: &Sources, release: &Release) -> Result<()> {
    for (index, component) in release.components.iter().enumerate() {
        let is_wrong = |reason: &str| reason.trim().is_empty() || reason.len() > REASON_BYTES || reason.contains('\n');
        if let Some((property, reason)) = component.without.iter().find(|(_, reason)| is_wrong(&reason.value)) {
            let place = sources.place(reason.referenced, format!("components[{index}].without.{}", property.key()));
            let what = format!("a reason is one line of 1 to {REASON_BYTES} bytes");
            return Err(BuildError::at(codes::RELEASE_INVALID, place, what));
        }
    }
    Ok(())
}

/// Returns an error for a component that lacks a property and does not say why. Returns a remark for each statement
/// that is no longer true.
pub fn check_rendered(definition: &Definition, components: &[RenderedComponent]) -> Result<Vec<String>> {
    let mut remarks = Vec::new();
    for rendered in components {
        let component = &definition.release.components[rendered.index];
        // The objects of a package index are Landfall's own; those of hooks end with them.
        if component.hooks_of.is_some() || component.package_index.is_some() {
            continue;
        }
        let missing = missing(&definition.release, component, &rendered.objects);
        let unstated: Vec<_> =
            missing.iter().filter(|(property, _)| !component.without.contains_key(property)).collect();
        if !unstated.is_empty() {
            return Err(refusal(definition, rendered.index, &unstated));
        }
        let stale = component.without.keys().filter(|property| !missing.contains_key(property));
        remarks.extend(stale.map(|property| {
            let (name, key) = (&component.name.value, property.key());
            format!("the component `{name}` has {key}, although `without` says that it has none: remove the line")
        }));
    }
    Ok(remarks)
}

/// Properties that a component lacks, each with the objects or containers that lack it.
fn missing(release: &Release, component: &ComponentDefinition, objects: &[Value]) -> BTreeMap<Property, Vec<String>> {
    let mut missing = missing_in(objects);
    if !release.proofs.iter().any(|proof| proof.component.value == component.name.value) {
        missing.insert(Property::Proofs, Vec::new());
    }
    missing
}

/// Properties that the pods among these objects lack, each with the objects or containers that lack it.
pub fn missing_in(objects: &[Value]) -> BTreeMap<Property, Vec<String>> {
    let mut missing: BTreeMap<Property, Vec<String>> = BTreeMap::new();
    for object in objects {
        let Some(pod) = pods::of(object) else { continue };
        let mut containers = pods::containers(&pod).map(|(_, container)| container);
        let is_running = RUNNING.iter().any(|kind| object["kind"] == *kind);
        if is_running && !containers.any(|container| container["readinessProbe"].is_object()) {
            missing.entry(Property::Probes).or_default().push(title(object));
        }
        let unlimited = pods::containers(&pod).filter(|(_, container)| !is_limited(&container["resources"]));
        let unlimited = unlimited.filter_map(|(_, container)| container["name"].as_str());
        let unlimited: Vec<_> = unlimited.map(|name| format!("{name} of {}", title(object))).collect();
        if !unlimited.is_empty() {
            missing.entry(Property::Limits).or_default().extend(unlimited);
        }
    }
    missing
}

/// Returns true if a container states what it requests and its limit of memory. A limit without a request is both.
fn is_limited(resources: &Value) -> bool {
    let (requests, limits) = (&resources["requests"], &resources["limits"]);
    let is_stated = |amount: &str| !requests[amount].is_null() || !limits[amount].is_null();
    is_stated("cpu") && is_stated("memory") && !limits["memory"].is_null()
}

fn refusal(definition: &Definition, index: usize, unstated: &[(&Property, &Vec<String>)]) -> BuildError {
    let component = &definition.release.components[index];
    let lacks: Vec<_> = unstated.iter().map(|(property, of)| described(**property, of)).collect();
    let what = format!("the component `{}` has {}", component.name.value, lacks.join("; and "));
    let lines: Vec<_> = unstated.iter().map(|(property, _)| format!("\n  {}: {FILL_IN}", property.key())).collect();
    let place = definition.sources.component_file(index);
    BuildError::at(codes::COMPONENT_INCOMPLETE, place, what)
        .hint(format!("Add them, or say in the file why a site can do without:\nwithout:{}", lines.concat()))
}

/// Description of a missing property, with the first objects or containers that lack it.
fn described(property: Property, of: &[String]) -> String {
    let what = match property {
        Property::Probes => "no readiness probe",
        Property::Limits => "containers without requests of CPU and memory, or without a limit of memory",
        Property::Proofs => return "no proof".to_owned(),
    };
    let more = if of.len() > 3 { format!(" and {} more", of.len() - 3) } else { String::new() };
    let first: Vec<_> = of.iter().take(3).map(String::as_str).collect();
    format!("{what} ({}{more})", first.join(", "))
}
