//! Removal of unreferenced content: first links of repositories, then blobs (each record before its bytes), and last
//! the groups that are then empty. So a power cut never leaves links without blobs. It may leave blobs without records,
//! or empty groups, which the next run removes.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use rustix::fs::FlockOperation;

use super::{ContentStore, RepositoryLink, lock_folder};
use crate::durable;
use crate::error::{PathContext, Result};

/// Totals of a removal from a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CollectTotals {
    /// Number of blobs.
    pub blobs: usize,
    /// Total bytes of the blobs. Hard links elsewhere keep them on the disk.
    pub bytes: u64,
    /// Number of repository links.
    pub links: usize,
}

impl ContentStore {
    /// Removes every blob that is not in `blobs`, and every repository link that is not in `links`. Also removes
    /// unfinished downloads and staged blobs, unless another process works on them. On return, the removal is on the
    /// disk; after a crash, the same call completes it.
    pub fn collect(&self, blobs: &BTreeSet<Sha256>, links: &[RepositoryLink]) -> Result<CollectTotals> {
        let removed_links = self.collect_links(links)?;
        let (count, bytes) = self.collect_blobs(blobs)?;
        self.sweep(true)?;
        self.remove_empty_groups()?;
        Ok(CollectTotals { blobs: count, bytes, links: removed_links })
    }

    /// Removes these blobs if they exist, whatever links name them. Intended for content that was refused and that
    /// nothing else needs. A process that found such a blob earlier no longer finds it. On return, the removal is on
    /// the disk; after a crash, the same call completes it.
    pub fn forget(&self, blobs: &BTreeSet<Sha256>) -> Result<()> {
        for digest in blobs {
            let record = self.record_path(*digest);
            // A process that ingests the same blob writes both while it holds this lock.
            let group = record.parent().filter(|group| group.is_dir());
            let _turn = group.map(|group| lock_folder(group, FlockOperation::LockExclusive)).transpose()?;
            self.remove_blob(*digest)?;
        }
        self.remove_empty_groups()
    }

    fn remove_blob(&self, digest: Sha256) -> Result<()> {
        durable::remove_file(&self.record_path(digest))?;
        let data = self.path(digest);
        Ok(durable::remove_tree(data.parent().unwrap_or(&data))?)
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
        for group in folders(&self.blob_groups())? {
            for folder in folders(&group)? {
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let Ok(digest) = Sha256::from_hex(&name) else { continue };
                if blobs.contains(&digest) {
                    continue;
                }
                bytes += std::fs::metadata(self.path(digest)).map_or(0, |data| data.len());
                self.remove_blob(digest)?;
                count += 1;
            }
        }
        Ok((count, bytes))
    }

    /// Removes the folders of empty groups: first those of blobs, then those of records. No process can fill one at the
    /// same time, because it would need a share of the lock of all groups. A registry does not fill any, because it
    /// only reads at a site.
    fn remove_empty_groups(&self) -> Result<()> {
        let records = self.records();
        if !records.is_dir() {
            return Ok(());
        }
        let _groups = lock_folder(&records, FlockOperation::LockExclusive)?;
        for group in folders(&self.blob_groups())?.into_iter().chain(folders(&records)?) {
            match durable::remove_folder(&group) {
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
                removed => removed?,
            }
        }
        Ok(())
    }

    /// Folder of the blobs, grouped by the first two digits of their digests.
    fn blob_groups(&self) -> PathBuf {
        self.root().join("docker/registry/v2/blobs/sha256")
    }
}

/// Removes the unwanted files below a folder, and the folders that are then empty. Returns the number of removed files.
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

