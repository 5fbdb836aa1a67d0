//! Identifiers of this host for a license: keyed digests of the names that its firmware, disks and operating system
//! have for it.

use std::collections::BTreeSet;
use std::path::Path;

use landfall_license::{Identifier, IdentifierKind};

use crate::files;
use crate::paths::SitePaths;

/// Files with one identifier each.
const FILES: [(&str, IdentifierKind); 3] = [
    ("/etc/machine-id", IdentifierKind::Machine),
    ("/sys/class/dmi/id/product_uuid", IdentifierKind::Product),
    ("/sys/class/dmi/id/board_serial", IdentifierKind::Board),
];

/// Folder in which the kernel lists disks.
const DISKS: &str = "/sys/block";

/// File of a SCSI disk's serial number, in its folder: a page of vital product data, after a header.
const SERIAL_PAGE: &str = "device/vpd_pg80";

/// Bytes of the header of such a page.
const PAGE_HEADER: usize = 4;

/// Files that may contain other disks' serial numbers.
const SERIALS: [&str; 3] = ["device/wwid", "serial", "device/serial"];

/// Returns every identifier of this host that can be read; root can read more than users. The site's UUID is one of
/// them, once there is a site.
pub fn host_identifiers(paths: &SitePaths) -> BTreeSet<Identifier> {
    let mut found: BTreeSet<Identifier> =
        FILES.into_iter().filter_map(|(path, kind)| identifier(&paths.host(path), kind)).collect();
    found.extend(identifier(&paths.settings_uuid(), IdentifierKind::Site));
    let disks = fs_err::read_dir(paths.host(DISKS)).into_iter().flatten().flatten();
    for disk in disks {
        found.extend(disk_identifier(&disk.path()));
    }
    found
}

fn disk_identifier(disk: &Path) -> Option<Identifier> {
    let page = files::read(&disk.join(SERIAL_PAGE)).ok().flatten();
    let serial =
        page.and_then(|page| page.get(PAGE_HEADER..).map(|serial| String::from_utf8_lossy(serial).into_owned()));
    let of_page = serial.and_then(|serial| Identifier::of(IdentifierKind::Disk, serial.trim_matches('\0')));
    of_page.or_else(|| SERIALS.iter().find_map(|name| identifier(&disk.join(name), IdentifierKind::Disk)))
}

fn identifier(path: &Path, kind: IdentifierKind) -> Option<Identifier> {
    let text = files::read_text(path).ok().flatten()?;
    Identifier::of(kind, &text)
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;

    #[test]
    fn host_identifiers_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        assert_eq!(host_identifiers(&paths), BTreeSet::new());
        for (path, text) in [
            // Virtual disks of a hypervisor have an identifier, but no serial number.
            ("/sys/block/sdb/device/wwid", "naa.6000c29\n"),
            ("/sys/block/sdc/device/vpd_pg80", "\0\u{1}\0\u{4}WX12"),
            ("/etc/machine-id", "0f0e0d0c0b0a09080706050403020100\n"),
            ("/sys/class/dmi/id/product_uuid", "4c4c4544-0042-3510-8052-b4c04f564d32\n"),
            ("/sys/class/dmi/id/board_serial", "To be filled by O.E.M.\n"),
            ("/sys/block/sda/device/serial", "WX11\n"),
            ("/sys/block/nvme0n1/serial", "S4EV\n"),
            ("/sys/block/loop0/size", "8\n"),
            ("/etc/landfall/site.uuid", "1b4e28ba-2fa1-11d2-883f-0016d3cca427\n"),
        ] {
            let path = paths.host(path);
            durable::create_folder(path.parent().unwrap()).unwrap();
            durable::write_file(&path, text.as_bytes(), 0o600).unwrap();
        }
        let serial = Identifier::of(IdentifierKind::Disk, "WX12").unwrap();
        assert!(host_identifiers(&paths).contains(&serial), "without the header of its page");
        let kinds: Vec<&str> = host_identifiers(&paths).iter().map(|found| found.kind().name()).collect();
        assert_eq!(
            kinds,
            ["disk", "disk", "disk", "disk", "machine", "product", "site"],
            "a placeholder identifies nothing"
        );
    }
}
