//! Repositories: the links by which distribution finds blobs, manifests and tags.
//!
//! ```text
//! repositories/NAME/_layers/sha256/HEX/link                      configuration and layers
//! repositories/NAME/_manifests/revisions/sha256/HEX/link         manifests
//! repositories/NAME/_manifests/tags/TAG/index/sha256/HEX/link    manifests of a tag
//! repositories/NAME/_manifests/tags/TAG/current/link             written last: its presence means that all links exist
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;

use super::ContentStore;
use crate::durable::Batch;
use crate::error::{MediaError, Result};

/// One manifest in one repository, with the blobs that it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryLink {
    /// Name in the registry, upstream's host first: `docker.io/library/redis`.
    pub repository: String,
    /// Digest of the manifest.
    pub manifest: Sha256,
    /// Tag, if the reference has one.
    pub tag: Option<String>,
    /// Digests of the configuration and the layers.
    pub blobs: Vec<Sha256>,
}

impl ContentStore {
    /// Links one manifest into its repository; see [`ContentStore::link_repositories`].
    pub fn link_repository(&self, link: &RepositoryLink) -> Result<()> {
        self.link_repositories(std::slice::from_ref(link))
    }

    /// Links manifests into their repositories. All their blobs must be in the store. An existing tag of the same name
    /// is moved. On return, everything is on the disk; after a crash, the same call completes it.
    pub fn link_repositories(&self, links: &[RepositoryLink]) -> Result<()> {
        for link in links {
            for digest in std::iter::once(&link.manifest).chain(&link.blobs) {
                if !self.contains(*digest) {
                    return Err(self.missing(*digest));
                }
            }
            if !is_repository(&link.repository) || !link.tag.as_deref().is_none_or(is_tag) {
                let what =
                    format!("`{}` with the tag {:?} is not a repository of a registry", link.repository, link.tag);
                return Err(MediaError::Bug(what));
            }
        }
        let blobs: BTreeSet<_> = links.iter().flat_map(|link| self.blob_links(link)).collect();
        let manifests: BTreeSet<_> = links.iter().flat_map(|link| self.manifest_links(link)).collect();
        let tags: BTreeSet<_> = links.iter().filter_map(|link| self.tag_link(link)).collect();
        // Tags come last, after everything that they refer to is on the disk.
        let batch = Batch::begin(self.root())?;
        for group in [blobs.into_iter().chain(manifests).collect::<Vec<_>>(), tags.into_iter().collect()] {
            for (path, digest) in group.into_iter().filter(|(path, digest)| !has_link(path, *digest)) {
                batch.write_file(&path, digest.to_string().as_bytes(), 0o644)?;
            }
            batch.commit()?;
        }
        Ok(())
    }

    /// Returns true if [`ContentStore::link_repositories`] was done for this link.
    pub fn is_linked(&self, link: &RepositoryLink) -> bool {
        self.blob_links(link)
            .into_iter()
            .chain(self.manifest_links(link))
            .chain(self.tag_link(link))
            .all(|(path, digest)| has_link(&path, digest))
    }

    /// Paths of all files that [`ContentStore::link_repositories`] creates for a link.
    pub(super) fn paths_of(&self, link: &RepositoryLink) -> impl Iterator<Item = PathBuf> {
        let links = self.blob_links(link).into_iter().chain(self.manifest_links(link)).chain(self.tag_link(link));
        links.map(|(path, _)| path)
    }

    fn repository_folder(&self, link: &RepositoryLink) -> PathBuf {
        self.root().join("docker/registry/v2/repositories").join(&link.repository)
    }

    fn blob_links(&self, link: &RepositoryLink) -> Vec<(PathBuf, Sha256)> {
        let layers = self.repository_folder(link).join("_layers/sha256");
        link.blobs.iter().map(|digest| (layers.join(digest.to_hex()).join("link"), *digest)).collect()
    }

    fn manifest_links(&self, link: &RepositoryLink) -> Vec<(PathBuf, Sha256)> {
        let manifests = self.repository_folder(link).join("_manifests");
        let hex = link.manifest.to_hex();
        let revision = manifests.join("revisions/sha256").join(&hex).join("link");
        let index =
            link.tag.iter().map(|tag| manifests.join("tags").join(tag).join("index/sha256").join(&hex).join("link"));
        std::iter::once(revision).chain(index).map(|path| (path, link.manifest)).collect()
    }

    fn tag_link(&self, link: &RepositoryLink) -> Option<(PathBuf, Sha256)> {
        let tag = link.tag.as_ref()?;
        Some((self.repository_folder(link).join("_manifests/tags").join(tag).join("current/link"), link.manifest))
    }
}

fn has_link(path: &Path, digest: Sha256) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes == digest.to_string().as_bytes())
}

/// Returns true if the path components are valid by the distribution specification, plus an optional port of the host.
/// So no name leads out of the folder of the repositories.
fn is_repository(name: &str) -> bool {
    let is_part = |part: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-:".contains(&byte);
        part.bytes().all(inner) && part.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
    };
    name.split('/').all(is_part)
}

fn is_tag(tag: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    tag.len() <= 128 && tag.bytes().all(inner) && tag.bytes().next().is_some_and(|byte| !b".-".contains(&byte))
}
