//! `landfall lock`: reads the lock of a release, resolves it, adds the images that the release names, and writes it.

use std::path::PathBuf;

use landfall_error_codes::{CodedError as _, codes};
use landfall_media::durable;
use landfall_media::progress::Progress;
use landfall_media::store::ContentStore;
use schemars::JsonSchema;
use serde::Serialize;

use super::discovery::{Discovery, DiscoveryResult, LockFindings, discover};
use super::resolve::{MovedPin, Resolution, resolve};
use crate::definition::Definition;
use crate::digests::Digests;
use crate::error::{BuildError, Place, Result};
use crate::fetch::Client;
use crate::lock::{Content, Lock};
use crate::options::{LockOptions, SourceOptions};
use crate::program::{Program, Renderer};
use crate::release;
use crate::signatures::{self, SignatureResolution, SignatureSource};
use crate::tool::Tool;

/// Result of `landfall lock`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockReport {
    /// Written file, synced.
    pub lock: PathBuf,
    /// Number of manifests and files that were unresolved or stale and are resolved now.
    pub resolved: usize,
    /// Entries whose tags or revisions have moved since they were resolved; the lock keeps its pins.
    pub moved: Vec<MovedPin>,
    /// kubectl that renders, as the lock now records it.
    pub renderer: Renderer,
    /// Helm that renders charts, as the lock now records it; null if the release has no charts.
    pub helm: Option<Renderer>,
    /// Total number of manifests and files.
    pub entries: usize,
    /// Number of images with a signature that a rule verified.
    pub signed: usize,
    /// Comparison of the release with the lock: added images, and notes for a person.
    pub found: LockFindings,
}

/// Path of a release's lock.
pub(super) fn path_of(source: &SourceOptions, definition: &Definition) -> PathBuf {
    source.lock.clone().unwrap_or_else(|| definition.resolve(&definition.release.lock))
}

/// The lock of a release, with everything needed to resolve it.
pub(super) struct OpenLock {
    pub(super) definition: Definition,
    pub(super) path: PathBuf,
    pub(super) lock: Lock,
    pub(super) store: ContentStore,
    pub(super) digests: Digests,
}

impl OpenLock {
    pub(super) fn read(options: &LockOptions) -> Result<Self> {
        let definition = release::read(&options.source.release)?;
        let path = path_of(&options.source, &definition);
        let lock = Lock::read(&path)?;
        let store = ContentStore::at(&options.store);
        let digests = Digests::of(&store);
        Ok(Self { definition, path, lock, store, digests })
    }

    /// Parses a new text of the lock; returns the output path and the lock. An invalid text is never written.
    pub(super) fn parse_output(&self, options: &LockOptions, text: String) -> Result<(PathBuf, Lock)> {
        let output = options.output.clone().unwrap_or_else(|| self.path.clone());
        let written = Lock::parse(&output, text)?;
        Ok((output, written))
    }

    /// Writes this text, synced, if it differs from what was written.
    fn write_changed(&self, options: &LockOptions, text: String, written: &Lock) -> Result<Lock> {
        if text == written.text() {
            return Ok(written.clone());
        }
        let (output, changed) = self.parse_output(options, text)?;
        durable::write_file(&output, changed.text().as_bytes(), 0o644)?;
        Ok(changed)
    }

    /// Runs the signature rules on the pins of this text; returns the new text and the number of verified images.
    ///
    /// One error names every refused image. With `again`, results of an earlier run are searched for again.
    pub(super) async fn with_signatures(
        &self,
        client: &Client,
        text: String,
        again: bool,
        progress: &dyn Progress,
    ) -> Result<SignedLock> {
        // Key files are next to the existing lock, wherever the new one is written.
        let lock = Lock::parse(&self.path, text)?;
        let source = SignatureSource { client, store: &self.store, progress };
        let SignatureResolution { text, signed, failures } = signatures::resolve(source, &lock, again).await?;
        Ok(SignedLock { text, images: signed, refused: signature_error(&lock, &failures) })
    }
}

/// A lock with the results of its signature rules.
pub(super) struct SignedLock {
    pub(super) text: String,
    /// Number of images with a verified signature.
    pub(super) images: usize,
    /// Error for the images that the rules refuse.
    pub(super) refused: Option<BuildError>,
}

/// Programs that render a release, with their current versions.
pub(super) struct Renderers {
    kubectl: Renderer,
    /// `None` if the release has no charts.
    helm: Option<Renderer>,
}

impl Renderers {
    /// Finds the programs and queries their versions.
    pub(super) fn find(options: &LockOptions, opened: &OpenLock) -> Result<Self> {
        let identity = |tool, path| Program::find(tool, path, &opened.lock)?.identity(&opened.digests);
        let kubectl = identity(Tool::Kubectl, &options.kubectl)?;
        let helm = if opened.definition.has_charts() { Some(identity(Tool::Helm, &options.helm)?) } else { None };
        Ok(Self { kubectl, helm })
    }

