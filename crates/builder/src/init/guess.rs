//! Derives facts about a component from its rendered objects: namespace, images, volumes, and missing objects that they
//! name.

use std::collections::{BTreeMap, BTreeSet};

use landfall_kinds::is_of_kubernetes;
use landfall_release_document::PodSecurity;
use serde_json::Value;

use super::InitComponent;
use super::image_fields::ImageField;
use super::made::is_made;
use super::plain::{is_left_out, quote_scalar};
use super::sources::label;
use crate::definition::Property;
use crate::reference::Reference;
use crate::render::{NeededObject, needed_objects};
use crate::rendered::title;
use crate::secret_entry;

/// A component as derived from its objects.
#[derive(Debug, Clone)]
pub struct Guess {
    /// Name of the component.
    pub name: String,
    /// Folder of the component, relative to the definition.
    pub folder: String,
    /// True if the folder is that of a chart.
    pub is_chart: bool,
    /// True if the folder already has the component's own file.
    pub has_own_file: bool,
    /// Namespace of its objects.
    pub namespace: String,
    /// Additional namespaces in which it has objects.
    pub namespaces: Vec<String>,
    /// The strictest Pod Security level that its pods satisfy.
    pub pod_security: PodSecurity,
    /// True for the console, whose image `landfall build` creates.
    pub is_console: bool,
    /// Ports at which its pods serve, each with its protocol.
    pub offers: Vec<(u64, String)>,
    /// Expected properties that it lacks.
    pub lacks: BTreeSet<Property>,
    /// Images that its objects name, as full references.
    pub images: Vec<Reference>,
    /// Fields with images inside texts, such as arguments of an operator.
    pub image_fields: Vec<ImageField>,
    /// Secrets to generate.
    pub secrets: Vec<SecretGuess>,
    /// Names of Secrets that its own software creates.
    pub made: Vec<String>,
    /// Claims that its pods mount but no component provides.
    pub mounts: Vec<String>,
    /// Other objects that its pods name but no component provides.
    pub missing: Vec<String>,
    /// Volumes with data.
    pub volumes: Vec<Volume>,
    /// Groups and kinds that it defines; `uses` holds those of other components.
    pub defines: BTreeSet<(String, String)>,
    pub uses: BTreeSet<(String, String)>,
    /// Components that it needs.
    pub needs: Vec<String>,
    /// Hooks of its chart that the release omits.
    pub left_out: Vec<String>,
    /// Description of the first look-up that its chart makes in the cluster.
    pub looks_up: Option<String>,
    /// Reason why its chart could not be rendered.
    pub problem: Option<String>,
}

/// A Secret to generate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretGuess {
    /// Name of the Secret.
    pub name: String,
    /// Keys with a random value; empty if the objects do not name any.
    pub keys: BTreeSet<String>,
    /// Keys with a value that is not secret.
    pub fixed: BTreeMap<String, String>,
    /// True if random letters and digits are suitable values.
    pub is_random: bool,
    /// True if the manifests include values for it.
    pub had_values: bool,
}

/// A volume with data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Volume {
    /// Kind and name of the workload, such as `StatefulSet/postgres`.
    pub workload: String,
    /// First container that mounts it; `None` if that is the pod's first one.
    pub container: Option<String>,
    /// Name of the volume in the pod.
    pub name: String,
    /// True if each of several pods has its own volume.
    pub is_replicated: bool,
}

impl Guess {
    /// Creates a guess before any object is read.
    pub fn new(name: &str, folder: String, is_chart: bool) -> Self {
        Self {
            name: name.to_owned(),
            folder,
            is_chart,
            has_own_file: false,
            namespace: name.to_owned(),
            namespaces: Vec::new(),
            pod_security: PodSecurity::Restricted,
            is_console: false,
            offers: Vec::new(),
            lacks: BTreeSet::new(),
            images: Vec::new(),
            image_fields: Vec::new(),
            secrets: Vec::new(),
            made: Vec::new(),
            mounts: Vec::new(),
            missing: Vec::new(),
            volumes: Vec::new(),
            defines: BTreeSet::new(),
            uses: BTreeSet::new(),
            needs: Vec::new(),
            left_out: Vec::new(),
            looks_up: None,
            problem: None,
        }
    }

