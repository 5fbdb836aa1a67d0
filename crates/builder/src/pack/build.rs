//! `landfall build`: reads, renders, fetches and signs a release, and writes the bundle last.

use std::path::Path;

use landfall_bundle_spec::head::{Identity, LANDFALL_DOCUMENT_NAME, NewDocument, UnsignedHead};
use landfall_bundle_spec::provenance::BuildDefinition;
use landfall_bundle_spec::trust::{Role, Root, SigningKey};
use landfall_bundle_spec::{Sha256, Verified};
use landfall_error_codes::codes;
use landfall_inventory::{ChartEntry, INVENTORY_DOCUMENT_NAME, InventoryDocument};
use landfall_media::Payload;
use landfall_media::counters::{Counters, Totals};
use landfall_media::pack::{pack, pack_to_stream};
use landfall_media::parts::{Output, WrittenFile, supersede};
use landfall_media::progress::{Event, Progress};
use landfall_media::store::ContentStore;
use landfall_release_document::{DataRoom, ReleaseDocument};
use schemars::JsonSchema;
use serde::Serialize;

use super::contents::{Contents, contents, open_installer, place_files};
use super::existing::{existing, without_time};
use super::inputs::{Inputs, inputs};
use super::keeping::PendingContent;
use super::order::{Order, order};
use super::provenance::{Materials, UsedInputs};
use super::room::SiteRoom;
use super::roots::{Trust, check_signers, read_trust};
use super::sheet::{Sheet, SheetFile};
use super::{host, inventory, models, output, room};
use crate::backup;
use crate::canary;
use crate::charts::{self, open_charts};
use crate::definition::Definition;
use crate::digests::Digests;
use crate::error::{BuildError, Place, Result};
use crate::executables;
use crate::fetch::{self, Client, FetchedContent, Manifests};
use crate::gpu_program::{self, GpuProgram};
use crate::layers;
use crate::lock::Lock;
use crate::options::{BuildOptions, BuildOutput};
use crate::own_image;
use crate::package_index;
use crate::program::Program;
use crate::proofs;
use crate::release;
use crate::render::{self, Rendering};
use crate::rendered::RenderedComponent;
use crate::signatures::{self, SignatureSource};
use crate::signing;
use crate::tool::Tool;

/// File of the bundle.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BuiltFile {
    /// Name in the output folder.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    #[schemars(with = "String")]
    pub sha256: landfall_bundle_spec::Sha256,
}

impl From<WrittenFile> for BuiltFile {
    fn from(WrittenFile { name, size, sha256 }: WrittenFile) -> Self {
        Self { name, size, sha256 }
    }
}

/// Result of `landfall build`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuildReport {
    /// Name of the release.
    pub name: String,
    /// Version of the release.
    pub version: String,
    /// ID of the bundle.
    #[schemars(with = "String")]
    pub id: landfall_bundle_spec::Sha256,
    /// Files, synced and read back; empty if the bundle went to standard output.
    pub files: Vec<BuiltFile>,
    /// Build time of an identical bundle in the output, which was kept: nothing was written.
    pub kept: Option<String>,
    /// Bundles of the same release with other content, which were removed for the new one.
    pub superseded: Vec<String>,
    /// Size of the bundle as one stream, in bytes.
    pub total_bytes: u64,
    /// Space that the release needs in a site's data folder.
    pub site_room: SiteRoom,
    /// Number of container images in the bundle.
    pub images: usize,
    /// Number of artifacts in the bundle.
    pub artifacts: usize,
    /// Fingerprint of the first root document in the bundle.
    #[schemars(with = "String")]
    pub fingerprint: landfall_bundle_spec::Sha256,
    /// Number of that root document: sites that trust it or a later one accept the bundle.
    pub first_root: u64,
    /// True if the root is for development only.
    pub development: bool,
    /// I/O of the content store before packing. Written: fetched blobs, members of archives and the installer. Read:
    /// layers not yet counted and archives not yet unpacked.
    pub ingested_bytes: Totals,
    /// SHA-256 of the installer in the bundle: a loose copy of it must match.
    #[schemars(with = "String")]
    pub installer_sha256: landfall_bundle_spec::Sha256,
    /// Size of the installer in bytes.
    pub installer_bytes: u64,
    /// Bytes of the installer and of kubectl that were read for their digests: 0 if neither has changed since the last
    /// read.
    pub hashed_bytes: u64,
    /// Bytes that packing read from the content store.
    pub store_bytes: Totals,
    /// Bytes that packing wrote to the media, and read back.
    pub media_bytes: Totals,
}

