//! Checks that objects named by pods exist: Secrets and `ConfigMap`s with their keys, claims and service accounts. They
//! come from the release, from Landfall, or from running software.

use landfall_error_codes::codes;
use landfall_release_document::{ComponentEntry, SiteSecret};
use serde_json::Value;

use super::{items, text};
use crate::definition::{ComponentDefinition, Definition};
use crate::error::{BuildError, Result};
use crate::rendered::pods::{Pod, containers};
use crate::rendered::{RenderedComponent, pods};
use crate::secret_entry::{self, SecretEntry};

/// Objects that exist in every namespace.
const EVERYWHERE: [(&str, &str); 2] = [("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")];

/// An object that a pod names.
struct NamedObject<'a> {
    kind: &'static str,
    name: &'a str,
    /// Key of the object that is used.
    key: Option<&'a str>,
    /// JSON Pointer of the name.
    pointer: String,
}

/// Declarations and objects in a namespace.
struct Namespace<'a> {
    definitions: Vec<&'a ComponentDefinition>,
    objects: Vec<&'a Value>,
}

/// Returns an error for a pod that names an object missing in its namespace.
pub fn check(
    definition: &Definition,
    components: &[RenderedComponent],
    component: &RenderedComponent,
    object: &Value,
    pod: &Pod<'_>,
) -> Result<()> {
    let of = |index: usize| &definition.release.components[index];
    let namespace_of = |component: &RenderedComponent, object: &Value| match text(object, "/metadata/namespace") {
        "" => of(component.index).namespace.value.clone(),
        named => named.to_owned(),
    };
    let name = namespace_of(component, object);
    let sharing = components.iter().filter(|other| of(other.index).namespace.value == name);
    let here = |other: &RenderedComponent, object: &Value| namespace_of(other, object) == name;
    let objects = components
        .iter()
        .flat_map(|other| other.objects.iter().filter(|object| here(other, object)).collect::<Vec<_>>());
    let namespace =
        Namespace { definitions: sharing.map(|other| of(other.index)).collect(), objects: objects.collect() };
    for named in named_objects(pod) {
        if named.kind == "PersistentVolumeClaim" && pod.claims.contains(&named.name) {
            continue;
        }
        if let Some(what) = namespace.lacks(&named) {
            let place = component.place(object, &format!(": {}", named.pointer));
            let error = BuildError::at(codes::DANGLING_REFERENCE, place, what);
            let is_secret = named.kind == "Secret" && !named.key.is_none_or(str::is_empty);
            return Err(if is_secret {
                error.hint(namespace.declaration(of(component.index), named.name))
            } else {
                error
            });
        }
    }
    Ok(())
}

impl Namespace<'_> {
    /// Error text if a named object or its key is missing.
    fn lacks(&self, named: &NamedObject<'_>) -> Option<String> {
        let NamedObject { kind, name, key, .. } = named;
        let title = format!("{kind}/{name}");
        let is_of_console = |it: &&ComponentDefinition| {
            let secrets = ComponentEntry::CONSOLE_SECRETS.map(|secret| format!("Secret/{secret}"));
            it.is_console() && secrets.contains(&title)
        };
        let is_made =
            |it: &&ComponentDefinition| is_of_console(it) || it.made_on_site.iter().any(|made| made.value == title);
        if EVERYWHERE.contains(&(*kind, *name)) || self.definitions.iter().any(is_made) {
            return None;
        }
        let Some(keys) = self.keys(kind, name) else {
            let near = landfall_suggestion::did_you_mean(name, self.names(kind));
            return Some(format!("no component of this namespace brings the {kind} `{name}`{near}"));
        };
        let (key, keys) = ((*key)?, keys?);
        if keys.contains(&key) {
            return None;
        }
        let near = landfall_suggestion::nearest(key, keys.iter().copied());
        let near =
            near.map_or_else(|| format!(", only {}", keys.join(", ")), |near| format!("; did you mean `{near}`?"));
        Some(format!("the {kind} `{name}` has no key `{key}`{near}"))
    }

    /// Keys of an object with this name; `None` if there is none, `Some(None)` if software fills it.
    #[expect(clippy::option_option, reason = "a missing object differs from one with unknown keys")]
    fn keys(&self, kind: &str, name: &str) -> Option<Option<Vec<&str>>> {
        if let Some(secret) = self.secrets().find(|secret| kind == "Secret" && secret.name.value == name) {
            return Some(Some(secret.keys().collect()));
        }
        if let Some(secret) = self.site_secrets().find(|secret| kind == "Secret" && secret.name == name) {
            return Some(Some(secret.keys().collect()));
        }
        if kind == "PersistentVolumeClaim" && self.claims().any(|claim| claim == name) {
            return Some(None);
        }
        let object =
            self.objects.iter().find(|object| object["kind"] == kind && text(object, "/metadata/name") == name)?;
        let fields = ["data", "binaryData"].into_iter().filter_map(|field| object[field].as_object());
        let keys: Vec<_> = fields.flat_map(|map| map.keys().map(String::as_str)).collect();
        // A Secret of the release has no values: a controller fills it.
        Some((kind == "ConfigMap").then_some(keys))
    }

    /// Hint for a missing Secret or key: a line that declares it with all keys that pods here use.
    fn declaration(&self, component: &ComponentDefinition, name: &str) -> String {
        let declared = self.secrets().find(|secret| secret.name.value == name);
        let mut entry = declared.map_or_else(
            || SecretEntry::new(name),
            |secret| SecretEntry::with(&secret.name.value, &secret.random, &secret.fixed),
        );
        for pod in self.objects.iter().filter_map(|object| pods::of(object)) {
            let wanted =
                needed_objects(&pod).into_iter().filter(|wanted| wanted.kind == "Secret" && wanted.name == name);
            wanted.filter_map(|wanted| wanted.key).for_each(|key| entry.add(key));
        }
        let hint = secret_entry::hint(&component.name.value, [entry]);
        format!("{hint} Where software makes the Secret at the site, list `Secret/{name}` under `madeOnSite` instead.")
    }

    fn secrets(&self) -> impl Iterator<Item = &crate::definition::SecretDefinition> {
        self.definitions.iter().flat_map(|definition| &definition.secrets)
    }

    fn site_secrets(&self) -> impl Iterator<Item = &SiteSecret> {
        self.definitions.iter().flat_map(|definition| &definition.site_secrets).map(|secret| &secret.value)
    }

    fn claims(&self) -> impl Iterator<Item = &str> {
        self.definitions.iter().flat_map(|definition| &definition.mounts).map(|mount| mount.claim.value.as_str())
    }

    fn names<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        let objects = self.objects.iter().filter(move |object| object["kind"] == kind);
        let secrets = self.secrets().filter(move |_| kind == "Secret").map(|secret| secret.name.value.as_str());
        let claims = self.claims().filter(move |_| kind == "PersistentVolumeClaim");
        let given = self.site_secrets().filter(move |_| kind == "Secret").map(|secret| secret.name.as_str());
        objects.map(|object| text(object, "/metadata/name")).chain(secrets).chain(given).chain(claims)
    }
}

