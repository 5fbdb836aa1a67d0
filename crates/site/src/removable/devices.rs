//! Removable block devices as the kernel lists them.

use std::path::{Path, PathBuf};

use landfall_host::paths::SitePaths;

/// Prefixes of devices that are never a stick: their contents come from elsewhere.
const OTHERS: [&str; 8] = ["loop", "ram", "zram", "dm-", "md", "fd", "nbd", "zd"];

/// Description of an optical disc.
pub(super) const DISC: &str = "disc";

/// A disk without partitions, or a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Name, such as `sdb1`.
    pub name: String,
    /// Description for people: `USB stick`, `disc`.
    pub what: &'static str,
    /// Major and minor number, such as `8:17`.
    pub number: String,
    /// Path of the device file.
    pub path: PathBuf,
}

/// Returns removable devices with a medium, by name. A listed device without a device file is skipped.
pub fn devices(paths: &SitePaths) -> Vec<Device> {
    let mut found = Vec::new();
    let mut disks = folders(&paths.host("/sys/block"));
    disks.retain(|disk| !OTHERS.iter().any(|other| name(disk).starts_with(other)));
    for disk in disks.into_iter().filter(|disk| is_removable(disk)) {
        let what = if name(&disk).starts_with("sr") { DISC } else { "USB stick" };
        let partitions: Vec<_> = folders(&disk).into_iter().filter(|part| part.join("partition").exists()).collect();
        for part in partitions.iter().chain(std::iter::once(&disk)) {
            found.extend(device(paths, part, what));
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn device(paths: &SitePaths, folder: &Path, what: &'static str) -> Option<Device> {
    let read = |file: &str| fs_err::read_to_string(folder.join(file)).ok().map(|text| text.trim().to_owned());
    // Logical volumes or encryption use it, so it is part of something else.
    let is_held = fs_err::read_dir(folder.join("holders")).is_ok_and(|mut holders| holders.next().is_some());
    if is_held || read("size")?.parse::<u64>().ok()? == 0 {
        return None;
    }
    let name = name(folder);
    let path = paths.host("/dev").join(&name);
    path.exists().then_some(Device { name, what, number: read("dev")?, path })
}

/// Returns true if a disk is marked as removable or connected by USB: a disk in a USB case is not marked.
fn is_removable(disk: &Path) -> bool {
    let says_so = fs_err::read_to_string(disk.join("removable")).is_ok_and(|text| text.trim() == "1");
    says_so
        || fs_err::canonicalize(disk)
            .is_ok_and(|path| path.iter().any(|part| part.to_string_lossy().starts_with("usb")))
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs_err::read_dir(path) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;

    #[test]
    fn only_removable_devices_are_found() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let write = |path: &str, text: &str| {
            let path = paths.host(path);
            durable::create_folder(path.parent().unwrap()).unwrap();
            durable::write_file(&path, text.as_bytes(), 0o644).unwrap();
        };
        for (disk, removable) in [("sda", "0\n"), ("sdb", "1\n"), ("sr0", "1\n"), ("loop0", "1\n"), ("sdd", "1\n")] {
            write(&format!("/sys/block/{disk}/removable"), removable);
            write(&format!("/sys/block/{disk}/size"), if disk == "sdd" { "0\n" } else { "2048\n" });
            write(&format!("/sys/block/{disk}/dev"), "8:0\n");
            write(&format!("/dev/{disk}"), "");
        }
        write("/sys/block/sdb/sdb1/partition", "1\n");
        write("/sys/block/sdb/sdb1/size", "1024\n");
        write("/sys/block/sdb/sdb1/dev", "8:17\n");
        write("/dev/sdb1", "");
        // A server's disk in a bay, with a volume group on it.
        write("/sys/block/sde/removable", "1\n");
        write("/sys/block/sde/size", "2048\n");
        write("/sys/block/sde/dev", "8:64\n");
        write("/sys/block/sde/holders/dm-0", "");
        write("/dev/sde", "");
        // A disk in a USB case.
        write("/sys/devices/pci0/usb2/2-1/block/sdc/removable", "0\n");
        write("/sys/devices/pci0/usb2/2-1/block/sdc/size", "1024\n");
        write("/sys/devices/pci0/usb2/2-1/block/sdc/dev", "8:32\n");
        write("/dev/sdc", "");
        durable::symlink(&paths.host("/sys/devices/pci0/usb2/2-1/block/sdc"), &paths.host("/sys/block/sdc")).unwrap();
        let found = devices(&paths);
        let names: Vec<_> = found.iter().map(|device| (device.name.as_str(), device.what)).collect();
        assert_eq!(names, [("sdb", "USB stick"), ("sdb1", "USB stick"), ("sdc", "USB stick"), ("sr0", "disc")]);
        assert_eq!(found[1].number, "8:17");
    }
}
