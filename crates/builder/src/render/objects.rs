//! Checks rendered objects, sets their namespaces, and sorts them in the order in which they are applied.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use landfall_error_codes::codes;
use serde_json::{Value, json};
use serde_saphyr::Spanned;

use crate::definition::Definition;
use crate::error::{BuildError, Result};
use crate::rendered::{RenderedComponent, title};
use crate::secret_entry::{self, SecretEntry};

/// Cluster-scoped kinds in API groups of Kubernetes.
const CLUSTER_KINDS: [&str; 24] = [
    "APIService",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterTrustBundle",
    "CustomResourceDefinition",
    "DeviceClass",
    "FlowSchema",
    "IngressClass",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
];

/// Kinds that are applied first, because others depend on them; kinds in neither list come after these.
const FIRST_KINDS: [&str; 18] = [
    "CustomResourceDefinition",
    "PriorityClass",
    "RuntimeClass",
    "IngressClass",
    "StorageClass",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "NetworkPolicy",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Service",
];

/// Kinds that are applied last, because they affect how the API server treats all other objects.
const LAST_KINDS: [&str; 4] =
    ["PodDisruptionBudget", "APIService", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

const HOOKS: [&str; 2] = ["helm.sh/hook", "argocd.argoproj.io/hook"];

/// Returns an error for objects that cannot be applied unchanged; sets namespaces and sorts the objects of each
/// component. Returns remarks on dropped fields.
pub fn check(definition: &Definition, components: &mut [RenderedComponent]) -> Result<Vec<String>> {
    let custom = custom_kinds(components);
    let (mut seen, mut remarks) = (HashSet::new(), Vec::new());
    for component in components {
        let namespace = definition.release.components[component.index].namespace.value.clone();
        let declared = &definition.release.components[component.index].namespaces;
        let mut objects = std::mem::take(&mut component.objects);
        without_values(definition, component, &objects)?;
        for index in 0..objects.len() {
            let object = &objects[index];
            acceptable(component, object)?;
            let Some(namespaced) = is_namespaced(object, &custom) else {
                let all: Vec<_> = objects.iter().filter(|other| is_namespaced(other, &custom).is_none()).collect();
                return Err(undefined_kind_error(component, object, &all));
            };
            let object = &mut objects[index];
            remarks.extend(place_in(component, object, namespaced, &namespace, declared)?);
            let key = format!("{} {} {}", group(object), title(object), text(object, "/metadata/namespace"));
            if !seen.insert(key) {
                let what = "another object of this release has the same kind and name";
                return Err(BuildError::at(codes::MANIFEST_INVALID, component.place(object, ""), what));
            }
        }
        objects.sort_by_key(|object| (rank(text(object, "/kind")), title(object)));
        component.objects = objects;
    }
    Ok(remarks)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn group(object: &Value) -> &str {
    text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group)
}

fn rank(kind: &str) -> usize {
    let last = LAST_KINDS.iter().position(|other| *other == kind).map(|position| FIRST_KINDS.len() + 1 + position);
    FIRST_KINDS.iter().position(|other| *other == kind).or(last).unwrap_or(FIRST_KINDS.len())
}

/// Kinds that the release itself defines, each with true if it is namespaced.
fn custom_kinds(components: &[RenderedComponent]) -> HashMap<(String, String), bool> {
    components
        .iter()
        .flat_map(|component| &component.objects)
        .filter(|object| text(object, "/kind") == "CustomResourceDefinition")
        .map(|object| {
            let key = (text(object, "/spec/group").to_owned(), text(object, "/spec/names/kind").to_owned());
            (key, text(object, "/spec/scope") == "Namespaced")
        })
        .collect()
}

fn acceptable(component: &RenderedComponent, object: &Value) -> Result<()> {
    let refuse =
        |field: &str, what: &str| Err(BuildError::at(codes::MANIFEST_INVALID, component.place(object, field), what));
    let kind = text(object, "/kind");
    if kind.is_empty() || text(object, "/apiVersion").is_empty() {
        return refuse("", "an object needs apiVersion and kind");
    }
    if object.pointer("/metadata/generateName").is_some() {
        return refuse(": metadata.generateName", "a generated name differs each time it is applied: give a name");
    }
    if text(object, "/metadata/name").is_empty() {
        return refuse("", "an object needs a name");
    }
    match kind {
        "Namespace" => {
            let name = text(object, "/metadata/name");
            let hint = format!(
                "Leave it out of the manifests. For objects of the component in it, list `{name}` under `namespaces` \
                 of the component; then a chart's object is also left out."
            );
            let what = "components bring no Namespace: Landfall makes it, with its policies";
            return Err(BuildError::at(codes::MANIFEST_INVALID, component.place(object, ""), what).hint(hint));
        }
        kind if kind.ends_with("List") && object.get("items").is_some() => {
            return refuse("", "a list of objects is not an object: write them one by one");
        }
        _ => {}
    }
    let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
    if let Some(hook) = annotations.and_then(|found| HOOKS.iter().find(|hook| found.contains_key(**hook))) {
        return refuse(
            ": metadata.annotations",
            &format!("Landfall runs no hooks ({hook}): make it an object without hooks"),
        );
    }
    Ok(())
}

/// Returns one error for all Secrets of a component with values, with lines that declare them.
fn without_values(definition: &Definition, component: &RenderedComponent, objects: &[Value]) -> Result<()> {
    let has_values = |object: &&Value| object["kind"] == "Secret" && secret_entry::has_values(object);
    let secrets: Vec<_> = objects.iter().filter(has_values).collect();
    let Some(first) = secrets.first() else { return Ok(()) };
    let others: Vec<_> = secrets[1..].iter().map(|secret| title(secret)).collect();
    let others = if others.is_empty() { String::new() } else { format!(", as would those of {}", others.join(", ")) };
    let what = format!("its values would travel in the clear{others}: declare it under `secrets` of the component");
    let name = &definition.release.components[component.index].name.value;
    let hint = secret_entry::hint(name, secrets.iter().map(|secret| SecretEntry::of_object(secret)));
    Err(BuildError::at(codes::MANIFEST_INVALID, component.place(first, ""), what).hint(hint))
}

/// API groups that many charts require, each with the software that provides it.
const BROUGHT_BY: [(&str, &str); 12] = [
    ("acme.cert-manager.io", "cert-manager"),
    ("cert-manager.io", "cert-manager"),
    ("external-secrets.io", "the External Secrets Operator"),
    ("gateway.networking.k8s.io", "the Gateway API"),
    ("keda.sh", "KEDA"),
    ("kyverno.io", "Kyverno"),
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"),
    ("monitoring.coreos.com", "the Prometheus Operator, such as the chart prometheus-operator-crds"),
    ("networking.istio.io", "Istio, such as its chart base"),
    ("security.istio.io", "Istio, such as its chart base"),
    ("serving.knative.dev", "Knative Serving"),
    ("snapshot.storage.k8s.io", "the snapshot controller of CSI"),
];

/// Error for an object of an undefined kind; it lists all others of the component like it.
fn undefined_kind_error(component: &RenderedComponent, object: &Value, all: &[&Value]) -> BuildError {
    let (kind, of_group) = (text(object, "/kind"), group(object));
    let mut what = format!("no CustomResourceDefinition of this release defines {kind} of {of_group}");
    let titles: Vec<_> = all.iter().map(|object| title(object)).collect();
    let others: Vec<_> = titles.iter().filter(|other| **other != title(object)).map(String::as_str).collect();
    if !others.is_empty() {
        let _infallible = write!(what, ", and none those of {}", others.join(", "));
    }
    let groups: BTreeSet<_> = all.iter().map(|object| group(object)).collect();
    BuildError::at(codes::MANIFEST_INVALID, component.place(object, ""), what).hint(bring(&groups, &titles))
}

/// Hint with the components to add for kinds of these groups.
fn bring(groups: &BTreeSet<&str>, titles: &[String]) -> String {
    let software = |group: &&str| {
        let known = BROUGHT_BY.iter().find(|(known, _)| known == group).map(|(_, software)| *software);
        known.map_or_else(|| format!("the software that owns {group}"), str::to_owned)
    };
    let software: BTreeSet<_> = groups.iter().map(software).collect();
    let software = software.into_iter().collect::<Vec<_>>().join("; with ");
    let objects = if titles.len() == 1 { "object" } else { "objects" };
    let titles: Vec<_> = titles.iter().map(|title| format!("`{title}`")).collect();
    let titles = titles.join(", ");
    format!(
        "Add a component with {software}, whose CustomResourceDefinitions come with it, and list it under `needs` of \
         this one. Without that software, switch the {objects} off by the chart's values, or list {titles} under \
         `leaveOut` of the chart."
    )
}

/// Returns true if the kind of an object is namespaced; `None` if it is unknown.
fn is_namespaced(object: &Value, custom: &HashMap<(String, String), bool>) -> Option<bool> {
    let (group, kind) = (group(object), text(object, "/kind"));
    // API groups of Kubernetes have no dot, or end with `k8s.io`.
    let of_kubernetes = !group.contains('.') || group.ends_with(".k8s.io");
    let own = || of_kubernetes.then(|| !CLUSTER_KINDS.contains(&kind));
    custom.get(&(group.to_owned(), kind.to_owned())).copied().or_else(own)
}

/// Sets the namespace of an object, or removes that of a cluster-scoped one. Returns a remark on the removal.
fn place_in(
    component: &RenderedComponent,
    object: &mut Value,
    namespaced: bool,
    namespace: &str,
    declared: &[Spanned<String>],
) -> Result<Option<String>> {
    let kind = text(object, "/kind").to_owned();
    if !namespaced {
        // As in the API server, its value does not matter.
        let dropped = object["metadata"].as_object_mut().and_then(|metadata| metadata.remove("namespace"));
        let place = component.place(object, ": metadata.namespace");
        let remark = |dropped: Value| format!("{place}{dropped} is dropped, since a {kind} has no namespace");
        return Ok(dropped.filter(|dropped| *dropped != "").map(remark));
    }
    let found = text(object, "/metadata/namespace").to_owned();
    let wrong = |what: String| {
        Err(BuildError::at(codes::MANIFEST_INVALID, component.place(object, ": metadata.namespace"), what))
    };
    if found.is_empty() {
        object["metadata"]["namespace"] = json!(namespace);
    } else if found != namespace && !declared.iter().any(|declared| declared.value == found) {
        let what = format!("`{found}` is not the component's namespace `{namespace}`, and none of its `namespaces`");
        let hint = format!("Set the namespace `{namespace}`, or list `{found}` under `namespaces` of the component.");
        return wrong(what).map_err(|error| error.hint(hint));
    }
    Ok(None)
}
