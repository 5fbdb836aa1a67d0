//! The disk from which every virtual machine branches: a stock Debian with the distribution's own kernel.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use landfall_launcher::packages;

use crate::cache::{Cache, Key};
use crate::setup::index;
use crate::site::tool;
use crate::{printer, setup};

/// Debian release of the machine.
pub const SUITE: &str = "trixie";

/// Hostname of the machine.
pub const HOSTNAME: &str = "debian";

/// Network interface, named by the card's position on the bus (see [`super::machine`]).
pub const INTERFACE: &str = "enp0s3";

/// IP address. There is no default route.
pub const ADDRESS: &str = "10.0.2.15";

/// Swap file. `/etc/fstab` names it, but no boot uses it until `noauto` is removed.
pub const SWAP: &str = "/swapfile";

/// Folder on which the machine mounts its stick.
pub const STICK: &str = "/media/stick";

/// Size of the disk, whose file is sparse.
const SIZE: &str = "24G";

/// Packages of a server in addition to Debian's important ones. None is for Landfall, and the guest agent is only for
/// this lane.
const PACKAGES: &[&str] = &[
    "apparmor",
    "ca-certificates",
    "curl",
    "dbus",
    "e2fsprogs",
    "ifupdown",
    "initramfs-tools",
    "iproute2",
    "iptables",
    "kmod",
    "linux-image-amd64",
    "nftables",
    "procps",
    "qemu-guest-agent",
    "systemd-sysv",
    "ufw",
    "zstd",
];

/// Hook before the installation of the kernel. It limits the initramfs to the drivers of this disk, which an emulated
/// machine unpacks in a fraction of the time.
const INITRAMFS: &str = "mkdir -p \"$1/etc/initramfs-tools/conf.d\" && echo MODULES=list > \
    \"$1/etc/initramfs-tools/conf.d/modules\" && printf 'virtio_pci\\nvirtio_blk\\next4\\n' > \
    \"$1/etc/initramfs-tools/modules\"";

/// Name of the Debian tree in its cache entry.
const TREE: &str = "root.tar";

/// Script that turns a Debian tree into a disk with kernel and initramfs next to it.
const SCRIPT: &str = include_str!("disk.sh");

/// The image, in the cache. It is never written to once it exists.
#[derive(Clone)]
pub struct Image {
    folder: PathBuf,
    key: Key,
}

impl Image {
    /// Builds the image unless it exists.
    pub fn ensure(cache: &Cache) -> Result<Self> {
        let key = key(cache)?;
        let folder = cache.entry("vm-image", &key, |folder| {
            printer::note("making the disk of the virtual machines: stock Debian 13 with its kernel");
            let mut command = Command::new("bash");
            command.args(["-c", SCRIPT]).env("TREE", debian(cache)?).env("FOLDER", folder).env("SIZE", SIZE);
            command.env("NAME", HOSTNAME).env("INTERFACE", INTERFACE).env("ADDRESS", ADDRESS);
            command.env("SWAP", SWAP).env("STICK", STICK);
            tool::output(&mut command).context("cannot create the disk of the virtual machines").map(drop)
        })?;
        Ok(Self { folder, key })
    }

    /// Returns the key of everything that depends on the image.
    pub fn key(&self) -> Key {
        self.key.clone()
    }

    /// Returns the path of the disk: raw, one filesystem, no partitions.
    pub fn disk(&self) -> PathBuf {
        self.folder.join("disk.img")
    }

    /// Returns the path of the distribution's kernel.
    pub fn kernel(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    /// Returns the path of its initramfs.
    pub fn initramfs(&self) -> PathBuf {
        self.folder.join("initrd.img")
    }
}

/// Builds a tar of the Debian tree from the archive of this machine's own apt.
fn debian(cache: &Cache) -> Result<PathBuf> {
    let entry = cache.entry("vm-root", &key_of_tree(cache)?, |folder| bootstrap(&folder.join(TREE)))?;
    Ok(entry.join(TREE))
}

/// Returns the key of the image: of the Debian tree, and of everything added to it.
fn key(cache: &Cache) -> Result<Key> {
    let names = [HOSTNAME, INTERFACE, ADDRESS, SWAP, STICK].join(" ");
    Ok(key_of_tree(cache)?.with("script", SCRIPT).with("size", SIZE).with("names", names))
}

/// Returns the key of the Debian tree. A point release of the archive changes it.
fn key_of_tree(cache: &Cache) -> Result<Key> {
    Ok(Key::new()
        .with("suite", SUITE)
        .with("archive", index::digest(cache, SUITE, index::A_DAY)?)
        .with("packages", PACKAGES.join(" "))
        .with("initramfs", INITRAMFS))
}

fn bootstrap(output: &Path) -> Result<()> {
    setup::ensure_packages(packages::ROOTS)?;
    let archive = setup::debian_archive()?;
    let mut command = Command::new("mmdebstrap");
    command.args(["--quiet", "--variant=important", "--format=tar"]);
    command.args(["--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Languages \"none\""]);
    for path in ["doc", "info", "locale", "man"] {
        command.arg(format!("--dpkgopt=path-exclude=/usr/share/{path}/*"));
    }
    command.arg(format!("--essential-hook={INITRAMFS}")).arg(format!("--include={}", PACKAGES.join(",")));
    command.arg(SUITE).arg(output).arg(archive.source_line(SUITE));
    tool::output(&mut command).context("cannot create the Debian of the virtual machines").map(drop)
}

/// Creates a disk that starts as a copy of another one, without changing that one.
pub fn branch(from: &Path, format: &str, to: &Path) -> Result<()> {
    let mut command = Command::new("qemu-img");
    command.args(["create", "-q", "-f", "qcow2", "-F", format, "-b"]).arg(from).arg(to);
    tool::output(&mut command).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn point_release_changes_image_keys() {
        let keys = ["first", "second"].map(|digest| {
            let folder = tempfile::tempdir().unwrap();
            let cache = index::tests::cache_with(folder.path(), SUITE, digest);
            [key(&cache), key_of_tree(&cache)].map(|key| key.unwrap().digest())
        });
        assert_eq!(std::collections::BTreeSet::from_iter(keys.concat()).len(), 4, "{keys:?}");
    }
}
