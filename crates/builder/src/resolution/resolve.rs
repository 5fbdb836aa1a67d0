//! `landfall lock`: resolves unknown fields of the lock from registries and servers, and checks the known ones.
//!
//! An entry records the name from which its digest was resolved, and a digest is never kept for another name. If the
//! record shows that a user changed the name, the new name is resolved. Without a record, digest and name must match.

use futures_util::{StreamExt as _, stream};
use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_media::progress::{Event, Progress};
use landfall_media::store::ContentStore;
use schemars::JsonSchema;
use serde::Serialize;

use super::npm::NpmSet;
use super::wheels::WheelSet;
use crate::error::{BuildError, Place, Result};
use crate::fetch::{Client, RawManifest, foreign};
use crate::lock::edit::Replacement;
use crate::lock::position::Position;
use crate::lock::set::{SetKind, SetPackage, SetPinned};
use crate::lock::{
    ArchiveFields, BucketFields, Content, FolderFields, HubFields, IndexField, Lock, LockEntry, LockedFile,
    ManifestFields, SetFields, edit, resolved_from,
};
use crate::manifest::is_index;
use crate::npm::Cpu;
use crate::program::Renderer;
use crate::reference::Reference;
use crate::tool::Tool;

/// Number of entries and files that are resolved in parallel.
pub(super) const PARALLEL: usize = 8;

/// Resolved fields of a manifest.
#[derive(Debug, Clone)]
pub(super) struct ResolvedManifest {
    index: IndexField,
    pub(super) digest: Sha256,
    pub(super) media_type: String,
    pub(super) size: usize,
}

impl ResolvedManifest {
    /// Value of the field `index` in the lock.
    pub(super) fn index_text(&self) -> String {
        match self.index {
            IndexField::Known(digest) => digest.to_string(),
            IndexField::None | IndexField::Unresolved => "none".to_owned(),
        }
    }
}

/// Tag, branch, object or file that has changed since it was resolved. `landfall build` still packs the pinned content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MovedPin {
    /// Reference of the entry.
    pub reference: String,
    /// Digest, commit of a repository of models, or file that the lock pins.
    pub pinned: String,
    /// Current upstream counterpart of the pin.
    pub now: String,
}

/// The result of resolving a lock.
#[derive(Debug)]
pub struct Resolution {
    /// Text of the lock with all resolved fields.
    pub text: String,
    /// Entries that were unresolved or stale and are resolved now.
    pub resolved: usize,
    /// Entries whose tags have moved since they were resolved.
    pub moved: Vec<MovedPin>,
    /// Number of entries that are not resolved.
    pub failed: usize,
    /// Errors of these entries, at least one for each.
    pub failures: Vec<BuildError>,
}

/// The result for one entry.
pub(super) enum Outcome {
    /// All pins are still valid.
    Holds,
    Moved(MovedPin),
    Resolved(Vec<Replacement>),
}

/// An entry, or a file of one, to resolve.
#[derive(Clone, Copy)]
pub(super) enum ResolutionTarget<'a> {
    Manifest(&'a LockEntry, &'a ManifestFields),
    File(&'a LockedFile),
    Archive(&'a LockEntry, &'a ArchiveFields),
    Hub(&'a LockEntry, &'a HubFields),
    Bucket(&'a LockEntry, &'a BucketFields),
    Folder(&'a LockEntry, &'a FolderFields),
    Set(&'a LockEntry, &'a SetFields),
}

/// The lock and the servers, the store and the progress of a resolution.
#[derive(Clone, Copy)]
pub(super) struct Resolver<'a> {
    pub(super) lock: &'a Lock,
    pub(super) client: &'a Client,
    pub(super) store: &'a ContentStore,
    pub(super) progress: &'a dyn Progress,
}

/// Resolves unresolved and stale fields, and compares every tag with its digest. Files stay in the store, so that a
/// build need not fetch them again.
pub async fn resolve(
    lock: &Lock,
    renderers: &[(Tool, &Renderer)],
    client: &Client,
    store: &ContentStore,
    progress: &dyn Progress,
) -> Resolution {
    answers(Resolver { lock, client, store, progress }, resolution_targets(lock), renderers).await
}

