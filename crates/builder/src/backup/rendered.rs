//! Checks that components declare the data that they render, and that the workloads, containers and volumes of their
//! backup rules exist.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{Component, LocatedRule};
use crate::definition::{ComponentDefinition, Definition};
use crate::error::{BuildError, Result};
use crate::rendered::{RenderedComponent, title};
use crate::workloads::{self, UnknownName};

/// Returns an error for a component with undeclared volumes, and for a rule whose target its component does not render.
pub fn check(definition: &Definition, components: &[RenderedComponent]) -> Result<()> {
    let mut saved: BTreeMap<(String, String), String> = BTreeMap::new();
    for rendered in components {
        let component = Component::new(&definition.sources, &definition.release, rendered.index);
        for declared in component.rules() {
            declared.check_target(&rendered.objects)?;
            let Some(claim) = declared.claim(&rendered.objects) else { continue };
            if let Some(daemons) = daemons_on(definition, components, component.definition, &claim) {
                return Err(declared.is_shared_by_daemons(&daemons));
            }
            let (name, rule) = (&component.definition.name.value, &declared.definition.name.value);
            let known = saved.insert((component.definition.namespace.value.clone(), claim), format!("{name}/{rule}"));
            if let Some(other) = known {
                return Err(declared.shares_claim(&other));
            }
        }
        component.check_unsaved(&rendered.objects)?;
    }
    Ok(())
}

/// Returns true if a claim is that of an artifact.
pub(super) fn is_mount(definition: &ComponentDefinition, claim: &str) -> bool {
    definition.mounts.iter().any(|mount| mount.claim.value == claim)
}

/// Names of the claim templates of a `StatefulSet`, which are also the names of the pods' volumes.
pub(super) fn templates(workload: &Value) -> impl Iterator<Item = &str> {
    let is_set = workload["kind"] == "StatefulSet";
    let templates = workload["spec"]["volumeClaimTemplates"].as_array().filter(|_| is_set);
    templates.into_iter().flatten().filter_map(|template| template["metadata"]["name"].as_str())
}

/// Volumes of a workload's pods with their claims, without those from templates.
pub(super) fn claimed_volumes(workload: &Value) -> impl Iterator<Item = (&str, &str)> {
    let volumes = workload["spec"]["template"]["spec"]["volumes"].as_array().into_iter().flatten();
    volumes
        .filter_map(|volume| Some((volume["name"].as_str()?, volume["persistentVolumeClaim"]["claimName"].as_str()?)))
}

/// A `DaemonSet` of the release that mounts a claim of this component.
fn daemons_on(
    definition: &Definition,
    components: &[RenderedComponent],
    owner: &ComponentDefinition,
    claim: &str,
) -> Option<String> {
    let is_near = |rendered: &&RenderedComponent| {
        definition.release.components[rendered.index].namespace.value == owner.namespace.value
    };
    let mut objects = components.iter().filter(is_near).flat_map(|rendered| &rendered.objects);
    let mounts = |object: &Value| claimed_volumes(object).any(|(_, mounted)| mounted == claim);
    objects.find(|object| object["kind"] == "DaemonSet" && mounts(object)).map(title)
}

/// Names of the volumes of a workload's pods that keep data.
fn volumes<'a>(definition: &ComponentDefinition, workload: &'a Value) -> Vec<&'a str> {
    let of_data = claimed_volumes(workload).filter(|(_, claim)| !is_mount(definition, claim));
    templates(workload).chain(of_data.map(|(volume, _)| volume)).collect()
}

/// Reason and hint if the data of a workload is not in one volume that stays while it is stopped.
fn unfit_reason(workload: &Value) -> Option<(String, &'static str)> {
    let spec = &workload["spec"];
    let replicas = spec["replicas"].as_u64().unwrap_or(1);
    let when_scaled = &spec["persistentVolumeClaimRetentionPolicy"]["whenScaled"];
    match workload["kind"].as_str() {
        Some("DaemonSet") => {
            Some(("cannot be stopped: it has no number of pods".to_owned(), "Make it a Deployment or a StatefulSet."))
        }
        Some("StatefulSet") if replicas > 1 => Some((
            format!("has {replicas} pods, each with a volume of its own, and a rule saves one volume"),
            "Where the software makes a lost replica again, say so under `unsaved` of the component, in place of the \
             rule. Otherwise let it run in one pod, or give each pod a component of its own.",
        )),
        _ if when_scaled == "Delete" => {
            let why = "deletes its volumes when it is stopped (`whenScaled: Delete`)";
            Some((why.to_owned(), "Let it keep them, with `whenScaled: Retain`."))
        }
        _ => None,
    }
}

