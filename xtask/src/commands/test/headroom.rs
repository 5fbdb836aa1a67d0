//! Free memory and disk space while parts run. A machine that runs out of either makes parts fail with misleading
//! errors.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::cache::cache_root;
use crate::site::kibibytes;
use crate::workspace;

/// Time between two measurements.
const INTERVAL: Duration = Duration::from_secs(2);

/// Free bytes at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Free {
    memory: u64,
    /// Free bytes on the filesystem with the least, among those of the clone, the cache and temporary files.
    disk: u64,
}

impl Free {
    fn now(folders: &[PathBuf]) -> Result<Self> {
        let path = "/proc/meminfo";
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        let memory = available(&text).with_context(|| format!("{path} has no MemAvailable"))?;
        Ok(Self { memory, disk: free_disk(folders) })
    }

    fn least(self, other: Self) -> Self {
        Self { memory: self.memory.min(other.memory), disk: self.disk.min(other.disk) }
    }
}

impl std::fmt::Display for Free {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "least free: memory {}, disk {}", gigabytes(self.memory), gigabytes(self.disk))
    }
}

/// Returns the free bytes on the filesystem with the least, among those of these folders.
fn free_disk(folders: &[PathBuf]) -> u64 {
    let disk = folders.iter().filter_map(|folder| rustix::fs::statvfs(folder).ok());
    disk.map(|disk| disk.f_bavail * disk.f_frsize).min().unwrap_or(u64::MAX)
}

/// Returns the folders in which parts use disk space.
fn folders() -> Result<Vec<PathBuf>> {
    Ok(vec![workspace::root(), cache_root()?, std::env::temp_dir()])
}

/// Fails early if a part would fill the disk after minutes.
pub(super) fn require_disk(bytes: u64) -> Result<()> {
    let folders = folders()?;
    let free = free_disk(&folders);
    let places = folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
    ensure!(
        free >= bytes,
        "this part takes {} of the disk, and the disks of {places} have {}: free the rest, for example with `cargo \
         clean --release`",
        gigabytes(bytes),
        gigabytes(free)
    );
    Ok(())
}

fn gigabytes(bytes: u64) -> String {
    format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000)
}

/// Parses `MemAvailable`, in bytes.
fn available(meminfo: &str) -> Option<u64> {
    kibibytes(meminfo, "MemAvailable:").map(|value| value << 10)
}

/// Monitor that measures this machine until it is dropped.
pub(super) struct Headroom {
    seen: Arc<Mutex<Vec<(Instant, Free)>>>,
    watcher: Thread,
}

impl Headroom {
    pub(super) fn watch() -> Result<Self> {
        let folders = folders()?;
        let seen = Arc::new(Mutex::new(vec![(Instant::now(), Free::now(&folders)?)]));
        let kept = Arc::downgrade(&seen);
        let watcher = std::thread::spawn(move || {
            while let Some(seen) = kept.upgrade() {
                if let Ok(free) = Free::now(&folders) {
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), free));
                }
                drop(seen);
                std::thread::park_timeout(INTERVAL);
            }
        });
        Ok(Self { seen, watcher: watcher.thread().clone() })
    }

    /// Returns the smallest free amounts between two moments, including the last measurement before the first moment.
    pub(super) fn least_between(&self, begun: Instant, ended: Instant) -> Free {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = seen.partition_point(|(at, _)| *at < begun).saturating_sub(1);
        let end = seen.partition_point(|(at, _)| *at <= ended).max(first + 1);
        seen[first..end].iter().map(|(_, free)| *free).fold(seen[first].1, Free::least)
    }
}

impl Drop for Headroom {
    fn drop(&mut self) {
        self.watcher.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_parsed() {
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:   24117248 kB\nBuffers: 1 kB\n"), Some(24_117_248 * 1024));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
    }

    #[test]
    fn least_free_includes_previous_look() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let free = |memory, disk| Free { memory, disk };
        let seen = vec![(at(0), free(1, 1)), (at(10), free(9, 5)), (at(20), free(7, 8)), (at(30), free(8, 6))];
        let headroom = Headroom { seen: Arc::new(Mutex::new(seen)), watcher: std::thread::current() };
        let least = |from, to| headroom.least_between(at(from), at(to));
        assert_eq!(
            [least(0, 30), least(12, 30), least(12, 25), least(25, 26), least(31, 40)],
            [free(1, 1), free(7, 5), free(7, 5), free(7, 8), free(8, 6)]
        );
    }

    #[test]
    fn oversized_part_does_not_begin() {
        require_disk(0).unwrap();
        let refusal = require_disk(u64::MAX).unwrap_err().to_string();
        assert!(refusal.starts_with("this part takes 18446744073.7 GB of the disk"), "{refusal}");
    }

    #[test]
    fn free_space_is_printed_in_gigabytes() {
        let free = Free { memory: 9_140_000_000, disk: 287_000_000 };
        assert_eq!(free.to_string(), "least free: memory 9.1 GB, disk 0.2 GB");
    }
}
