//! Facts about the data folder's mount: whether its filesystem suits containers, and whether it persists across a boot.

use std::path::Path;

use super::host::read;
use super::{DataFolder, mounted};
use crate::mounts::unescape;
use crate::paths::SitePaths;

/// Folders to which systemd writes, at every boot, units from fstab and from partitions that it discovered.
const GENERATED: [&str; 3] = ["/run/systemd/generator", "/run/systemd/generator.late", "/run/systemd/generator.early"];

/// Collects the facts about the data folder from the kernel and the host's files.
pub(super) fn collect(paths: &SitePaths) -> DataFolder {
    let Some(mount) = mounted::holding(paths, &paths.data()) else {
        return DataFolder { mount: "/".to_owned(), kind: String::new(), xfs_without_ftype: false, permanent: true };
    };
    DataFolder {
        mount: mount.point.display().to_string(),
        xfs_without_ftype: mount.kind == "xfs" && lacks_ftype(&paths.host(&mount.source)),
        permanent: is_permanent(paths, &mount.point),
        kind: mount.kind,
    }
}

/// Returns true if an XFS filesystem lacks `ftype`, without which overlays do not work. An unreadable superblock does
/// not count against it.
fn lacks_ftype(device: &Path) -> bool {
    const SUPERBLOCK_BYTES: usize = 512;
    let mut block = [0; SUPERBLOCK_BYTES];
    let is_read = fs_err::File::open(device).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut block));
    is_read.is_ok() && has_ftype(&block) == Some(false)
}

/// Reads `ftype` from an XFS superblock; `None` for anything else.
fn has_ftype(block: &[u8]) -> Option<bool> {
    let number = |at: usize| Some(u32::from_be_bytes(block.get(at..at + 4)?.try_into().ok()?));
    if block.get(..4)? != b"XFSB" {
        return None;
    }
    let version = u16::from_be_bytes(block.get(100..102)?.try_into().ok()?) & 0xf;
    // Version 5 has the flag among the incompatible features, version 4 among features 2.
    Some(if version >= 5 { number(216)? & 1 != 0 } else { number(200)? & 0x200 != 0 })
}

/// Returns true if a boot mounts it again: by fstab, by an enabled unit, or because systemd discovers the partition.
fn is_permanent(paths: &SitePaths, point: &Path) -> bool {
    if point == Path::new("/") {
        return true;
    }
    let in_fstab = read(&paths.host("/etc/fstab")).lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_off = |options: &&str| options.split(',').any(|option| option == "noauto");
        !line.trim_start().starts_with('#')
            && fields.get(1).is_some_and(|field| Path::new(&unescape(field)) == point)
            && !fields.get(3).is_some_and(is_off)
    });
    let unit = unit_name(point);
    let generated = GENERATED.iter().any(|folder| paths.host(folder).join(&unit).exists());
    in_fstab || generated || is_wanted(&paths.host("/etc/systemd/system"), &unit)
}

/// Returns true if a target wants or requires a unit.
fn is_wanted(folder: &Path, unit: &str) -> bool {
    let Ok(entries) = fs_err::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        [".wants", ".requires"].iter().any(|end| name.ends_with(*end))
            && entry.path().join(unit).symlink_metadata().is_ok()
    })
}

/// Returns systemd's name for a mount unit: `/var/lib/landfall` is `var-lib-landfall.mount`.
fn unit_name(point: &Path) -> String {
    let text = point.to_string_lossy();
    let escaped = text.trim_matches('/').bytes().map(|byte| match byte {
        b'/' => "-".to_owned(),
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    });
    escaped.collect::<String>() + ".mount"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::sample::host;

    const ROOT: &str = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
    const XFS: &str = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 21 8:17 / /var/lib/land\\040fall rw - xfs /dev/sdb rw\n\
                       41 21 8:18 / /var/lib rw shared:1 - xfs /dev/sdc rw\n";

    fn facts(files: &[(&str, &str)]) -> DataFolder {
        let (_folder, paths) = host(files);
        fs_err::create_dir_all(paths.host("/var/lib")).unwrap();
        collect(&paths)
    }

    #[test]
    fn data_mount_must_be_permanent() {
        let mounts = ("/proc/self/mountinfo", XFS);
        assert!(facts(&[("/proc/self/mountinfo", ROOT)]).permanent);
        let found = facts(&[mounts]);
        assert_eq!((found.mount.as_str(), found.kind.as_str(), found.permanent), ("/var/lib", "xfs", false));
        for (path, text, permanent) in [
            ("/etc/fstab", "UUID=1 /var/lib xfs defaults 0 2\n", true),
            ("/etc/fstab", "#UUID=1 /var/lib xfs defaults 0 2\n", false),
            ("/etc/fstab", "UUID=1 /var/lib xfs noauto,nofail 0 2\n", false),
            ("/etc/fstab", "UUID=1 /var xfs defaults 0 2\n", false),
            ("/etc/systemd/system/var-lib.mount", "", false),
            ("/etc/systemd/system/local-fs.target.wants/var-lib.mount", "", true),
            ("/run/systemd/generator/var-lib.mount", "", true),
        ] {
            assert_eq!(facts(&[mounts, (path, text)]).permanent, permanent, "{path}: {text}");
        }
        assert_eq!(unit_name(Path::new("/srv/data-disk")), "srv-data\\x2ddisk.mount");
    }

    /// Returns a superblock as `mkfs.xfs` writes it, limited to the fields that are read.
    fn superblock(version: u16, features_2: u32, incompatible: u32) -> Vec<u8> {
        let mut block = vec![0; 512];
        block[..4].copy_from_slice(b"XFSB");
        block[100..102].copy_from_slice(&(0xb4a0 | version).to_be_bytes());
        block[200..204].copy_from_slice(&features_2.to_be_bytes());
        block[216..220].copy_from_slice(&incompatible.to_be_bytes());
        block
    }

    #[test]
    fn xfs_superblock_shows_ftype() {
        assert_eq!(has_ftype(&superblock(5, 0x18a, 0x3)), Some(true));
        assert_eq!(has_ftype(&superblock(5, 0x18a, 0x2)), Some(false));
        assert_eq!(has_ftype(&superblock(4, 0x8a, 0)), Some(false));
        assert_eq!(has_ftype(&superblock(4, 0x28a, 0)), Some(true));
        assert_eq!(has_ftype(&[0; 512]), None);
        let (_folder, paths) = host(&[]);
        landfall_media::durable::write_file(&paths.host("/disk"), &superblock(4, 0x8a, 0), 0o644).unwrap();
        assert!(lacks_ftype(&paths.host("/disk")));
        assert!(!lacks_ftype(&paths.host("/no-disk")));
    }
}
