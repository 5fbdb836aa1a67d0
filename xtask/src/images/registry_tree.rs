//! Images and artifacts arranged as the storage of CNCF distribution, which can serve such a tree immediately.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, recreated when lost")]

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::layer::put;
use super::oci::{Blob, Bytes, PublishedContent};
use super::{Workshop, lock};
use crate::cache::Key;
use crate::printer;

/// A finished tree in the cache. It must not be modified: its blobs are hard links to files of other entries.
#[derive(Clone, Debug)]
pub struct RegistryTree {
    /// The root folder, as distribution's `rootdirectory`.
    pub root: PathBuf,
    /// Images and artifacts that it holds.
    pub references: Vec<Reference>,
}

/// An image or artifact that the tree serves as 127.0.0.1:PORT/REFERENCE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Reference {
    /// Upstream's host, repository and tag.
    pub reference: String,
    /// Name of the recipe.
    pub recipe: String,
    /// True for an image, false for an artifact.
    pub image: bool,
    /// Digest of the manifest.
    pub digest: String,
    /// Media type of the manifest.
    pub media_type: String,
    /// Size of the manifest in bytes.
    pub size: u64,
    /// Size of configuration and layers in bytes.
    pub content_size: u64,
}

/// Returns the tree of everything. First, compares all parts that do not belong to later releases with the list of
/// assembled images.
pub fn ensure(
    workshop: &Workshop,
    mut published: Vec<PublishedContent>,
    later: Vec<PublishedContent>,
) -> Result<RegistryTree> {
    let listed: Vec<Reference> = published.iter().map(reference).collect();
    lock::check(&workshop.recipe(lock::FILE), &listed)?;
    published.extend(later);
    published.sort_by(|one, two| one.reference.cmp(&two.reference));
    let references: Vec<Reference> = published.iter().map(reference).collect();
    lay_out(workshop, &published, references)
}

/// Returns the tree of only these images and artifacts.
pub fn of(workshop: &Workshop, mut published: Vec<PublishedContent>) -> Result<RegistryTree> {
    published.sort_by(|one, two| one.reference.cmp(&two.reference));
    let references = published.iter().map(reference).collect();
    lay_out(workshop, &published, references)
}

/// Returns the tree of the given images and artifacts.
pub fn lay_out(
    workshop: &Workshop,
    published: &[PublishedContent],
    references: Vec<Reference>,
) -> Result<RegistryTree> {
    let mut key = Key::new().with("layout", "1");
    for item in published {
        key = key.with(&item.reference, &item.manifest.digest);
    }
    let root = workshop.entry("registry", "of everything", &key, |folder| {
        for item in published {
            write_item(folder, item).with_context(|| format!("cannot lay out {}", item.reference))?;
        }
        put(&folder.join("references.json"), &serde_json::to_vec_pretty(&references)?)
    })?;
    Ok(RegistryTree { root, references })
}

fn reference(item: &PublishedContent) -> Reference {
    Reference {
        reference: item.reference.clone(),
        recipe: item.recipe.to_owned(),
        image: item.image,
        digest: item.manifest.digest.clone(),
        media_type: item.manifest.media_type.clone(),
        size: item.manifest.size,
        content_size: item.blobs.iter().map(|blob| blob.size).sum(),
    }
}

fn write_item(root: &Path, item: &PublishedContent) -> Result<()> {
    let storage = root.join("docker/registry/v2");
    let (repository, tag) = item.reference.rsplit_once(':').context("a reference has a tag")?;
    let folder = storage.join("repositories").join(repository);
    let digest = &item.manifest.digest;
    for blob in &item.blobs {
        write_blob(&storage, blob)?;
        write_link(&folder.join("_layers").join(blob.digest.replace(':', "/")), &blob.digest)?;
    }
    write_blob(&storage, &item.manifest)?;
    let manifests = folder.join("_manifests");
    write_link(&manifests.join("revisions").join(digest.replace(':', "/")), digest)?;
    write_link(&manifests.join("tags").join(tag).join("index").join(digest.replace(':', "/")), digest)?;
    write_link(&manifests.join("tags").join(tag).join("current"), digest)
}

fn write_link(folder: &Path, digest: &str) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    put(&folder.join("link"), digest.as_bytes())
}

fn write_blob(storage: &Path, blob: &Blob) -> Result<()> {
    let hex = blob.digest.strip_prefix("sha256:").context("a digest is SHA-256")?;
    let folder = storage.join("blobs/sha256").join(&hex[..2]).join(hex);
    let path = folder.join("data");
    if path.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    match &blob.bytes {
        Bytes::Text(bytes) => put(&path, bytes),
        Bytes::File(file) => {
            // The cache is on one filesystem. For a part on another one, a copy works as well.
            if std::fs::hard_link(file, &path).is_err() {
                printer::note(format_args!("copying {}", file.display()));
                std::fs::copy(file, &path).with_context(|| format!("cannot copy {}", file.display()))?;
            }
            let size = File::open(&path)?.metadata()?.len();
            anyhow::ensure!(size == blob.size, "{} changed in the cache: delete the cache", file.display());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::oci::artifact;
    use super::*;
    use crate::cache::Cache;

    #[test]
    fn registry_tree_holds_all_blobs() {
        let folder = tempfile::tempdir().unwrap();
        let workshop = Workshop::over(Cache::at(folder.path()).unwrap());
        let item =
            artifact("recipe", "host.example/a/b:v1".into(), "kind", None, vec![Blob::text("type", b"x".to_vec())]);
        let tree = lay_out(&workshop, std::slice::from_ref(&item), vec![reference(&item)]).unwrap();
        let storage = tree.root.join("docker/registry/v2");
        let current = storage.join("repositories/host.example/a/b/_manifests/tags/v1/current/link");
        assert_eq!(std::fs::read_to_string(current).unwrap(), item.manifest.digest);
        for blob in item.blobs.iter().chain([&item.manifest]) {
            let hex = blob.digest.strip_prefix("sha256:").unwrap();
            let path = storage.join("blobs/sha256").join(&hex[..2]).join(hex).join("data");
            assert_eq!(path.metadata().unwrap().len(), blob.size);
        }
    }
}
