//! Host conditions that block readiness: its clock, the space of its data folder, and etcd's size. Also reports its
//! memory.

use std::path::PathBuf;

use jiff::Timestamp;
use landfall_agent::clock::Plausibility;
use landfall_documents::status::{ClockStatus, DiskStatus, EtcdStatus, MemoryStatus};
use landfall_error_codes::CodedError;
use landfall_host::facts::Memory;
use landfall_host::paths::SitePaths;

use landfall_site::room::{EVICTION_BYTES, size};

/// Size limit of etcd's file: etcd's own default, which nothing here changes. Beyond it, etcd refuses writes.
const ETCD_QUOTA_BYTES: u64 = 2 << 30;

/// Judges the clock of a host with a site.
pub(super) fn clock_status(plausibility: Plausibility, paths: &SitePaths, now: Timestamp) -> ClockStatus {
    let reason = plausibility.error(now, paths).map(|error| format!("[{}] {error}", error.code().id));
    let earlier_than = match plausibility {
        Plausibility::Reset(seen) => Some(format!("{seen:.0}")),
        Plausibility::Plausible | Plausibility::Behind(_) | Plausibility::Ahead(_) => None,
    };
    ClockStatus { ready: reason.is_none(), reason, now: format!("{now:.0}"), earlier_than }
}

/// Queries the kernel; `None` if the folder does not exist.
pub(super) fn disk_status(folder: PathBuf) -> Option<DiskStatus> {
    let space = rustix::fs::statvfs(&folder).ok()?;
    Some(judge_disk(folder, space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize))
}

fn judge_disk(folder: PathBuf, total_bytes: u64, free_bytes: u64) -> DiskStatus {
    let is_full = free_bytes < EVICTION_BYTES;
    let reason = is_full.then(|| {
        let (free, limit) = (size(free_bytes), size(EVICTION_BYTES));
        format!("{free} are free; below {limit} the kubelet removes pods")
    });
    DiskStatus { ready: !is_full, reason, folder, total_bytes, free_bytes }
}

/// Queries the kernel; `None` if it does not answer.
pub(super) fn memory_status() -> Option<MemoryStatus> {
    let Memory { total_bytes, available_bytes } = Memory::read()?;
    Some(MemoryStatus { total_bytes, available_bytes })
}

/// Measures etcd's file; `None` if etcd does not exist yet.
pub(super) fn etcd_status(paths: &SitePaths) -> Option<EtcdStatus> {
    let metadata = fs_err::metadata(paths.etcd().join("member/snap/db")).ok()?;
    Some(judge_etcd(metadata.len()))
}

fn judge_etcd(size_bytes: u64) -> EtcdStatus {
    let is_full = size_bytes >= ETCD_QUOTA_BYTES;
    let reason = is_full.then(|| format!("its file has reached {}, and it refuses to write", size(ETCD_QUOTA_BYTES)));
    EtcdStatus { ready: !is_full, reason, size_bytes, quota_bytes: ETCD_QUOTA_BYTES }
}

/// Returns a note for people before the file is full.
pub(super) fn etcd_note(etcd: &EtcdStatus) -> Option<String> {
    let is_near = etcd.ready && etcd.size_bytes >= etcd.quota_bytes / 5 * 4;
    is_near.then(|| {
        format!(
            "etcd's file has {} of {}, from where on it refuses to write",
            size(etcd.size_bytes),
            size(etcd.quota_bytes)
        )
    })
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn impossible_clock_is_not_ready() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (now, limit) = (at("2026-11-20T08:00:00Z"), at("2026-12-01T00:00:00Z"));
        let paths = SitePaths::default();
        let found = clock_status(Plausibility::Plausible, &paths, now);
        assert_eq!((found.ready, found.now.as_str()), (true, "2026-11-20T08:00:00Z"));
        let found = clock_status(Plausibility::Behind(limit), &paths, now);
        let told =
            "[LF4120] the clock says 2026-11-20T08:00:00Z, and this site was installed after 2026-12-01T00:00:00Z";
        assert_eq!((found.ready, found.reason.as_deref()), (false, Some(told)));
        assert!(!clock_status(Plausibility::Ahead(at("2020-01-01T00:00:00Z")), &paths, now).ready);
        let found = clock_status(Plausibility::Reset(limit), &paths, now);
        assert_eq!((found.ready, found.earlier_than.as_deref()), (true, Some("2026-12-01T00:00:00Z")));
    }

    #[test]
    fn full_disk_is_not_ready() {
        let disk = |free| judge_disk("/var/lib/landfall".into(), 100 << 30, free);
        assert!(disk(1 << 30).ready && disk(50 << 30).reason.is_none());
        let full = disk((1 << 30) - 1);
        let told = "1023 MiB are free; below 1.0 GiB the kubelet removes pods";
        assert_eq!((full.ready, full.reason.as_deref()), (false, Some(told)));
        assert!(disk_status("/".into()).unwrap().total_bytes > 0);
        assert_eq!(disk_status("/no/such/folder".into()), None);
    }

    #[test]
    fn memory_matches_the_kernel() {
        let memory = memory_status().unwrap();
        let kernel = fs_err::read_to_string("/proc/meminfo").unwrap();
        assert!(kernel.contains(&format!("{} kB", memory.total_bytes / 1024)), "{memory:?}");
        assert!((1..=memory.total_bytes).contains(&memory.available_bytes), "{memory:?}");
    }

    #[test]
    fn full_etcd_is_not_ready() {
        const MIB: u64 = 1 << 20;
        let etcd = |mebibytes| judge_etcd(mebibytes * MIB);
        assert!(etcd(100).ready && etcd_note(&etcd(100)).is_none() && etcd_note(&etcd(1600)).is_none());
        let near = etcd(1700);
        assert!(near.ready && etcd_note(&near).unwrap().starts_with("etcd's file has 1.6 GiB of 2.0 GiB"), "{near:?}");
        let full = etcd(2048);
        let told = "its file has reached 2.0 GiB, and it refuses to write";
        assert_eq!((full.ready, full.reason.as_deref(), etcd_note(&full)), (false, Some(told), None));
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        assert_eq!(etcd_status(&paths), None);
        let file = paths.etcd().join("member/snap/db");
        landfall_media::durable::create_folder(file.parent().unwrap()).unwrap();
        landfall_media::durable::write_file(&file, &[0; 4096], 0o600).unwrap();
        assert_eq!(etcd_status(&paths).unwrap().size_bytes, 4096);
    }
}