/// Resolves these entries, and writes the results and the renderers into the text of the lock.
pub(super) async fn answers(
    asking: Resolver<'_>,
    asked: Vec<(Place, ResolutionTarget<'_>)>,
    renderers: &[(Tool, &Renderer)],
) -> Resolution {
    let total_bytes = None;
    asking.progress.event(Event::PhaseStarted { phase: "resolving the lock".into(), total_bytes });
    let results: Vec<_> = stream::iter(asked)
        .map(|(place, asked)| async move {
            let one = |error| vec![error];
            let found = match asked {
                ResolutionTarget::Manifest(entry, fields) => asking.manifest(entry, fields).await.map_err(one),
                ResolutionTarget::File(file) => asking.measure(file).await.map_err(one),
                ResolutionTarget::Archive(entry, archive) => asking.archive(entry, archive).await.map_err(one),
                ResolutionTarget::Hub(entry, hub) => asking.hub(entry, hub).await.map_err(one),
                ResolutionTarget::Bucket(entry, bucket) => asking.bucket(entry, bucket).await.map_err(one),
                ResolutionTarget::Folder(entry, folder) => asking.folder(entry, folder).await.map_err(one),
                ResolutionTarget::Set(entry, set) => asking.set(entry, set).await,
            };
            // Adds the entry's place to each error.
            found.map_err(|errors| errors.into_iter().map(|error| error.within(place.clone())).collect::<Vec<_>>())
        })
        .buffered(PARALLEL)
        .collect()
        .await;
    asking.progress.event(Event::PhaseDone);
    let mut replacements: Vec<_> = renderer_fields(asking.lock, renderers).into_iter().flatten().collect();
    let (moved, failures) = Default::default();
    let mut resolution = Resolution { text: String::new(), resolved: 0, moved, failed: 0, failures };
    for found in results {
        match found {
            Ok(Outcome::Holds) => {}
            Ok(Outcome::Moved(moved)) => resolution.moved.push(moved),
            Ok(Outcome::Resolved(list)) => {
                replacements.extend(list);
                resolution.resolved += 1;
            }
            Err(errors) => {
                resolution.failed += 1;
                resolution.failures.extend(errors);
            }
        }
    }
    resolution.text = edit::apply(asking.lock, replacements);
    resolution
}

/// Replacements that record the current renderers, whatever the lock recorded before.
fn renderer_fields(lock: &Lock, renderers: &[(Tool, &Renderer)]) -> Vec<Option<Replacement>> {
    let mut fields = Vec::new();
    let mut lacking = Vec::new();
    for (tool, Renderer { version, digest }) in renderers {
        if let Some(known) = lock.document.renderer(*tool) {
            fields.push(Replacement::new(&known.version, version.clone()));
            fields.push(Replacement::new(&known.digest, digest.to_string()));
        } else {
            lacking.push((tool.field(), format!("{{version: {version}, digest: {digest}}}")));
        }
    }
    if !lacking.is_empty() {
        fields.push(edit::insert_after(lock, &lock.document.platform, &lacking));
    }
    fields
}

/// Every manifest and every unconfirmed file, with its place.
pub(super) fn resolution_targets(lock: &Lock) -> Vec<(Place, ResolutionTarget<'_>)> {
    lock.entries().flat_map(|(position, entry)| asked_of(lock, position, entry)).collect()
}

/// Manifest or unconfirmed files of one entry, with their places.
pub(super) fn asked_of<'a>(
    lock: &Lock,
    position: Position,
    entry: &'a LockEntry,
) -> Vec<(Place, ResolutionTarget<'a>)> {
    let at = |line, field| Place::field(&lock.path, line, field);
    let whole = |asked| vec![(at(entry.reference.referenced.line(), position.to_string()), asked)];
    match &entry.content {
        Content::Manifest(fields) => whole(ResolutionTarget::Manifest(entry, fields)),
        Content::Archive(archive) => whole(ResolutionTarget::Archive(entry, archive)),
        Content::Hub(hub) => whole(ResolutionTarget::Hub(entry, hub)),
        Content::Bucket(bucket) => whole(ResolutionTarget::Bucket(entry, bucket)),
        Content::Folder(folder) => whole(ResolutionTarget::Folder(entry, folder)),
        // Packages are pinned by digest, like files: confirmed ones are not requested again.
        Content::Set(set) if set.is_confirmed() => Vec::new(),
        Content::Set(set) => whole(ResolutionTarget::Set(entry, set)),
        Content::Files(files) => {
            let files = files.iter().enumerate().filter(|(_, file)| file.is_open());
            let asked = |(number, file): (usize, &'a LockedFile)| {
                (at(file.line(), format!("{position}.files[{number}]")), ResolutionTarget::File(file))
            };
            files.map(asked).collect()
        }
    }
}

