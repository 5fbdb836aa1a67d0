//! The facts that need no library, read from the kernel's files in `/sys`, `/proc` and `/dev`, below any root.
//!
//! Threats: these files are the kernel's, but a root may be any tree, and drivers write arbitrary text. So each file is
//! read up to a limit, unintelligible contents are left out, and entries are counted up to a limit. Nothing is opened
//! that would start a device: device files are only checked for permission.

mod driver;
mod pci;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::driver::{DriverState, GpuLayout};
use crate::hardware::Hardware;

pub use driver::process_name;

/// Maximum number of bytes to read from a file; longer files are truncated.
const FILE_LIMIT: u64 = 16 << 10;

/// Maximum number of entries read from one folder.
const ENTRIES_LIMIT: usize = 1 << 16;

/// A tree with the kernel's files: `/`, or a copy of parts of another machine.
#[derive(Debug, Clone, Copy)]
pub struct Root<'a>(&'a Path);

impl<'a> Root<'a> {
    /// Creates a root for the tree at a path.
    pub fn new(path: &'a Path) -> Self {
        Self(path)
    }

    /// The root of this machine.
    pub fn machine() -> Root<'static> {
        Root(Path::new("/"))
    }

    /// Returns true if it is this machine.
    pub fn is_machine(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// Reads the PCI bus as the kernel lists it.
    pub fn hardware(self) -> Hardware {
        pci::hardware(self)
    }

    /// Reads NVIDIA's driver as the kernel shows it.
    pub fn driver(self) -> DriverState {
        driver::driver(self)
    }

    /// Reads the layout, which determines the devices that containers can get. Returns `None` if NVIDIA's driver is not
    /// loaded or holds no GPU.
    pub fn gpu_layout(self) -> Option<GpuLayout> {
        driver::layout(self)
    }

    fn path(self, relative: &str) -> PathBuf {
        self.0.join(relative)
    }
}

/// Reads the text of a small file, without surrounding white space. Returns `None` if the file is missing or empty.
fn text(path: &Path) -> Option<String> {
    let bytes = head(path, FILE_LIMIT)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_matches(|character: char| character.is_whitespace() || character == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// Reads the first bytes of a regular file; other files are skipped, so that a pipe in an unknown tree cannot block.
fn head(path: &Path, limit_bytes: u64) -> Option<Vec<u8>> {
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let mut bytes = Vec::new();
    is_file.then(|| File::open(path).and_then(|file| file.take(limit_bytes).read_to_end(&mut bytes)).ok())??;
    Some(bytes)
}

/// Reads a small file that contains one number.
fn number<T: std::str::FromStr>(path: &Path) -> Option<T> {
    text(path)?.parse().ok()
}

/// Returns the names in a folder, sorted; empty if it is missing.
fn names(path: &Path) -> Vec<String> {
    let Ok(entries) = path.read_dir() else { return Vec::new() };
    let mut names: Vec<String> =
        entries.take(ENTRIES_LIMIT).filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests;