/// A release that was read, looked up in its lock and rendered, before any fetch.
struct PreparedRelease {
    definition: Definition,
    lock: Lock,
    inputs: Inputs,
    components: Vec<RenderedComponent>,
    charts: Vec<ChartEntry>,
    trust: Trust,
    materials: Materials,
    /// The program that reads facts about GPUs, if the release needs GPUs.
    gpu: Option<GpuProgram>,
}

/// A signed bundle that can be written.
struct SignedBundle {
    payload: Payload,
    /// Name and content of the provenance file; `None` if the output cannot hold a file next to the bundle.
    provenance: Option<(String, Vec<u8>)>,
}

/// Bytes that were moved before packing.
#[derive(Clone, Copy)]
struct PreparedBytes {
    ingested: Totals,
    hashed: u64,
}

/// Builds a bundle, signed with each of the keys. Nothing is written to the output before everything is checked,
/// fetched and signed.
pub async fn build(
    options: &BuildOptions,
    keys: &[SigningKey],
    output: BuildOutput<'_>,
    progress: &dyn Progress,
) -> Result<BuildReport> {
    output::check(&output)?;
    if let Some(definition) = host::definition(&options.source.release) {
        return host::build(&definition, options, keys, output, progress);
    }
    let client = Client::from_configuration(options.source.registries.as_deref())?;
    let installer = open_installer(&options.installer)?;
    let store = ContentStore::at(&options.store);
    let digests = Digests::of(&store);
    let mut prepared = prepare(options, keys, &client, &store, &digests, progress).await?;
    store.sweep(false)?;
    let Inputs { images, artifacts, .. } = &prepared.inputs;
    let source = SignatureSource { client: &client, store: &store, progress };
    let signatures = signatures::fetch_signatures(source, &prepared.lock, images).await?;
    let platform = &prepared.definition.release.platform.value;
    let manifests = fetch::fetch_manifests(&client, &store, images, artifacts, progress).await?;
    let assembled = has_assembled_content(&prepared, &manifests)?;
    let installer_bytes = installer.metadata().map_or(0, |metadata| metadata.len());
    room::check(&prepared.definition.release, &manifests, &store, installer_bytes, &output)?;
    let keeping = PendingContent::begin(&store, &manifests);
    let fetched = fetch::fetch(&client, &store, platform, &manifests, progress).await;
    let mut fetched = fetched.map_err(|error| keeping.after(error))?;
    prepared.materials.extend(&signatures);
    fetched.signatures = signatures;
    let made = compose_documents(&mut prepared, &fetched, assembled, &store, progress)
        .map_err(|error| keeping.after(error))?;
    keeping.accept(&fetched)?;
    progress.event(Event::PhaseStarted { phase: "signing".into(), total_bytes: None });
    let placed = place_files(&store, &made.release, &options.installer, &digests)?;
    let order = order(&store, &placed, &made.release, &fetched.images)?;
    let signed = sign(options, &prepared, &order, &made, keys, &output)?;
    digests.keep()?;
    progress.event(Event::PhaseDone);
    let prepared_bytes = PreparedBytes { ingested: store.counters().totals(), hashed: digests.read_bytes() };
    write(options, output, &prepared, &signed, &made.release, prepared_bytes, progress)
}

