//! The documents of the head, and the three files that are stored under their own paths.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use landfall_bundle_spec::blobs::Place as BlobPlace;
use landfall_bundle_spec::head::NewDocument;
use landfall_bundle_spec::{to_canonical, to_canonical_with_fractions};
use landfall_error_codes::codes;
use landfall_inventory::purl::split_tag;
use landfall_media::store::{ContentStore, ExpectedBlob};
use landfall_release_document::{
    ArtifactMount, ComponentEntry, Descriptor, EditableField, GeneratedSecret, ImageEntry, NOTES_DOCUMENT_NAME,
    NodePack, RELEASE_DOCUMENT_NAME, RELEASE_DOCUMENT_TYPE, ReleaseDocument, SITE_SCHEMA_NAME, SiteValue, ValueTarget,
};
use serde_json::json;

use super::gpu_tools;
use super::inputs::Inputs;
use super::order::PlacedFile;
use crate::backup;
use crate::canary;
use crate::definition::{Definition, EditableDefinition};
use crate::digests::{Digests, Program};
use crate::error::{BuildError, Place, Result};
use crate::executables;
use crate::executables::elf::Glibc;
use crate::fetch::FetchedContent;
use crate::fetched::FetchedImage;
use crate::files::artifact_entry;
use crate::gpu_program::GpuProgram;
use crate::manifest::OCI_INDEX;
use crate::pointers;
use crate::proofs;
use crate::render;
use crate::rendered::RenderedComponent;
use crate::secret_copies;

const BINARY: &str = "application/octet-stream";
const JSON: &str = "application/json";
const REFERENCE_NAME: &str = "org.opencontainers.image.ref.name";

/// The content of a release, except for fetched blobs.
#[derive(Debug)]
pub struct Contents {
    /// The release document, which the planner reads.
    pub release: ReleaseDocument,
    /// Small documents of the head.
    pub documents: Vec<NewDocument>,
}

/// Creates the documents from the definition, the bound objects, and the content fetched into the store. Returns an
/// error for node programs that require more of a host than glibc.
pub fn contents(
    definition: &Definition,
    inputs: &Inputs,
    components: &[RenderedComponent],
    fetched: &FetchedContent,
    gpu: Option<&GpuProgram>,
    assembled: bool,
    store: &ContentStore,
) -> Result<Contents> {
    let release = &definition.release;
    let entries = components.iter().map(|rendered| component(definition, rendered.index)).collect::<Result<_>>()?;
    let named = release.artifacts.iter().zip(&fetched.artifacts);
    let artifact = |(named, found)| {
        let entry = artifact_entry(named, found)?;
        pointers::refuse_in_artifact(&entry, found, store)?;
        Ok::<_, BuildError>(entry)
    };
    let mut artifacts = named.map(artifact).collect::<Result<Vec<_>>>()?;
    components.iter().try_for_each(pointers::refuse_in_objects)?;
    // This artifact follows those of the lock, which other code matches with their pins by index.
    artifacts.extend(gpu.map(|gpu| gpu.entry.clone()));
    let proofs = proofs::proofs(definition, &artifacts)?;
    let glibc = executables::check(&artifacts, &inputs.artifacts, store)?;
    let document = ReleaseDocument {
        document_type: RELEASE_DOCUMENT_TYPE.to_owned(),
        name: release.name.value.clone(),
        version: release.version.value.clone(),
        counter: release.counter.value,
        assembled,
        platform: release.platform.value.clone(),
        node_packs: node_packs(definition, inputs, &glibc),
        images: fetched.images.iter().map(image).collect(),
        artifacts,
        components: entries,
        values: values(definition),
        requirements: release.requirements.figures(),
        rules: release.rules.iter().map(|rule| rule.value.clone()).collect(),
        upgrades: release.upgrade_paths(),
        soak_seconds: release.soak_seconds.as_ref().map(|seconds| seconds.value),
        proofs,
        signatures: fetched.signatures.iter().map(|signature| signature.entry.clone()).collect(),
    };
    gpu_tools::check(definition, &document)?;
    let mut documents = vec![
        canonical(RELEASE_DOCUMENT_NAME, &document)?,
        canonical(SITE_SCHEMA_NAME, &render::site_schema(definition)?)?,
    ];
    documents.extend(release.notes_text.as_deref().map(notes));
    for rendered in components {
        let name = objects_name(&release.components[rendered.index].name.value);
        documents.push(canonical(&name, &rendered.objects)?);
    }
    Ok(Contents { release: document, documents })
}