    /// The field `chart` of the definition.
    pub fn chart(&self, folder: &str) -> String {
        let left_out: Vec<_> = self.left_out.iter().map(|title| quote_scalar(title)).collect();
        let left_out =
            if left_out.is_empty() { String::new() } else { format!(", leaveOut: [{}]", left_out.join(", ")) };
        let lookups = if self.looks_up.is_some() { ", lookups: empty" } else { "" };
        format!("{{folder: {}{left_out}{lookups}}}", quote_scalar(folder))
    }

    /// The component in the report of `init`.
    pub fn report(&self) -> InitComponent {
        InitComponent {
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            images: self.images.iter().map(ToString::to_string).collect(),
            problem: self.problem.clone(),
        }
    }

    /// Reads the objects of a component. `left_out` are objects that Landfall creates itself; `generated` names Secrets
    /// that come from a chart.
    pub fn read(&mut self, objects: &[Value], left_out: &[Value], generated: &[String]) {
        self.namespaces(objects, left_out);
        self.secrets = secrets(objects, left_out, generated);
        let made = self.secrets.extract_if(.., |secret| !secret.had_values && is_made(objects, &secret.name));
        self.made = made.map(|secret| secret.name).collect();
        let named = needed_objects(objects);
        let brings = |kind: &str, name: &str| {
            objects.iter().any(|object| object["kind"] == kind && text(object, "/metadata/name") == name)
        };
        for NeededObject { kind, name, .. } in named.iter().filter(|wanted| !brings(wanted.kind, &wanted.name)) {
            let list = match *kind {
                "PersistentVolumeClaim" => &mut self.mounts,
                "Secret" => continue,
                _ => &mut self.missing,
            };
            let shown = if *kind == "PersistentVolumeClaim" { name.clone() } else { format!("{kind}/{name}") };
            if !list.contains(&shown) {
                list.push(shown);
            }
        }
        let is_own = |claim: &str| brings("PersistentVolumeClaim", claim);
        let volumes: BTreeSet<_> = objects.iter().flat_map(|object| volumes(object, &is_own)).collect();
        self.volumes = volumes.into_iter().collect();
        self.defines = objects.iter().filter_map(defined_kind).collect();
        self.uses = objects.iter().map(group_and_kind).filter(|(group, _)| !is_of_kubernetes(group)).collect();
    }

    /// Determines the namespace: that of a Namespace object, otherwise the most frequent one, otherwise the component's
    /// name.
    fn namespaces(&mut self, objects: &[Value], left_out: &[Value]) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for namespace in
            objects.iter().map(|object| text(object, "/metadata/namespace")).filter(|name| !name.is_empty())
        {
            *counts.entry(namespace).or_default() += 1;
        }
        let made = left_out.iter().filter(|object| object["kind"] == "Namespace").map(|it| text(it, "/metadata/name"));
        let made: Vec<_> = made.collect();
        let most = counts.iter().max_by_key(|(_, count)| **count).map(|(name, _)| *name);
        let own = match made[..] {
            [one] => Some(one),
            _ => most,
        };
        if let Some(own) = own {
            own.clone_into(&mut self.namespace);
        }
        self.namespaces =
            counts.keys().filter(|name| **name != self.namespace).map(|name| (*name).to_owned()).collect();
    }
}

