//! Comparison of a bundle's objects with those of `helm template`, for the same chart, values, namespace and name.
//!
//! kubectl reads Helm's output, so that Landfall's readers do not decide whether a value is a number or a text.
//! Landfall's documented changes count as equal: images with digests, namespaces, names of Jobs, annotations of hooks,
//! Secrets, and omissions.

#![expect(clippy::disallowed_methods, reason = "files of an experiment, removed with it")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Annotation that kubectl sets, because kubectl prints its input only if it changes something.
const READ: &str = "landfall.example/read";

/// Suffix of Job names for the version that `init` writes.
const VERSION: &str = "-0-1-0";

/// Annotation that makes an object a hook, and prefix of other annotations about it.
const HOOK: &str = "helm.sh/hook";

/// Prefix of annotations that differ if a Secret differs.
const CHECKSUM: &str = "checksum/";

/// Prefix of an image's digest.
const DIGEST: &str = "@sha256:";

/// API versions that every Kubernetes serves, but that Helm does not know without a cluster.
const SERVED: &str = "apiregistration.k8s.io/v1,apiextensions.k8s.io/v1,networking.k8s.io/v1/IngressClass";

/// Maximum number of listed differences.
const LISTED: usize = 5;

/// A built chart.
pub struct Chart<'a> {
    /// Folder of the release.
    pub release: &'a Path,
    /// Folder of the bundle.
    pub bundle: &'a Path,
    /// Folder of the chart.
    pub source: &'a Path,
    /// Name of its component, and of its release in Helm.
    pub name: &'a str,
}

/// Result of a comparison.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Number of compared objects.
    pub objects: usize,
    /// Places where they differ.
    pub differences: Vec<String>,
}

/// A release's declarations about a chart's objects.
#[derive(Debug, Default)]
struct ChartDeclarations {
    namespace: String,
    namespaces: BTreeSet<String>,
    left_out: BTreeSet<String>,
    repeatable: BTreeSet<String>,
    secrets: BTreeSet<String>,
    values: Vec<String>,
}

