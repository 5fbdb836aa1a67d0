//! Objects of a release's components for a site's configuration, available before there is a plan.

use landfall_release_document::{ComponentEntry, ReleaseDocument};
use serde_json::Value;

use super::computed::computed_values;
use super::network::Networks;
use landfall_site::configuration::{Patch, ResolvedValues, SiteConfiguration, apply_patches, resolve_values};

/// Inputs of the objects.
#[derive(Debug, Clone, Copy)]
pub struct ObjectsInputs<'a> {
    /// The release.
    pub release: &'a ReleaseDocument,
    /// The site's configuration.
    pub configuration: &'a SiteConfiguration,
    /// Figures of models that were fitted to the host.
    pub fitted: &'a ResolvedValues,
}

impl<'a> ObjectsInputs<'a> {
    /// Returns each component with its objects; `None` if values or objects do not fit, which the plan rejects with a
    /// reason. `document` returns the bytes of a small document of the head.
    pub(crate) fn objects<'d>(
        &self,
        document: impl Fn(&str) -> Option<&'d [u8]>,
    ) -> Option<Vec<(&'a ComponentEntry, Vec<Value>)>> {
        let networks = Networks::of(self.configuration).ok()?;
        let computed = computed_values(&networks, self.fitted);
        let values = resolve_values(self.release, self.configuration, &computed).ok()?;
        let of_component = |component: &'a ComponentEntry| {
            let rendered: Vec<Value> = serde_json::from_slice(document(&component.objects)?).ok()?;
            let patches = Patch::of_component(&component.name, &self.release.values, &values);
            Some((component, apply_patches(&component.name, rendered, &patches).ok()?))
        };
        self.release.components.iter().map(of_component).collect()
    }
}

/// Returns the `spec` of an object's pods.
pub(super) fn pod_spec(object: &Value) -> Option<&Value> {
    let spec = match object["kind"].as_str()? {
        "Pod" => "/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => "/spec/template/spec",
    };
    object.pointer(spec)
}
