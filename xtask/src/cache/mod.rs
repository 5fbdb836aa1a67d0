//! Cache of everything that takes long to build: root filesystems, disks, node packs, images.
//!
//! An entry is a folder named after its kind and the hash of its inputs, so it never becomes stale or changes. It
//! appears completely or not at all: it is built in a sibling, synced, and renamed. A lock per entry keeps two
//! processes from building the same entry twice. The modification time of an entry's folder is that of its last use, by
//! which old entries are removed ([`prune`]).
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, recreated when lost")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

pub mod prune;

pub use landfall_launcher::cache::VARIABLE as CACHE_VARIABLE;

/// Returns the cache folder ([`landfall_launcher::cache::root`]).
pub fn cache_root() -> Result<PathBuf> {
    landfall_launcher::cache::root().with_context(|| format!("no home folder is known: set {CACHE_VARIABLE}"))
}

/// Key of an entry, computed from everything that the entry depends on. Its digest names the entry.
#[derive(Clone, Default)]
pub struct Key(Sha256);

impl Key {
    /// Starts an empty key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a key from these bytes, whose digest other programs can also compute.
    pub fn of(material: &[u8]) -> Self {
        Self(Sha256::new_with_prefix(material))
    }

    /// Adds a named value. Name and value are length-prefixed, so no two sequences collide.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        for part in [name.as_bytes(), value.as_ref()] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    /// Adds the content of a file.
    pub fn with_file(self, name: &str, path: &Path) -> Result<Self> {
        let content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(self.with(name, content))
    }

    /// Adds the names and contents of all files in a folder and its subfolders.
    pub fn with_folder(self, name: &str, path: &Path) -> Result<Self> {
        let entries = path.read_dir().with_context(|| format!("cannot list {}", path.display()))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.sort();
        paths.into_iter().try_fold(self, |key, path| {
            let name = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
            if path.is_dir() { key.with_folder(&name, &path) } else { key.with_file(&name, &path) }
        })
    }

    /// Returns the digest as 32 lowercase hexadecimal digits (128 bits of SHA-256).
    pub fn digest(&self) -> String {
        hex::encode(&self.0.clone().finalize()[..16])
    }
}

