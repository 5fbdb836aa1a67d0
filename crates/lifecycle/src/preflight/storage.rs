//! Checks of filesystems: space, modes and kinds, before an install or an upgrade.

use landfall_error_codes::codes;
use landfall_host::facts::{Facts, Filesystem};
use landfall_release_document::DataRoom;

use super::Sizes;
use landfall_site::findings::{Finding, quote};
use landfall_site::room::{DATA, EVICTION_BYTES, FilesystemPeak, size};

/// Free bytes that the operating system's own filesystem must keep: for logs, settings and certificates.
pub(super) const SYSTEM_BYTES: u64 = 256 << 20;

/// Returns findings about the filesystems of a host.
pub(super) fn findings(facts: &Facts, sizes: Sizes) -> Vec<Finding> {
    let mut blockers = Vec::new();
    for filesystem in &facts.filesystems {
        let holds_data = filesystem.paths.iter().any(|path| path == DATA);
        let holds_more = filesystem.paths.iter().any(|path| path != DATA);
        let mut parts = if holds_data { data_parts(sizes.room) } else { Vec::new() };
        if holds_more {
            parts.push((SYSTEM_BYTES, "for the operating system"));
        }
        blockers.extend(space(filesystem, facts, &parts, if holds_data { sizes.unpacked_inodes } else { 0 }));
        // All programs run from there: Landfall's own, the node's, and those of every image.
        if filesystem.no_exec.iter().any(|path| path == DATA) {
            let found = format!("{DATA} is on a filesystem that is mounted with noexec");
            let remount = format!("mount -o remount,exec {}", quote(&facts.data_folder.mount));
            blockers.push(Finding::new(codes::NO_EXEC, found, "mounted with exec").commands([remount]));
        }
    }
    blockers.extend(data_folder(facts));
    blockers
}

/// Returns the blockers of an upgrade with these peaks.
pub(crate) fn upgrade_space(facts: &Facts, peaks: &[FilesystemPeak]) -> Vec<Finding> {
    let is_fixed = |filesystem: &&Filesystem| filesystem.read_only && filesystem.paths.iter().any(|path| path == DATA);
    let fixed = facts.filesystems.iter().filter(is_fixed);
    let fixed = fixed.map(|found| read_only(found, facts));
    fixed.chain(peaks.iter().flat_map(lacking)).collect()
}

/// Returns the shortage of a filesystem for this peak, with exact figures for the person who frees space.
fn lacking(peak: &FilesystemPeak) -> Vec<Finding> {
    let mut blockers = Vec::new();
    let of = filesystem_of(std::slice::from_ref(&peak.folder));
    if peak.free_bytes < peak.needed_bytes {
        let found = format!("{} free on {of} ({} bytes)", size(peak.free_bytes), peak.free_bytes);
        let parts: Vec<String> =
            peak.parts.iter().map(|part| format!("{} {}", size(part.bytes), part.purpose)).collect();
        let needed = format!("{} ({} bytes: {})", size(peak.needed_bytes), peak.needed_bytes, parts.join(", "));
        blockers.push(Finding::new(codes::TOO_LITTLE_SPACE, found, needed));
    }
    if let Some(free) = peak.free_inodes.filter(|free| *free < peak.needed_inodes) {
        blockers.push(Finding::new(
            codes::TOO_FEW_INODES,
            format!("{free} free on {of}"),
            peak.needed_inodes.to_string(),
        ));
    }
    blockers
}

/// Time limit in microseconds for 99 of 100 synced writes: etcd's own advice.
pub(super) const SYNC_MICROS: u64 = 10_000;

/// Returns a warning for a disk that is slower than etcd advises.
pub(super) fn slow_sync(facts: &Facts) -> Option<Finding> {
    let slow = facts.speeds.filter(|speeds| speeds.sync_p99_micros > SYNC_MICROS)?;
    let found = format!("99 of 100 synced writes within {}", milliseconds(slow.sync_p99_micros));
    let finding = Finding::warning(codes::SLOW_SYNC, found, codes::SLOW_SYNC.fix);
    Some(Finding { threshold: milliseconds(SYNC_MICROS), ..finding })
}

/// Mount options that do not wait until the disk has stored its data.
const WITHOUT_BARRIERS: [&str; 2] = ["nobarrier", "barrier=0"];

/// Returns the mount options of the data folder's filesystem; `None` if the facts lack that filesystem.
pub(super) fn data_options(facts: &Facts) -> Option<&[String]> {
    let holds_data = |filesystem: &&Filesystem| filesystem.paths.iter().any(|path| path == DATA);
    facts.filesystems.iter().find(holds_data).map(|filesystem| filesystem.options.as_slice())
}

/// Returns a warning if the data folder's filesystem loses synced writes in a power cut.
pub(super) fn barriers(facts: &Facts) -> Option<Finding> {
    let found = data_options(facts)?.iter().find(|option| WITHOUT_BARRIERS.contains(&option.as_str()))?;
    let mount = &facts.data_folder.mount;
    let finding =
        Finding::warning(codes::NO_BARRIERS, format!("{mount} is mounted with {found}"), codes::NO_BARRIERS.fix);
    Some(finding.commands([format!("mount -o remount,barrier {}", quote(mount))]))
}

