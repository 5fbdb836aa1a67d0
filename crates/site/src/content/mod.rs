//! Content of a site's releases: blobs and their links in the registry, folders of files, and heads. Content belongs to
//! releases; content to which no kept release refers is collected.

mod links;
mod node_parts;
mod placed_file;
pub mod reference;

use std::collections::BTreeSet;
use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_engine::step::StepError;
use landfall_error_codes::CodedError;
use landfall_host::mounts;
use landfall_host::pack::PackId;
use landfall_media::store::{CollectTotals, RepositoryLink};
use landfall_release_document::{ArtifactEntry, ArtifactKind};

use crate::place::{ContentAccess, SiteRelease};

pub use links::PlannedLink;
pub use links::registry_links;
pub use node_parts::{KubernetesSources, NodeParts, minor_version, placed_files};
pub use placed_file::{PlacedFile, observe_placed, place_all};

/// Content to which a set of releases refers.
#[derive(Debug, Default)]
pub struct Content {
    blobs: BTreeSet<Sha256>,
    links: Vec<RepositoryLink>,
    files: BTreeSet<String>,
    packs: BTreeSet<PackId>,
}

impl Content {
    /// Returns the content of these releases. If two releases give one tag to different manifests, the first one keeps
    /// it.
    pub fn of<'a>(releases: impl IntoIterator<Item = &'a SiteRelease>) -> Self {
        let mut content = Self::default();
        for release in releases {
            content.blobs.extend(release.payload.blobs().iter().map(|blob| blob.sha256));
            content.links.extend(registry_links(&release.release).iter().map(PlannedLink::in_store));
            let artifacts = release.release.artifacts.iter();
            let with_files = artifacts.filter(|artifact| artifact.kind != ArtifactKind::Node);
            content.files.extend(with_files.map(artifact_folder));
            // A release without a node pack was never installed.
            content.packs.extend(NodeParts::of(&release.release).map(|parts| parts.id));
        }
        content
    }

    /// Removes all other content from the registry, the folder of files and `packs`, a host's folder of node packs.
    /// Durable on return. After a crash, the same call completes the removal.
    pub fn collect(&self, content: &ContentAccess, packs: &Path) -> Result<CollectTotals, StepError> {
        remove_others(&content.files(), &self.files)?;
        self.remove_other_packs(packs)?;
        let store = content.counted_store();
        store.collect(&self.blobs, &self.links).map_err(|error| {
            let what = format!("cannot remove what no release refers to from {}", store.root().display());
            StepError::new(error.code(), what).because(error)
        })
    }
}

impl Content {
    /// Removes other node packs. Processes that run from one continue, because the kernel keeps their programs.
    fn remove_other_packs(&self, folder: &Path) -> Result<(), StepError> {
        let Ok(entries) = fs_err::read_dir(folder) else { return Ok(()) };
        for entry in entries.flatten() {
            let pack = entry.file_name().to_string_lossy().parse::<PackId>();
            if pack.is_ok_and(|pack| !self.packs.contains(&pack)) {
                mounts::remove_tree(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// Returns the name of an artifact's folder within the site's folder of files.
pub fn artifact_folder(artifact: &ArtifactEntry) -> String {
    artifact.manifest.digest.to_hex()
}

/// Removes the folders in `folder` that have other names. Fails if anything is mounted in one of them.
pub fn remove_others(folder: &Path, names: &BTreeSet<String>) -> Result<(), StepError> {
    let Ok(entries) = fs_err::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        if !names.contains(&*entry.file_name().to_string_lossy()) {
            mounts::remove_tree(&entry.path())?;
        }
    }
    Ok(())
}
