//! Later releases of the starter, next to it on the stick.

use anyhow::{Context, Result};
use landfall_bundle_spec::trust::Role;
use landfall_test_support::runnable::copy_program;
use landfall_xtask::once::Once;
use landfall_xtask::registry::Registry;
use landfall_xtask::vendor::Vendor;
use landfall_xtask::{images, later_releases, printer, workspace};

use super::fixture::{fixture, folder};
use super::later_program::copy_later_landfall;
use super::roots;

/// The vendor's environment in which the later releases are signed.
const LATER_VENDOR: &str = "later-vendor";

/// Folder of 1.1.0 on every stick.
pub(crate) const NEXT: &str = "/media/stick/next";

/// Folder of the release that undoes its own upgrade.
pub(crate) const BROKEN: &str = "/media/stick/broken";

/// The release whose canary fails its proof.
pub(crate) const UNPROVED: &str = "/media/stick/unproved";

/// The release whose migration fails halfway.
pub(crate) const HALF: &str = "/media/stick/half";

/// The release that differs only in its node pack.
pub(crate) const NODE: &str = "/media/stick/node";

/// 1.1.0 with a later program.
pub(crate) const LATER: &str = "/media/stick/later";

/// Builds that release next to the starter on the stick, on the first call.
pub(crate) fn ensure_node_release() -> Result<()> {
    static BUILT: Once<()> = Once::new();
    BUILT.get(build_node_release).copied()
}

fn build_node_release() -> Result<()> {
    let release = later_releases::define_node(&folder().join("node-release"))?;
    let (vendor, second) = same_vendor("node-vendor")?;
    let tools = images::ensure_gpu_example()?;
    let registry = Registry::start(&tools.root)?;
    vendor.mirror("example.internal", &registry)?;
    later_releases::lock_node(&vendor, &release, &tools)?;
    vendor.build(&release, &fixture()?.stick.join("node"), &["--part-size", "256MiB", "--key", &second])?;
    Ok(())
}

/// Builds that release next to the other later ones on the stick, as their successor, on the first call.
pub(crate) fn ensure_half_release() -> Result<()> {
    static BUILT: Once<()> = Once::new();
    BUILT.get(build_half_release).copied()
}

fn build_half_release() -> Result<()> {
    later_root()?;
    let vendor = Vendor::open(&folder().join(LATER_VENDOR))?;
    let [_, second] = roots::key_files(&vendor.keys(), Role::Release);
    let release = later_releases::define_half(&folder().join("half-release"))?;
    later_releases::lock(&vendor, &release)?;
    let arguments = ["--part-size", "256MiB", "--key", &second.display().to_string()];
    vendor.build(&release, &fixture()?.stick.join("half"), &arguments)?;
    Ok(())
}

/// Builds these releases next to the starter on the stick, on the first call.
pub(crate) fn ensure_later_releases() -> Result<()> {
    later_root().map(drop)
}

/// Builds these releases, and returns the fingerprint of their newest root document, which the starter lacks.
pub(crate) fn later_root() -> Result<String> {
    static BUILT: Once<String> = Once::new();
    BUILT.get(build_later_releases).cloned()
}

fn build_later_releases() -> Result<String> {
    let stick = &fixture()?.stick;
    let (vendor, second) = same_vendor(LATER_VENDOR)?;
    let newest = roots::rotate_further(&vendor)?;
    for (name, release) in later_releases::define(&folder().join("later-releases"))? {
        later_releases::lock(&vendor, &release)?;
        vendor.build(&release, &stick.join(name), &["--part-size", "256MiB", "--key", &second])?;
        printer::note(format!("the release `{name}` is in {}", stick.join(name).display()));
    }
    Ok(newest)
}

/// Builds 1.1.0 with a later program next to the starter on the stick, and that program next to it, on the first call.
pub(crate) fn ensure_release_with_later_program() -> Result<()> {
    static BUILT: Once<()> = Once::new();
    BUILT.get(build_release_with_later_program).copied()
}

fn build_release_with_later_program() -> Result<()> {
    fixture()?;
    let program = copy_later_landfall(&folder().join("later-program"))?;
    let desk = folder().join("later-program-vendor");
    let (vendor, second) = with_keys(Vendor::with_program(&desk, &program)?)?;
    let release = later_releases::define_next(&folder().join("later-program-release"))?;
    later_releases::lock(&vendor, &release)?;
    let stick = fixture()?.stick.join("later");
    vendor.build(&release, &stick, &["--part-size", "256MiB", "--key", &second])?;
    copy_program(&program, &stick.join("landfall"));
    Ok(())
}

/// Returns the starter's vendor in another environment, and the file of the second key.
fn same_vendor(name: &str) -> Result<(Vendor, String)> {
    fixture()?;
    with_keys(Vendor::open(&folder().join(name))?)
}

/// Gives a vendor the keys of the starter's vendor; returns it with the file of the second key.
fn with_keys(vendor: Vendor) -> Result<(Vendor, String)> {
    let keys = folder().join("vendor/keys");
    // An earlier run may have left root documents that follow others.
    std::fs::remove_dir_all(vendor.keys()).context("cannot remove the keys of an earlier run")?;
    workspace::run(std::process::Command::new("cp").arg("--recursive").args([&keys, &vendor.keys()]))?;
    let [_, second] = roots::key_files(&vendor.keys(), Role::Release);
    Ok((vendor, second.display().to_string()))
}
