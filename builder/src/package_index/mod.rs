//! A component that serves wheels to pip and uv: one line of the release definition, and `build` writes its objects and the
//! list of what it serves ([ADR 54](../../../docs/adr/0054-a-package-index-serves-what-was-signed.md)).
//!
//! ```text
//! packageIndex: [wheels] ─ expand ─▶ mounts ─ objects ─▶ rendered ─ (fetched) ─ fill ─▶ list of wheels, with digests
//! ```

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Coded as _, codes};
use landfall_media::store::ContentStore;
use landfall_packages::{FileReader, PackagesError, WHEEL_LIST_NAME, Wheel, WheelList, WheelName, inspect};
use landfall_release_document::{ArtifactEntry, ArtifactKind};
use serde_json::{Value, json};
use serde_saphyr::Spanned;

use crate::definition::{Definition, MountDefinition, ObjectSource, Release};
use crate::error::{BuildError, Place, Result};
use crate::fetch::FetchedArtifact;
use crate::pack::artifact_entry;
use crate::render::{self, Rendered};

const OBJECTS: &str = include_str!("objects.yaml");

/// The container's volumes of wheels are below this folder, each under the name of its artifact.
const FOLDER: &str = "/wheels";

/// A Service's name may have so many letters, and what is named after it has a few more.
const NAME_BYTES: usize = 52;

/// Checks what is declared, and adds the mounts of the artifacts, as if the vendor had declared them.
pub fn expand(path: &Path, release: &mut Release) -> Result<()> {
    for index in 0..release.components.len() {
        let Some(ObjectSource::PackageIndex(served)) = release.components[index].source() else { continue };
        let served = served.to_vec();
        check(path, release, index, &served)?;
        release.components[index].mounts =
            served.into_iter().map(|artifact| MountDefinition { claim: artifact.clone(), artifact }).collect();
    }
    Ok(())
}

fn check(path: &Path, release: &Release, index: usize, served: &[Spanned<String>]) -> Result<()> {
    let component = &release.components[index];
    let field = format!("components[{index}].packageIndex");
    let refused = |line: u64, field: &str, what: String| {
        Err(BuildError::at(codes::RELEASE_INVALID, Place::field(path, line, field), what))
    };
    let name = &component.name;
    if name.value.len() > NAME_BYTES || !name.value.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        let what = format!("`{}` is no name of a Service: a letter first, and at most {NAME_BYTES} in all", name.value);
        return refused(name.referenced.line(), &format!("components[{index}].name"), what);
    }
    if let Some(mount) = component.mounts.first() {
        let what = "a package index mounts what it serves, and nothing else".to_owned();
        return refused(mount.claim.referenced.line(), &format!("components[{index}].mounts"), what);
    }
    if served.is_empty() {
        let what = format!("`{}` serves no artifact", name.value);
        return Err(BuildError::at(codes::WHEELS_MISSING, Place::field(path, name.referenced.line(), field), what));
    }
    check_artifacts(release, index, served).map_err(|(number, what)| {
        let place = Place::field(path, served[number].referenced.line(), format!("{field}[{number}]"));
        BuildError::at(codes::RELEASE_INVALID, place, what)
    })
}

/// What is wrong with the artifacts that a component serves: the number of one, and why.
fn check_artifacts(release: &Release, index: usize, served: &[Spanned<String>]) -> Result<(), (usize, String)> {
    let component = &release.components[index];
    let mut seen = HashSet::new();
    for (number, artifact) in served.iter().enumerate() {
        let Some(found) = release.artifacts.iter().find(|other| other.name.value == artifact.value) else {
            return Err((number, format!("`{}` is not an artifact of this release", artifact.value)));
        };
        if found.kind != ArtifactKind::Wheels {
            return Err((number, format!("artifact `{}` is not of kind wheels", artifact.value)));
        }
        if !seen.insert(artifact.value.as_str()) {
            return Err((number, format!("artifact `{}` is named twice", artifact.value)));
        }
        // Package indexes before this one have their mounts already.
        let others = release.components.iter().enumerate().filter(|(other, _)| *other != index);
        let mut sharing = others.map(|(_, it)| it).filter(|it| it.namespace.value == component.namespace.value);
        let clash = sharing.find(|it| it.mounts.iter().any(|mount| mount.claim.value == artifact.value));
        if let Some(other) = clash {
            let what = format!(
                "`{}` has a claim `{}` in the namespace `{}` already: give the package index a namespace of its own",
                other.name.value, artifact.value, component.namespace.value
            );
            return Err((number, what));
        }
    }
    Ok(())
}