impl LocatedRule<'_> {
    /// The claim of the rule's volume, unique within its namespace; for a template, that of the workload's first pod.
    fn claim(&self, objects: &[Value]) -> Option<String> {
        let (component, volume) = (&self.component.definition.name.value, &self.definition.volume.value);
        let workload = workloads::find(component, objects, &self.definition.workload.value).ok()?;
        if templates(workload).any(|template| template == volume) {
            let first = workload["spec"]["ordinals"]["start"].as_u64().unwrap_or(0);
            return Some(format!("{volume}-{}-{first}", workload["metadata"]["name"].as_str()?));
        }
        claimed_volumes(workload).find(|(name, _)| name == volume).map(|(_, claim)| claim.to_owned())
    }

    /// Error for a rule whose claim another rule already saves: a restore loads only one stream into a claim.
    fn shares_claim(&self, other: &str) -> BuildError {
        let what = format!(
            "the rules `{other}` and `{}` save one claim, and a restore loads one stream into a claim",
            self.definition.name.value
        );
        self.invalid(&self.definition.volume, "volume", what)
            .hint("Save everything on the claim by one rule, or give each workload a claim of its own.")
    }

    /// Error for a rule whose claim is used by pods that a restore cannot stop.
    fn is_shared_by_daemons(&self, daemons: &str) -> BuildError {
        let what = format!(
            "{daemons} mounts the claim of `{}`, and cannot be stopped while data is restored: it has no number of \
             pods",
            self.definition.name.value
        );
        self.invalid(&self.definition.volume, "volume", what)
            .hint("Make it a Deployment or a StatefulSet, or let it reach the data over the network.")
    }

    fn check_target(&self, objects: &[Value]) -> Result<()> {
        let definition = self.definition;
        let component = self.component.definition;
        let wanted = &definition.workload;
        let workload = workloads::find(&component.name.value, objects, &wanted.value)
            .map_err(|unknown| unknown.at(|what| self.invalid(wanted, "workload", what)))?;
        if let Some((why, hint)) = unfit_reason(workload) {
            let what = format!("{} {why}", wanted.value);
            return Err(self.invalid(wanted, "workload", what).hint(hint));
        }
        let named = definition.container.as_ref();
        let container = workloads::container(workload, named.map(|name| name.value.as_str()))
            .map_err(|unknown| unknown.at(|what| self.invalid(named.unwrap_or(wanted), "container", what)))?;
        let volume = &definition.volume;
        let known = volumes(component, workload);
        if !known.contains(&volume.value.as_str()) {
            let what = format!("{} has no volume `{}` with a claim of its own", wanted.value, volume.value);
            let unknown = UnknownName::new(what, &volume.value, known.into_iter());
            return Err(unknown.at(|what| self.invalid(volume, "volume", what)));
        }
        let mounts = container["volumeMounts"].as_array().into_iter().flatten();
        let mounts: Vec<&Value> = mounts.filter(|mount| mount["name"] == volume.value).collect();
        if !mounts.is_empty() {
            return self.check_paths(&mounts);
        }
        let name = container["name"].as_str().unwrap_or_default();
        let what = format!("the container `{name}` of {} does not mount the volume `{}`", wanted.value, volume.value);
        Err(self.invalid(volume, "volume", what).hint("Name the container that mounts it, or another volume."))
    }

    /// Returns an error if files of the preset are outside of the rule's volume, where it would save or load other
    /// data.
    fn check_paths(&self, mounts: &[&Value]) -> Result<()> {
        let Some(preset) = &self.definition.preset else { return Ok(()) };
        let places: Vec<&str> = mounts.iter().filter_map(|mount| mount["mountPath"].as_str()).collect();
        let is_on_volume = |path: &String| places.iter().any(|place| Path::new(path).starts_with(place));
        let Some((parameter, path)) = preset.needs.paths.iter().find(|(_, path)| !is_on_volume(path)) else {
            return Ok(());
        };
        let volume = &self.definition.volume.value;
        let what = format!(
            "`{parameter}` of the preset `{}` is {path}, which is not on the volume `{volume}`",
            preset.name.value
        );
        let hint = format!("It is mounted at {}: set `with: {{{parameter}: …}}`.", places.join(" and "));
        Err(self.invalid(&preset.name, "preset", what).hint(hint))
    }
}
