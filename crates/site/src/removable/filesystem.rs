//! Detection of a device's filesystem from the few bytes that identify it. Nothing else is read here.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

use super::medium_id;

/// Number of bytes at the beginning of a device that are read.
const BYTES: usize = 36 << 10;

/// Kinds of filesystem that can be mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilesystemKind {
    /// FAT12, FAT16, FAT32.
    Vfat,
    /// exFAT.
    Exfat,
    /// ext2, ext3 and ext4.
    Ext4,
    /// ISO 9660.
    Iso9660,
}

impl FilesystemKind {
    /// Returns the kernel's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vfat => "vfat",
            Self::Exfat => "exfat",
            Self::Ext4 => "ext4",
            Self::Iso9660 => "iso9660",
        }
    }
}

/// A filesystem with its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// Its kind.
    pub kind: FilesystemKind,
    /// Digest of its kind and serial number, which stays the same when the stick is connected again.
    pub id: String,
}

impl Filesystem {
    /// Detects the filesystem of a device; `None` if it is not a mountable kind. Fails if the device cannot be read.
    pub fn of(device: &Path) -> io::Result<Option<Self>> {
        // Opened without blocking, because a pipe or a slow device must not cause a wait.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = File::options().read(true).custom_flags(flags).open(device)?;
        let mut bytes = Vec::with_capacity(BYTES);
        file.take(BYTES as u64).read_to_end(&mut bytes)?;
        Ok(Self::parse(&bytes))
    }

    /// Detects the filesystem from the first bytes of a device.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let is = |offset: usize, text: &[u8]| bytes.get(offset..offset + text.len()) == Some(text);
        let known = |kind: FilesystemKind, serial: std::ops::Range<usize>| {
            let id = medium_id(&[kind.name().as_bytes(), bytes.get(serial)?]);
            Some(Self { kind, id })
        };
        if is(3, b"EXFAT   ") {
            return known(FilesystemKind::Exfat, 100..104);
        }
        if is(32_769, b"CD001") {
            // Name of the volume, and time of its creation.
            let id = medium_id(&[b"iso9660", bytes.get(32_808..32_840)?, bytes.get(33_581..33_598)?]);
            return Some(Self { kind: FilesystemKind::Iso9660, id });
        }
        if is(1080, &[0x53, 0xef]) {
            return known(FilesystemKind::Ext4, 1128..1144);
        }
        if is(510, &[0x55, 0xaa]) && is(82, b"FAT32   ") {
            return known(FilesystemKind::Vfat, 67..82);
        }
        if is(510, &[0x55, 0xaa]) && (is(54, b"FAT16   ") || is(54, b"FAT12   ")) {
            return known(FilesystemKind::Vfat, 39..54);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(places: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; BYTES];
        for (offset, text) in places {
            bytes[*offset..*offset + text.len()].copy_from_slice(text);
        }
        bytes
    }

    #[test]
    fn filesystems_are_recognized_by_signature() {
        let kind = |places: &[(usize, &[u8])]| Filesystem::parse(&with(places)).map(|found| found.kind.name());
        assert_eq!(kind(&[(3, b"EXFAT   ")]), Some("exfat"));
        assert_eq!(kind(&[(510, &[0x55, 0xaa]), (82, b"FAT32   ")]), Some("vfat"));
        assert_eq!(kind(&[(510, &[0x55, 0xaa]), (54, b"FAT16   ")]), Some("vfat"));
        assert_eq!(kind(&[(1080, &[0x53, 0xef])]), Some("ext4"));
        assert_eq!(kind(&[(32_769, b"CD001")]), Some("iso9660"));
        // A partition table, NTFS, and nothing.
        assert_eq!(kind(&[(510, &[0x55, 0xaa])]), None);
        assert_eq!(kind(&[(3, b"NTFS    "), (510, &[0x55, 0xaa])]), None);
        assert_eq!(Filesystem::parse(&[]), None);
        let id = |serial: &[u8]| Filesystem::parse(&with(&[(3, b"EXFAT   "), (100, serial)])).unwrap().id;
        assert_eq!(id(b"\x01\x02\x03\x04"), id(b"\x01\x02\x03\x04"));
        assert_ne!(id(b"\x01\x02\x03\x04"), id(b"\x01\x02\x03\x05"));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), cut in 0_usize..40_000) {
            let mut all = with(&[(0, &bytes), (32_769, b"CD001"), (1080, &[0x53, 0xef])]);
            all.truncate(cut);
            let _ = Filesystem::parse(&all);
        }
    }
}