impl Chart<'_> {
    /// Folder with the component's own file.
    fn own_folder(&self) -> PathBuf {
        self.release.join("manifests").join(self.name)
    }

    /// Compares a bundle's objects with Helm's.
    pub fn compare(&self, helm: &Path, kubectl: &Path) -> Result<Comparison> {
        let head = self.head()?;
        let (declared, built) = (self.read_declarations(&head)?, self.built_objects(&head)?);
        let render = |is_upgrade| self.rendered_objects(helm, kubectl, &declared, is_upgrade);
        let mut rendered = render(false)?;
        if !declared.repeatable.is_empty() {
            // A chart that looks up the passwords of an earlier install is built as for a new one.
            let at_upgrade = render(true).unwrap_or_default().into_iter();
            rendered.extend(at_upgrade.filter(|object| declared.repeatable.contains(&title(object))));
        }
        Ok(compare_objects(&declared, &built, &rendered))
    }

    fn head(&self) -> Result<Head> {
        let mut files = std::fs::read_dir(self.bundle)?.filter_map(|entry| Some(entry.ok()?.path()));
        let head = files.find(|path| path.extension().is_some_and(|end| end == "head")).context("no head")?;
        let release = document(&head, "documents/release.json")?;
        let components = release["components"].as_array().cloned().unwrap_or_default();
        let stages = [format!("{}-before", self.name), format!("{}-after", self.name)];
        let is_own = |component: &Value| {
            let name = component["name"].as_str().unwrap_or_default();
            name == self.name || stages.iter().any(|stage| name.starts_with(stage.as_str()))
        };
        let components = components.into_iter().filter(is_own).collect();
        Ok(Head { path: head, components })
    }

    fn read_declarations(&self, head: &Head) -> Result<ChartDeclarations> {
        let text = std::fs::read_to_string(self.release.join("release.yaml"))?;
        let release: Value = serde_saphyr::from_str(&text)?;
        let mut components = release["components"].as_array().into_iter().flatten();
        let listing = components.find(|component| component["name"] == self.name).context("no component")?;
        let own_file = self.own_folder().join("component.yaml");
        let component: Value = serde_saphyr::from_str(&std::fs::read_to_string(own_file)?)?;
        let list = |value: &Value| {
            let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            texts.map(str::to_owned).collect::<Vec<_>>()
        };
        let chart = &component["chart"];
        let secrets = ["secrets", "siteSecrets"].into_iter();
        let secrets = secrets.flat_map(|field| head.components.iter().map(move |component| &component[field]));
        let secrets = secrets.filter_map(Value::as_array).flatten().filter_map(|secret| secret["name"].as_str());
        Ok(ChartDeclarations {
            namespace: listing["namespace"].as_str().unwrap_or_default().to_owned(),
            namespaces: list(&component["namespaces"]).into_iter().collect(),
            left_out: list(&chart["leaveOut"]).into_iter().collect(),
            repeatable: list(&chart["repeatable"]).into_iter().collect(),
            secrets: secrets.map(str::to_owned).collect(),
            values: list(&chart["values"]),
        })
    }

    fn built_objects(&self, head: &Head) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        for component in &head.components {
            let objects = document(&head.path, component["objects"].as_str().context("no objects")?)?;
            found.extend(objects.as_array().cloned().unwrap_or_default());
        }
        ensure!(!head.components.is_empty(), "the bundle has no component {}", self.name);
        Ok(found)
    }

    /// Returns Helm's output as parsed by kubectl.
    fn rendered_objects(
        &self,
        helm: &Path,
        kubectl: &Path,
        declared: &ChartDeclarations,
        is_upgrade: bool,
    ) -> Result<Vec<Value>> {
        let lock = std::fs::read_to_string(self.release.join("images.lock"))?;
        let (_, version) = lock.split_once("registry.k8s.io/kube-apiserver:").context("no API server")?;
        let version = version.split_whitespace().next().unwrap_or_default();
        let mut command = Command::new(helm);
        command.args(["template", self.name]).arg(self.source).args(["--namespace", &declared.namespace]);
        command.args(["--include-crds", "--kube-version", version, "--api-versions", SERVED]);
        if is_upgrade {
            command.arg("--is-upgrade");
        }
        for file in &declared.values {
            command.arg("--values").arg(self.own_folder().join(file));
        }
        let output = command.env("KUBECONFIG", "/dev/null").stdin(Stdio::null()).output().context("cannot run Helm")?;
        ensure!(output.status.success(), "Helm refuses it: {}", String::from_utf8_lossy(&output.stderr));
        let printed = self.release.join("helm-template.yaml");
        std::fs::write(&printed, &output.stdout)?;
        read(kubectl, &printed)
    }
}

/// The head of a bundle, with the components of a chart.
struct Head {
    path: std::path::PathBuf,
    components: Vec<Value>,
}

/// Returns a document of a bundle's head.
fn document(head: &Path, name: &str) -> Result<Value> {
    // tar reports an unexpected end of the archive, because a head is only its beginning.
    let output = Command::new("tar").args(["--extract", "--to-stdout", "--file"]).arg(head).arg(name).output()?;
    serde_json::from_slice(&output.stdout).with_context(|| format!("the head has no {name}"))
}

/// Returns the objects of a file as parsed by kubectl.
fn read(kubectl: &Path, file: &Path) -> Result<Vec<Value>> {
    let mut command = Command::new(kubectl);
    command.args(["annotate", "--local", "--output", "json", &format!("{READ}=1"), "--filename"]).arg(file);
    let output = command.env("KUBECONFIG", "/dev/null").stdin(Stdio::null()).output().context("cannot run kubectl")?;
    ensure!(output.status.success(), "kubectl cannot read it: {}", String::from_utf8_lossy(&output.stderr));
    let objects = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let objects = objects.map(|object| {
        let mut object = object?;
        if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            annotations.remove(READ);
        }
        Ok(object)
    });
    objects.collect()
}

