//! Plans the steps that bring up components, from the release alone: every target is known before anything changes.

use std::collections::{BTreeMap, BTreeSet};

use landfall_error_codes::codes;
use landfall_kinds::custom::CustomKinds;
use landfall_release_document::{self as document, ArtifactEntry, ComponentEntry, ReleaseDocument};
use serde_json::Value;

use super::claims::Claims;
use crate::steps::action::Action;
use crate::steps::component::Component;
use crate::steps::component_ready::ComponentReady;
use crate::steps::console_secrets::ConsoleSecrets;
use crate::steps::license_key::LicenseKey;
use crate::steps::mount::Mount;
use crate::steps::namespace::Namespace;
use crate::steps::objects::read_document;
use crate::steps::pod_restarts::reads_secret;
use crate::steps::secret::Secret;
use crate::steps::site_secret::SiteSecret;
use landfall_cluster::{Edits, Owner};
use landfall_engine::plan::{PlannedStep, StepId, Undo};
use landfall_engine::step::StepError;
use landfall_site::configuration::{Patch, ResolvedValues, apply_patches, refuse_unfit};
use landfall_site::content::{artifact_folder, minor_version};
use landfall_site::site_secrets::SecretNumbers;

/// Inputs of the components' steps.
#[derive(Debug, Clone, Copy)]
pub struct ComponentInputs<'a> {
    /// The release.
    pub release: &'a ReleaseDocument,
    /// Small documents of the release's head, by name.
    pub documents: &'a BTreeMap<String, Vec<u8>>,
    /// All values of the site.
    pub values: &'a ResolvedValues,
    /// Numbers of the values that the site gives for secrets.
    pub secrets: &'a SecretNumbers,
    /// Name of the node that holds the files of artifacts.
    pub node: &'a str,
}

/// Plans the steps of all components, each after the components that it needs. Fails if the field of a value does not
/// exist, or if the value makes its object invalid.
pub fn component_steps(inputs: &ComponentInputs<'_>) -> Result<Vec<PlannedStep<Action>>, StepError> {
    let mut steps = Vec::new();
    let mut namespaces = BTreeSet::new();
    let license_keys = LicenseKey::all(inputs.release);
    let components = &inputs.release.components;
    let rendered = components.iter().map(|component| read_document(inputs.documents, &component.objects));
    let rendered_all = rendered.collect::<Result<Vec<_>, _>>()?;
    let kinds = CustomKinds::among(rendered_all.iter().flatten());
    for (component, rendered) in components.iter().zip(&rendered_all) {
        for name in namespaces_of(component, rendered) {
            if !Namespace::is_of_kubernetes(name) && namespaces.insert(name) {
                steps.push(namespace(inputs, component, name)?);
            }
        }
        for secret in &component.secrets {
            let step = Secret {
                namespace: component.namespace.clone(),
                owner: owner(inputs, component),
                secret: secret.clone(),
            };
            let title = format!("generate the secret {} of {}", secret.name, component.name);
            steps.push(step_of(
                format!("secret/{}/{}", component.namespace, secret.name),
                title,
                1,
                Action::Secret(step),
            ));
        }
        for secret in &component.site_secrets {
            steps.push(site_secret(inputs, component, secret)?);
        }
        if component.console {
            let step = ConsoleSecrets { namespace: component.namespace.clone(), owner: owner(inputs, component) };
            let id = format!("console-secrets/{}", component.namespace);
            let title = format!("make the keys and the certificate of {}", component.name);
            steps.push(step_of(id, title, 1, Action::ConsoleSecrets(step)));
        }
        if let Some(step) = license_keys.iter().find(|step| step.owner.component == component.name) {
            let id = format!("license-key/{}", component.namespace);
            let title = format!("give {} the key of answers about the license", component.name);
            steps.push(step_of(id, title, 1, Action::LicenseKey(step.clone())));
        }
        let claims = Claims::of(inputs, &rendered_all, &component.namespace)?;
        for mount in mounts(inputs, component, &claims)? {
            let title = format!("offer the files of {} to {}", mount.claim, component.name);
            steps.push(step_of(format!("mount/{}/{}", mount.namespace, mount.claim), title, 1, Action::Mount(mount)));
        }
        steps.push(objects(inputs, component, rendered, &kinds, claims)?);
        steps.push(ready(component));
    }
    Ok(steps)
}

fn step_of(id: String, title: String, seconds: u64, action: Action) -> PlannedStep<Action> {
    PlannedStep { id: StepId(id), title, action, bytes: 0, seconds, undo: Undo::Reversible }
}

fn owner(inputs: &ComponentInputs<'_>, component: &ComponentEntry) -> Owner {
    Owner { release: inputs.release.name.clone(), component: component.name.clone() }
}

/// Returns the namespaces of a component and of its objects. Each must exist before the objects, even if other
/// components share it.
fn namespaces_of<'a>(component: &'a ComponentEntry, rendered: &'a [Value]) -> BTreeSet<&'a str> {
    let others = rendered.iter().filter_map(|object| object["metadata"]["namespace"].as_str());
    others.chain([component.namespace.as_str()]).collect()
}

