//! Test disk that loses unsynced data when the power is cut. It has only files by name, which suffices for the engine's
//! tests; the disk of `landfall_media::power` also loses unsynced names and folders.
//!
//! Every operation is counted. The power fails before the operation with the chosen number; every later one returns an
//! error until [`Disk::boot`], which decides the fate of unsynced data.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::rc::Rc;

use super::Storage;

/// Fate of data that was written but not synced. Each one is legal for a real disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsyncedFate {
    /// Lost.
    Lost,
    /// Kept, although unsynced.
    Kept,
    /// Only this many thousandths of an append's bytes are kept.
    Torn(usize),
    /// An append keeps its length, but its bytes are zeros after this many thousandths.
    Zeroed(usize),
    /// Each file has its own fate, derived from this seed: a disk writes in any order.
    Mixed(u64),
}

impl UnsyncedFate {
    /// Returns the fate of the file with this name.
    fn of(self, name: &str) -> Self {
        let Self::Mixed(seed) = self else { return self };
        let mut hasher = DefaultHasher::new();
        (seed, name).hash(&mut hasher);
        match hasher.finish() % 4 {
            0 => Self::Lost,
            1 => Self::Kept,
            2 => Self::Torn(500),
            _ => Self::Zeroed(500),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct SimulatedFile {
    durable: Vec<u8>,
    current: Vec<u8>,
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<String, SimulatedFile>,
    operations: usize,
    cut_at: Option<usize>,
    is_off: bool,
    failing_sync: Option<usize>,
}

impl Inner {
    /// Counts an operation; fails if the power is off or fails before it.
    fn operate(&mut self) -> io::Result<()> {
        if self.is_off || self.cut_at == Some(self.operations) {
            self.is_off = true;
            return Err(io::Error::other("the power is cut"));
        }
        self.operations += 1;
        Ok(())
    }
}

/// The disk; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Disk(Rc<RefCell<Inner>>);

impl Disk {
    /// Cuts the power before the operation with this number, counted from 0 since the last boot.
    pub fn cut_before(&self, operation: usize) {
        self.0.borrow_mut().cut_at = Some(operation);
    }

    /// Returns the number of operations since the last boot.
    pub fn operations(&self) -> usize {
        self.0.borrow().operations
    }

    /// Returns true if the power is cut.
    pub fn is_off(&self) -> bool {
        self.0.borrow().is_off
    }

    /// Restores the power; no further cut is planned.
    pub fn boot(&self, unsynced: UnsyncedFate) {
        let mut inner = self.0.borrow_mut();
        for (name, file) in &mut inner.files {
            let common = file.durable.iter().zip(&file.current).take_while(|(old, new)| old == new).count();
            let appended = file.current.len().saturating_sub(file.durable.len());
            let is_append = common == file.durable.len();
            match unsynced.of(name) {
                UnsyncedFate::Kept => {}
                UnsyncedFate::Torn(share) if is_append => file.current.truncate(common + appended * share / 1000),
                UnsyncedFate::Zeroed(share) if is_append => file.current[common + appended * share / 1000..].fill(0),
                _ => file.current = file.durable.clone(),
            }
            file.durable = file.current.clone();
        }
        inner.files.retain(|_, file| !file.durable.is_empty());
        (inner.operations, inner.cut_at, inner.is_off) = (0, None, false);
    }

    /// Restarts the process without a power cut: written data is still in the kernel.
    pub fn revive(&self) {
        let mut inner = self.0.borrow_mut();
        (inner.cut_at, inner.is_off) = (None, false);
    }

    /// Returns the storage of a journal on this disk.
    pub fn storage(&self, name: &str) -> SimulatedStorage {
        SimulatedStorage { disk: self.clone(), name: name.to_owned() }
    }

    /// Reads a file without counting an operation; empty if it does not exist.
    pub fn read(&self, name: &str) -> Vec<u8> {
        self.0.borrow().files.get(name).map(|file| file.current.clone()).unwrap_or_default()
    }

    /// Replaces the content of a file; not durable.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.0.borrow_mut();
        inner.operate()?;
        inner.files.entry(name.to_owned()).or_default().current = bytes.to_vec();
        Ok(())
    }

    /// Makes a file durable.
    pub fn sync(&self, name: &str) -> io::Result<()> {
        let mut inner = self.0.borrow_mut();
        inner.operate()?;
        if inner.failing_sync == Some(inner.operations - 1) {
            return Err(io::Error::other("the disk is broken"));
        }
        let file = inner.files.entry(name.to_owned()).or_default();
        file.durable = file.current.clone();
        Ok(())
    }

    /// Replaces a file as a whole and durably, or not at all, as a rename after a sync does.
    pub fn place(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.write(name, bytes)?;
        let mut inner = self.0.borrow_mut();
        inner.files.entry(name.to_owned()).or_default().durable = bytes.to_vec();
        Ok(())
    }

    /// Returns the content that would survive a power cut now.
    pub fn durable(&self, name: &str) -> Vec<u8> {
        self.0.borrow().files.get(name).map(|file| file.durable.clone()).unwrap_or_default()
    }

    /// Makes the operation with this number, if it is a sync, fail like a broken disk. The data is not durable, and
    /// later syncs claim success.
    pub fn fail_sync(&self, operation: usize) {
        self.0.borrow_mut().failing_sync = Some(operation);
    }

    /// Returns names and contents of all files except journals.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let inner = self.0.borrow();
        let files = inner.files.iter().filter(|(name, file)| !name.ends_with(".journal") && !file.current.is_empty());
        files.map(|(name, file)| (name.clone(), file.current.clone())).collect()
    }
}

/// One file of a [`Disk`].
#[derive(Debug, Clone)]
pub struct SimulatedStorage {
    disk: Disk,
    name: String,
}

impl Storage for SimulatedStorage {
    fn read_all(&mut self) -> io::Result<Vec<u8>> {
        self.disk.0.borrow_mut().operate()?;
        Ok(self.disk.read(&self.name))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.disk.read(&self.name);
        content.extend_from_slice(bytes);
        self.disk.write(&self.name, &content)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.sync(&self.name)
    }

    fn truncate(&mut self, length_bytes: u64) -> io::Result<()> {
        let mut content = self.disk.read(&self.name);
        content.truncate(usize::try_from(length_bytes).unwrap_or(usize::MAX));
        self.disk.write(&self.name, &content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsynced_files_survive_independently() {
        let left = |seed| {
            let disk = Disk::default();
            for name in ["a", "b"] {
                disk.write(name, b"bytes").unwrap();
            }
            disk.boot(UnsyncedFate::Mixed(seed));
            ["a", "b"].map(|name| disk.read(name) == b"bytes")
        };
        let found: std::collections::BTreeSet<_> = (0..64).map(left).collect();
        assert_eq!(found.len(), 4, "{found:?}");
    }
}
