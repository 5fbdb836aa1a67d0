//! Removal of what nothing refers to: links of repositories first, then blobs, each with its record before its bytes. So
//! a power cut leaves links without blobs never, and blobs without records at most, which the next run removes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;

use super::{ContentStore, RepositoryLink};
use crate::durable;
use crate::error::{At, Result};

/// What was removed from a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs.
    pub blobs: usize,
    /// Their bytes. Hard links elsewhere keep them on the disk.
    pub bytes: u64,
    /// Links of repositories.
    pub links: usize,
}

impl ContentStore {
    /// Removes every blob that is not in `blobs`, and every link of a repository that is not one of `links`. Downloads and
    /// staged blobs that are not whole are removed, too, unless another process works on them. On return the removal is on
    /// the disk; after a crash the same call completes it.
    pub fn collect(&self, blobs: &BTreeSet<Sha256>, links: &[RepositoryLink]) -> Result<Collected> {
        let removed_links = self.collect_links(links)?;
        let (count, bytes) = self.collect_blobs(blobs)?;
        self.sweep(true)?;
        Ok(Collected { blobs: count, bytes, links: removed_links })
    }

    fn collect_links(&self, links: &[RepositoryLink]) -> Result<usize> {
        let wanted: BTreeSet<PathBuf> = links.iter().flat_map(|link| self.paths_of(link)).collect();
        let mut removed = 0;
        let repositories = self.root().join("docker/registry/v2/repositories");
        for folder in folders(&repositories)? {
            removed += prune(&folder, &|path| wanted.contains(path))?;
        }
        Ok(removed)
    }

    fn collect_blobs(&self, blobs: &BTreeSet<Sha256>) -> Result<(usize, u64)> {
        let (mut count, mut bytes) = (0, 0);
        for group in folders(&self.root().join("docker/registry/v2/blobs/sha256"))? {
            for folder in folders(&group)? {
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let Ok(digest) = Sha256::from_hex(&name) else { continue };
                if blobs.contains(&digest) {
                    continue;
                }
                bytes += std::fs::metadata(self.path(digest)).map_or(0, |data| data.len());
                durable::remove_file(&self.record_path(digest))?;
                durable::remove_tree(&folder)?;
                count += 1;
            }
        }
        Ok((count, bytes))
    }
}

/// Removes the files below a folder that are not wanted, and the folders that are empty then. Returns how many files.
fn prune(folder: &Path, is_wanted: &dyn Fn(&Path) -> bool) -> Result<usize> {
    let (mut removed, mut left) = (0, 0);
    for entry in std::fs::read_dir(folder).at("list", folder)? {
        let entry = entry.at("list", folder)?;
        let path = entry.path();
        if entry.file_type().at("look at", &path)?.is_dir() {
            removed += prune(&path, is_wanted)?;
            left += usize::from(path.exists());
        } else if is_wanted(&path) {
            left += 1;
        } else {
            durable::remove_file(&path)?;
            removed += 1;
        }
    }
    if left == 0 {
        durable::remove_folder(folder)?;
    }
    Ok(removed)
}

/// The folders in a folder; a missing one has none.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.at("list", folder)?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.at("list", folder)?;
        if entry.file_type().at("look at", &entry.path())?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(repository: &str, tag: &str, manifest: Sha256, blobs: &[Sha256]) -> RepositoryLink {
        RepositoryLink { repository: repository.to_owned(), manifest, tag: Some(tag.to_owned()), blobs: blobs.to_vec() }
    }

    fn files(folder: &Path) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(files(&path));
            } else {
                found.insert(path);
            }
        }
        found
    }

    #[test]
    fn what_is_kept_stays_as_it_is_and_everything_else_goes() {
        let root = tempfile::tempdir().unwrap();
        let store = ContentStore::at(root.path());
        let ingest = |text: &str| store.ingest_bytes(text.as_bytes()).unwrap().sha256;
        let (one, two, shared) = (ingest("manifest 1"), ingest("manifest 2"), ingest("layer"));
        let kept = link("host/app", "1", one, &[shared]);
        store.link_repositories(std::slice::from_ref(&kept)).unwrap();
        let blobs: BTreeSet<Sha256> = [one, shared].into();
        store.collect(&blobs, std::slice::from_ref(&kept)).unwrap();
        assert!(!store.contains(two) && store.is_linked(&kept));
        let before = files(root.path());

        let third = ingest("manifest 3");
        // The same repository with another tag, and another repository below the same host.
        let others = [link("host/app", "2", third, &[shared]), link("host/app/more", "1", third, &[shared])];
        store.link_repositories(&others).unwrap();
        durable::write_file(&root.path().join("landfall/partial/left.ingest"), b"left", 0o644).unwrap();
        let collected = store.collect(&blobs, std::slice::from_ref(&kept)).unwrap();
        assert_eq!(collected, Collected { blobs: 1, bytes: 10, links: 7 });
        assert_eq!(files(root.path()), before);
        assert!(store.is_linked(&kept) && !root.path().join("docker/registry/v2/repositories/host/app/more").exists());
        assert_eq!(store.collect(&blobs, std::slice::from_ref(&kept)).unwrap(), Collected::default());
    }

    #[test]
    fn a_tag_that_moved_away_and_back_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let store = ContentStore::at(root.path());
        let ingest = |text: &str| store.ingest_bytes(text.as_bytes()).unwrap().sha256;
        let (one, two) = (ingest("1"), ingest("2"));
        let (before, after) = (link("host/app", "latest", one, &[]), link("host/app", "latest", two, &[]));
        for link in [&before, &after, &before] {
            store.link_repository(link).unwrap();
        }
        store.collect(&[one].into(), std::slice::from_ref(&before)).unwrap();
        assert!(store.is_linked(&before) && !store.is_linked(&after) && !store.contains(two));
    }

    #[test]
    fn a_store_that_was_never_written_holds_nothing_to_collect() {
        let root = tempfile::tempdir().unwrap();
        let store = ContentStore::at(root.path().join("none"));
        assert_eq!(store.collect(&BTreeSet::new(), &[]).unwrap(), Collected::default());
        assert!(!root.path().join("none").exists());
    }
}