fn canonical(name: &str, document: &impl serde::Serialize) -> Result<NewDocument> {
    // Objects, values and their schemas may contain fractions.
    Ok(NewDocument { name: name.to_owned(), bytes: to_canonical_with_fractions(name, document)? })
}

/// The document with the release notes.
fn notes(text: &str) -> NewDocument {
    NewDocument { name: NOTES_DOCUMENT_NAME.to_owned(), bytes: text.as_bytes().to_vec() }
}

fn objects_name(component: &str) -> String {
    format!("documents/objects/{component}.json")
}

/// The node packs, each with the newest glibc that one of its artifacts needs.
fn node_packs(definition: &Definition, inputs: &Inputs, glibc: &BTreeMap<String, Glibc>) -> Vec<NodePack> {
    let packs = definition.release.node_packs.iter().zip(&inputs.node_packs);
    packs
        .map(|(pack, found)| NodePack {
            kubernetes: found.kubernetes.clone(),
            artifacts: pack.artifacts.iter().map(|name| name.value.clone()).collect(),
            images: found.images.clone(),
            glibc: pack.artifacts.iter().filter_map(|name| glibc.get(&name.value)).max().map(Glibc::to_string),
        })
        .collect()
}

fn image(fetched: &FetchedImage) -> ImageEntry {
    ImageEntry {
        reference: fetched.pin.reference.to_string(),
        manifest: Descriptor {
            media_type: fetched.pin.media_type.clone(),
            digest: fetched.pin.digest,
            size: fetched.pin.size,
        },
        config: fetched.manifest.config.descriptor(),
        layers: fetched.manifest.layers.iter().map(crate::manifest::OciDescriptor::descriptor).collect(),
    }
}

fn component(whole: &Definition, index: usize) -> Result<ComponentEntry> {
    let definition = &whole.release.components[index];
    let (data, backup) = backup::rules(whole, index)?;
    let secrets = definition.secrets.iter().map(|secret| GeneratedSecret {
        name: secret.name.value.clone(),
        random: secret.random.clone(),
        fixed: secret.fixed.clone(),
        copies: secret_copies::resolved(&whole.release, secret),
    });
    let mounts = definition
        .mounts
        .iter()
        .map(|mount| ArtifactMount { artifact: mount.artifact.value.clone(), claim: mount.claim.value.clone() });
    // The release and the component's own file may both name one.
    let mut seen = HashSet::new();
    let needs = definition.needs.iter().map(|need| &need.value).filter(|name| seen.insert(name.as_str()));
    Ok(ComponentEntry {
        name: definition.name.value.clone(),
        namespace: definition.namespace.value.clone(),
        needs: needs.cloned().collect(),
        objects: objects_name(&definition.name.value),
        pod_security: definition.pod_security,
        quota: definition.quota.clone(),
        secrets: secrets.collect(),
        site_secrets: definition.site_secrets.iter().map(|secret| secret.value.clone()).collect(),
        mounts: mounts.collect(),
        ready_seconds: definition.ready_seconds,
        data,
        backup,
        editable: definition.editable.iter().map(editable).collect(),
        entitlement: definition.entitlement.as_ref().map(|entitlement| entitlement.value.clone()),
        console: definition.is_console(),
        canary: canary::canary(whole, index)?,
        license_check: definition.license_check.is_some(),
    })
}

