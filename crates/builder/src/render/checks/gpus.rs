//! Checks the GPUs that containers request against the resource names of NVIDIA's device plugin, and against the
//! requirements of the release.

use landfall_error_codes::codes;
use landfall_release_document::{GPU_RESOURCES, is_gpu_resource};
use serde_json::Value;

use crate::definition::Definition;
use crate::error::{BuildError, Result};
use crate::rendered::RenderedComponent;
use crate::rendered::pods::{Pod, containers};

/// Returns an error for containers that request an unknown GPU resource, or one in a form that the API server refuses.
///
/// It also returns an error without `requirements.gpus`, from which a site learns about GPUs and their device plugin.
pub fn check(definition: &Definition, component: &RenderedComponent, object: &Value, pod: &Pod<'_>) -> Result<()> {
    for (at, container) in containers(pod) {
        let Some((name, fault)) = fault(container).or_else(|| undeclared_resource(definition, container)) else {
            continue;
        };
        let place = component.place(object, &format!(": {at}/resources"));
        return Err(BuildError::at(codes::GPU_RESOURCE, place, format!("`{name}` {fault}")));
    }
    Ok(())
}

/// NVIDIA resources that a container lists under `limits` or `requests`, with their amounts.
fn gpu_amounts<'a>(container: &'a Value, list: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let listed = container["resources"][list].as_object().into_iter().flatten();
    listed.map(|(name, amount)| (name.as_str(), amount)).filter(|(name, _)| name.starts_with(GPU_RESOURCES))
}

/// The first resource with an invalid request, and the reason.
fn fault(container: &Value) -> Option<(&str, String)> {
    let limits = &container["resources"]["limits"];
    let of_limit = |(name, amount): (&str, &Value)| {
        if !is_gpu_resource(name) {
            return Some(
                "is not a resource of NVIDIA's device plugin: those are nvidia.com/gpu, and nvidia.com/mig-1g.10gb and \
                 the like"
                    .to_owned(),
            );
        }
        whole_number(amount).is_none().then(|| format!("is {amount}, which is not a whole number"))
    };
    let of_request = |(name, amount): (&str, &Value)| {
        let is_alike = whole_number(amount).is_some() && whole_number(amount) == whole_number(&limits[name]);
        (!is_alike).then(|| "is requested without the same limit, which Kubernetes refuses".to_owned())
    };
    let in_limits = gpu_amounts(container, "limits").find_map(|one| Some((one.0, of_limit(one)?)));
    in_limits.or_else(|| gpu_amounts(container, "requests").find_map(|one| Some((one.0, of_request(one)?))))
}

/// The first resource that the release's requirements do not cover, and what they lack.
fn undeclared_resource<'a>(definition: &Definition, container: &'a Value) -> Option<(&'a str, String)> {
    let (name, _) = gpu_amounts(container, "limits").find(|(_, amount)| whole_number(amount) != Some(0))?;
    let gpus = definition.release.requirements.gpus.as_ref().map(|gpus| &gpus.value);
    match gpus.map(|gpus| gpus.plugin.is_some()) {
        None => Some((name, "is asked for, and the release has no `requirements.gpus`".to_owned())),
        Some(false) => Some((
            name,
            "is asked for, and `requirements.gpus` does not say under `plugin` how GPUs are offered".to_owned(),
        )),
        Some(true) => None,
    }
}

/// A whole number of devices, given as a number or as text.
fn whole_number(amount: &Value) -> Option<u64> {
    amount.as_u64().or_else(|| amount.as_str()?.parse().ok())
}