/// A cache in one folder.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Opens the cache at [`cache_root`], creating its folder.
    pub fn open() -> Result<Self> {
        Self::at(&cache_root()?)
    }

    /// Opens a cache in the given folder, creating it.
    pub fn at(root: &Path) -> Result<Self> {
        std::fs::create_dir_all(root).with_context(|| format!("cannot create the cache {}", root.display()))?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// Returns the folder of the cache.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns true if the cache has no entries.
    pub fn is_empty(&self) -> Result<bool> {
        let mut entries = self.root.read_dir().with_context(|| format!("cannot read {}", self.root.display()))?;
        Ok(entries.next().is_none())
    }

    /// Returns true if the cache has a folder for this kind of entry.
    pub fn holds(&self, kind: &str) -> bool {
        self.root.join(kind).exists()
    }

    /// Returns the folder of an entry, which may not exist.
    pub fn path(&self, kind: &str, key: &Key) -> PathBuf {
        self.root.join(kind).join(key.digest())
    }

    /// Returns the folder of an existing entry, and records its use.
    pub fn find(&self, kind: &str, key: &Key) -> Option<PathBuf> {
        let path = self.path(kind, key);
        // A reader of another user's cache cannot record its use, but the entry is still valid.
        let noted = File::open(&path).and_then(|folder| folder.set_modified(SystemTime::now()));
        (noted.is_ok() || path.is_dir()).then_some(path)
    }

    /// Returns true if the entry exists, so that a call of [`Cache::entry`] would not build it.
    pub fn contains(&self, kind: &str, key: &Key) -> bool {
        self.path(kind, key).is_dir()
    }

    /// Returns the folder of the entry, which `build` fills first if it does not exist yet.
    ///
    /// `build` gets an empty folder. If it succeeds, its filesystem is synced and the folder renamed into place. If it
    /// fails, or the process dies, no later call returns any of it.
    pub fn entry(&self, kind: &str, key: &Key, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        if let Some(path) = self.find(kind, key) {
            return Ok(path);
        }
        let path = self.path(kind, key);
        let folder = self.root.join(kind);
        ensure!(!kind.is_empty() && !kind.contains(['/', '.']), "{kind:?} is not a kind of cache entry");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let _lock = self.lock(&format!("{kind}-{}", key.digest()))?;
        if path.is_dir() {
            return Ok(path);
        }
        let unfinished = folder.join(format!("unfinished-{}", key.digest()));
        remove_folder(&unfinished)?;
        std::fs::create_dir(&unfinished).with_context(|| format!("cannot create {}", unfinished.display()))?;
        build(&unfinished).inspect_err(|_| {
            let _ = remove_folder(&unfinished);
        })?;
        commit(&unfinished, &path)?;
        Ok(path)
    }

    /// Removes an entry, if it exists.
    pub fn remove(&self, kind: &str, key: &Key) -> Result<()> {
        let _lock = self.lock(&format!("{kind}-{}", key.digest()))?;
        remove_folder(&self.path(kind, key))
    }

    /// Takes the exclusive lock of this name if it is free. It is released like that of [`Cache::lock`].
    pub fn try_lock(&self, name: &str) -> Result<Option<File>> {
        let file = self.lock_file(name)?;
        Ok(file.try_lock().is_ok().then_some(file))
    }

    /// Waits for the exclusive lock of this name. It is released when the returned file is dropped or the process dies.
    pub fn lock(&self, name: &str) -> Result<File> {
        let file = self.lock_file(name)?;
        file.lock().with_context(|| format!("cannot take the lock {name}"))?;
        Ok(file)
    }

    /// Waits for the lock of this name to be free of exclusive holders, and shares it with others. It is released like
    /// that of [`Cache::lock`].
    pub fn lock_shared(&self, name: &str) -> Result<File> {
        let file = self.lock_file(name)?;
        file.lock_shared().with_context(|| format!("cannot share the lock {name}"))?;
        Ok(file)
    }

    fn lock_file(&self, name: &str) -> Result<File> {
        let folder = self.root.join("locks");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(name);
        File::create(&path).with_context(|| format!("cannot create the lock {}", path.display()))
    }
}

/// Syncs a finished folder and renames it to its final name.
#[expect(clippy::disallowed_methods, reason = "the cache syncs on its own and must not depend on the product")]
fn commit(unfinished: &Path, path: &Path) -> Result<()> {
    let folder = File::open(unfinished).with_context(|| format!("cannot open {}", unfinished.display()))?;
    rustix::fs::syncfs(&folder).with_context(|| format!("cannot sync {}", unfinished.display()))?;
    std::fs::rename(unfinished, path).with_context(|| format!("cannot rename to {}", path.display()))?;
    let parent = path.parent().context("an entry of the cache is in a folder")?;
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("cannot sync the folder {}", parent.display()))
}

/// Removes a folder with all it contains, if it exists.
pub fn remove_folder(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[expect(clippy::disallowed_methods, reason = "a throw-away file of a test")]
    fn put(folder: &Path, text: &str) -> Result<()> {
        Ok(std::fs::write(folder.join("file"), text)?)
    }

    #[test]
    fn concurrent_entries_build_once() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let builds = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let key = Key::new().with("recipe", "1");
                    let path = cache
                        .entry("root", &key, |folder| {
                            builds.fetch_add(1, Ordering::SeqCst);
                            put(folder, "content")
                        })
                        .unwrap();
                    assert_eq!(std::fs::read_to_string(path.join("file")).unwrap(), "content");
                });
            }
        });
        assert_eq!(builds.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn failed_build_leaves_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let key = Key::new().with("recipe", "1");
        let failed = cache.entry("root", &key, |folder| {
            put(folder, "half")?;
            anyhow::bail!("the build broke")
        });
        assert_eq!(failed.unwrap_err().to_string(), "the build broke");
        assert!(!cache.contains("root", &key));
        let path = cache.entry("root", &key, |_| Ok(())).unwrap();
        assert_eq!(path.read_dir().unwrap().count(), 0);
    }

    #[test]
    fn concatenated_keys_do_not_collide() {
        let one = Key::new().with("ab", "c").digest();
        let two = Key::new().with("a", "bc").digest();
        assert_ne!(one, two);
    }
}