fn editable(field: &EditableDefinition) -> EditableField {
    let EditableDefinition { kind, name, path } = field;
    EditableField { kind: kind.clone(), name: name.clone(), path: path.value.clone() }
}

fn values(definition: &Definition) -> Vec<SiteValue> {
    let values = definition.release.values.iter();
    values
        .map(|value| SiteValue {
            name: value.name.value.clone(),
            schema: value.schema.value.clone(),
            default: value.default.as_ref().map(|default| default.value.clone()),
            targets: value
                .targets
                .iter()
                .map(|target| ValueTarget {
                    component: target.component.value.clone(),
                    kind: target.kind.clone(),
                    name: target.name.clone(),
                    path: target.path.value.clone(),
                })
                .collect(),
        })
        .collect()
}

/// Opens the installer, so that a build fails at the start if it is missing.
pub fn open_installer(path: &Path) -> Result<fs_err::File> {
    fs_err::File::open(path).map_err(|error| unusable_installer(path, error))
}

fn unusable_installer(path: &Path, error: std::io::Error) -> BuildError {
    BuildError::at(codes::TOOL_MISSING, Place::file(path), "the installer cannot be read").because(error)
}

/// Takes the installer, `oci-layout` and `index.json` into the store, in the order of the archive. The installer is
/// copied only if the store lacks it.
pub fn place_files(
    store: &ContentStore,
    release: &ReleaseDocument,
    installer: &Path,
    digests: &Digests,
) -> Result<Vec<PlacedFile>> {
    placed_beside(store, &index(release), installer, digests)
}

/// Like [`place_files`], with this `index.json`.
pub fn placed_beside(
    store: &ContentStore,
    index: &serde_json::Value,
    installer: &Path,
    digests: &Digests,
) -> Result<Vec<PlacedFile>> {
    let Program { digest, size } = digests.program(installer).map_err(|error| unusable_installer(installer, error))?;
    let expected = ExpectedBlob { digest, size };
    store.ingest(&mut open_installer(installer)?, Some(expected))?;
    let layout = to_canonical(BlobPlace::OciLayout.name(), &json!({ "imageLayoutVersion": "1.0.0" }))?;
    let index = to_canonical(BlobPlace::Index.name(), index)?;
    Ok(vec![
        PlacedFile { place: BlobPlace::Installer, digest: expected.digest, media_type: BINARY },
        PlacedFile { place: BlobPlace::OciLayout, digest: store.ingest_bytes(&layout)?.sha256, media_type: JSON },
        PlacedFile { place: BlobPlace::Index, digest: store.ingest_bytes(&index)?.sha256, media_type: OCI_INDEX },
    ])
}

/// The `index.json`, with one descriptor per image and artifact, named by the full upstream reference.
fn index(release: &ReleaseDocument) -> serde_json::Value {
    let (os, architecture) = release.platform.split_once('/').unwrap_or((&release.platform, ""));
    let descriptor = |manifest: &Descriptor, reference: &str| {
        json!({
            "mediaType": manifest.media_type,
            "digest": manifest.digest,
            "size": manifest.size,
            "annotations": { REFERENCE_NAME: reference },
        })
    };
    let images = release.images.iter().map(|image| {
        let mut descriptor = descriptor(&image.manifest, &image.reference);
        descriptor["platform"] = json!({ "architecture": architecture, "os": os });
        descriptor
    });
    let artifacts = release.artifacts.iter().map(|artifact| descriptor(&artifact.manifest, &artifact.reference));
    // Two tags of one manifest share its signatures.
    let signatures: BTreeMap<_, _> = release
        .signatures
        .iter()
        .filter_map(|signature| {
            let repository = split_tag(&signature.image).0;
            Some((format!("{repository}:{}", signature.tag.as_ref()?), &signature.manifest))
        })
        .collect();
    let signatures = signatures.iter().map(|(name, manifest)| descriptor(manifest, name));
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": images.chain(artifacts).chain(signatures).collect::<Vec<_>>(),
    })
}
