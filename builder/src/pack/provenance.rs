//! The provenance of a build: everything that it took in, signed as the bundle is, in a file beside it.
//!
//! Nothing here may depend on the machine, the time or the output: the same inputs give the same statement.

use std::collections::BTreeSet;
use std::path::Path;

use landfall_bundle_spec::provenance::{ExternalParameters, Material, Statement, UnsignedProvenance};
use landfall_bundle_spec::trust::{Role, Root, SigningKey};
use landfall_bundle_spec::{Sha256, Verified};
use landfall_error_codes::codes;
use landfall_inventory::{ChartEntry, purl};

use super::inputs::Inputs;
use crate::charts::Charts;
use crate::definition::{Definition, ObjectSource};
use crate::digests::Digests;
use crate::error::{BuildError, Place, Result};
use crate::lock::{ArchivePin, ArchiveSource, ArtifactPin, ChartPin, FilePin, List, Lock, Pin, RendererFields};
use crate::options::BuildOptions;
use crate::own_image;
use crate::render::{Tool, kustomization_files};
use crate::signing;

/// What signers elsewhere get to sign, by its end.
const MESSAGE_SUFFIX: &str = ".pae";

/// Kinds of materials, as statements name them.
mod kind {
    pub const ARTIFACT: &str = "artifact";
    pub const CHART: &str = "chart";
    pub const FILE: &str = "file";
    pub const IMAGE: &str = "image";
    pub const IMAGE_INDEX: &str = "image-index";
    pub const PROGRAM: &str = "program";
    pub const SOURCE: &str = "source";
}

/// What a build takes in, as far as it is known before anything is fetched.
#[derive(Debug)]
pub struct Materials {
    definition: Material,
    lock: Material,
    platform: String,
    all: Vec<Material>,
}

impl Materials {
    /// Collects what a release is rendered from, what renders it, and what the lock pins for it.
    pub fn collect(
        options: &BuildOptions,
        definition: &Definition,
        lock: &Lock,
        inputs: &Inputs,
        charts: (&Charts, &[ChartEntry]),
        digests: &Digests,
    ) -> Result<Self> {
        let mut all = sources(definition, charts.0)?;
        all.extend(programs(options, definition, lock, inputs, digests)?);
        all.extend(pinned_charts(lock, charts.1));
        all.extend(inputs.images.iter().flat_map(|pin| image(lock, pin, &definition.release.platform.value)));
        let named = definition.release.artifacts.iter().zip(&inputs.artifacts);
        all.extend(named.flat_map(|(named, pin)| artifact(&named.name.value, pin)));
        Ok(Self {
            definition: Material::new(file_name(&definition.path), definition.digest),
            lock: Material::new(file_name(&lock.path), Sha256::of(lock.text().as_bytes())),
            platform: definition.release.platform.value.clone(),
            all: without_repetition(all),
        })
    }

    /// The statement about the bundle that was made of them.
    pub fn statement(&self, bundle: &Verified) -> Statement {
        let identity = bundle.identity();
        let given = ExternalParameters {
            name: identity.name,
            version: identity.version,
            counter: identity.counter,
            platform: self.platform.clone(),
            built_at: identity.built_at,
            definition: self.definition.clone(),
            lock: self.lock.clone(),
        };
        Statement::new(bundle.id(), env!("CARGO_PKG_VERSION"), given, self.all.clone())
    }

    /// The file beside a bundle, signed by each of the keys and commands that signed the bundle; `newest` is the root whose
    /// keys count.
    pub fn signed(
        &self,
        bundle: &Verified,
        newest: &Root,
        keys: &[SigningKey],
        commands: &[String],
    ) -> Result<(String, Vec<u8>)> {
        let name = bundle.bundle_name().provenance();
        let mut provenance = UnsignedProvenance::new(&self.statement(bundle))?;
        keys.iter().try_for_each(|key| provenance.sign(key))?;
        for command in commands {
            let may_sign = newest.keys_of(Role::Release).cloned();
            let document = format!("{name}{MESSAGE_SUFFIX}");
            let (key, signature) = signing::sign_by_command(command, &document, provenance.message(), may_sign)?;
            // The key is one of those that may sign.
            if let Some(key) = newest.key(key) {
                provenance.add_signature(key.clone(), signature);
            }
        }
        let bytes = provenance.signed(&name, bundle)?;
        Ok((name, bytes))
    }
}

/// The vendor's own files from which the components are rendered, in the order of their names.
fn sources(definition: &Definition, charts: &Charts) -> Result<Vec<Material>> {
    let mut files = BTreeSet::new();
    for component in &definition.release.components {
        match component.source() {
            Some(ObjectSource::Manifests(folder)) => {
                files.extend(kustomization_files(&definition.resolve(&folder.value))?);
            }
            Some(ObjectSource::Chart(chart)) => {
                files.extend(chart.values.iter().map(|values| definition.resolve(&values.value)));
            }
            // What `build` itself writes has no files.
            Some(ObjectSource::PackageIndex(_)) | None => {}
        }
    }
    let mut sources = files.iter().map(|path| source(definition, path)).collect::<Result<Vec<_>>>()?;
    for (index, files) in charts.own_files() {
        let chart = definition.release.components[index].chart.as_ref();
        let Some(folder) = chart.and_then(|chart| chart.folder.as_ref()) else { continue };
        let folder = definition.resolve(&folder.value);
        let of_chart = files.iter().map(|(path, bytes)| (definition.relative(&folder.join(path)), Sha256::of(bytes)));
        sources.extend(of_chart.map(|(name, digest)| Material::new(name, digest).of_kind(kind::SOURCE)));
    }
    sources.sort_by(|one, next| one.name.cmp(&next.name));
    Ok(sources)
}