/// Plans a namespace in which `component` is the first to have objects. The first component of that namespace sets its
/// rules, and all others must have the same rules. A namespace of no component gets the rules of `component`, without
/// its quota.
fn namespace(
    inputs: &ComponentInputs<'_>,
    component: &ComponentEntry,
    name: &str,
) -> Result<PlannedStep<Action>, StepError> {
    let mut owners = inputs.release.components.iter().filter(|other| other.namespace == name);
    let first = owners.next();
    let rules = first.unwrap_or(component);
    if let Some(other) = owners.find(|other| (other.pod_security, &other.quota) != (rules.pod_security, &rules.quota)) {
        let message = format!(
            "components {} and {} share the namespace {name} but declare different rules for it",
            rules.name, other.name
        );
        return Err(StepError::new(codes::CLUSTER_BAD_OBJECT, message));
    }
    let step = Namespace {
        name: name.to_owned(),
        owner: owner(inputs, rules),
        pod_security: rules.pod_security,
        pod_security_version: minor_version(inputs.release)?,
        quota: first.map(|rules| rules.quota.clone()).unwrap_or_default(),
    };
    Ok(step_of(format!("namespace/{name}"), format!("make the namespace {name}"), 1, Action::Namespace(step)))
}

/// Plans the Secret whose value the site gives.
fn site_secret(
    inputs: &ComponentInputs<'_>,
    component: &ComponentEntry,
    secret: &document::SiteSecret,
) -> Result<PlannedStep<Action>, StepError> {
    let name = (component.namespace.clone(), secret.name.clone());
    let number = *inputs.secrets.get(&name).ok_or_else(|| {
        StepError::new(codes::BUG, format!("no value of the secret {} of {} is known", secret.name, component.name))
    })?;
    let step = SiteSecret {
        namespace: component.namespace.clone(),
        owner: owner(inputs, component),
        secret: secret.clone(),
        number,
    };
    let id = format!("site-secret/{}/{}", component.namespace, secret.name);
    let title = format!("store the secret {} that the site gives {}", secret.name, component.name);
    Ok(step_of(id, title, 1, Action::SiteSecret(step)))
}

/// Returns the numbers of the secret values that pods of these objects read. Pods restart when a number changes.
fn read_secrets(inputs: &ComponentInputs<'_>, component: &ComponentEntry, objects: &[Value]) -> BTreeMap<String, u64> {
    let here = inputs.secrets.iter().filter(|((namespace, _), _)| *namespace == component.namespace);
    let read = here.filter(|((_, name), _)| reads_secret(objects, name));
    read.map(|((_, name), number)| (name.clone(), *number)).collect()
}

fn mounts(inputs: &ComponentInputs<'_>, component: &ComponentEntry, claims: &Claims) -> Result<Vec<Mount>, StepError> {
    let mounts = component.mounts.iter().map(|mount| {
        let artifact = artifact(inputs, component, &mount.artifact)?;
        Ok(Mount {
            namespace: component.namespace.clone(),
            owner: owner(inputs, component),
            claim: claims.in_cluster(&mount.claim).to_owned(),
            folder: artifact_folder(artifact),
            size_bytes: artifact.files.iter().map(|file| file.blob.size).sum(),
            node: inputs.node.to_owned(),
        })
    });
    mounts.collect()
}

pub(super) fn artifact<'a>(
    inputs: &ComponentInputs<'a>,
    component: &ComponentEntry,
    name: &str,
) -> Result<&'a ArtifactEntry, StepError> {
    inputs.release.artifacts.iter().find(|artifact| artifact.name == name).ok_or_else(|| {
        let message = format!("component {} mounts {name}, which the release does not carry", component.name);
        StepError::new(codes::CLUSTER_BAD_OBJECT, message)
    })
}

fn objects(
    inputs: &ComponentInputs<'_>,
    component: &ComponentEntry,
    rendered: &[Value],
    kinds: &CustomKinds<'_>,
    claims: Claims,
) -> Result<PlannedStep<Action>, StepError> {
    let patches = Patch::of_component(&component.name, &inputs.release.values, inputs.values);
    let objects = apply_patches(&component.name, rendered.to_vec(), &patches)?;
    refuse_unfit(&component.name, kinds, (rendered, &objects), &patches)?;
    let step = Component {
        owner: owner(inputs, component),
        namespace: component.namespace.clone(),
        objects: component.objects.clone(),
        patches,
        read_only_claims: claims.declared_names().map(str::to_owned).collect(),
        claims: claims.into_renamed(),
        editable: component.editable.clone(),
        edits: Edits::Refuse,
        secrets: read_secrets(inputs, component, &objects),
    };
    let title = format!("apply the {} objects of {}", objects.len(), component.name);
    Ok(step_of(format!("component/{}", component.name), title, 1, Action::Component(step)))
}

fn ready(component: &ComponentEntry) -> PlannedStep<Action> {
    let step = ComponentReady {
        component: component.name.clone(),
        namespace: component.namespace.clone(),
        seconds: component.ready_seconds,
    };
    let title = format!("wait until {} is ready", component.name);
    step_of(format!("ready/{}", component.name), title, 15, Action::ComponentReady(step))
}
