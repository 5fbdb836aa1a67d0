//! Host conditions that block readiness: its clock, the space of its data folder, and etcd's size. Also reports its
//! memory.

use std::path::PathBuf;

use jiff::Timestamp;
use landfall_agent::clock::Plausibility;
use landfall_error_codes::CodedError;
use landfall_host::facts::Memory;
use landfall_host::paths::SitePaths;
use schemars::JsonSchema;
use serde::Serialize;

use crate::room::{EVICTION_BYTES, size};

/// Size limit of etcd's file: etcd's own default, which nothing here changes. Beyond it, etcd refuses writes.
const ETCD_QUOTA_BYTES: u64 = 2 << 30;

/// Status of the machine's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClockStatus {
    /// True if the clock can be right, as far as the site knows.
    pub ready: bool,
    /// Reason why it cannot be right.
    pub reason: Option<String>,
    /// Time of the clock, RFC 3339.
    pub now: String,
    /// Newest time that the site has seen, RFC 3339, if the clock shows an earlier one. This does not affect readiness.
    pub earlier_than: Option<String>,
}

impl ClockStatus {
    /// Judges the clock of a host with a site.
    pub(super) fn of(plausibility: Plausibility, paths: &SitePaths, now: Timestamp) -> Self {
        let reason = plausibility.error(now, paths).map(|error| format!("[{}] {error}", error.code().id));
        let earlier_than = match plausibility {
            Plausibility::Reset(seen) => Some(format!("{seen:.0}")),
            Plausibility::Plausible | Plausibility::Behind(_) | Plausibility::Ahead(_) => None,
        };
        Self { ready: reason.is_none(), reason, now: format!("{now:.0}"), earlier_than }
    }
}

/// Space of a filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskStatus {
    /// True if free space exceeds the space that the kubelet keeps free by removing pods.
    pub ready: bool,
    /// Reason why it is not ready.
    pub reason: Option<String>,
    /// Folder on the filesystem.
    pub folder: PathBuf,
    /// Total bytes.
    pub total_bytes: u64,
    /// Writable free bytes.
    pub free_bytes: u64,
}

impl DiskStatus {
    /// Queries the kernel; `None` if there is no such folder.
    pub(super) fn of(folder: PathBuf) -> Option<Self> {
        let space = rustix::fs::statvfs(&folder).ok()?;
        Some(Self::judge(folder, space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize))
    }

    fn judge(folder: PathBuf, total_bytes: u64, free_bytes: u64) -> Self {
        let is_full = free_bytes < EVICTION_BYTES;
        let reason = is_full.then(|| {
            let (free, limit) = (size(free_bytes), size(EVICTION_BYTES));
            format!("{free} are free; below {limit} the kubelet removes pods")
        });
        Self { ready: !is_full, reason, folder, total_bytes, free_bytes }
    }
}

/// Memory of the machine. The kubelet judges it: a node without enough has a pressure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryStatus {
    /// Total bytes.
    pub total_bytes: u64,
    /// Bytes that programs can use without swapping, as the kernel estimates them.
    pub available_bytes: u64,
}

impl MemoryStatus {
    /// Queries the kernel; `None` if it does not answer.
    pub(super) fn read() -> Option<Self> {
        let Memory { total_bytes, available_bytes } = Memory::read()?;
        Some(Self { total_bytes, available_bytes })
    }
}

/// Status of etcd, the cluster's own database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EtcdStatus {
    /// True if there is room in the database.
    pub ready: bool,
    /// Reason why it is not ready.
    pub reason: Option<String>,
    /// Size of its file in bytes.
    pub size_bytes: u64,
    /// Size in bytes at which it refuses writes.
    pub quota_bytes: u64,
}

impl EtcdStatus {
    /// Measures etcd's file; `None` if there is no etcd yet.
    pub(super) fn of(paths: &SitePaths) -> Option<Self> {
        let metadata = fs_err::metadata(paths.etcd().join("member/snap/db")).ok()?;
        Some(Self::judge(metadata.len()))
    }