fn source(definition: &Definition, path: &Path) -> Result<Material> {
    let bytes = fs_err::read(path)
        .map_err(|error| BuildError::at(codes::MANIFEST_INVALID, Place::file(path), "cannot be read").because(error))?;
    Ok(Material::new(definition.relative(path), Sha256::of(&bytes)).of_kind(kind::SOURCE))
}

/// The programs that travel, and those that rendered.
fn programs(
    options: &BuildOptions,
    definition: &Definition,
    lock: &Lock,
    inputs: &Inputs,
    digests: &Digests,
) -> Result<Vec<Material>> {
    let travelling = |path: &Path, name: &str| {
        let digest = digests
            .program(path)
            .map_err(|error| BuildError::at(codes::TOOL_MISSING, Place::file(path), "cannot be read").because(error))?;
        Ok::<_, BuildError>(Material::new(name, digest.digest).of_kind(kind::PROGRAM))
    };
    let mut programs = vec![travelling(&options.installer, "landfall")?];
    if inputs.images.iter().any(is_own) {
        programs.push(travelling(&options.appliance, own_image::PROGRAM)?);
    }
    let tools =
        [Tool::Kubectl, Tool::Helm].into_iter().filter(|tool| *tool == Tool::Kubectl || definition.has_charts());
    programs.extend(tools.filter_map(|tool| {
        let (version, digest) = lock.document.renderer(tool).and_then(RendererFields::known)?;
        Some(Material::new(tool.name(), digest).of_kind(kind::PROGRAM).with("version", version))
    }));
    Ok(programs)
}

/// Whether an image is the one that was made here of a program.
fn is_own(pin: &Pin) -> bool {
    own_image::is_own(&pin.reference)
}

/// An image by its platform manifest and, where upstream has one, by the index in which the lock found it. The image that is
/// made here comes from its program alone.
fn image(lock: &Lock, pin: &Pin, platform: &str) -> Vec<Material> {
    if is_own(pin) {
        return Vec::new();
    }
    let reference = pin.reference.to_string();
    let architecture = platform.split_once('/').map(|(_, architecture)| architecture);
    let entry = lock.list(List::Images).iter().find(|entry| entry.reference.value == reference);
    let index = entry.and_then(crate::lock::LockEntry::index).filter(|index| *index != pin.digest);
    let index = index.map(|index| of_registry(&reference, index, None).of_kind(kind::IMAGE_INDEX));
    let image = of_registry(&reference, pin.digest, architecture).of_kind(kind::IMAGE).with("platform", platform);
    [image].into_iter().chain(index).collect()
}

/// An artifact by its manifest, or each of the files of which its manifest is made here.
fn artifact(name: &str, pin: &ArtifactPin) -> Vec<Material> {
    match pin {
        ArtifactPin::Manifest(pin) => {
            let material = of_registry(&pin.reference.to_string(), pin.digest, None);
            vec![material.of_kind(kind::ARTIFACT).with(kind::ARTIFACT, name)]
        }
        ArtifactPin::Files(pin) => pin.files.iter().map(|file| file_of(name, file)).collect(),
    }
}

fn file_of(artifact: &str, file: &FilePin) -> Material {
    let material = Material::new(file.url.name(), file.digest).from_uri(file.url.to_string());
    let material = material.of_kind(kind::FILE).with(kind::ARTIFACT, artifact);
    match &file.commit {
        Some(commit) => material.with("commit", commit.as_str()),
        None => material,
    }
}

/// The charts that the lock pins.
fn pinned_charts(lock: &Lock, charts: &[ChartEntry]) -> Vec<Material> {
    let entries = charts.iter().filter_map(|chart| {
        let reference = chart.reference.as_ref()?;
        lock.list(List::Charts).iter().find(|entry| entry.reference.value == *reference)
    });
    let material = |entry: &crate::lock::LockEntry| {
        let reference = &entry.reference.value;
        Some(match lock.chart_pin(entry)? {
            ChartPin::Manifest(pin) => of_registry(reference, pin.digest, None),
            ChartPin::Archive(ArchivePin { source: ArchiveSource::Url(url), digest, .. }) => {
                Material::new(reference, digest).from_uri(url.to_string())
            }
            // A file of the vendor's machine, of which the path means nothing elsewhere.
            ChartPin::Archive(ArchivePin { source: ArchiveSource::File(_), digest, .. }) => {
                Material::new(reference, digest)
            }
        })
    };
    entries.filter_map(material).map(|material| material.of_kind(kind::CHART)).collect()
}

fn of_registry(reference: &str, digest: Sha256, architecture: Option<&str>) -> Material {
    Material::new(reference, digest).from_uri(purl::oci(reference, &digest.to_string(), architecture))
}

/// Each once, where it comes first.
fn without_repetition(all: Vec<Material>) -> Vec<Material> {
    let mut seen = BTreeSet::new();
    // A map of text to text has a JSON form, in the order of its names.
    let json = |material: &Material| serde_json::to_string(material).unwrap_or_default();
    all.into_iter().filter(|material| seen.insert(json(material))).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
#[path = "provenance_tests.rs"]
mod tests;
