//! Checks of rendered objects that would otherwise fail only at a site, after hours of staging. They cover fields,
//! kinds that other components must define first, Pod Security, GPUs, node ports, and objects that pods name.

mod crds;
mod gpus;
mod kinds;
mod needs;
mod node_ports;
mod pod_references;
mod pod_security;
mod site_secrets;
#[cfg(test)]
mod tests;

use landfall_release_document::PodSecurity;
pub(crate) use pod_references::NeededObject;
use serde_json::Value;

use crate::definition::Definition;
use crate::error::Result;
use crate::rendered::{RenderedComponent, pods};

/// Returns an error for objects that the API server or the site's policies would refuse. Namespaces must be set.
pub fn check(definition: &Definition, components: &[RenderedComponent]) -> Result<()> {
    let crds = crds::Crds::of(components)?;
    for component in components {
        for object in &component.objects {
            if let Some(crd) = crds.of_object(object) {
                needs::check(definition, component, object, crd.component)?;
                crd.check(component, object)?;
            } else {
                needs::check_is_brought(definition, component, object)?;
                kinds::check(component, object)?;
            }
            if let Some(pod) = pods::of(object) {
                pod_security::check(definition, component, object, &pod)?;
                pod_references::check(definition, components, component, object, &pod)?;
                gpus::check(definition, component, object, &pod)?;
            }
        }
    }
    node_ports::check(definition, components)?;
    site_secrets::check(definition, components)
}

/// Objects that the pods among these objects need: Secrets, `ConfigMap`s, claims, service accounts.
pub(crate) fn needed_objects(objects: &[Value]) -> Vec<NeededObject> {
    objects.iter().filter_map(pods::of).flat_map(|pod| pod_references::needed_objects(&pod)).collect()
}

/// The strictest Pod Security level that allows the pods of a component.
pub(crate) fn lowest_pod_security(definition: &Definition, component: &RenderedComponent) -> PodSecurity {
    let allows = |level: PodSecurity| {
        let mut definition = definition.clone();
        definition.release.components[component.index].pod_security = level;
        component.objects.iter().all(|object| {
            pods::of(object)
                .is_none_or(|pod| pod_security::violations(&definition, component, object, &pod).1.is_empty())
        })
    };
    let levels = [PodSecurity::Restricted, PodSecurity::Baseline];
    levels.into_iter().find(|level| allows(*level)).unwrap_or(PodSecurity::Privileged)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}
