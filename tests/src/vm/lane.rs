//! The shared parts of all scenarios: the hardware, the bundle, and the disks that they branch from.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, which are recreated when they are lost")]

use std::cell::OnceCell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use landfall_launcher::packages;
use sha2::{Digest, Sha256};

use super::accelerator::Accelerator;
use super::engineer;
use super::image::{Image, SWAP};
use super::machine::{Hardware, Machine};
use super::snapshot::Moment;
use super::source::Source;
use super::stick::Stick;
use crate::cache::{Cache, Key};
use crate::vendor::Vendor;
use crate::{commands, printer, setup, workspace};

/// The machine in the folder of a cache entry.
const MACHINE: &str = "machine";

/// The memory of a machine that sleeps, in the folder of a cache entry.
const MEMORY: &str = "memory";

/// Hexadecimal digits by which a program is named.
const NAMED_DIGITS: usize = 12;

/// A bundle to install, and its first trust.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The folder with the bundle and the `landfall` beside it.
    pub folder: PathBuf,
    /// `sha256:…` of the vendor's root document.
    pub fingerprint: String,
    /// The sources of bundle and program, in a few words.
    pub source: String,
}

impl Bundle {
    /// The starter release, built now unless it exists.
    pub fn starter() -> Result<Self> {
        let before = Source::of(&workspace::root())?;
        let folder = workspace::target_folder().join("vm");
        let vendor = Vendor::open(&folder.join("vendor"))?;
        let stick = commands::demo::build(&vendor, &folder)?;
        let source = match std::env::var_os(workspace::PROGRAM_VARIABLE) {
            Some(_) => program(vendor.landfall())?,
            None => Source::describe(&before, &Source::of(&workspace::root())?),
        };
        Ok(Self { folder: stick, fingerprint: vendor.fingerprint()?, source })
    }

    /// An earlier build, with the vendor's root document.
    pub fn built(folder: &Path, root: &Path) -> Result<Self> {
        let document = std::fs::read(root).with_context(|| format!("cannot read {}", root.display()))?;
        let fingerprint = format!("sha256:{}", hex::encode(Sha256::digest(document)));
        Ok(Self { folder: folder.to_owned(), fingerprint, source: program(&folder.join("landfall"))? })
    }
}

/// A program whose sources are unknown, by its digest.
fn program(path: &Path) -> Result<String> {
    let content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(format!("landfall {}", &hex::encode(Sha256::digest(content))[..NAMED_DIGITS]))
}

/// The lane. One runs at a time on a host.
pub struct Lane {
    cache: Cache,
    hardware: Hardware,
    fingerprint: String,
    source: String,
    /// An install takes long: its result counts for all scenarios that need it.
    installed: OnceCell<Result<PathBuf, String>>,
    /// So does a boot of it.
    living: OnceCell<Result<PathBuf, String>>,
    _turn: File,
}

