//! Provenance of a build: all its inputs, signed like the bundle, in a file next to it.
//!
//! The statement must not depend on the machine, the time or the output: the same inputs give the same statement.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use landfall_bundle_spec::blobs::Place as BlobPlace;
use landfall_bundle_spec::provenance::{ExternalParameters, Material, Statement, UnsignedProvenance};
use landfall_bundle_spec::trust::{Role, Root, SigningKey};
use landfall_bundle_spec::{Sha256, Verified};
use landfall_error_codes::codes;
use landfall_inventory::{ChartEntry, purl};
use landfall_release_document::SignatureKind;

use super::inputs::Inputs;
use crate::charts::Charts;
use crate::definition::{COMPONENT_FILE, Definition, NotesDefinition, ObjectSource};
use crate::error::{BuildError, Place, Result};
use crate::fetched::CarriedSignature;
use crate::gpu_program::{GPU_PROGRAM, GpuProgram};
use crate::lock::{List, Lock, RendererFields};
use crate::own_image::{self, OwnImage};
use crate::pins::{ArchivePin, ArchiveSource, ArtifactPin, ChartPin, FilePin, FileSource, Pin};
use crate::render::Sources;
use crate::signing;
use crate::tool::Tool;

/// Name of the installer in statements.
const INSTALLER: &str = "landfall";

/// Suffix of the message file that external signers sign.
const MESSAGE_SUFFIX: &str = ".pae";

/// Kinds of materials in statements.
mod kind {
    pub const ARTIFACT: &str = "artifact";
    pub const ATTESTATION: &str = "attestation";
    pub const CHART: &str = "chart";
    pub const FILE: &str = "file";
    pub const IMAGE: &str = "image";
    pub const IMAGE_INDEX: &str = "image-index";
    pub const PROGRAM: &str = "program";
    pub const SIGNATURE: &str = "signature";
    pub const SOURCE: &str = "source";
}

/// Inputs of a build that are known before any fetch: all except the installer, which is packed last.
#[derive(Debug)]
pub struct Materials {
    definition: Material,
    lock: Material,
    platform: String,
    sources: Vec<Material>,
    /// Materials after the sources and the installer.
    others: Vec<Material>,
}

/// Inputs of a release that have been used so far.
#[derive(Debug, Clone, Copy)]
pub struct UsedInputs<'a> {
    /// The definition.
    pub definition: &'a Definition,
    /// The lock.
    pub lock: &'a Lock,
    /// Pins of the release.
    pub inputs: &'a Inputs,
    /// Images that were made here.
    pub own: &'a [OwnImage],
    /// The program that reads facts about GPUs, if it goes into the bundle.
    pub gpu: Option<&'a GpuProgram>,
    /// The charts that were rendered.
    pub charts: &'a Charts,
    /// Entries of the charts in the release document.
    pub entries: &'a [ChartEntry],
    /// Files of the kustomization of each component, by index.
    pub sources: &'a BTreeMap<usize, Sources>,
}

impl Materials {
    /// Collects the sources of a release, the programs that render them, and the pins of the lock.
    pub fn collect(used: UsedInputs<'_>) -> Result<Self> {
        let UsedInputs { definition, lock, inputs, .. } = used;
        let mut others = programs(used);
        others.extend(pinned_charts(lock, used.entries));
        others.extend(inputs.images.iter().flat_map(|pin| image(lock, pin, &definition.release.platform.value)));
        let named = definition.release.artifacts.iter().zip(&inputs.artifacts);
        others.extend(named.flat_map(|(named, pin)| artifact(&named.name.value, pin)));
        Ok(Self {
            definition: Material::new(file_name(&definition.path), definition.digest),
            lock: Material::new(file_name(&lock.path), Sha256::of(lock.text().as_bytes())),
            platform: definition.release.platform.value.clone(),
            sources: sources(definition, used.sources, used.charts)?,
            others,
        })
    }

    /// Adds the signatures and attestations that go into the bundle with images. A referrers list is omitted, because
    /// the build derives it from these.
    pub fn extend(&mut self, signatures: &[CarriedSignature]) {
        let materials = signatures.iter().filter_map(|CarriedSignature { entry, .. }| {
            let kind = match entry.kind {
                SignatureKind::Signature => kind::SIGNATURE,
                SignatureKind::Attestation => kind::ATTESTATION,
                SignatureKind::Referrers => return None,
            };
            let material = of_registry(&entry.image, entry.manifest.digest, None);
            Some(material.of_kind(kind).with("subject", &entry.subject.digest.to_string()))
        });
        self.others.extend(materials);
    }

    /// Statement about the bundle that was built from these materials. The digest of the installer is that of the
    /// packed one, even if its file changed during the build.
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
        let installer = bundle.blobs().entries().iter().find(|blob| blob.place == Some(BlobPlace::Installer));
        let installer = installer.map(|blob| Material::new(INSTALLER, blob.sha256).of_kind(kind::PROGRAM));
        let all = self.sources.iter().cloned().chain(installer).chain(self.others.iter().cloned());
        Statement::new(bundle.id(), env!("CARGO_PKG_VERSION"), given, without_repetition(all))
    }

    /// The provenance file, signed with each key and command that signed the bundle; `newest` is the root whose keys
    /// are valid.
    pub fn sign(
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
            // The key is one that `newest` allows to sign.
            if let Some(key) = newest.key(key) {
                provenance.add_signature(key.clone(), signature);
            }
        }
        let bytes = provenance.finish(&name, bundle)?;
        Ok((name, bytes))
    }
}