/// The objects of a component of this name that serves these artifacts. Its list is empty until [`fill`].
pub fn objects(name: &str, served: &[Spanned<String>]) -> Result<Vec<Value>> {
    let bug = |what: String| BuildError::new(codes::BUG, what);
    let mut objects = render::parse(&OBJECTS.replace("@{name}", name)).map_err(bug)?;
    let pod = objects.iter_mut().find_map(|object| object.pointer_mut("/spec/template/spec"));
    let pod = pod.ok_or_else(|| bug("a package index has no pod".to_owned()))?;
    for (number, artifact) in served.iter().map(|artifact| &artifact.value).enumerate() {
        let volume = format!("wheels-{number}");
        let claim = json!({ "claimName": artifact, "readOnly": true });
        push(pod, "/volumes", json!({ "name": &volume, "persistentVolumeClaim": claim }))?;
        let mount = json!({ "name": volume, "mountPath": format!("{FOLDER}/{artifact}"), "readOnly": true });
        push(pod, "/containers/0/volumeMounts", mount)?;
    }
    Ok(objects)
}

fn push(value: &mut Value, pointer: &str, item: Value) -> Result<()> {
    let list = value.pointer_mut(pointer).and_then(Value::as_array_mut);
    let list = list.ok_or_else(|| BuildError::new(codes::BUG, format!("a package index has no {pointer}")))?;
    list.push(item);
    Ok(())
}

/// Reads the wheels, which are in the store, and writes the list of each package index into its objects. The digest of the list
/// is an argument of the program, so that a changed list changes the pods, and none serves an older one.
pub fn fill(
    definition: &Definition,
    components: &mut [Rendered],
    fetched: &[FetchedArtifact],
    store: &ContentStore,
) -> Result<()> {
    for component in components {
        let written = &definition.release.components[component.index];
        let Some(ObjectSource::PackageIndex(served)) = written.source() else { continue };
        let mut wheels = Vec::new();
        for (number, artifact) in served.iter().enumerate() {
            let place = definition.place(artifact, format!("components[{}].packageIndex[{number}]", component.index));
            let found =
                definition.release.artifacts.iter().zip(fetched).find(|(it, _)| it.name.value == artifact.value);
            let Some((named, fetched)) = found else { continue };
            let entry = artifact_entry(named, fetched)?;
            wheels.extend(wheels_of(&entry, store).map_err(|error| refusal(error, place.clone(), &entry.reference))?);
        }
        let place = definition.place(&written.name, format!("components[{}].packageIndex", component.index));
        let bytes = WheelList::new(wheels).and_then(|list| list.to_bytes());
        write(component, bytes.map_err(|error| list_refusal(error, place))?)?;
    }
    Ok(())
}

/// The wheels of an artifact. Other files of it, such as a file of requirements, are mounted and not served.
fn wheels_of(artifact: &ArtifactEntry, store: &ContentStore) -> Result<Vec<Wheel>, WheelsFault> {
    let files = artifact.files.iter().filter(|file| file.path.ends_with(WheelName::ENDING));
    let wheels: Result<Vec<Wheel>, WheelsFault> = files
        .map(|file| {
            let (path, blob) = (format!("{}/{}", artifact.name, file.path), &file.blob);
            let opened = fs_err::File::open(store.path(blob.digest)).map_err(WheelsFault::Store)?;
            let archive = FileReader::from(opened.into_file());
            inspect(&path, blob.digest, blob.size, archive).map_err(WheelsFault::Wheel)
        })
        .collect();
    wheels.and_then(|wheels| if wheels.is_empty() { Err(WheelsFault::Wheel(PackagesError::Empty)) } else { Ok(wheels) })
}

/// Why the wheels of an artifact are not served.
#[derive(Debug)]
enum WheelsFault {
    Wheel(PackagesError),
    Store(std::io::Error),
}

fn refusal(fault: WheelsFault, place: Place, reference: &str) -> BuildError {
    match fault {
        WheelsFault::Store(error) => {
            BuildError::at(codes::BUILD_INTERRUPTED, place, format!("a wheel of {reference} cannot be read"))
                .because(error)
        }
        WheelsFault::Wheel(error) => {
            BuildError::at(error.code(), place, format!("the wheels of {reference} cannot be served")).because(error)
        }
    }
}

fn list_refusal(error: PackagesError, place: Place) -> BuildError {
    BuildError::at(error.code(), place, "the wheels cannot be served together").because(error)
}

fn write(component: &mut Rendered, list: Vec<u8>) -> Result<()> {
    let digest = Sha256::of(&list);
    let text = String::from_utf8(list)
        .map_err(|error| BuildError::new(codes::BUG, "a list of wheels is not UTF-8").because(error))?;
    for object in &mut component.objects {
        if object["kind"] == "ConfigMap" {
            object["data"] = json!({ WHEEL_LIST_NAME: text });
        }
        if object["kind"] == "Deployment" {
            push(object, "/spec/template/spec/containers/0/args", json!(format!("--digest={digest}")))?;
        }
    }
    Ok(())
}