/// Compares objects, regardless of their order.
fn compare_objects(declared: &ChartDeclarations, built: &[Value], rendered: &[Value]) -> Comparison {
    let key = |object: &Value, is_built: bool| {
        let name = text(object, "/metadata/name");
        let is_job = is_built && object["kind"] == "Job" && object["apiVersion"] == "batch/v1";
        let name = if is_job { name.strip_suffix(VERSION).unwrap_or(name) } else { name };
        let group = text(object, "/apiVersion").split('/').next().unwrap_or_default();
        let namespace = Some(text(object, "/metadata/namespace")).filter(|name| !name.is_empty());
        let namespace = namespace.unwrap_or(&declared.namespace).to_owned();
        (group.to_owned(), text(object, "/kind").to_owned(), namespace, name.to_owned())
    };
    let mut expected: BTreeMap<_, _> = rendered.iter().map(|object| (key(object, false), object)).collect();
    let mut found = Comparison { objects: built.len(), differences: Vec::new() };
    for object in built {
        let of_built = key(object, true);
        // A cluster-scoped object has no namespace, even if one is specified.
        let other = expected.remove(&of_built).or_else(|| {
            let (group, kind, _, name) = &of_built;
            let same = expected.keys().find(|(one, other, _, named)| (one, other, named) == (group, kind, name));
            let same = same.filter(|_| object.pointer("/metadata/namespace").is_none()).cloned();
            same.and_then(|same| expected.remove(&same))
        });
        match other {
            Some(other) => {
                let mut pointers = Vec::new();
                differences(&plain(other), &plain(object), "", &mut pointers);
                found.differences.extend(pointers.into_iter().map(|pointer| format!("{}: {pointer}", title(other))));
            }
            None => found.differences.push(format!("{} is the bundle's alone", title(object))),
        }
    }
    let missing = expected.into_values().filter(|object| !declared.is_left_out(object));
    found.differences.extend(missing.map(|object| format!("{} is Helm's alone", title(object))));
    found
}

impl ChartDeclarations {
    /// Returns true if a release omits an object of Helm's, or creates it itself.
    fn is_left_out(&self, object: &Value) -> bool {
        let name = text(object, "/metadata/name");
        let is_of_landfall = match text(object, "/kind") {
            "Namespace" => name == self.namespace || self.namespaces.contains(name),
            "Secret" => self.secrets.contains(name),
            _ => false,
        };
        let events = object["metadata"]["annotations"][HOOK].as_str().unwrap_or_default();
        let is_test = events.split(',').any(|event| ["test", "test-success"].contains(&event.trim()));
        is_of_landfall || is_test || self.left_out.contains(&title(object))
    }
}

/// Returns an object without the fields that Landfall changes, for either side.
fn plain(object: &Value) -> Value {
    let mut object = object.clone();
    if object["kind"] == "Job" && object["apiVersion"] == "batch/v1" {
        let name = text(&object, "/metadata/name");
        object["metadata"]["name"] = name.strip_suffix(VERSION).unwrap_or(name).into();
        if let Some(spec) = object["spec"].as_object_mut() {
            spec.remove("ttlSecondsAfterFinished");
        }
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("namespace");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|key, _| !key.starts_with(HOOK));
        }
        if metadata.get("annotations").is_some_and(|map| map.as_object().is_none_or(serde_json::Map::is_empty)) {
            metadata.remove("annotations");
        }
    }
    object
}

/// Adds pointers to the smallest parts in which a bundle's object differs from Helm's.
fn differences(helm: &Value, built: &Value, pointer: &str, found: &mut Vec<String>) {
    match (helm, built) {
        (Value::Object(fields), Value::Object(others)) => {
            let keys: BTreeSet<_> = fields.keys().chain(others.keys()).collect();
            for key in keys {
                let below = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (fields.get(key), others.get(key)) {
                    (Some(field), Some(other)) => differences(field, other, &below, found),
                    (Some(_), None) if key.starts_with(CHECKSUM) => {}
                    _ => found.push(below),
                }
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                differences(item, other, &format!("{pointer}/{index}"), found);
            }
        }
        (Value::Number(one), Value::Number(other))
            if one.as_i64() == other.as_i64() && one.as_f64() == other.as_f64() => {}
        (Value::String(one), Value::String(other)) if is_bound(one, other) => {}
        (one, other) if one == other => {}
        _ => found.push(pointer.to_owned()),
    }
}