/// Composes the documents from the fetched content; errors in that content are found here.
fn compose_documents(
    prepared: &mut PreparedRelease,
    fetched: &FetchedContent,
    assembled: bool,
    store: &ContentStore,
    progress: &dyn Progress,
) -> Result<Contents> {
    package_index::fill(&prepared.definition, &mut prepared.components, &fetched.artifacts, store)?;
    package_index::check_mounted(&prepared.definition, &fetched.artifacts, store)?;
    let PreparedRelease { definition, inputs, components, charts, gpu, .. } = prepared;
    let (images, artifacts, gpu) = (&fetched.images, &inputs.artifacts, gpu.as_ref());
    let mut made = contents(definition, inputs, components, fetched, gpu, assembled, store)?;
    made.documents.extend(models::document(&made.release, artifacts, images, store)?);
    layers::check_all(store, images, progress)?;
    backup::check_programs(definition, components, images, store)?;
    made.documents.push(inventory::document(&made.release, artifacts, images, charts, gpu, store)?);
    Ok(made)
}

async fn prepare(
    options: &BuildOptions,
    keys: &[SigningKey],
    client: &Client,
    store: &ContentStore,
    digests: &Digests,
    progress: &dyn Progress,
) -> Result<PreparedRelease> {
    let mut definition = release::read(&options.source.release)?;
    let lock_path = options.source.lock.clone().unwrap_or_else(|| definition.resolve(&definition.release.lock));
    let lock = Lock::read(&lock_path)?;
    let trust = read_trust(&options.roots)?;
    check_signers(&options.roots, trust.newest(), Role::Release, keys, options.sign_commands.len())?;
    if lock.document.assembled.value {
        refuse_assembled(&trust, &lock, "its images were assembled for tests")?;
    }
    let kubectl = Program::find(Tool::Kubectl, &options.kubectl, &lock)?;
    kubectl.check(&lock, digests)?;
    let charts = open_charts(&options.helm, &definition, &lock, client, store, digests, progress).await?;
    progress.event(Event::PhaseStarted { phase: "rendering".into(), total_bytes: None });
    let rendering = render::render(&mut definition, &kubectl, &charts);
    let rendering = rendering.map_err(|error| charts::after_rendering(store, &charts, error));
    let Rendering { mut components, sources } = rendering?;
    charts::accept_charts(store, &charts)?;
    render::check_values(&definition, &components)?;
    render::check_defaults(&definition, &components)?;
    render::check_editable(&definition, &components)?;
    backup::check_rendered(&definition, &components)?;
    proofs::check_rendered(&definition, &components)?;
    canary::check_rendered(&definition, &components)?;
    render::check_fields(&definition, &components)?;
    let own_programs = own_image::Programs { appliance: &options.appliance, validator: &options.validator };
    let own = own_image::make(&definition, &components, own_programs, store, digests)?;
    let gpu = gpu_program::make(&definition, &options.gpu_program, store)?;
    let inputs = inputs(&definition, &lock, &components, &own)?;
    for component in &mut components {
        render::bind(&definition, component, &inputs.written)?;
        render::scan(&definition, component, &lock)?;
    }
    executables::check_installer(&options.installer, &definition.release.platform.value)?;
    progress.event(Event::PhaseDone);
    definition.release.remarks.iter().for_each(|remark| progress.event(Event::Note(remark.clone())));
    let entries = charts.entries(&definition)?;
    let used = UsedInputs {
        definition: &definition,
        lock: &lock,
        inputs: &inputs,
        own: &own,
        gpu: gpu.as_ref(),
        charts: &charts,
        entries: &entries,
        sources: &sources,
    };
    let materials = Materials::collect(used)?;
    Ok(PreparedRelease { definition, lock, inputs, components, charts: entries, trust, materials, gpu })
}

fn refuse_assembled(trust: &Trust, lock: &Lock, what: &str) -> Result<()> {
    if trust.newest().development() {
        return Ok(());
    }
    let what = format!("{what}, and the root is not marked as for development");
    Err(BuildError::at(
        codes::ASSEMBLED_UNDER_RELEASE_KEY,
        Place::field(&lock.path, lock.document.assembled.referenced.line(), "assembled"),
        what,
    ))
}

