//! The shared parts of all scenarios: the hardware, the bundle, and the disks from which they branch.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, recreated when lost")]

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use landfall_launcher::packages;
use serde::{Deserialize, Serialize};

use super::accelerator::Accelerator;
use super::bundle::Bundle;
use super::engineer;
use super::image::{Image, SWAP};
use super::machine::{Hardware, Machine};
use super::snapshot::Moment;
use super::stick::Stick;
use crate::cache::{Cache, Key};
use crate::once::Once;
use crate::site::tool;
use crate::{printer, setup, workspace};

/// Name of the machine in a cache entry.
const MACHINE: &str = "machine";

/// Name of a suspended machine's memory in a cache entry.
const MEMORY: &str = "memory";

/// Name of the record of its creation in a cache entry.
const RECORD: &str = "record";

/// Measurements of an install.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct InstallRecord {
    /// Seconds until the last command of the install ended.
    pub seconds: u64,
    /// Seconds until the site was ready.
    pub ready_seconds: u64,
    /// Number of times it was resumed.
    pub resumes: usize,
}

impl std::fmt::Display for InstallRecord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seconds, ready_seconds, resumes } = self;
        write!(formatter, "installed in {seconds} s, ready after {ready_seconds} s, resumed: {resumes}")
    }
}

/// The lane. Only one runs at a time on a host.
pub struct Lane {
    cache: Cache,
    hardware: Hardware,
    fingerprint: String,
    source: String,
    /// Disk of an install, which takes long; all scenarios that need it share the result.
    installed: Once<PathBuf>,
    /// Machine booted from that disk, which scenarios share as well.
    living: Once<PathBuf>,
    _turn: File,
}