/// An object that a pod names, as owned data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NeededObject {
    pub kind: &'static str,
    pub name: String,
    /// Key of the object that is used.
    pub key: Option<String>,
}

/// Everything that a pod names, except claims created for it and objects that exist in every namespace.
pub(crate) fn needed_objects(pod: &Pod<'_>) -> Vec<NeededObject> {
    let is_made = |named: &NamedObject<'_>| {
        EVERYWHERE.contains(&(named.kind, named.name))
            || (named.kind == "PersistentVolumeClaim" && pod.claims.contains(&named.name))
    };
    let named = named_objects(pod).into_iter().filter(|named| !is_made(named));
    named
        .map(|NamedObject { kind, name, key, .. }| NeededObject {
            kind,
            name: name.to_owned(),
            key: key.map(str::to_owned),
        })
        .collect()
}

/// Every object that a pod names and that must exist.
fn named_objects<'a>(pod: &'a Pod<'_>) -> Vec<NamedObject<'a>> {
    let mut found = Vec::new();
    let mut add = |kind, name: &'a Value, key: Option<&'a str>, pointer: String| {
        if let Some(name) = name.as_str() {
            found.push(NamedObject { kind, name, key, pointer });
        }
    };
    let spec = pod.spec;
    add("ServiceAccount", &spec["serviceAccountName"], None, format!("{}/serviceAccountName", pod.pointer));
    for (index, secret) in items(spec, "imagePullSecrets").enumerate() {
        add("Secret", &secret["name"], None, format!("{}/imagePullSecrets/{index}", pod.pointer));
    }
    for (index, volume) in items(spec, "volumes").enumerate() {
        let at = format!("{}/volumes/{index}", pod.pointer);
        add("PersistentVolumeClaim", &volume["persistentVolumeClaim"]["claimName"], None, at.clone());
        for source in std::iter::once(volume).chain(items(&volume["projected"], "sources")) {
            for (kind, source) in [("Secret", &source["secret"]), ("ConfigMap", &source["configMap"])] {
                if source["optional"] == true {
                    continue;
                }
                let name = if source["secretName"].is_string() { &source["secretName"] } else { &source["name"] };
                add(kind, name, None, at.clone());
                for item in items(source, "items") {
                    add(kind, name, item["key"].as_str(), at.clone());
                }
            }
        }
    }
    for (at, container) in containers(pod) {
        for (index, variable) in items(container, "env").enumerate() {
            let from = &variable["valueFrom"];
            for (kind, source) in [("Secret", &from["secretKeyRef"]), ("ConfigMap", &from["configMapKeyRef"])] {
                if source["optional"] != true {
                    add(kind, &source["name"], source["key"].as_str(), format!("{at}/env/{index}"));
                }
            }
        }
        for (index, source) in items(container, "envFrom").enumerate() {
            for (kind, source) in [("Secret", &source["secretRef"]), ("ConfigMap", &source["configMapRef"])] {
                if source["optional"] != true {
                    add(kind, &source["name"], None, format!("{at}/envFrom/{index}"));
                }
            }
        }
    }
    found
}