    fn judge(size_bytes: u64) -> Self {
        let is_full = size_bytes >= ETCD_QUOTA_BYTES;
        let reason =
            is_full.then(|| format!("its file has reached {}, and it refuses to write", size(ETCD_QUOTA_BYTES)));
        Self { ready: !is_full, reason, size_bytes, quota_bytes: ETCD_QUOTA_BYTES }
    }

    /// Returns a note for people before the file is full.
    pub(super) fn note(&self) -> Option<String> {
        let is_near = self.ready && self.size_bytes >= self.quota_bytes / 5 * 4;
        is_near.then(|| {
            format!(
                "etcd's file has {} of {}, from where on it refuses to write",
                size(self.size_bytes),
                size(self.quota_bytes)
            )
        })
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn impossible_clock_is_not_ready() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (now, limit) = (at("2026-11-20T08:00:00Z"), at("2026-12-01T00:00:00Z"));
        let paths = SitePaths::default();
        let found = ClockStatus::of(Plausibility::Plausible, &paths, now);
        assert_eq!((found.ready, found.now.as_str()), (true, "2026-11-20T08:00:00Z"));
        let found = ClockStatus::of(Plausibility::Behind(limit), &paths, now);
        let told =
            "[LF4120] the clock says 2026-11-20T08:00:00Z, and this site was installed after 2026-12-01T00:00:00Z";
        assert_eq!((found.ready, found.reason.as_deref()), (false, Some(told)));
        assert!(!ClockStatus::of(Plausibility::Ahead(at("2020-01-01T00:00:00Z")), &paths, now).ready);
        let found = ClockStatus::of(Plausibility::Reset(limit), &paths, now);
        assert_eq!((found.ready, found.earlier_than.as_deref()), (true, Some("2026-12-01T00:00:00Z")));
    }

    #[test]
    fn full_disk_is_not_ready() {
        let disk = |free| DiskStatus::judge("/var/lib/landfall".into(), 100 << 30, free);
        assert!(disk(1 << 30).ready && disk(50 << 30).reason.is_none());
        let full = disk((1 << 30) - 1);
        let told = "1023 MiB are free; below 1.0 GiB the kubelet removes pods";
        assert_eq!((full.ready, full.reason.as_deref()), (false, Some(told)));
        assert!(DiskStatus::of("/".into()).unwrap().total_bytes > 0);
        assert_eq!(DiskStatus::of("/no/such/folder".into()), None);
    }

    #[test]
    fn memory_matches_the_kernel() {
        let memory = MemoryStatus::read().unwrap();
        let kernel = fs_err::read_to_string("/proc/meminfo").unwrap();
        assert!(kernel.contains(&format!("{} kB", memory.total_bytes / 1024)), "{memory:?}");
        assert!((1..=memory.total_bytes).contains(&memory.available_bytes), "{memory:?}");
    }

    #[test]
    fn full_etcd_is_not_ready() {
        const MIB: u64 = 1 << 20;
        let etcd = |mebibytes| EtcdStatus::judge(mebibytes * MIB);
        assert!(etcd(100).ready && etcd(100).note().is_none() && etcd(1600).note().is_none());
        let near = etcd(1700);
        assert!(near.ready && near.note().unwrap().starts_with("etcd's file has 1.6 GiB of 2.0 GiB"), "{near:?}");
        let full = etcd(2048);
        let told = "its file has reached 2.0 GiB, and it refuses to write";
        assert_eq!((full.ready, full.reason.as_deref(), full.note()), (false, Some(told), None));
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        assert_eq!(EtcdStatus::of(&paths), None);
        let file = paths.etcd().join("member/snap/db");
        landfall_media::durable::create_folder(file.parent().unwrap()).unwrap();
        landfall_media::durable::write_file(&file, &[0; 4096], 0o600).unwrap();
        assert_eq!(EtcdStatus::of(&paths).unwrap().size_bytes, 4096);
    }
}