/// Returns the folders in a folder; empty if it is missing.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
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
    use crate::power::{Fate, Recording};

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
    fn collection_removes_unkept_content() {
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
        assert_eq!(collected, CollectTotals { blobs: 1, bytes: 10, links: 7 });
        assert_eq!(files(root.path()), before);
        assert!(store.is_linked(&kept) && !root.path().join("docker/registry/v2/repositories/host/app/more").exists());
        assert_eq!(store.collect(&blobs, std::slice::from_ref(&kept)).unwrap(), CollectTotals::default());
    }

    /// Returns the folders of all groups: those of blobs, and those of records.
    fn groups(store: &ContentStore) -> [BTreeSet<PathBuf>; 2] {
        [store.blob_groups(), store.records()].map(|folder| folders(&folder).unwrap().into_iter().collect())
    }

    /// Returns the folders of the groups that contain these blobs.
    fn groups_of(store: &ContentStore, blobs: &BTreeSet<Sha256>) -> [BTreeSet<PathBuf>; 2] {
        let group = |path: PathBuf, above: usize| path.ancestors().nth(above).unwrap().to_owned();
        [
            blobs.iter().map(|digest| group(store.path(*digest), 2)).collect(),
            blobs.iter().map(|digest| group(store.record_path(*digest), 1)).collect(),
        ]
    }

    #[test]
    fn empty_group_is_collected() {
        let root = tempfile::tempdir().unwrap();
        let store = ContentStore::at(root.path());
        let digests: Vec<Sha256> =
            (0..40).map(|number| store.ingest_bytes(format!("blob {number}").as_bytes()).unwrap().sha256).collect();
        let kept: BTreeSet<Sha256> = digests[..10].iter().copied().collect();
        assert_ne!(groups(&store), groups_of(&store, &kept));
        assert_eq!(store.collect(&kept, &[]).unwrap().blobs, 30);
        assert_eq!(groups(&store), groups_of(&store, &kept));
        assert!(kept.iter().all(|digest| store.contains(*digest)));

        // An earlier version left empty groups.
        durable::create_folder(&store.blob_groups().join("zz")).unwrap();
        durable::create_folder(&store.records().join("zz")).unwrap();
        assert_eq!(store.collect(&kept, &[]).unwrap(), CollectTotals::default());
        assert_eq!(groups(&store), groups_of(&store, &kept));
    }

    #[test]
    fn power_cut_leaves_no_empty_group() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("store");
        let store = ContentStore::at(&root);
        let ingest = |text: &str| store.ingest_bytes(text.as_bytes()).unwrap().sha256;
        let kept = BTreeSet::from([ingest("kept")]);
        for text in ["one", "two", "three"] {
            ingest(text);
        }
        let recording = Recording::begin(&root).unwrap();
        store.collect(&kept, &[]).unwrap();
        let states = recording.end(&[Fate::Lost, Fate::Kept, Fate::Mixed(1), Fate::Mixed(2)]);
        assert!(states.len() > 9, "{}", states.len());
        for (number, left) in states.iter().enumerate() {
            let store = ContentStore::at(folder.path().join(format!("left-{number}")));
            left.place(store.root()).unwrap();
            store.collect(&kept, &[]).unwrap();
            assert_eq!(groups(&store), groups_of(&store, &kept), "after {} acts, {:?}", left.edge, left.fate);
            assert!(kept.iter().all(|digest| store.contains(*digest)), "after {} acts, {:?}", left.edge, left.fate);
        }
    }

    #[test]
    fn locked_group_is_not_collected() {
        let root = tempfile::tempdir().unwrap();
        let store = ContentStore::at(root.path());
        let digest = store.ingest_bytes(b"blob").unwrap().sha256;
        let writes = lock_folder(&store.records(), FlockOperation::LockShared).unwrap();
        let before = groups(&store);
        std::thread::scope(|scope| {
            let collects = scope.spawn(|| store.collect(&BTreeSet::new(), &[]).unwrap());
            while store.contains(digest) && !collects.is_finished() {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
            assert!(!collects.is_finished());
            assert_eq!(groups(&store), before);
            // Other writers are not blocked.
            let other = store.ingest_bytes(b"another blob").unwrap().sha256;
            drop(writes);
            assert_eq!(collects.join().unwrap().blobs, 1);
            assert_eq!(groups(&store), groups_of(&store, &[other].into()));
        });
    }

    #[test]
    fn tag_moved_back_is_kept() {
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
    fn forgetting_leaves_no_trace() {
        let root = tempfile::tempdir().unwrap();
        let store = ContentStore::at(root.path());
        let ingest = |text: &str| store.ingest_bytes(text.as_bytes()).unwrap().sha256;
        let kept = ingest("kept");
        let (before, arrived) = (files(root.path()), store.arrived_blobs().len());
        let refused = BTreeSet::from([ingest("manifest"), ingest("layer"), Sha256([7; 32])]);
        ingest("kept");
        let new: BTreeSet<_> = store.arrived_blobs().split_off(arrived).into_iter().collect();
        assert!(new.len() == 2 && new.is_subset(&refused), "{new:?}");
        store.forget(&refused).unwrap();
        assert_eq!(files(root.path()), before);
        assert_eq!(groups(&store), groups_of(&store, &[kept].into()));
        assert!(store.contains(ingest("layer")));
    }

    #[test]
    fn collecting_absent_store_does_nothing() {
        let root = tempfile::tempdir().unwrap();
        let store = ContentStore::at(root.path().join("none"));
        assert_eq!(store.collect(&BTreeSet::new(), &[]).unwrap(), CollectTotals::default());
        assert!(!root.path().join("none").exists());
    }
}
