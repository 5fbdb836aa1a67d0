//! Comparison of artifacts and their files.

use std::collections::{BTreeMap, BTreeSet};

use landfall_bundle_spec::Sha256;
use landfall_documents::releases::Changes;
use landfall_release_document::{ArtifactEntry, ArtifactFile};
use schemars::JsonSchema;
use serde::Serialize;

use super::Side;

/// Artifact of one bundle.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactState {
    /// Name of the artifact.
    pub name: String,
    /// Purpose: `node`, `model`, `wheels`, `npm`, `files`.
    pub kind: String,
    /// Full upstream reference.
    pub reference: String,
    /// Digest of its manifest.
    #[schemars(with = "String")]
    pub digest: Sha256,
    /// Bytes of its files.
    pub bytes: u64,
}

/// Artifact of both bundles.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactChange {
    /// State in the first bundle.
    pub from: ArtifactState,
    /// State in the second bundle.
    pub to: ArtifactState,
    /// Files that differ.
    pub files: Vec<FileChange>,
}

/// File that differs.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileChange {
    /// Path of the file.
    pub path: String,
    /// Size in the first bundle, in bytes; null if the file was added.
    pub from_bytes: Option<u64>,
    /// Size in the second bundle, in bytes; null if the file was removed.
    pub to_bytes: Option<u64>,
}

pub(super) fn changes(from: &Side<'_>, to: &Side<'_>) -> Changes<ArtifactState, ArtifactChange> {
    let (old, new) = (by_name(from), by_name(to));
    let mut changes = Changes::default();
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) if old != new => {
                let files = files(old, new);
                changes.changed.push(ArtifactChange { from: state(old), to: state(new), files });
            }
            (Some(removed), None) => changes.removed.push(state(removed)),
            (None, Some(added)) => changes.added.push(state(added)),
            _ => {}
        }
    }
    changes
}

fn by_name<'a>(side: &Side<'a>) -> BTreeMap<&'a str, &'a ArtifactEntry> {
    side.release.artifacts.iter().map(|artifact| (artifact.name.as_str(), artifact)).collect()
}

fn state(artifact: &ArtifactEntry) -> ArtifactState {
    let kind = serde_json::to_value(artifact.kind).unwrap_or_default();
    ArtifactState {
        name: artifact.name.clone(),
        kind: kind.as_str().unwrap_or_default().to_owned(),
        reference: artifact.reference.clone(),
        digest: artifact.manifest.digest,
        bytes: artifact.files.iter().map(|file| file.blob.size).fold(0, u64::saturating_add),
    }
}

fn files(old: &ArtifactEntry, new: &ArtifactEntry) -> Vec<FileChange> {
    let by_path = |artifact: &ArtifactEntry| -> BTreeMap<String, ArtifactFile> {
        artifact.files.iter().map(|file| (file.path.clone(), file.clone())).collect()
    };
    let (old, new) = (by_path(old), by_path(new));
    let paths: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let differing = paths.into_iter().filter(|path| old.get(*path) != new.get(*path));
    differing
        .map(|path| FileChange {
            path: path.clone(),
            from_bytes: old.get(path).map(|file| file.blob.size),
            to_bytes: new.get(path).map(|file| file.blob.size),
        })
        .collect()
}
