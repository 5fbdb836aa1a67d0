//! Values of a site, and how they are put into rendered objects: into declared fields, never by text.

use std::collections::BTreeMap;

use landfall_error_codes::codes;
use landfall_release_document::{ReleaseDocument, SiteValue, ValueTarget};
use serde_json::Value;

use super::{ConfigurationError, Problem, SiteConfiguration};

/// Values by name: the release's defaults, the site's own, and what the planner computed.
pub type SiteValues = BTreeMap<String, Value>;

/// Names with this prefix are computed by the planner and cannot be set.
const COMPUTED_PREFIX: &str = "cluster.";

/// All values of a site: computed by the planner, else set by the site, else the release's default. A value with none
/// of these keeps the rendered content. A computed value that the planner cannot compute is an error, and so is one
/// that the site sets.
pub fn resolve_values(
    release: &ReleaseDocument,
    configuration: &SiteConfiguration,
    computed: &SiteValues,
) -> Result<SiteValues, ConfigurationError> {
    let mut settings = SiteValues::new();
    let mut problems = Vec::new();
    let mut problem = |name: &str, message: &str| {
        problems.push(Problem { path: format!("values.{name}"), message: message.to_owned() });
    };
    for value in &release.values {
        let name = value.name.as_str();
        let set = configuration.values.get(name);
        if name.starts_with(COMPUTED_PREFIX) {
            match (set, computed.get(name)) {
                (Some(_), _) => problem(name, "it is computed and cannot be set"),
                (None, None) => problem(name, "this installer cannot compute it"),
                (None, Some(value)) => drop(settings.insert(name.to_owned(), value.clone())),
            }
        } else if let Some(value) = set.or(value.default.as_ref()) {
            settings.insert(name.to_owned(), value.clone());
        }
    }
    for name in configuration.values.keys().filter(|name| release.values.iter().all(|value| value.name != **name)) {
        problem(name, "the release knows no such value");
    }
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(ConfigurationError::new(codes::SITE_VALUE, "the site configuration", problems))
    }
}

/// The objects of a component with all values applied. Pure; an object or field that a value names must exist.
pub fn apply_values(
    component: &str,
    mut objects: Vec<Value>,
    values: &[SiteValue],
    settings: &SiteValues,
) -> Result<Vec<Value>, ConfigurationError> {
    let mut problems = Vec::new();
    for value in values {
        let Some(setting) = settings.get(&value.name) else { continue };
        for target in value.targets.iter().filter(|target| target.component == component) {
            match field(&mut objects, target) {
                Ok(field) => *field = setting.clone(),
                Err(message) => problems.push(Problem { path: value.name.clone(), message }),
            }
        }
    }
    if problems.is_empty() {
        Ok(objects)
    } else {
        Err(ConfigurationError::new(codes::SITE_TARGET, &format!("component {component}"), problems))
    }
}

fn field<'a>(objects: &'a mut [Value], target: &ValueTarget) -> Result<&'a mut Value, String> {
    let ValueTarget { kind, name, path, .. } = target;
    let is_target = |object: &Value| object["kind"] == **kind && object["metadata"]["name"] == **name;
    let mut found: Vec<&mut Value> = objects.iter_mut().filter(|object| is_target(object)).collect();
    match found.len() {
        0 => Err(format!("there is no {kind} {name}")),
        1 => found.remove(0).pointer_mut(path).ok_or_else(|| format!("{kind} {name} has no field {path}")),
        many => Err(format!("there are {many} objects {kind} {name}")),
    }
}
