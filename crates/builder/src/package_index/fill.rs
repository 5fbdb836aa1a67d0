//! Lists of a package index, made from files in the store.

use std::collections::HashSet;
use std::io;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{CodedError as _, codes};
use landfall_media::store::ContentStore;
use landfall_packages::npm::{self, NpmError, NpmList, NpmPackage, TARBALL_ENDING, part_name};
use landfall_packages::{FileReader, PackagesError, WHEEL_LIST_NAME, Wheel, WheelList, WheelName, inspect};
use landfall_release_document::{ArtifactEntry, ArtifactFile, ArtifactKind};
use serde_json::{Value, json};

use super::objects::{NPM_LIST_FOLDER, NPM_LIST_VOLUME, npm_name, pod, push, wheels_name};
use crate::definition::{Definition, ObjectSource};
use crate::error::{BuildError, Place, Result};
use crate::fetched::FetchedArtifact;
use crate::files::artifact_entry;
use crate::rendered::RenderedComponent;

/// Packages that one component serves.
#[derive(Default)]
struct ServedPackages {
    wheels: Vec<Wheel>,
    packages: Vec<NpmPackage>,
}

/// Reads the files in the store and writes the lists of each package index into its objects.
///
/// The digest of a list is an argument of the program. So a changed list restarts the pods, and no pod serves an older
/// list.
pub fn fill(
    definition: &Definition,
    components: &mut [RenderedComponent],
    fetched: &[FetchedArtifact],
    store: &ContentStore,
) -> Result<()> {
    for component in components {
        let written = &definition.release.components[component.index];
        let Some(ObjectSource::PackageIndex(_)) = written.source() else { continue };
        let ServedPackages { wheels, packages } = served_packages(definition, component.index, fetched, store)?;
        let place = definition.place(&written.name, format!("components[{}].packageIndex", component.index));
        let name = &written.name.value;
        if !wheels.is_empty() {
            let bytes = WheelList::new(wheels).and_then(|list| list.to_bytes());
            write_wheels(component, name, bytes.map_err(|error| Fault::Wheels(error).together(place.clone()))?)?;
        }
        if !packages.is_empty() {
            let parts = NpmList::new(packages).and_then(|list| list.to_parts());
            write_parts(&mut component.objects, name, parts.map_err(|error| Fault::Npm(error).together(place))?)?;
        }
    }
    Ok(())
}

/// Checks wheels and npm packages that no package index serves: pods install them from mounted artifacts.
pub fn check_mounted(definition: &Definition, fetched: &[FetchedArtifact], store: &ContentStore) -> Result<()> {
    let of_indexes = definition.release.components.iter().filter_map(|component| match component.source() {
        Some(ObjectSource::PackageIndex(served)) => Some(served),
        _ => None,
    });
    let served: HashSet<_> = of_indexes.flatten().map(|artifact| artifact.value.as_str()).collect();
    for (number, (named, fetched)) in definition.release.artifacts.iter().zip(fetched).enumerate() {
        if served.contains(named.name.value.as_str()) {
            continue;
        }
        let entry = artifact_entry(named, fetched)?;
        let read = match entry.kind {
            ArtifactKind::Wheels => inspected_wheels(&entry, store).map(drop),
            ArtifactKind::Npm => inspected_packages(&entry, store).map(drop),
            _ => Ok(()),
        };
        let place = || definition.place(&named.name, format!("artifacts[{number}].name"));
        read.map_err(|fault| fault.of_mounted(place(), &entry.reference).refusing(&fetched.pin.reference))?;
    }
    Ok(())
}

/// Packages of a component's artifacts. Each artifact must have at least one.
fn served_packages(
    definition: &Definition,
    index: usize,
    fetched: &[FetchedArtifact],
    store: &ContentStore,
) -> Result<ServedPackages> {
    let mut all = ServedPackages::default();
    let Some(ObjectSource::PackageIndex(served)) = definition.release.components[index].source() else {
        return Ok(all);
    };
    for (number, artifact) in served.iter().enumerate() {
        let found = definition.release.artifacts.iter().zip(fetched).find(|(it, _)| it.name.value == artifact.value);
        let Some((named, fetched)) = found else { continue };
        let entry = artifact_entry(named, fetched)?;
        let read = match entry.kind {
            ArtifactKind::Npm => packages_of(&entry, store).map(|packages| all.packages.extend(packages)),
            _ => wheels_of(&entry, store).map(|wheels| all.wheels.extend(wheels)),
        };
        let place = || definition.place(artifact, format!("components[{index}].packageIndex[{number}]"));
        read.map_err(|fault| fault.of(place(), &entry.reference).refusing(&fetched.pin.reference))?;
    }
    Ok(all)
}

/// Wheels of an artifact. Its other files, such as a file of requirements, are mounted but not served.
fn wheels_of(artifact: &ArtifactEntry, store: &ContentStore) -> Result<Vec<Wheel>, Fault> {
    let wheels = inspected_wheels(artifact, store)?;
    if wheels.is_empty() { Err(Fault::Wheels(PackagesError::Empty)) } else { Ok(wheels) }
}

fn inspected_wheels(artifact: &ArtifactEntry, store: &ContentStore) -> Result<Vec<Wheel>, Fault> {
    let wheels = files(artifact, WheelName::ENDING).map(|(path, file)| {
        let archive = FileReader::from(open_file(file, store)?);
        inspect(&path, file.blob.digest, file.blob.size, archive).map_err(Fault::Wheels)
    });
    wheels.collect()
}