/// Returns true if a text is an image of Helm's with the digest that the lock pins.
fn is_bound(helm: &str, built: &str) -> bool {
    // Some operators accept a digest in the field of a tag.
    let is_digest = |text: &str| text.len() == 71 && text.starts_with(&DIGEST[1..]);
    let Some((built, _)) = built.split_once(DIGEST) else { return is_digest(built) && !is_digest(helm) };
    let helm = helm.split_once(DIGEST).map_or(helm, |(named, _)| named);
    let (host, path) = match helm.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path.to_owned()),
        Some(_) => ("docker.io", helm.to_owned()),
        None => ("docker.io", format!("library/{helm}")),
    };
    let path =
        if path.contains('/') { path } else { format!("{}{path}", if host == "docker.io" { "library/" } else { "" }) };
    let full = format!("{host}/{path}");
    built == full || built == format!("{full}:latest") || built == helm
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn title(object: &Value) -> String {
    format!("{}/{}", text(object, "/kind"), text(object, "/metadata/name"))
}

impl Comparison {
    /// Returns a short description of the differences, or None if there are none.
    pub fn summary(&self) -> Option<String> {
        let listed = self.differences.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
        let more = self.differences.len().saturating_sub(LISTED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        (!self.differences.is_empty()).then(|| format!("differs from `helm template`: {listed}{more}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(image: &str, replicas: f64) -> Value {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a" },
            "spec": { "replicas": replicas, "image": image } })
    }

    #[test]
    fn only_documented_changes_count_as_equal() {
        let digest = format!("sha256:{}", "7".repeat(64));
        for (helm, built, is_equal) in [
            ("a/b:1", format!("docker.io/a/b:1@{digest}"), true),
            ("busybox", format!("docker.io/library/busybox:latest@{digest}"), true),
            ("quay.io/a/b:1", format!("quay.io/a/b:1@{digest}"), true),
            ("1.0", format!("1.0@{digest}"), true),
            ("1.0", digest.clone(), true),
            ("quay.io/a/b:1", format!("quay.io/a/b:2@{digest}"), false),
            ("quay.io/a/b:1", "quay.io/a/b:2".to_owned(), false),
        ] {
            assert_eq!(is_bound(helm, &built), is_equal, "{helm} {built}");
        }
        let declared = ChartDeclarations {
            namespace: "web".into(),
            secrets: ["key".to_owned()].into(),
            ..ChartDeclarations::default()
        };
        let job = |name: &str, annotations: Value| {
            json!({ "apiVersion": "batch/v1", "kind": "Job",
            "metadata": { "name": name, "annotations": annotations }, "spec": {} })
        };
        let test =
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "t", "annotations": { HOOK: "test" } } });
        let secret = |name: &str| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name } });
        let hook = job("seed", json!({ HOOK: "post-install,post-upgrade", "helm.sh/hook-weight": "1" }));
        let rendered = [deployment("a/b:1", 2.0), hook, test, secret("key"), secret("other")];
        let mut built = deployment("docker.io/a/b:1", 3.0);
        built["metadata"]["namespace"] = json!("web");
        let found = compare_objects(&declared, &[built, job("seed-0-1-0", json!(null)), secret("more")], &rendered);
        let expected = [
            "Deployment/a: /spec/image",
            "Deployment/a: /spec/replicas",
            "Secret/more is the bundle's alone",
            "Secret/other is Helm's alone",
        ];
        assert_eq!((found.objects, found.differences), (3, expected.map(str::to_owned).to_vec()));
    }
}