/// The vendor's own files from which the components are rendered, sorted by name.
fn sources(
    definition: &Definition,
    kustomizations: &BTreeMap<usize, Sources>,
    charts: &Charts,
) -> Result<Vec<Material>> {
    let of_charts: BTreeMap<_, _> = charts.own_files().collect();
    let mut sources: Vec<Material> = notes(definition)?.into_iter().collect();
    let own_files = definition.release.listings.iter().zip(&definition.component_files);
    sources.extend(own_files.map(|(listing, digest)| {
        let below = Path::new(COMPONENT_FILE);
        let name = definition.provenance_path(&listing.name.value, &listing.from.value, below);
        Material::new(name, *digest).of_kind(kind::SOURCE)
    }));
    for (index, component) in definition.release.components.iter().enumerate() {
        let named = |written: &Path, below: &Path, digest| {
            let name = definition.provenance_path(&component.name.value, written, below);
            Material::new(name, digest).of_kind(kind::SOURCE)
        };
        match component.source() {
            Some(ObjectSource::Manifests(folder)) => {
                let files = kustomizations.get(&index).into_iter().flatten();
                sources.extend(files.map(|(below, digest)| named(&folder.value, below, *digest)));
            }
            Some(ObjectSource::Chart(chart)) => {
                for values in &chart.values {
                    let digest = digest_of(&definition.resolve(&values.value))?;
                    sources.push(named(&values.value, Path::new(""), digest));
                }
                let Some(folder) = &chart.folder else { continue };
                let files = of_charts.get(&index).into_iter().copied().flatten();
                sources.extend(files.map(|(below, bytes)| named(&folder.value, Path::new(below), Sha256::of(bytes))));
            }
            // Objects that `build` writes have no source files.
            Some(ObjectSource::PackageIndex(_)) | None => {}
        }
    }
    sources.sort_by(|one, next| one.name.cmp(&next.name));
    Ok(sources)
}

/// The file with the release notes, if they are not inline.
fn notes(definition: &Definition) -> Result<Option<Material>> {
    let Some(NotesDefinition::File(notes)) = definition.release.notes.as_ref().map(|notes| &notes.value) else {
        return Ok(None);
    };
    let name = definition.provenance_path("notes", &notes.file, Path::new(""));
    let digest = digest_of(&definition.resolve(&notes.file))?;
    Ok(Some(Material::new(name, digest).of_kind(kind::SOURCE)))
}

fn digest_of(path: &Path) -> Result<Sha256> {
    let bytes = fs_err::read(path)
        .map_err(|error| BuildError::at(codes::MANIFEST_INVALID, Place::file(path), "cannot be read").because(error))?;
    Ok(Sha256::of(&bytes))
}

/// The programs in images that were made here, and the programs that rendered.
fn programs(used: UsedInputs<'_>) -> Vec<Material> {
    let own = used.own.iter().map(|own| (own.name, own.program));
    let own = own.chain(used.gpu.map(|gpu| (GPU_PROGRAM, gpu.program)));
    let own = own.map(|(name, digest)| Material::new(name, digest).of_kind(kind::PROGRAM));
    let tools = [Tool::Kubectl, Tool::Helm];
    let tools = tools.into_iter().filter(|tool| *tool == Tool::Kubectl || used.definition.has_charts());
    let tools = tools.filter_map(|tool| {
        let (version, digest) = used.lock.document.renderer(tool).and_then(RendererFields::version_and_digest)?;
        Some(Material::new(tool.name(), digest).of_kind(kind::PROGRAM).with("version", version))
    });
    own.chain(tools).collect()
}

/// Returns true if the image was made here from a program.
fn is_own(pin: &Pin) -> bool {
    own_image::is_own(&pin.reference)
}

/// Materials of an image: its platform manifest and, if upstream has one, the index in which the lock found it. Empty
/// for an image that is made here, because its program is listed.
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

/// Materials of an artifact: its manifest, or each file from which its manifest is made here.
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
    let material = match &file.source {
        FileSource::Url(url) | FileSource::Object { url, .. } => {
            Material::new(url.name(), file.digest).from_uri(url.to_string())
        }
        // A file of the vendor's machine: its folder is meaningless elsewhere.
        FileSource::Local(_) | FileSource::Beside(_) => {
            Material::new(file.take.paths().next().unwrap_or_default(), file.digest)
        }
    };
    let material = material.of_kind(kind::FILE).with(kind::ARTIFACT, artifact);
    match &file.commit {
        Some(commit) => material.with("commit", commit.as_str()),
        None => material,
    }
}

/// Charts that the lock pins.
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
            // A file of the vendor's machine: its path is meaningless elsewhere.
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

/// Removes repetitions; keeps the first occurrence.
fn without_repetition(all: impl IntoIterator<Item = Material>) -> Vec<Material> {
    let mut seen = BTreeSet::new();
    // A map of strings to strings always converts to JSON, with its names in order.
    let json = |material: &Material| serde_json::to_string(material).unwrap_or_default();
    all.into_iter().filter(|material| seen.insert(json(material))).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
#[path = "provenance_tests.rs"]
mod tests;