impl Lane {
    /// Makes what is missing: packages, image, stick.
    pub fn open(bundle: &Bundle) -> Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "making disks of virtual machines needs root");
        let cache = Cache::open()?;
        let turn = cache.lock("vm")?;
        setup::ensure_packages(packages::VIRTUAL_MACHINE)?;
        let image = Image::ensure(&cache)?;
        let accelerator = Accelerator::of_this_host(&cache, &image)?;
        let stick = Stick::of(&cache, &bundle.folder)?;
        let hardware = Hardware { accelerator, image, stick };
        let Bundle { fingerprint, source, .. } = bundle.clone();
        let (installed, living) = (OnceCell::new(), OnceCell::new());
        let lane = Self { cache, hardware, fingerprint, source, installed, living, _turn: turn };
        for used in [lane.hardware.image.disk(), lane.hardware.stick.image.clone()] {
            Self::keep_only(used.parent().context("an image is in a cache entry")?)?;
        }
        Ok(lane)
    }

    /// The hardware of every machine of the lane.
    pub fn hardware(&self) -> &Hardware {
        &self.hardware
    }

    /// `sha256:…` of the vendor's root document.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The sources of the bundle and of the `landfall` that installs it, in a few words.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// A machine that has booted once and has no Landfall. It is off.
    pub fn born(&self, name: &str) -> Result<Machine> {
        let disk = self.ensure_born()?.join(MACHINE).join("disk.qcow2");
        Machine::branch(&self.hardware, &disk, &folder_of(name))
    }

    /// A machine with the bundle installed, shut down when it was ready. It is off.
    pub fn installed(&self, name: &str) -> Result<Machine> {
        let disk = self.ensure_installed()?.join(MACHINE).join("disk.qcow2");
        Machine::branch(&self.hardware, &disk, &folder_of(name))
    }

    /// A machine on which the bundle is installed and everything is ready: it continues from the memory of one that has booted.
    pub fn living(&self, name: &str) -> Result<Machine> {
        let entry = self.ensure_living()?;
        let mut machine = Machine::branch(&self.hardware, &entry.join(MACHINE).join("disk.qcow2"), &folder_of(name))?;
        machine.wake(&entry.join(MEMORY))?;
        Ok(machine)
    }

    /// The state of a machine at its birth.
    pub fn birth(&self) -> Result<Moment> {
        let path = self.ensure_born()?.join("birth.json");
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("cannot understand {}", path.display()))
    }

    /// The report of its install, which may be from an earlier run of the same bundle.
    pub fn install_record(&self) -> Result<String> {
        let path = self.ensure_installed()?.join("record");
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    fn born_key(&self) -> Key {
        self.hardware.image.key().with("birth", "1")
    }

    fn installed_key(&self) -> Key {
        self.born_key().with("stick", self.hardware.stick.key.digest()).with("install", "1")
    }

    fn ensure_born(&self) -> Result<PathBuf> {
        let key = self.born_key();
        let path = self.cache.entry("vm-born", &key, |folder| {
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
        let made = self.installed.get_or_init(|| self.install().map_err(|error| format!("{error:#}")));
        made.clone().map_err(|error| anyhow!("there is no installed machine: {error}"))
    }

    fn install(&self) -> Result<PathBuf> {
        let born = self.ensure_born()?.join(MACHINE).join("disk.qcow2");
        let path = self.cache.entry("vm-installed", &self.installed_key(), |folder| {
            let mut machine = Machine::branch(&self.hardware, &born, &folder.join(MACHINE))?;
            machine.boot()?;
            machine.mount_stick()?;
            let begun = Instant::now();
            engineer::install(&mut machine, &self.fingerprint)?;
            let installed = begun.elapsed();
            engineer::wait_ready(&mut machine)?;
            let record = format!(
                "installed in {:.0} s, ready after {:.0} s",
                installed.as_secs_f64(),
                begun.elapsed().as_secs_f64()
            );
            printer::note(&record);
            engineer::prove(&mut machine)?;
            machine.power_off()?;
            std::fs::write(folder.join("record"), record).context("cannot write the record of the install")
        })?;
        Self::keep_only(&path)?;
        Ok(path)
    }

    fn ensure_living(&self) -> Result<PathBuf> {
        let made = self.living.get_or_init(|| self.live().map_err(|error| format!("{error:#}")));
        made.clone().map_err(|error| anyhow!("there is no living machine: {error}"))
    }

    fn live(&self) -> Result<PathBuf> {
        let installed = self.ensure_installed()?.join(MACHINE).join("disk.qcow2");
        let key = self.installed_key().with("living", "1");
        let path = self.cache.entry("vm-living", &key, |folder| {
            let mut machine = Machine::branch(&self.hardware, &installed, &folder.join(MACHINE))?;
            let boot = machine.boot()?;
            let ready = engineer::wait_ready(&mut machine)?;
            let record = format!("booted in {:.0} s, ready {:.0} s later", boot.as_secs_f64(), ready.as_secs_f64());
            printer::note(&record);
            engineer::prove_lightly(&mut machine)?;
            machine.suspend(&folder.join(MEMORY))?;
            std::fs::write(folder.join("record"), record).context("cannot write the record of the boot")
        })?;
        Self::keep_only(&path)?;
        Ok(path)
    }

    /// Removes entries of the same kind that belong to earlier bundles and images: each is up to several gigabytes, and
    /// no run will need them again. The lane's lock ensures that they are not in use.
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

fn folder_of(name: &str) -> PathBuf {
    workspace::target_folder().join("vm/machines").join(name)
}
