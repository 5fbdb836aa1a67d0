//! Differences between two states of a lock: entries and renderers whose pins changed.

use std::collections::HashSet;

use landfall_bundle_spec::Sha256;
use landfall_inventory::purl::split_tag;
use landfall_packages::WheelName;
use landfall_packages::npm::package_of_path;
use schemars::JsonSchema;
use serde::Serialize;

use crate::lock::bucket::BucketPinned;
use crate::lock::folder::FolderPinned;
use crate::lock::hub::HubPinned;
use crate::lock::set::{SetFields, SetKind, SetPackage, SetPinned};
use crate::lock::{Content, Field, List, Lock, LockEntry, LockedFile, RendererFields, ResolvedName, resolved_from};
use crate::tool::Tool;

/// Kind of a pinned object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangedKind {
    /// Container image.
    Image,
    /// Artifact: files, a model, a set of packages.
    Artifact,
    /// Chart.
    Chart,
    /// Program that renders.
    Renderer,
}

impl ChangedKind {
    /// Name of the kind, for people.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Artifact => "artifact",
            Self::Chart => "chart",
            Self::Renderer => "renderer",
        }
    }
}

impl From<List> for ChangedKind {
    fn from(list: List) -> Self {
        match list {
            List::Images => Self::Image,
            List::Artifacts => Self::Artifact,
            List::Charts => Self::Chart,
        }
    }
}

/// Entry of a lock, or program that renders, whose pins have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryChange {
    /// Kind of the entry.
    pub kind: ChangedKind,
    /// Reference of the entry; for a program, its name.
    pub entry: String,
    /// Changed pins; at least one.
    pub inputs: Vec<InputChange>,
}

/// Input with a changed pin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InputChange {
    /// Address or path of a file, or name of a package of a set; absent for the entry itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Earlier pin; absent if nothing was pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<PinnedInput>,
    /// Current pin; absent if the input is no longer part of the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<PinnedInput>,
}

/// Pin of an input.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PinnedInput {
    /// Tag, commit, address or version by which it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// SHA-256; absent for a commit, whose files have their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub digest: Option<Sha256>,
    /// Size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

/// An input that an entry pins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Input {
    name: Option<String>,
    pinned: PinnedInput,
}

impl Input {
    fn new(name: Option<String>, version: Option<String>, digest: Sha256, size_bytes: Option<u64>) -> Self {
        Self { name, pinned: PinnedInput { version, digest: Some(digest), size_bytes } }
    }
}

/// Changes of the pins from `before` to `after`, which have the same entries in the same order.
pub(super) fn difference(before: &Lock, after: &Lock) -> Vec<EntryChange> {
    let renderers = [Tool::Kubectl, Tool::Helm].into_iter().map(|tool| EntryChange {
        kind: ChangedKind::Renderer,
        entry: tool.name().to_owned(),
        inputs: changes(&renderer(before, tool), &renderer(after, tool)),
    });
    let entries = before.entries().zip(after.entries()).map(|((position, one), (_, other))| EntryChange {
        kind: position.list.into(),
        entry: one.reference.value.clone(),
        inputs: changes(&inputs(one), &inputs(other)),
    });
    renderers.chain(entries).filter(|change| !change.inputs.is_empty()).collect()
}

/// Removed inputs, each with its replacement under the same name, and new inputs.
fn changes(before: &[Input], after: &[Input]) -> Vec<InputChange> {
    let (known, kept): (HashSet<_>, HashSet<_>) = (before.iter().collect(), after.iter().collect());
    let mut new: Vec<_> = after.iter().filter(|input| !known.contains(input)).collect();
    let gone = before.iter().filter(|input| !kept.contains(input));
    let mut changes: Vec<_> = gone
        .map(|gone| {
            let successor = new.iter().position(|input| input.name == gone.name).map(|at| new.remove(at));
            let after = successor.map(|input| input.pinned.clone());
            InputChange { name: gone.name.clone(), before: Some(gone.pinned.clone()), after }
        })
        .collect();
    changes.extend(new.into_iter().map(|input| InputChange {
        name: input.name.clone(),
        before: None,
        after: Some(input.pinned.clone()),
    }));
    changes
}