/// Returns true if any content was assembled for tests, according to the lock or to a manifest.
fn has_assembled_content(prepared: &PreparedRelease, manifests: &Manifests<'_>) -> Result<bool> {
    let found = manifests.assembled_references();
    if !found.is_empty() {
        let first = found.iter().take(3).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let more = if found.len() > 3 { format!(" and {} more", found.len() - 3) } else { String::new() };
        let what = format!("the release uses {first}{more}, assembled for tests");
        refuse_assembled(&prepared.trust, &prepared.lock, &what)?;
    }
    Ok(prepared.lock.document.assembled.value || !found.is_empty())
}

fn sign(
    options: &BuildOptions,
    prepared: &PreparedRelease,
    order: &Order,
    made: &Contents,
    keys: &[SigningKey],
    output: &BuildOutput<'_>,
) -> Result<SignedBundle> {
    let identity = identity(options, &made.release);
    let trust = &prepared.trust;
    let bundle = signed_head(options, trust, keys, &identity, made.documents.clone(), order)?;
    let provenance = match output {
        BuildOutput::Folder { .. } => {
            Some(prepared.materials.sign(&bundle, trust.newest(), keys, &options.sign_commands)?)
        }
        BuildOutput::Stream(_) => None,
    };
    Ok(SignedBundle { payload: Payload::from(bundle), provenance })
}

/// The head with these documents and blobs, signed with each key and command and with the vendor's trust.
pub(super) fn signed_head(
    options: &BuildOptions,
    trust: &Trust,
    keys: &[SigningKey],
    identity: &Identity,
    documents: Vec<NewDocument>,
    order: &Order,
) -> Result<Verified> {
    let chunks: Vec<_> = order.chunks.iter().map(Vec::as_slice).collect();
    let mut head = UnsignedHead::new(identity, documents, &order.blobs, &chunks)?;
    keys.iter().try_for_each(|key| head.sign(key))?;
    for command in &options.sign_commands {
        let may_sign = trust.newest().keys_of(Role::Release).cloned();
        let (key, signature) =
            signing::sign_by_command(command, LANDFALL_DOCUMENT_NAME, head.landfall_bytes(), may_sign)?;
        head.add_signature(key, signature);
    }
    Ok(head.carrying(trust.revocation.clone()).finish(&trust.roots)?.into_verified())
}

fn identity(options: &BuildOptions, release: &ReleaseDocument) -> Identity {
    Identity {
        name: release.name.clone(),
        version: release.version.clone(),
        counter: release.counter,
        built_at: options.built_at.clone(),
    }
}

