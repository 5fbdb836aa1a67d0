//! Test sites: separate machines, joined by a switch without an uplink.
//!
//! A machine is a set of namespaces over a minimal Debian on its own disk, with systemd as its first process. It can
//! crash ([`Machine::crash`]), lose power ([`Machine::power_cut`]) and boot again from the same disk. It reports
//! changes since its first boot ([`Machine::difference_since_birth`]), and its switch reports packets that tried to
//! leave the site ([`Site::foreign_packets`]).
//!
//! ```text
//! use landfall_xtask::site::{MachineSpec, Site};
//! let site = Site::new(&Site::unique_name("example"))?;
//! let machine = site.machine(MachineSpec::new("node-1").stick("/path/of/a/folder"))?;
//! machine.boot()?;
//! machine.run("ls /media/stick")?;
//! machine.power_cut()?;
//! machine.boot()?;
//! assert!(machine.difference_since_birth()?.is_empty());
//! ```
//!
//! Everything ends with the process that created the site, even on SIGKILL. Only empty cgroups and files in the cache
//! stay, which the next site removes. A kept site ([`Site::start_kept`]) outlives its creator until [`Site::down`].

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::cache::Cache;

mod capture;
mod cgroup;
mod disk;
mod execute;
mod files;
mod forward;
mod host_settings;
mod machine;
mod names;
mod process;
mod saved;
mod snapshot;
mod spawn;
mod sweep;
mod switch;
pub(crate) mod tool;

pub use capture::ForeignPacket;
pub use execute::{Output, Stream};
pub use machine::{BootState, Machine, MachineSpec, PowerState};
pub use names::names;
pub(crate) use process::boot_id;
pub use process::{ProcessId, kibibytes, wait_until};
pub use saved::SavedDisk;
pub use snapshot::{Category, Change, Difference, EXPECTED_CHANGES, Reach, Snapshot};
pub(crate) use snapshot::{Items, tables};
pub use spawn::Lifetime;
pub use switch::{GATEWAY, Switch};

/// Name of the file that describes a site in its folder.
const RECORD: &str = "site.json";

/// The record of a site.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    name: String,
    kept: bool,
    owner: ProcessId,
    switch: ProcessId,
    /// Kernel settings of which each machine has a copy, by path below `/proc/sys`.
    settings: BTreeMap<String, String>,
}

impl Record {
    fn lifetime(&self) -> Lifetime {
        if self.kept { Lifetime::Kept } else { Lifetime::WithCaller }
    }
}

/// A site: a switch and its machines. Dropping a site that is not kept ends it.
#[derive(Debug)]
pub struct Site {
    cache: Cache,
    folder: PathBuf,
    record: Record,
    /// Start time, if the site ends with this value.
    owned_since: Option<Instant>,
}

impl Site {
    /// Starts a site that ends with this value or this process, whichever ends first.
    pub fn new(name: &str) -> Result<Self> {
        Self::start(name, false)
    }

    /// Starts a site that lasts until [`Site::down`], even if this process ends.
    pub fn start_kept(name: &str) -> Result<Self> {
        Self::start(name, true)
    }