/// The recorded renderer of a tool.
fn renderer(lock: &Lock, tool: Tool) -> Vec<Input> {
    let known = lock.document.renderer(tool).and_then(RendererFields::version_and_digest);
    known.map(|(version, digest)| Input::new(None, Some(version.to_owned()), digest, None)).into_iter().collect()
}

/// Pinned inputs of an entry, in its order; unresolved ones are left out.
fn inputs(entry: &LockEntry) -> Vec<Input> {
    match &entry.content {
        Content::Manifest(fields) => single_input(&fields.resolved, &fields.digest.value, &fields.size.value),
        Content::Archive(archive) => single_input(&archive.resolved, &archive.digest.value, &archive.size.value),
        Content::Files(files) => files.iter().filter_map(file).collect(),
        Content::Hub(hub) => hub.pinned.iter().flat_map(model).collect(),
        Content::Bucket(bucket) => bucket.pinned.iter().flat_map(objects).collect(),
        Content::Folder(folder) => folder.pinned.iter().flat_map(local).collect(),
        Content::Set(set) => set.pinned.iter().flat_map(|pinned| packages(set, pinned)).collect(),
    }
}

/// The input of an entry with a single pin.
fn single_input(resolved: &ResolvedName, digest: &Field<Sha256>, size: &Field<u64>) -> Vec<Input> {
    let version = resolved_from(resolved).map(tag);
    digest.as_known().map(|digest| Input::new(None, version, *digest, size.as_known().copied())).into_iter().collect()
}

fn file(file: &LockedFile) -> Option<Input> {
    let (name, version) = (file.written.value.clone(), resolved_from(&file.resolved).map(str::to_owned));
    let digest = *file.digest.value.as_known()?;
    Some(Input::new(Some(name), version, digest, file.size.value.as_known().copied()))
}

/// Commit of a hub's repository, and its files.
fn model(pinned: &HubPinned) -> Vec<Input> {
    let version = Some(pinned.commit.to_string());
    let commit = Input { name: None, pinned: PinnedInput { version, digest: None, size_bytes: None } };
    let files = pinned.files.iter().map(|file| pinned_file(&file.path, file.digest, file.size));
    std::iter::once(commit).chain(files).collect()
}

/// Objects of a bucket.
fn objects(pinned: &BucketPinned) -> Vec<Input> {
    pinned.files.iter().map(|file| pinned_file(&file.path, file.digest, file.size)).collect()
}

/// Files of a folder.
fn local(pinned: &FolderPinned) -> Vec<Input> {
    pinned.files.iter().map(|file| pinned_file(&file.path, file.digest, file.size)).collect()
}

fn pinned_file(path: &str, digest: Sha256, size: u64) -> Input {
    Input::new(Some(path.to_owned()), None, digest, Some(size))
}

/// The file that names the packages of a set, and the packages.
fn packages(set: &SetFields, pinned: &SetPinned) -> Vec<Input> {
    let file = Input::new(Some(set.file.written.clone()), None, pinned.digest, None);
    let packages = pinned.files.iter().map(|found| package(&set.kind, found));
    std::iter::once(file).chain(packages).collect()
}

fn package(kind: &SetKind, SetPackage { path, digest, size, .. }: &SetPackage) -> Input {
    let named = match kind {
        SetKind::Wheels(_) => WheelName::read(path).ok().map(|name| (name.project, name.version)),
        SetKind::Npm { .. } => package_of_path(path),
    };
    let (name, version) = named.map_or_else(|| (path.clone(), None), |(name, version)| (name, Some(version)));
    Input::new(Some(name), version, *digest, Some(*size))
}

/// Tag in the name that a digest was resolved from, without a digest at its end; the whole name if it has no tag.
fn tag(resolved: &str) -> String {
    let named = resolved.split_once("@sha256:").map_or(resolved, |(named, _)| named);
    split_tag(named).1.unwrap_or(named).to_owned()
}