/// Adds the dependencies of each component: DNS and storage from the platform, and the components that define its
/// kinds.
pub fn needs(guesses: &mut [Guess]) {
    let defined: Vec<_> = guesses.iter().map(|guess| (guess.name.clone(), guess.defines.clone())).collect();
    for guess in guesses {
        guess.needs.push("dns".to_owned());
        if !guess.volumes.is_empty() {
            guess.needs.push("storage".to_owned());
        }
        let of_kinds = defined.iter().filter(|(name, kinds)| *name != guess.name && !kinds.is_disjoint(&guess.uses));
        guess.needs.extend(of_kinds.map(|(name, _)| name.clone()));
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn group_and_kind(object: &Value) -> (String, String) {
    let group = text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    (group.to_owned(), text(object, "/kind").to_owned())
}

fn defined_kind(object: &Value) -> Option<(String, String)> {
    (object["kind"] == "CustomResourceDefinition")
        .then(|| (text(object, "/spec/group").to_owned(), text(object, "/spec/names/kind").to_owned()))
}

/// Secrets with values in the manifests, and Secrets that pods name but no component provides.
fn secrets(objects: &[Value], left_out: &[Value], generated: &[String]) -> Vec<SecretGuess> {
    let mut found: BTreeMap<String, SecretGuess> = BTreeMap::new();
    let guess = |name: &str| SecretGuess {
        name: name.to_owned(),
        keys: BTreeSet::new(),
        fixed: BTreeMap::new(),
        is_random: true,
        had_values: false,
    };
    for secret in left_out.iter().filter(|object| object["kind"] == "Secret" && is_left_out(object)) {
        let name = text(secret, "/metadata/name");
        let entry = found.entry(name.to_owned()).or_insert_with(|| guess(name));
        for (key, value) in secret_entry::values(secret) {
            match value.filter(|value| secret_entry::is_plain(&key, value)) {
                Some(value) => drop(entry.fixed.insert(key, value)),
                None => drop(entry.keys.insert(key)),
            }
        }
        entry.had_values = true;
        entry.is_random = matches!(text(secret, "/type"), "" | "Opaque" | "kubernetes.io/basic-auth");
    }
    let is_brought = |name: &str| {
        generated.iter().any(|other| other == name)
            || objects.iter().any(|object| object["kind"] == "Secret" && text(object, "/metadata/name") == name)
    };
    for NeededObject { name, key, .. } in needed_objects(objects).into_iter().filter(|wanted| wanted.kind == "Secret") {
        if !is_brought(&name) {
            let entry = found.entry(name.clone()).or_insert_with(|| guess(&name));
            entry.keys.extend(key.filter(|_| !entry.had_values));
        }
    }
    found.into_values().collect()
}

/// Volumes with data of an object's pods: from claim templates, and from claims of the component.
fn volumes(object: &Value, is_own: &dyn Fn(&str) -> bool) -> Vec<Volume> {
    if !["Deployment", "StatefulSet", "DaemonSet"].contains(&text(object, "/kind")) {
        return Vec::new();
    }
    let list = |pointer: &str| object.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let templates = list("/spec/volumeClaimTemplates").map(|claim| text(claim, "/metadata/name").to_owned());
    let claims = list("/spec/template/spec/volumes")
        .filter(|volume| is_own(text(volume, "/persistentVolumeClaim/claimName")))
        .map(|volume| text(volume, "/name").to_owned());
    let mounts = |container: &&Value, name: &str| {
        container["volumeMounts"].as_array().into_iter().flatten().any(|mount| mount["name"] == *name)
    };
    let volume = |name: String| {
        let container = list("/spec/template/spec/containers").enumerate().find(|(_, it)| mounts(it, &name));
        let container = container.filter(|(index, _)| *index > 0).map(|(_, it)| text(it, "/name").to_owned());
        let is_template = list("/spec/volumeClaimTemplates").any(|claim| text(claim, "/metadata/name") == name);
        let is_replicated = is_template && object["spec"]["replicas"].as_u64().is_some_and(|count| count > 1);
        Volume { workload: title(object), container, name, is_replicated }
    };
    templates.chain(claims).map(volume).collect()
}

/// Unique names of backup rules for volumes.
pub fn rule_names(volumes: &[Volume]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for volume in volumes {
        let plain = label(&volume.name);
        let workload = volume.workload.rsplit('/').next().unwrap_or_default();
        let name = if names.contains(&plain) { label(&format!("{workload}-{plain}")) } else { plain };
        names.push(name);
    }
    names
}