    /// Tools with their programs.
    pub(super) fn all(&self) -> Vec<(Tool, &Renderer)> {
        let helm = self.helm.as_ref().map(|helm| (Tool::Helm, helm));
        std::iter::once((Tool::Kubectl, &self.kubectl)).chain(helm).collect()
    }
}

/// Resolves the lock of a release, and adds the images that the release names. Resolved fields are written even if
/// others fail.
pub async fn lock(options: &LockOptions, progress: &dyn Progress) -> Result<LockReport> {
    let opened = OpenLock::read(options)?;
    let renderers = Renderers::find(options, &opened)?;
    let client = Client::from_configuration(options.source.registries.as_deref())?;
    let OpenLock { path, lock, store, digests, .. } = &opened;
    let mut resolution = resolve(lock, &renderers.all(), &client, store, progress).await;
    let (output, written) = opened.parse_output(options, resolution.text.clone())?;
    durable::write_file(&output, written.text().as_bytes(), 0o644)?;
    digests.keep()?;
    if output == *path {
        // Resolving adds lines, but errors must name the current ones.
        let failures = std::mem::take(&mut resolution.failures).into_iter();
        resolution.failures = failures.map(|error| error.in_rewritten(path, |field| written.line_of(field))).collect();
    }
    if let Some(error) = failure(lock, &resolution) {
        return Err(error);
    }
    let Resolution { resolved, moved, text, .. } = resolution;
    let discovery = Discovery { options, opened: &opened, client: &client, progress };
    let DiscoveryResult { text, found, refused } = discover(discovery, text).await?;
    let written = opened.write_changed(options, text, &written)?;
    if let Some(error) = refused {
        return Err(error);
    }
    let signed = opened.with_signatures(&client, written.text().to_owned(), false, progress).await?;
    let SignedLock { text, images: signed, refused } = signed;
    opened.write_changed(options, text, &written)?;
    if let Some(error) = refused {
        return Err(error);
    }
    let Renderers { kubectl: renderer, helm } = renderers;
    Ok(LockReport { lock: output, resolved, moved, renderer, helm, entries: inputs(lock), signed, found })
}

/// Number of manifests and files in a lock.
fn inputs(lock: &Lock) -> usize {
    let of_entry = |content: &Content| match content {
        Content::Manifest(_)
        | Content::Archive(_)
        | Content::Hub(_)
        | Content::Bucket(_)
        | Content::Folder(_)
        | Content::Set(_) => 1,
        Content::Files(files) => files.len(),
    };
    lock.entries().map(|(_, entry)| of_entry(&entry.content)).sum()
}

/// One error for all images that the release names but that could not be resolved.
pub(super) fn not_added(lock: &Lock, failures: &[BuildError]) -> Option<BuildError> {
    let first = failures.first()?;
    let them = if failures.len() == 1 { "it" } else { "them" };
    let what = format!(
        "{} could not be added, though the release names {them}:{}",
        image_count(failures.len()),
        lines(failures)
    );
    let code = most_serious(failures).unwrap_or_else(|| first.code());
    let hint = "Correct the name where it is written, or what the registry has; then run `landfall lock` again.";
    Some(BuildError::at(code, Place::file(&lock.path), what).hint(hint))
}

fn image_count(images: usize) -> String {
    if images == 1 { "1 image".to_owned() } else { format!("{images} images") }
}

/// One error for all images that a signature rule refuses, or for which a registry did not respond.
fn signature_error(lock: &Lock, failures: &[BuildError]) -> Option<BuildError> {
    let first = failures.first()?;
    let images = image_count(failures.len());
    let what = format!("the signatures of {images} were not verified:{}", lines(failures));
    Some(BuildError::at(first.code(), Place::file(&lock.path), what))
}

/// A line for each error, with its cause.
fn lines(failures: &[BuildError]) -> String {
    let line = |error: &BuildError| {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("\n  {error}{cause}")
    };
    failures.iter().map(line).collect()
}

/// One error for all unresolved entries.
pub(super) fn failure(lock: &Lock, resolution: &Resolution) -> Option<BuildError> {
    let first = resolution.failures.first()?;
    let what = format!("{} could not be resolved:{}", entries(resolution.failed), lines(&resolution.failures));
    let code = most_serious(&resolution.failures).unwrap_or_else(|| first.code());
    Some(BuildError::at(code, Place::file(&lock.path), what))
}

/// Code of the first failure that a user must fix; it takes precedence over transient ones.
fn most_serious(failures: &[BuildError]) -> Option<landfall_error_codes::Code> {
    failures.iter().map(landfall_error_codes::CodedError::code).find(|code| *code != codes::FETCH_FAILED)
}

fn entries(count: usize) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}
