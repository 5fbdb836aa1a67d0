//! The starter release on a stick, and its installation from there.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::site::{Machine, Stream};
use crate::vendor::Vendor;
use crate::{printer, workspace};
use landfall_test_support::runnable::copy_program;

/// Returns the folder of the starter release.
pub fn release() -> PathBuf {
    workspace::root().join("releases/starter")
}

/// Options with which `landfall build` writes a bundle for a FAT32 stick.
pub const BUILD_OPTIONS: [&str; 2] = ["--part-size", "fat32"];

/// Builds the locked starter release, and returns the folder with the content of its stick.
pub fn write_stick(vendor: &Vendor, folder: &Path) -> Result<PathBuf> {
    let stick = folder.join("stick");
    vendor.build(&release(), &stick, &BUILD_OPTIONS)?;
    // A vendor ships the installer next to the bundle, because extracting it from a bundle needs a tool.
    copy_program(vendor.landfall(), &stick.join("landfall"));
    Ok(stick)
}

/// Installs from the stick as a field engineer would, and shows the output.
pub fn land(machine: &Machine, vendor: &Vendor) -> Result<()> {
    let fingerprint = vendor.fingerprint()?;
    printer::note(format!("site# landfall install /media/stick --trust {fingerprint}"));
    let arguments = ["install", "/media/stick", "--trust", &fingerprint];
    let status = machine.run_streaming("/media/stick/landfall", &arguments, show)?;
    ensure!(status.success(), "landfall install ended with {status}");
    Ok(())
}

/// Prints a line of a program on the machine.
pub fn show(stream: Stream, line: &str) {
    match stream {
        Stream::Stdout => printer::data(line),
        Stream::Stderr => printer::note(line),
    }
}