/// npm packages of an artifact, in any of its folders. Its other files, such as a lock, are mounted but not served.
fn packages_of(artifact: &ArtifactEntry, store: &ContentStore) -> Result<Vec<NpmPackage>, Fault> {
    let packages = inspected_packages(artifact, store)?;
    if packages.is_empty() { Err(Fault::Npm(NpmError::Empty)) } else { Ok(packages) }
}

fn inspected_packages(artifact: &ArtifactEntry, store: &ContentStore) -> Result<Vec<NpmPackage>, Fault> {
    let packages = files(artifact, TARBALL_ENDING).map(|(path, file)| {
        let tarball = open_file(file, store)?;
        npm::inspect(&path, file.blob.digest, file.blob.size, tarball).map_err(Fault::Npm)
    });
    packages.collect()
}

/// Files with a suffix, each with its path in the folder of the index.
fn files<'a>(artifact: &'a ArtifactEntry, ending: &str) -> impl Iterator<Item = (String, &'a ArtifactFile)> {
    let files = artifact.files.iter().filter(move |file| file.path.ends_with(ending));
    files.map(move |file| (format!("{}/{}", artifact.name, file.path), file))
}

fn open_file(file: &ArtifactFile, store: &ContentStore) -> Result<std::fs::File, Fault> {
    Ok(fs_err::File::open(store.path(file.blob.digest)).map_err(Fault::Store)?.into_file())
}

/// Reason why files cannot be served or installed.
#[derive(Debug)]
enum Fault {
    Wheels(PackagesError),
    Npm(NpmError),
    Store(io::Error),
}

impl Fault {
    /// Error for the files of one artifact.
    fn of(self, place: Place, reference: &str) -> BuildError {
        let what = format!("the {} of {reference} cannot be served", self.noun());
        self.at(place, what)
    }

    /// Error for the files of an artifact that is only mounted.
    fn of_mounted(self, place: Place, reference: &str) -> BuildError {
        let what = format!("the {} of {reference} cannot be installed", self.noun());
        self.at(place, what)
    }

    /// Error for files of several artifacts.
    fn together(self, place: Place) -> BuildError {
        let what = format!("the {} cannot be served together", self.noun());
        self.at(place, what)
    }

    fn noun(&self) -> &'static str {
        match self {
            Self::Wheels(_) => "wheels",
            Self::Npm(_) => "npm packages",
            Self::Store(_) => "files",
        }
    }

    fn at(self, place: Place, what: String) -> BuildError {
        match self {
            Self::Wheels(error) => BuildError::at(error.code(), place, what).because(error),
            Self::Npm(error) => BuildError::at(error.code(), place, what).because(error),
            Self::Store(error) => BuildError::at(codes::BUILD_INTERRUPTED, place, what).because(error),
        }
    }
}

fn write_wheels(component: &mut RenderedComponent, name: &str, list: Vec<u8>) -> Result<()> {
    let digest = Sha256::of(&list);
    set_data(&mut component.objects, &wheels_name(name), WHEEL_LIST_NAME, list)?;
    push(pod(&mut component.objects)?, "/containers/0/args", json!(format!("--digest={digest}")))
}

/// Writes each part into its own `ConfigMap`; one volume includes all of them.
pub(super) fn write_parts(objects: &mut Vec<Value>, name: &str, parts: Vec<Vec<u8>>) -> Result<()> {
    let digest = NpmList::digest(&parts);
    for (number, part) in parts.into_iter().enumerate() {
        if number > 0 {
            add_part(objects, name, number)?;
        }
        set_data(objects, &npm_name(name, number), &part_name(number), part)?;
    }
    push(pod(objects)?, "/containers/0/args", json!(format!("--npm-digest={digest}")))
}

/// Adds another `ConfigMap` to the volume, and the argument that names its file.
fn add_part(objects: &mut Vec<Value>, name: &str, number: usize) -> Result<()> {
    let own = npm_name(name, number);
    let pod = pod(objects)?;
    let volumes = pod.pointer_mut("/volumes").and_then(Value::as_array_mut).into_iter().flatten();
    for volume in volumes.filter(|volume| volume["name"] == NPM_LIST_VOLUME) {
        push(volume, "/projected/sources", json!({ "configMap": { "name": own } }))?;
    }
    push(pod, "/containers/0/args", json!(format!("--npm-list={NPM_LIST_FOLDER}/{}", part_name(number))))?;
    let position = position_of(objects, &npm_name(name, number - 1))?;
    let mut map = objects[position].clone();
    map["metadata"]["name"] = json!(own);
    objects.insert(position + 1, map);
    Ok(())
}

fn set_data(objects: &mut [Value], name: &str, file: &str, list: Vec<u8>) -> Result<()> {
    let text = String::from_utf8(list)
        .map_err(|error| BuildError::new(codes::BUG, "a list of packages is not UTF-8").because(error))?;
    let position = position_of(objects, name)?;
    objects[position]["data"] = json!({ file: text });
    Ok(())
}

fn position_of(objects: &[Value], name: &str) -> Result<usize> {
    let is_it = |object: &Value| object["kind"] == "ConfigMap" && object["metadata"]["name"] == name;
    let position = objects.iter().position(is_it);
    position.ok_or_else(|| BuildError::new(codes::BUG, format!("a package index has no ConfigMap {name}")))
}