fn write(
    options: &BuildOptions,
    output: BuildOutput<'_>,
    prepared: &PreparedRelease,
    SignedBundle { payload, provenance }: &SignedBundle,
    release: &ReleaseDocument,
    prepared_bytes: PreparedBytes,
    progress: &dyn Progress,
) -> Result<BuildReport> {
    let store = ContentStore::with_counters(&options.store, Counters::new());
    let media = Counters::new();
    let verified = payload.verified_head();
    let trusted = verified.trusted_root();
    let inventory = verified.small_document(INVENTORY_DOCUMENT_NAME).map(InventoryDocument::read);
    let no_inventory = || BuildError::new(codes::BUG, "the head has no inventory");
    let inventory = inventory.ok_or_else(no_inventory)??;
    let identity = identity(options, release);
    let first: &Root = &prepared.trust.roots[0];
    let (fingerprint, first_root) = (first.fingerprint(), first.number());
    let name = verified.bundle_name();
    let sheet = |files: &[WrittenFile]| {
        let files: Vec<_> = files
            .iter()
            .map(|file| SheetFile { name: file.name.clone(), size: file.size, sha256: file.sha256 })
            .collect();
        let sheet = Sheet {
            identity: &identity,
            id: verified.id(),
            fingerprint,
            first_root,
            development: trusted.development(),
            installer: payload.blob(0).sha256,
            bundle: &name,
            signers: verified.signers().iter().map(ToString::to_string).collect(),
            release,
            inventory: &inventory,
            files: &files,
        };
        (name.transfer_sheet(), sheet.html().into_bytes())
    };
    let stated = prepared.materials.statement(verified).predicate.build_definition;
    let written = match output {
        BuildOutput::Folder { path, handbook, part_bytes } => in_folder(&path, verified, stated, part_bytes, || {
            let provenance_bytes = provenance.as_ref().map_or(0, |(_, bytes)| bytes.len() as u64);
            let others_bytes = provenance_bytes + handbook.length;
            let others = |files: &[WrittenFile]| {
                let provenance = provenance.clone().into_iter();
                [sheet(files)].into_iter().chain(provenance).chain([(name.handbook(), (handbook.unpack)())]).collect()
            };
            let output = Output { folder: &path, part_bytes, others: &others, others_bytes };
            pack(payload, &store, output, &media, &BuildProgress(progress))
        })?,
        BuildOutput::Stream(stream) => {
            pack_to_stream(payload, &store, stream, &media, progress)?;
            let (id, total_bytes) = (verified.id(), payload.layout().total_bytes());
            WrittenOutput { id, total_bytes, kept: None, superseded: Vec::new(), files: Vec::new() }
        }
    };
    Ok(BuildReport {
        name: release.name.clone(),
        version: release.version.clone(),
        id: written.id,
        files: written.files,
        kept: written.kept,
        superseded: written.superseded,
        total_bytes: written.total_bytes,
        site_room: DataRoom::of(verified.blobs().entries(), &release.requirements).into(),
        images: release.images.len(),
        artifacts: release.artifacts.len(),
        fingerprint,
        first_root,
        development: trusted.development(),
        ingested_bytes: prepared_bytes.ingested,
        installer_sha256: payload.blob(0).sha256,
        installer_bytes: payload.blob(0).size,
        hashed_bytes: prepared_bytes.hashed,
        store_bytes: store.counters().totals(),
        media_bytes: media.totals(),
    })
}

/// The written output.
struct WrittenOutput {
    id: Sha256,
    files: Vec<BuiltFile>,
    kept: Option<String>,
    superseded: Vec<String>,
    total_bytes: u64,
}

/// Keeps an existing bundle with the same content; otherwise writes the new one and removes older ones of the release.
fn in_folder(
    folder: &Path,
    new: &Verified,
    stated: BuildDefinition,
    part_bytes: Option<u64>,
    write: impl FnOnce() -> landfall_media::Result<Vec<WrittenFile>>,
) -> Result<WrittenOutput> {
    let stated = without_time(stated);
    let (mut others, mut kept) = (Vec::new(), None);
    for existing in existing(folder, new) {
        match existing.same(folder, new, &stated, part_bytes).filter(|_| kept.is_none()) {
            Some(files) => kept = Some((existing, files)),
            None => others.push(existing),
        }
    }
    // Names of the new files must be free.
    let (in_the_way, others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|other| kept.is_none() && other.name == new.bundle_name());
    in_the_way.iter().try_for_each(|other| supersede(folder, &other.name))?;
    let superseded = Vec::new();
    let mut written = if let Some((existing, files)) = kept {
        let total_bytes = existing.verified().layout().total_bytes();
        WrittenOutput { id: existing.verified().id(), total_bytes, kept: Some(existing.built_at()), superseded, files }
    } else {
        let files = write()?.into_iter().map(BuiltFile::from).collect();
        WrittenOutput { id: new.id(), total_bytes: new.layout().total_bytes(), kept: None, superseded, files }
    };
    for other in others.iter().chain(&in_the_way) {
        if other.name != new.bundle_name() {
            supersede(folder, &other.name)?;
        }
        written.superseded.push(other.name.stem().to_owned());
    }
    Ok(written)
}

/// Progress of a build. Its media may only be unmounted at the end, unlike a site's stick, which may be removed: so the
/// event has another text.
pub(super) struct BuildProgress<'a>(pub(super) &'a dyn Progress);

impl Progress for BuildProgress<'_> {
    fn event(&self, event: Event) {
        self.0.event(match event {
            Event::SafeToRemove => {
                Event::Note("the bundle is written, synced and read back: its media may be unmounted".to_owned())
            }
            event => event,
        });
    }
}