    /// Returns a site name that no other test uses.
    pub fn unique_name(prefix: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        format!("{prefix}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
    }

    fn start(name: &str, kept: bool) -> Result<Self> {
        let valid = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        ensure!(!name.is_empty() && name.len() <= 40 && name.chars().all(valid), "{name:?} is no name of a site");
        ensure!(
            rustix::process::geteuid().is_root(),
            "test machines need root: they are made of namespaces and mounts"
        );
        let cache = Cache::open()?;
        let _lock = sweep::lock(&cache)?;
        sweep::sweep(&cache)?;
        let folder = folder_of(&cache, name);
        ensure!(!folder.exists(), "a site named {name} exists already: take it down first (site down {name})");
        let settings = host_settings::remember(&sweep::settings_path(&cache))?.boot_settings();
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let lifetime = if kept { Lifetime::Kept } else { Lifetime::WithCaller };
        let started = Switch::start(&folder, lifetime).and_then(|switch| {
            let (owner, switch) = (ProcessId::own()?, switch.process().clone());
            let record = Record { name: name.to_owned(), kept, owner, switch, settings };
            files::write_json(&folder.join(RECORD), &record)?;
            Ok(record)
        });
        match started {
            Ok(record) => Ok(Self { cache, folder, record, owned_since: (!kept).then(Instant::now) }),
            Err(error) => {
                let _ = files::remove_folder(&folder);
                Err(error)
            }
        }
    }

    /// Opens a site that another process created.
    pub fn open(name: &str) -> Result<Self> {
        let cache = Cache::open()?;
        let folder = folder_of(&cache, name);
        ensure!(folder.join(RECORD).exists(), "there is no site named {name}");
        let record = files::read_json(&folder.join(RECORD))?;
        Ok(Self { cache, folder, record, owned_since: None })
    }

    /// Returns every site of this host, after removing the leftovers of dead callers.
    pub fn list() -> Result<Vec<Self>> {
        let cache = Cache::open()?;
        let _lock = sweep::lock(&cache)?;
        sweep::sweep(&cache)?;
        let names = sweep::names(&cache)?;
        names.iter().filter(|name| folder_of(&cache, name).join(RECORD).exists()).map(|name| Self::open(name)).collect()
    }

    /// Returns the name of the site.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// Returns true if the site outlives its creator.
    pub fn is_kept(&self) -> bool {
        self.record.kept
    }

    /// Returns the folder with disks, logs and the recording of the switch.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Creates a machine with a fresh disk, which is off until [`Machine::boot`].
    pub fn machine(&self, spec: MachineSpec) -> Result<Machine> {
        let number = self.next_number()?;
        let template = disk::template(&self.cache, spec.disk_gib, &spec.packages)?;
        self.create_machine(spec, number, &template)
    }

    /// Returns the number of the next machine.
    fn next_number(&self) -> Result<u8> {
        let number = u8::try_from(self.machines()?.len() + 1)?;
        ensure!(number < 200, "the switch of a site has no more ports");
        Ok(number)
    }

    fn create_machine(&self, spec: MachineSpec, number: u8, disk: &Path) -> Result<Machine> {
        Machine::create(&self.record, &self.folder, spec, number, disk)
    }

    /// Returns the machines in the order of their creation.
    pub fn machines(&self) -> Result<Vec<Machine>> {
        let mut machines = Machine::all(&self.record, &self.folder)?;
        machines.sort_by_key(Machine::number);
        Ok(machines)
    }

    /// Returns the machine of this name.
    pub fn find(&self, name: &str) -> Result<Machine> {
        let machines = self.machines()?;
        let names: Vec<String> = machines.iter().map(|machine| machine.name().to_owned()).collect();
        match machines.into_iter().find(|machine| machine.name() == name) {
            Some(machine) => Ok(machine),
            None => bail!("site {} has no machine {name}, only: {}", self.name(), names.join(", ")),
        }
    }

    /// Returns the switch.
    pub fn switch(&self) -> Switch {
        Switch::from_record(&self.folder, self.record.switch.clone())
    }

    /// Returns every packet for an address outside the site since the site started; see [`Switch::foreign_packets`].
    pub fn foreign_packets(&self) -> Result<Vec<ForeignPacket>> {
        self.switch().foreign_packets()
    }

    /// Ends the site. Switches its machines off, ends its switch, and removes cgroups and disks. If it was the last
    /// site, restores the host's settings.
    pub fn down(mut self) -> Result<()> {
        self.owned_since = None;
        self.end()
    }

    fn end(&self) -> Result<()> {
        let _lock = sweep::lock(&self.cache)?;
        sweep::end(&self.cache, &self.folder, &self.record)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let Some(since) = self.owned_since else { return };
        if let Err(error) = self.end() {
            crate::printer::note(format_args!("cannot take the site {} down: {error:#}", self.name()));
        }
        crate::printer::note(format_args!(
            "the site {} lasted {:.1} min",
            self.name(),
            since.elapsed().as_secs_f64() / 60.0
        ));
    }
}

fn folder_of(cache: &Cache, name: &str) -> PathBuf {
    cache.root().join(sweep::FOLDER).join(name)
}

/// Returns the address on the switch of the machine with this number.
fn address_of(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 99, 0, 10 + number)
}