impl Resolver<'_> {
    /// Resolves the packages of a set. Each problem is a separate error.
    async fn set(self, entry: &LockEntry, fields: &SetFields) -> Result<Outcome, Vec<BuildError>> {
        match &fields.kind {
            SetKind::Wheels(source) => self.wheels(entry, WheelSet { fields, source }).await,
            SetKind::Npm { registry, omit } => {
                let cpu = Cpu::of_platform(&self.lock.document.platform.value);
                self.npm(entry, NpmSet { fields, registry: registry.as_ref(), omit, cpu }).await
            }
        }
    }

    /// Pins the packages, sorted by path, unless there is an error.
    pub(super) fn pin_set(
        self,
        entry: &LockEntry,
        fields: &SetFields,
        found: Vec<Result<SetPackage>>,
        mut faults: Vec<BuildError>,
    ) -> Result<Outcome, Vec<BuildError>> {
        let mut files = Vec::with_capacity(found.len());
        for package in found {
            match package {
                Ok(package) => files.push(package),
                Err(error) => faults.push(error),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let (_, digest) = fields.content().map_err(|error| vec![error])?;
        let pinned = SetPinned { resolved: fields.to_string(), digest, files };
        let replacement = fields.replacement(self.lock, &pinned);
        self.replacement_outcome([replacement], &entry.reference.value).map_err(|error| vec![error])
    }

    /// Fetches a file for its digest and size. If only its published checksums are new, fetches only those.
    async fn measure(self, file: &LockedFile) -> Result<Outcome> {
        let confirmed = file.sums.as_ref().map(|sums| sums.record(self.lock));
        if file.unresolved_fields().is_empty() && file.is_confirmed() {
            self.must_confirm(file).await?;
            return self.replacement_outcome(confirmed, &file.written.value);
        }
        // The pin is compared before the checksums are, so that an error shows what the server sends.
        let stated = self.stated(file).await?;
        let found = self.client.measure(&file.url, self.store, self.progress).await?;
        let mismatch = |found: String, pinned: String| {
            let what = format!("{} {found} where the lock says {pinned}", file.url);
            Err(BuildError::new(codes::FETCH_MISMATCH, what))
        };
        let binding = file.is_binding();
        match (file.digest.value.as_known(), file.size.value.as_known()) {
            (Some(pinned), _) if binding && *pinned != found.digest => {
                mismatch(format!("is {}", found.digest), pinned.to_string())
            }
            (_, Some(pinned)) if binding && *pinned != found.size => {
                mismatch(format!("has {} bytes", found.size), format!("{pinned}"))
            }
            _ => {
                if let (Some(sums), Some(stated)) = (&file.sums, stated) {
                    sums.must_state(&file.url, stated, ("whose server sends", found.digest))?;
                }
                let record = match &file.resolved {
                    Some(resolved) => Replacement::in_style(self.lock, resolved, &file.written.value),
                    None => edit::insert_after(self.lock, &file.written, &[("resolved", file.written.value.clone())]),
                };
                let fields = [
                    record,
                    Replacement::new(&file.digest, found.digest.to_string()),
                    Replacement::new(&file.size, found.size.to_string()),
                ];
                self.replacement_outcome(fields.into_iter().chain(confirmed), &file.written.value)
            }
        }
    }

    pub(super) async fn manifest(self, entry: &LockEntry, fields: &ManifestFields) -> Result<Outcome> {
        let reference: Reference = entry
            .reference
            .value
            .parse()
            .map_err(|error| BuildError::new(codes::LOCK_UNREADABLE, format!("{error}")))?;
        let by = fields.found_by(&entry.reference.value);
        let confirmed = by.is_some();
        // A digest in an object takes precedence over the tag, whatever the tag points to now.
        let asked = by.filter(|by| by.digest.is_some()).unwrap_or_else(|| reference.clone());
        let tagged = self.client.manifest(&asked, self.progress).await?;
        let named = self.platform_digest(&asked, &tagged).await?;
        let pinned = fields.digest.value.as_known().copied();
        if let Some(pinned) = pinned.filter(|pinned| confirmed && *pinned != named) {
            let (pinned, now) = (pinned.to_string(), tagged.digest.to_string());
            return Ok(Outcome::Moved(MovedPin { reference: reference.to_string(), pinned, now }));
        }
        if confirmed && fields.unresolved_fields().is_empty() && fields.index.is_some() {
            return Ok(Outcome::Holds);
        }
        if confirmed || resolved_from(&fields.resolved).is_none() {
            must_match(&reference, &tagged, pinned.map(|pinned| (pinned, named)), fields.index())?;
        }
        let found = self.resolve_manifest(&reference, tagged, named).await?;
        self.replacement_outcome(self.fields(entry, fields, &found, asked.to_string()), &entry.reference.value)
    }

    /// Resolves a reference. A digest in it takes precedence over the tag; if an index has that digest, the platform's
    /// manifest is looked up there.
    pub(super) async fn look_up(self, reference: &Reference) -> Result<ResolvedManifest> {
        let raw = self.client.manifest(reference, self.progress).await?;
        let named = self.platform_digest(reference, &raw).await?;
        self.resolve_manifest(reference, raw, named).await
    }

    async fn resolve_manifest(
        self,
        reference: &Reference,
        tagged: RawManifest,
        named: Sha256,
    ) -> Result<ResolvedManifest> {
        let (index, manifest) = if is_index(&tagged.media_type) {
            let manifest = self.client.manifest(&reference.with_digest(named), self.progress).await?;
            (IndexField::Known(tagged.digest), manifest)
        } else {
            (IndexField::None, tagged)
        };
        if is_index(&manifest.media_type) {
            let what = format!("{reference} names an index where a platform manifest is needed");
            return Err(BuildError::new(codes::FETCH_MISMATCH, what));
        }
        foreign::refuse(reference, &manifest.bytes)?;
        Ok(ResolvedManifest {
            index,
            digest: manifest.digest,
            media_type: manifest.media_type,
            size: manifest.bytes.len(),
        })
    }

    /// Replacements for the fields of a manifest that was found `by` a reference.
    fn fields(
        self,
        entry: &LockEntry,
        fields: &ManifestFields,
        found: &ResolvedManifest,
        by: String,
    ) -> Vec<Option<Replacement>> {
        let mut lacking = Vec::new();
        let mut replacements = vec![
            Replacement::new(&fields.digest, found.digest.to_string()),
            Replacement::new(&fields.media_type, found.media_type.clone()),
            Replacement::new(&fields.size, found.size.to_string()),
        ];
        match &fields.resolved {
            Some(resolved) => replacements.push(Replacement::in_style(self.lock, resolved, &by)),
            None => lacking.push(("resolved", by)),
        }
        match &fields.index {
            Some(index) => replacements.push(Replacement::new(index, found.index_text())),
            None => lacking.push(("index", found.index_text())),
        }
        if !lacking.is_empty() {
            replacements.push(edit::insert_after(self.lock, &entry.reference, &lacking));
        }
        replacements
    }

    pub(super) fn replacement_outcome(
        self,
        fields: impl IntoIterator<Item = Option<Replacement>>,
        what: &str,
    ) -> Result<Outcome> {
        let unknown = || {
            let what = format!("the place of {what} is not known");
            BuildError::at(codes::BUG, Place::file(&self.lock.path), what)
        };
        fields.into_iter().collect::<Option<_>>().map(Outcome::Resolved).ok_or_else(unknown)
    }
}

/// Returns an error if a digest does not match its tag.
fn must_match(
    reference: &Reference,
    tagged: &RawManifest,
    manifest: Option<(Sha256, Sha256)>,
    index: Option<Sha256>,
) -> Result<()> {
    let differs = |noun: &str, now: Sha256, pinned: Sha256| {
        let what = format!("{reference} names the {noun} {now} where the lock says {pinned}");
        let hint = "Correct the tag, or run `landfall lock` with `--update` and the name of the entry to take what the \
            tag names now.";
        Err(BuildError::new(codes::FETCH_MISMATCH, what).hint(hint))
    };
    match (manifest, index) {
        (Some((pinned, now)), _) if pinned != now => differs("manifest", now, pinned),
        // Upstream may have replaced the index of a pinned manifest because of another platform.
        (None, Some(pinned)) if pinned != tagged.digest => differs("index", tagged.digest, pinned),
        _ => Ok(()),
    }
}
