//! Objects of a package index. Its lists are empty until [`super::fill`].

use landfall_error_codes::codes;
use landfall_packages::WHEEL_LIST_NAME;
use landfall_packages::npm::NPM_LIST_NAME;
use landfall_release_document::ArtifactKind;
use serde_json::{Value, json};

use crate::definition::{ObjectSource, Release};
use crate::error::{BuildError, Result};
use crate::yaml;

const OBJECTS: &str = include_str!("objects.yaml");

/// Folder in the container with the volumes of files, each under the name of its artifact.
const FOLDER: &str = "/packages";

/// Folder of the wheel list in the container.
const WHEEL_LIST_FOLDER: &str = "/run/packages";

/// Folder of the npm list in the container.
pub(super) const NPM_LIST_FOLDER: &str = "/run/npm";

/// Name of the volume with the npm list.
pub(super) const NPM_LIST_VOLUME: &str = "npm-list";

/// Index of the `ConfigMap`s among the objects: before the pods that mount them.
const AFTER_ACCOUNT: usize = 1;

/// Name of the `ConfigMap` with the wheel list.
pub(super) fn wheels_name(component: &str) -> String {
    format!("{component}-wheels")
}

/// Name of the `ConfigMap` with a part of the npm list, counted from 0.
pub(super) fn npm_name(component: &str, part: usize) -> String {
    if part == 0 { format!("{component}-npm") } else { format!("{component}-npm-{}", part + 1) }
}

/// Creates the objects of a package index.
pub fn objects(release: &Release, index: usize) -> Result<Vec<Value>> {
    let component = &release.components[index];
    let Some(ObjectSource::PackageIndex(served)) = component.source() else {
        return Err(bug("a component is not a package index".to_owned()));
    };
    let name = component.name.value.as_str();
    let mut objects = yaml::read(&OBJECTS.replace("@{name}", name)).map_err(bug)?;
    let pod = pod(&mut objects)?;
    for (number, artifact) in served.iter().map(|artifact| &artifact.value).enumerate() {
        let claim = json!({ "claimName": artifact, "readOnly": true });
        let volume = json!({ "name": format!("packages-{number}"), "persistentVolumeClaim": claim });
        mount(pod, volume, &format!("{FOLDER}/{artifact}"))?;
    }
    let has = |kind: ArtifactKind| {
        let is_served = |name: &str| served.iter().any(|artifact| artifact.value == name);
        release.artifacts.iter().any(|artifact| artifact.kind == kind && is_served(&artifact.name.value))
    };
    let mut maps = Vec::new();
    if has(ArtifactKind::Wheels) {
        maps.push(config_map(name, &wheels_name(name)));
        let volume = json!({ "name": "list", "configMap": { "name": wheels_name(name) } });
        mount(pod, volume, WHEEL_LIST_FOLDER)?;
        push(pod, "/containers/0/args", json!(format!("--list={WHEEL_LIST_FOLDER}/{WHEEL_LIST_NAME}")))?;
    }
    if has(ArtifactKind::Npm) {
        maps.push(config_map(name, &npm_name(name, 0)));
        let sources = json!([{ "configMap": { "name": npm_name(name, 0) } }]);
        mount(pod, json!({ "name": NPM_LIST_VOLUME, "projected": { "sources": sources } }), NPM_LIST_FOLDER)?;
        push(pod, "/containers/0/args", json!(format!("--npm-list={NPM_LIST_FOLDER}/{NPM_LIST_NAME}")))?;
    }
    objects.splice(AFTER_ACCOUNT..AFTER_ACCOUNT, maps);
    Ok(objects)
}

fn bug(what: String) -> BuildError {
    BuildError::new(codes::BUG, what)
}

/// The pod specification of the Deployment.
pub(super) fn pod(objects: &mut [Value]) -> Result<&mut Value> {
    let pod = objects.iter_mut().find_map(|object| object.pointer_mut("/spec/template/spec"));
    pod.ok_or_else(|| bug("a package index has no pod".to_owned()))
}

/// A `ConfigMap` for a list of the signed files; the list is still empty.
fn config_map(component: &str, name: &str) -> Value {
    let labels = json!({ "app.kubernetes.io/name": component });
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "labels": labels }, "data": {} })
}

/// Adds a volume that the container mounts read-only.
fn mount(pod: &mut Value, volume: Value, path: &str) -> Result<()> {
    let mounted = json!({ "name": volume["name"], "mountPath": path, "readOnly": true });
    push(pod, "/volumes", volume)?;
    push(pod, "/containers/0/volumeMounts", mounted)
}

/// Appends an item to a list in an object.
pub(super) fn push(value: &mut Value, pointer: &str, item: Value) -> Result<()> {
    let list = value.pointer_mut(pointer).and_then(Value::as_array_mut);
    let list = list.ok_or_else(|| bug(format!("a package index has no {pointer}")))?;
    list.push(item);
    Ok(())
}