/// Formats microseconds for people.
pub(super) fn milliseconds(micros: u64) -> String {
    format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
}

fn filesystem_of(paths: &[String]) -> String {
    format!("the filesystem of {}", paths.join(", "))
}

/// Returns the space that the data folder needs by purpose: the values announced by the vendor's build, and the
/// kubelet's reserve.
fn data_parts(room: DataRoom) -> Vec<(u64, &'static str)> {
    let DataRoom { staged_bytes, unpacked_bytes, unpacking_bytes, data_bytes } = room;
    vec![
        (staged_bytes, "for the release"),
        (unpacked_bytes, "for its images once unpacked"),
        (unpacking_bytes, "for unpacking"),
        (data_bytes, "for its data"),
        (EVICTION_BYTES, "that Kubernetes keeps free"),
    ]
}

/// Supported filesystems of data folders: local, tested, and with the features that containers' overlays need.
const FIT: [&str; 3] = ["ext4", "xfs", "btrfs"];

/// Returns why a kind of filesystem cannot hold the data folder; `None` if it can or is unknown to the facts.
fn unfit(kind: &str) -> Option<&'static str> {
    match kind {
        "" => None,
        _ if FIT.contains(&kind) => None,
        "tmpfs" | "ramfs" => Some("which is in memory"),
        "overlay" | "aufs" => Some("on which containers can have no overlay of their own"),
        "vfat" | "exfat" | "ntfs" | "ntfs3" | "msdos" | "hfsplus" => Some("which has no owners and modes of files"),
        "nfs" | "nfs4" | "cifs" | "smb3" | "9p" | "ceph" | "lustre" | "afs" | "gfs2" | "ocfs2" | "virtiofs"
        | "fuse.sshfs" | "fuse.glusterfs" | "fuse.ceph" | "fuse.s3fs" => {
            Some("a network filesystem, which may be away or lose locks while databases run")
        }
        _ if kind.starts_with("fuse") => Some("a filesystem in user space, which ends with the program that serves it"),
        "zfs" => Some("which does not come with the kernel, and on which overlays of containers depend on its version"),
        "ext2" | "ext3" => Some("which is too old for the sizes and times of files that are needed"),
        "squashfs" | "erofs" | "iso9660" | "udf" | "cramfs" => Some("which is made to be read"),
        _ => Some("on which Landfall was never proved"),
    }
}

fn data_folder(facts: &Facts) -> Vec<Finding> {
    let mut blockers = Vec::new();
    let folder = &facts.data_folder;
    let unfit = match unfit(&folder.kind) {
        Some(why) => Some(format!("{DATA} is on {}, {why}", folder.kind)),
        None if folder.xfs_without_ftype => Some(format!("{DATA} is on XFS made with ftype=0")),
        None => None,
    };
    if let Some(found) = unfit {
        blockers.push(Finding::new(codes::DATA_FILESYSTEM, found, "a local ext4, XFS or Btrfs filesystem"));
    }
    if !folder.permanent {
        let found = format!("{} is mounted by neither /etc/fstab nor an enabled unit", folder.mount);
        let fix = format!("Add the mount of {} to /etc/fstab, or enable a systemd mount unit.", folder.mount);
        blockers.push(Finding::new(codes::MOUNT_NOT_PERMANENT, found, "a mount at every boot").fix(fix));
    }
    blockers
}

/// Returns a blocker for a filesystem that must be writable.
fn read_only(filesystem: &Filesystem, facts: &Facts) -> Finding {
    let finding = Finding::new(codes::READ_ONLY, filesystem_of(&filesystem.paths), "writable");
    let remount = match filesystem.paths.first() {
        Some(path) if path == DATA => format!("mount -o remount,rw {}", quote(&facts.data_folder.mount)),
        Some(path) => {
            format!("mount -o remount,rw \"$(findmnt --noheadings --output TARGET --target {})\"", quote(path))
        }
        None => return finding,
    };
    finding.commands([remount])
}

fn space(filesystem: &Filesystem, facts: &Facts, parts: &[(u64, &str)], inodes: u64) -> Vec<Finding> {
    let mut blockers = Vec::new();
    let of = filesystem_of(&filesystem.paths);
    if filesystem.read_only {
        blockers.push(read_only(filesystem, facts));
    }
    let bytes = parts.iter().map(|(bytes, _)| *bytes).fold(0, u64::saturating_add);
    if filesystem.free_bytes < bytes {
        let found = format!("{} free on {of}", size(filesystem.free_bytes));
        let listed: Vec<String> = parts.iter().map(|(bytes, what)| format!("{} {what}", size(*bytes))).collect();
        let needed = format!("{} ({})", size(bytes), listed.join(", "));
        blockers.push(Finding::new(codes::TOO_LITTLE_SPACE, found, needed));
    }
    if let Some(free) = filesystem.free_inodes.filter(|free| *free < inodes) {
        blockers.push(Finding::new(codes::TOO_FEW_INODES, format!("{free} free on {of}"), inodes.to_string()));
    }
    blockers
}
