//! Differences between two forms of a component, for people.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::canary::CanaryChoice;
use crate::steps::component::Component;
use landfall_cluster::ObjectName;
use landfall_engine::step::StepError;

/// Fate of a component, or of an object of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Only the later release has it.
    Added,
    /// Both have it, in different forms.
    Changed,
    /// Only the earlier release has it.
    Removed,
    /// Both have it in the same form.
    Unchanged,
}

/// Change of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentChange {
    /// Name of the component.
    pub component: String,
    /// Fate of the component.
    pub fate: Fate,
    /// True if its workloads stop for a while, because its data, or data that it uses, changes.
    pub stops: bool,
    /// Objects that are added, changed or removed.
    pub objects: Vec<ObjectChange>,
    /// Images that its pods run only in the earlier release.
    pub images_before: Vec<String>,
    /// Images that its pods run only in the later release.
    pub images_after: Vec<String>,
    /// The canary of the component, if it changes and the later release declares one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryChoice>,
}

/// Change of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    /// Kind, namespace and name of the object.
    pub object: String,
    /// Fate of the object.
    pub fate: Fate,
}

type Documents = BTreeMap<String, Vec<u8>>;

/// Returns the objects of a component as they are applied.
pub(super) fn resolve_objects(component: &Component, documents: &Documents) -> Result<Vec<Value>, StepError> {
    component.resolve_objects(documents)
}

/// Compares two forms of a component, each with the documents of its own release.
pub(super) fn object_changes(
    name: &str,
    before: Option<&Component>,
    documents_before: &Documents,
    after: Option<&Component>,
    documents_after: &Documents,
) -> Result<ComponentChange, StepError> {
    let objects = |component: Option<&Component>, documents: &Documents| {
        component.map_or(Ok(Vec::new()), |component| resolve_objects(component, documents))
    };
    let (old, new) = (objects(before, documents_before)?, objects(after, documents_after)?);
    let (old_by_name, new_by_name) = (by_name(&old)?, by_name(&new)?);
    let mut changes = Vec::new();
    for (object, value) in &new_by_name {
        let fate = match old_by_name.get(object) {
            None => Fate::Added,
            Some(known) if known == value => continue,
            Some(_) => Fate::Changed,
        };
        changes.push(ObjectChange { object: object.clone(), fate });
    }
    let removed = old_by_name.keys().filter(|object| !new_by_name.contains_key(*object));
    changes.extend(removed.map(|object| ObjectChange { object: object.clone(), fate: Fate::Removed }));
    let fate = match (before, after) {
        (None, _) => Fate::Added,
        (_, None) => Fate::Removed,
        // The order of objects is part of the applied state.
        _ if old == new => Fate::Unchanged,
        _ => Fate::Changed,
    };
    let (images_old, images_new) = (images(&old), images(&new));
    Ok(ComponentChange {
        component: name.to_owned(),
        fate,
        stops: false,
        objects: changes,
        images_before: images_old.difference(&images_new).cloned().collect(),
        images_after: images_new.difference(&images_old).cloned().collect(),
        canary: None,
    })
}

fn by_name(objects: &[Value]) -> Result<BTreeMap<String, &Value>, StepError> {
    objects.iter().map(|object| Ok((ObjectName::of(object)?.to_string(), object))).collect()
}

/// Returns the images of all containers in all pods of these objects.
pub(in crate::plan) fn images(objects: &[Value]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for object in objects {
        find_images(object, &mut found);
    }
    found
}

fn find_images(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => {
            for item in items {
                find_images(item, found);
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                if ["containers", "initContainers"].contains(&key.as_str()) {
                    let images = value.as_array().into_iter().flatten().filter_map(|one| one["image"].as_str());
                    found.extend(images.map(str::to_owned));
                } else {
                    find_images(value, found);
                }
            }
        }
        _ => {}
    }
}
