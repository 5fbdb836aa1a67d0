//! The disk from which every machine starts: a formatted image with a minimal Debian, built once and cached.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use landfall_launcher::packages::ROOTS;

use super::tool;
use crate::cache::{Cache, Key};
use crate::printer;
use crate::setup::{self, index};

/// Debian release of the machines.
const SUITE: &str = "bookworm";

/// Packages of a minimal server, in addition to mmdebstrap's minbase. No compiler, no interpreter, no packet filter.
const PACKAGES: &[&str] =
    &["systemd-sysv", "dbus", "iproute2", "iputils-ping", "procps", "kmod", "mount", "ca-certificates"];

/// Script that turns a Debian tree into a formatted disk.
const SCRIPT: &str = include_str!("disk.sh");

/// Name of the image in its cache entry.
const IMAGE: &str = "disk.img";

/// Returns the image from which a machine's disk is copied. It is never written to once it is in the cache. Additional
/// packages give a separate image, without changing that of all other machines.
pub fn template(cache: &Cache, size_gib: u32, more: &[String]) -> Result<PathBuf> {
    let key = Key::new()
        .with("suite", SUITE)
        .with("archive", index::digest(cache, SUITE, index::A_DAY)?)
        .with("packages", packages(more).join(" "))
        .with("script", SCRIPT)
        .with("size", size_gib.to_le_bytes());
    let entry = cache.entry("machine-disk", &key, |folder| {
        printer::note(format_args!("making the disk of the test machines ({size_gib} GiB, sparse)"));
        let tree = debian(cache, more)?;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "bash", "-c", SCRIPT]);
        command.env("TREE", tree).env("FOLDER", folder).env("SIZE", format!("{size_gib}G"));
        tool::output(&mut command).context("cannot create the disk of the test machines")?;
        std::fs::remove_dir(folder.join("root")).context("cannot remove the mount point of the new disk")
    })?;
    Ok(entry.join(IMAGE))
}

/// Returns every package of a machine, in addition to mmdebstrap's minbase.
fn packages(more: &[String]) -> Vec<&str> {
    PACKAGES.iter().copied().chain(more.iter().map(String::as_str)).collect()
}

/// Builds a tar of the Debian tree from the archive of this machine's own apt.
fn debian(cache: &Cache, more: &[String]) -> Result<PathBuf> {
    setup::ensure_packages(ROOTS)?;
    let packages = packages(more);
    let key = Key::new()
        .with("suite", SUITE)
        .with("archive", index::digest(cache, SUITE, index::A_DAY)?)
        .with("packages", packages.join(" "))
        .with("recipe", "1");
    let entry = cache.entry("machine-root", &key, |folder| {
        let archive = setup::debian_archive()?;
        let mut command = Command::new("mmdebstrap");
        command.args(["--variant=minbase", "--quiet", &format!("--include={}", packages.join(","))]);
        for path in ["doc", "man", "locale", "info"] {
            command.arg(format!("--dpkgopt=path-exclude=/usr/share/{path}/*"));
        }
        command.arg(SUITE).arg(folder.join("root.tar")).arg(archive.source_line(SUITE));
        tool::output(&mut command).context("cannot create the Debian of the test machines").map(drop)
    })?;
    Ok(entry.join("root.tar"))
}

/// Gives a machine its own copy of the template, which stays sparse.
pub fn copy(template: &Path, disk: &Path) -> Result<()> {
    let mut command = Command::new("cp");
    command.args(["--sparse=always", "--reflink=auto"]).arg(template).arg(disk);
    tool::output(&mut command).map(drop)
}