impl Lane {
    /// Prepares what is missing: packages, the bundle's inputs, image, stick. `bundle` is called once it is this lane's
    /// turn.
    pub fn open(bundle: impl FnOnce() -> Result<Bundle>) -> Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "making disks of virtual machines needs root");
        let cache = Cache::open()?;
        let turn = cache.lock("vm")?;
        setup::ensure_packages(packages::VIRTUAL_MACHINE)?;
        let bundle = bundle()?;
        let image = Image::ensure(&cache)?;
        let accelerator = Accelerator::of_this_host(&cache, &image)?;
        let stick = Stick::of(&cache, &bundle)?;
        let hardware = Hardware { accelerator, image, stick };
        let Bundle { fingerprint, source, .. } = bundle;
        let (installed, living) = (Once::new(), Once::new());
        let lane = Self { cache, hardware, fingerprint, source, installed, living, _turn: turn };
        for used in [lane.hardware.image.disk(), lane.hardware.stick.image.clone()] {
            Self::keep_only(used.parent().context("an image is in a cache entry")?)?;
        }
        Ok(lane)
    }

    /// Returns the hardware of every machine of the lane.
    pub fn hardware(&self) -> &Hardware {
        &self.hardware
    }

    /// Returns `sha256:…` of the vendor's root document.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns a short description of the sources of the bundle and of the `landfall` that installs it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns a machine that has booted once, without Landfall. It is off.
    pub fn born(&self, name: &str) -> Result<Machine> {
        let disk = self.ensure_born()?.join(MACHINE).join("disk.qcow2");
        Machine::branch(&self.hardware, &disk, &folder_of(name))
    }

    /// Returns a machine with the bundle installed, which was shut down once it was ready. It is off.
    pub fn installed_machine(&self, name: &str) -> Result<Machine> {
        let disk = self.ensure_installed()?.join(MACHINE).join("disk.qcow2");
        Machine::branch(&self.hardware, &disk, &folder_of(name))
    }

    /// Returns a machine with the bundle installed and everything ready. It continues from the memory of a booted
    /// machine.
    pub fn living(&self, name: &str) -> Result<Machine> {
        let entry = self.ensure_living()?;
        let mut machine = Machine::branch(&self.hardware, &entry.join(MACHINE).join("disk.qcow2"), &folder_of(name))?;
        machine.wake(&entry.join(MEMORY))?;
        Ok(machine)
    }

    /// Returns the initial state of a machine.
    pub fn birth(&self) -> Result<Moment> {
        let path = self.ensure_born()?.join("birth.json");
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("cannot understand {}", path.display()))
    }

    /// Returns the record of its install, which may be from an earlier run with the same inputs.
    pub fn install_record(&self) -> Result<InstallRecord> {
        let path = self.ensure_installed()?.join(RECORD);
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("cannot understand {}", path.display()))
    }

    fn born_key(&self) -> Result<Key> {
        over(&self.hardware.image.disk(), self.hardware.image.key().with("birth", "2"))
    }

    fn installed_key(&self, born: &Path) -> Result<Key> {
        // The record of an emulated install does not apply to one under KVM.
        let key = Key::new().with("stick", self.hardware.stick.key.digest());
        over(born, key.with("install", "3").with("accelerator", self.hardware.accelerator.to_string()))
    }

    /// Returns the key of a suspended machine. Its memory works only with the emulator and the accelerator that saved
    /// it.
    fn living_key(&self, installed: &Path) -> Result<Key> {
        let emulator = tool::output(Command::new("qemu-system-x86_64").arg("--version"))?;
        let key = Key::new().with("accelerator", self.hardware.accelerator.to_string()).with("emulator", emulator);
        over(installed, key.with("living", "2"))
    }

    fn ensure_born(&self) -> Result<PathBuf> {
        let path = self.cache.entry("vm-born", &self.born_key()?, |folder| {
            printer::note("a virtual machine boots for the first time");
            let mut machine = Machine::branch(&self.hardware, &self.hardware.image.disk(), &folder.join(MACHINE))?;
            let took = machine.boot()?;
            printer::note(format!("booted in {:.0} s ({})", took.as_secs_f64(), self.hardware.accelerator));
            let failed = machine.failed_units()?;
            ensure!(failed.is_empty(), "units failed at the first boot, so nothing can branch from it: {failed}");
            machine.run(&format!("fallocate --length 512M {SWAP} && chmod 600 {SWAP} && mkswap --quiet {SWAP}"))?;
            let birth = Moment::of(&mut machine, None)?;
            machine.power_off()?;
            std::fs::write(folder.join("birth.json"), serde_json::to_vec(&birth)?).context("cannot write birth.json")
        })?;
        Self::keep_only(&path)?;
        Ok(path)
    }

    fn ensure_installed(&self) -> Result<PathBuf> {
        self.installed
            .get(|| self.install())
            .cloned()
            .map_err(|error| anyhow!("there is no installed machine: {error}"))
    }

    fn install(&self) -> Result<PathBuf> {
        let born = self.ensure_born()?.join(MACHINE).join("disk.qcow2");
        let path = self.cache.entry("vm-installed", &self.installed_key(&born)?, |folder| {
            let mut machine = Machine::branch(&self.hardware, &born, &folder.join(MACHINE))?;
            machine.boot()?;
            machine.mount_stick()?;
            let begun = Instant::now();
            let resumes = engineer::install(&mut machine, &self.fingerprint)?;
            let installed = begun.elapsed();
            engineer::wait_ready(&mut machine)?;
            let record =
                InstallRecord { seconds: installed.as_secs(), ready_seconds: begun.elapsed().as_secs(), resumes };
            printer::note(record.to_string());
            engineer::prove(&mut machine)?;
            machine.power_off()?;
            let text = serde_json::to_vec(&record)?;
            std::fs::write(folder.join(RECORD), text).context("cannot write the record of the install")
        })?;
        Self::keep_only(&path)?;
        Ok(path)
    }

    fn ensure_living(&self) -> Result<PathBuf> {
        self.living.get(|| self.live()).cloned().map_err(|error| anyhow!("there is no running machine: {error}"))
    }

    fn live(&self) -> Result<PathBuf> {
        let installed = self.ensure_installed()?.join(MACHINE).join("disk.qcow2");
        let path = self.cache.entry("vm-living", &self.living_key(&installed)?, |folder| {
            let mut machine = Machine::branch(&self.hardware, &installed, &folder.join(MACHINE))?;
            let boot = machine.boot()?;
            let ready = engineer::wait_ready(&mut machine)?;
            let record = format!("booted in {:.0} s, ready {:.0} s later", boot.as_secs_f64(), ready.as_secs_f64());
            printer::note(&record);
            engineer::prove_lightly(&mut machine)?;
            machine.suspend(&folder.join(MEMORY))?;
            std::fs::write(folder.join(RECORD), record).context("cannot write the record of the boot")
        })?;
        Self::keep_only(&path)?;
        Ok(path)
    }

    /// Removes entries of the same kind for earlier bundles and images: each has up to several gigabytes, and no run
    /// will need them again. The lane's lock ensures that they are not in use.
    fn keep_only(kept: &Path) -> Result<()> {
        let folder = kept.parent().context("an entry of the cache is in a folder")?;
        for entry in folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path != kept {
                std::fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// Returns the key of an entry that branches from a disk. A disk that was rebuilt from the same inputs counts as
/// another one, because blocks of an earlier branch would not match it.
fn over(base: &Path, key: Key) -> Result<Key> {
    let made = base.metadata().with_context(|| format!("cannot look at {}", base.display()))?;
    Ok(key.with("base", format!("{}.{:09} {}", made.mtime(), made.mtime_nsec(), made.len())))
}

fn folder_of(name: &str) -> PathBuf {
    workspace::target_folder().join("vm/machines").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recreated_disk_is_another_base() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk.qcow2");
        let digest = || over(&disk, Key::new().with("birth", "2")).map(|key| key.digest());
        let error = digest().unwrap_err().to_string();
        assert_eq!(error, format!("cannot look at {}", disk.display()), "there is no disk");
        std::fs::write(&disk, "one").unwrap();
        let first = digest().unwrap();
        assert_eq!(digest().unwrap(), first);
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
        File::options().write(true).open(&disk).unwrap().set_modified(later).unwrap();
        assert_ne!(digest().unwrap(), first);
    }
}
