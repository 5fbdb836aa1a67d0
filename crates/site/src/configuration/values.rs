//! Values of a site, and their insertion into declared fields of rendered objects, never into text.

use std::collections::BTreeMap;

use landfall_error_codes::codes;
use landfall_release_document::{ReleaseDocument, SiteValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::read::known_values;
use super::{ConfigurationError, Problem, SiteConfiguration};

/// Values by name: the release's defaults, the site's settings, and the planner's computed values.
pub type ResolvedValues = BTreeMap<String, Value>;

/// Values that a person changes, by name; null restores the release's default.
pub type ChangedValues = BTreeMap<String, Value>;

/// Prefix of names that the planner computes and a site cannot set.
const COMPUTED_PREFIX: &str = "cluster.";

impl SiteConfiguration {
    /// Returns these settings with changed values, validated like a file. All problems are reported at once, with the
    /// name `file`. A value that was set for an earlier release and is unknown to this one stays, because it applies
    /// again when that release returns.
    pub fn with_values(&self, changed: &ChangedValues, file: &str, schema: &[u8]) -> Result<Self, ConfigurationError> {
        let known = known_values(schema, file)?;
        let mut wanted = self.clone();
        let is_asleep = |name: &str| !known.contains(name) && !changed.contains_key(name);
        let asleep: Vec<_> = self.values.iter().filter(|(name, _)| is_asleep(name)).collect();
        wanted.values.retain(|name, _| !is_asleep(name));
        for (name, value) in changed {
            match value {
                Value::Null => drop(wanted.values.remove(name)),
                value => drop(wanted.values.insert(name.clone(), value.clone())),
            }
        }
        let mut checked = Self::parse(&wanted.to_text()?, file, schema)?;
        checked.values.extend(asleep.into_iter().map(|(name, value)| (name.clone(), value.clone())));
        Ok(checked)
    }

    /// Returns the settings as the text of a file: JSON, which is YAML.
    pub fn to_text(&self) -> Result<String, ConfigurationError> {
        let unwritable = |error: serde_json::Error| {
            ConfigurationError::one(codes::BUG, "the site configuration", "", "it cannot be written").because(error)
        };
        serde_json::to_string(self).map_err(unwritable)
    }
}

/// Returns all values of a site: the site's setting, else the planner's value, else the release's default. A value
/// without any of these keeps the rendered content. Settings for other releases are ignored. Names that begin with
/// `cluster.` are only computed: fails if the planner cannot compute one, or if the site sets one.
pub fn resolve_values(
    release: &ReleaseDocument,
    configuration: &SiteConfiguration,
    computed: &ResolvedValues,
) -> Result<ResolvedValues, ConfigurationError> {
    let mut resolved = ResolvedValues::new();
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
                (None, Some(value)) => drop(resolved.insert(name.to_owned(), value.clone())),
            }
        } else if let Some(value) = set.or_else(|| computed.get(name)).or(value.default.as_ref()) {
            resolved.insert(name.to_owned(), value.clone());
        }
    }
    if problems.is_empty() {
        Ok(resolved)
    } else {
        Err(ConfigurationError::new(codes::SITE_VALUE, "the site configuration", problems))
    }
}

/// A value for one field: the release's declaration and the site's value, combined when the plan is made. The journal
/// pins it, so that observing, acting and undoing cannot disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// Name of the value, for messages.
    pub value: String,
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// JSON Pointer (RFC 6901) to the field.
    pub path: String,
    /// The field's new value.
    pub content: Value,
}

impl Patch {
    /// Returns the patches of a component, in the order in which the release declares its values.
    pub fn of_component(component: &str, declared: &[SiteValue], resolved: &ResolvedValues) -> Vec<Self> {
        let mut patches = Vec::new();
        for value in declared {
            let Some(content) = resolved.get(&value.name) else { continue };
            for target in value.targets.iter().filter(|target| target.component == component) {
                patches.push(Self {
                    value: value.name.clone(),
                    kind: target.kind.clone(),
                    name: target.name.clone(),
                    path: target.path.clone(),
                    content: content.clone(),
                });
            }
        }
        patches
    }

    /// Returns true if the patch applies to this object.
    pub(super) fn is_of(&self, object: &Value) -> bool {
        object["kind"] == *self.kind && object["metadata"]["name"] == *self.name
    }

    fn field<'a>(&self, objects: &'a mut [Value]) -> Result<&'a mut Value, String> {
        let Self { kind, name, path, .. } = self;
        let mut found: Vec<&mut Value> = objects.iter_mut().filter(|object| self.is_of(object)).collect();
        match found.len() {
            0 => Err(format!("there is no {kind} {name}")),
            1 => found.remove(0).pointer_mut(path).ok_or_else(|| format!("{kind} {name} has no field {path}")),
            many => Err(format!("there are {many} objects {kind} {name}")),
        }
    }
}

/// Returns the objects of a component with all patches. Pure. Fails if a patch names an object or field that does not
/// exist.
pub fn apply_patches(
    component: &str,
    mut objects: Vec<Value>,
    patches: &[Patch],
) -> Result<Vec<Value>, ConfigurationError> {
    let mut problems = Vec::new();
    for patch in patches {
        match patch.field(&mut objects) {
            Ok(field) => *field = patch.content.clone(),
            Err(message) => problems.push(Problem { path: patch.value.clone(), message }),
        }
    }
    if problems.is_empty() {
        Ok(objects)
    } else {
        Err(ConfigurationError::new(codes::SITE_TARGET, &format!("component {component}"), problems))
    }
}
