//! Trees with the kernel's files, built file by file, for tests of this crate and of other crates.
#![expect(clippy::missing_panics_doc, reason = "a test fails if its tree cannot be built")]

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::look::Root;

/// A tree in its own folder, which is removed when dropped.
#[must_use]
pub struct Tree(tempfile::TempDir);

#[expect(clippy::disallowed_methods, reason = "files of a test, which need not last")]
impl Tree {
    /// Creates an empty tree.
    pub fn empty() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// The tree as a root.
    pub fn root(&self) -> Root<'_> {
        Root::new(self.0.path())
    }

    /// Path of the tree.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Adds a file.
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        std::fs::write(path, content).expect("file");
        self
    }

    /// Adds a function of the PCI bus.
    pub fn pci(self, address: &str, vendor: u32, device: u32, class: u32) -> Self {
        let folder = format!("sys/bus/pci/devices/{address}");
        let [low, high] = u16::try_from(vendor).expect("16 bits").to_le_bytes();
        self.file(&format!("{folder}/vendor"), format!("{vendor:#06x}\n"))
            .file(&format!("{folder}/device"), format!("{device:#06x}\n"))
            .file(&format!("{folder}/class"), format!("{class:#08x}\n"))
            .file(&format!("{folder}/config"), [low, high, 0, 0, 7, 4, 16, 0])
            .file(&format!("{folder}/numa_node"), "-1\n")
    }

    /// Sets the kernel driver that holds a function.
    pub fn held_by(self, address: &str, driver: &str) -> Self {
        let link = self.0.path().join(format!("sys/bus/pci/devices/{address}/driver"));
        symlink(format!("../../../../bus/pci/drivers/{driver}"), link).expect("link");
        self
    }

    /// Adds NVIDIA's driver, as loaded, with one GPU at each address.
    pub fn nvidia_driver(mut self, version: &str, gpus: &[&str]) -> Self {
        let line =
            format!("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release Build  (builder)\n");
        self = self
            .file("proc/driver/nvidia/version", line)
            .file("sys/module/nvidia/initstate", "live\n")
            .file("dev/nvidiactl", "");
        for (minor, address) in gpus.iter().enumerate() {
            let information = format!(
                "Model: \t\t NVIDIA Graphics Device\nBus Location: \t {address}\nDevice Minor: \t {minor}\nGPU \
                 Excluded:\t No\n"
            );
            self = self
                .held_by(address, "nvidia")
                .file(&format!("proc/driver/nvidia/gpus/{address}/information"), information)
                .file(&format!("dev/nvidia{minor}"), "");
        }
        self
    }
}
