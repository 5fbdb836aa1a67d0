//! A test machine: its disk, its namespaces, its power.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, recreated when lost")]

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use landfall_launcher::packages;
use serde::{Deserialize, Serialize};

use super::cgroup::{self, Layout};
use super::process::{ProcessId, wait_until};
use super::snapshot::{Difference, Snapshot};
use super::switch::{GATEWAY, Switch};
use super::{Record as SiteRecord, address_of, disk, files, spawn, tool};
use crate::setup;

/// Script that starts the namespaces.
const START: &str = include_str!("start.sh");
/// Script that executes systemd.
const INSIDE: &str = include_str!("inside.sh");

/// Folder of the machines in a site's folder.
const FOLDER: &str = "machines";
pub(super) const RECORD: &str = "machine.json";
pub(super) const BIRTH: &str = "birth.json";

/// Time limit for systemd to start its basic units, and for a killed machine to end.
const PATIENCE: Duration = Duration::from_mins(3);

/// The specification of a machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MachineSpec {
    /// Name and hostname.
    pub name: String,
    /// Size of its disk, whose file is sparse.
    pub disk_gib: u32,
    /// Folder of the host that appears read-only at `/media/stick`.
    pub stick: Option<PathBuf>,
    /// True if it has a default route, through [`GATEWAY`], which drops everything.
    pub has_default_route: bool,
    /// True if it has a nameserver, at [`GATEWAY`], which answers nothing.
    #[serde(default)]
    pub has_nameserver: bool,
    /// Debian packages in addition to those of every machine.
    #[serde(default)]
    pub packages: Vec<String>,
}

impl MachineSpec {
    /// Specifies a machine with a disk of 14 GiB, no stick, no default route and no nameserver.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            disk_gib: 14,
            stick: None,
            has_default_route: false,
            has_nameserver: false,
            packages: Vec::new(),
        }
    }

    /// Sets the folder that is its stick.
    #[must_use]
    pub fn stick(mut self, folder: impl Into<PathBuf>) -> Self {
        self.stick = Some(folder.into());
        self
    }

    /// Adds a default route that leads nowhere.
    #[must_use]
    pub fn default_route(mut self) -> Self {
        self.has_default_route = true;
        self
    }

    /// Adds a nameserver that answers nothing and whose queries are recorded: see [`Switch::asked_names`].
    #[must_use]
    pub fn nameserver(mut self) -> Self {
        self.has_nameserver = true;
        self
    }

    /// Adds a Debian package. The disk of such machines is built and cached separately.
    #[must_use]
    pub fn package(mut self, name: &str) -> Self {
        self.packages.push(name.to_owned());
        self
    }

    /// Sets the size of its disk.
    #[must_use]
    pub fn disk_gib(mut self, size: u32) -> Self {
        self.disk_gib = size;
        self
    }
}

/// The record of a machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) spec: MachineSpec,
    pub(super) number: u8,
    pub(super) machine_id: String,
    /// Recorded before the first process starts, so that a sweep finds the cgroups to remove.
    groups: Vec<PathBuf>,
    running: Option<MachineProcesses>,
}

/// Host process IDs of a machine that is on.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct MachineProcesses {
    keeper: ProcessId,
    first: Option<ProcessId>,
}

/// Power state of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerState {
    /// Its first process is alive.
    On,
    /// It was never booted, has crashed, or lost its power.
    Off,
}

/// Progress of systemd's startup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootState {
    /// Every unit that should start has started.
    Running,
    /// Startup has finished, and these units have failed.
    Degraded(Vec<String>),
}

/// A machine of a site. The value is a handle: dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct Machine {
    site: SiteRecord,
    folder: PathBuf,
    spec: MachineSpec,
    number: u8,
}

impl Machine {
    pub(super) fn create(
        site: &SiteRecord,
        site_folder: &Path,
        spec: MachineSpec,
        number: u8,
        template: &Path,
    ) -> Result<Self> {
        let valid = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        ensure!(
            !spec.name.is_empty() && spec.name.len() <= 30 && spec.name.chars().all(valid),
            "{:?} is no name of a machine",
            spec.name
        );
        let folder = site_folder.join(FOLDER).join(&spec.name);
        ensure!(!folder.exists(), "site {} already has a machine {}", site.name, spec.name);
        std::fs::create_dir_all(folder.join("root")).with_context(|| format!("cannot create {}", folder.display()))?;
        let machine_id = random_id()?;
        let record = Record { spec: spec.clone(), number, machine_id, groups: Vec::new(), running: None };
        let machine = Self { site: site.clone(), folder, spec, number };
        disk::copy(template, &machine.disk())?;
        machine.save(&record)?;
        Ok(machine)
    }

    /// Returns the recorded machines in a site's folder.
    pub(super) fn all(site: &SiteRecord, site_folder: &Path) -> Result<Vec<Self>> {
        let Ok(entries) = site_folder.join(FOLDER).read_dir() else { return Ok(Vec::new()) };
        let mut machines = Vec::new();
        for entry in entries {
            let folder = entry?.path();
            if folder.join(RECORD).exists() {
                let record: Record = files::read_json(&folder.join(RECORD))?;
                machines.push(Self { site: site.clone(), folder, spec: record.spec, number: record.number });
            }
        }
        Ok(machines)
    }

    /// Returns its name, which is also its hostname.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Returns its number on the switch, from 1.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Returns its address on the switch, `10.99.0.(10 + number)`.
    pub fn address(&self) -> Ipv4Addr {
        address_of(self.number)
    }

    /// Returns the path of its disk image.
    pub fn disk(&self) -> PathBuf {
        self.folder.join("disk.img")
    }

    /// Returns the host's loop devices that hold its disk: one while it is on.
    pub fn loop_devices(&self) -> Result<Vec<String>> {
        loop_devices(&self.disk())
    }

    /// Returns its power state.
    pub fn power(&self) -> PowerState {
        if self.is_running() { PowerState::On } else { PowerState::Off }
    }

    pub(super) fn is_running(&self) -> bool {
        self.first().is_ok()
    }

    /// Returns its first process, as seen by the host. Fails if the machine is off.
    pub fn first(&self) -> Result<ProcessId> {
        let first = self.record()?.running.and_then(|running| running.first).filter(ProcessId::is_alive);
        first.with_context(|| format!("machine {} of site {} is off", self.spec.name, self.site.name))
    }

    /// Switches it on, and waits until systemd has started its basic units. Services may still be starting, see
    /// [`Machine::wait_settled`]. The first boot waits for everything, and records the machine's initial state.
    pub fn boot(&self) -> Result<()> {
        ensure!(!self.is_running(), "machine {} of site {} is already on", self.spec.name, self.site.name);
        setup::ensure_packages(packages::MACHINE)?;
        let is_first_boot = !self.folder.join(BIRTH).exists();
        let lock = self.lock_file()?;
        lock.lock().context("cannot lock a machine")?;
        self.off()?;
        let booted = self.power_on(is_first_boot).and_then(|()| self.wait_for_basic_units()).and_then(|()| {
            if is_first_boot {
                let state = self.wait_settled(PATIENCE)?;
                ensure!(state == BootState::Running, "the new machine {} does not come up: {state:?}", self.spec.name);
                files::write_json(&self.folder.join(BIRTH), &self.snapshot()?)?;
            }
            Ok(())
        });
        booted.map_err(|error| {
            let log = std::fs::read_to_string(self.folder.join("console.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(10)..].join("\n");
            error.context(format!("machine {} does not boot; its console ends with:\n{tail}", self.spec.name))
        })
    }

    /// Creates cgroups and namespaces, and waits until systemd is the first process.
    fn power_on(&self, is_first_boot: bool) -> Result<()> {
        let layout = Layout::detect()?;
        let group = format!("landfall-{}-{}", self.site.name, self.spec.name);
        let mut record = self.record()?;
        record.groups = layout.groups_of(&group);
        self.save(&record)?;
        layout.create(&group)?;
        let variables = self.variables(&record, &layout, is_first_boot);
        let script = self.folder.join("start.sh");
        files::write(&script, START)?;
        files::write(&self.folder.join("inside.sh"), INSIDE)?;
        let keeper = spawn::script(&script, &variables, self.site.lifetime(), &self.folder.join("console.log"))?;
        record.running = Some(MachineProcesses { keeper: keeper.clone(), first: None });
        self.save(&record)?;
        let first = wait_until("the start of systemd", PATIENCE, || {
            ensure!(keeper.is_alive(), "the first process ended before it became systemd");
            let Some(first) = keeper.children().first().copied() else { return Ok(None) };
            let name = std::fs::read_to_string(format!("/proc/{first}/comm")).unwrap_or_default();
            Ok((name.trim() == "systemd").then(|| ProcessId::of(first)))
        });
        let first = first.and_then(|found| found).inspect_err(|_| {
            let _ = keeper.kill(PATIENCE);
        })?;
        record.running = Some(MachineProcesses { keeper, first: Some(first) });
        self.save(&record)
    }

    fn variables(&self, record: &Record, layout: &Layout, is_first_boot: bool) -> Vec<(&'static str, String)> {
        let groups = record.groups.iter().map(|group| group.display().to_string()).collect::<Vec<_>>().join(" ");
        let settings: Vec<String> = self.site.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let text = |path: &Path| path.display().to_string();
        vec![
            ("INSIDE", text(&self.folder.join("inside.sh"))),
            ("NAME", self.spec.name.clone()),
            ("NUMBER", self.number.to_string()),
            ("ADDRESS", self.address().to_string()),
            ("GATEWAY", if self.spec.has_default_route { GATEWAY.to_string() } else { String::new() }),
            ("NAMESERVER", if self.spec.has_nameserver { GATEWAY.to_string() } else { String::new() }),
            ("SWITCH", self.site.switch.number.to_string()),
            ("DISK", text(&self.disk())),
            ("ROOT", text(&self.folder.join("root"))),
            ("STICK", self.spec.stick.as_deref().map(text).unwrap_or_default()),
            ("MACHINE_ID", if is_first_boot { record.machine_id.clone() } else { String::new() }),
            ("CGROUPS", groups),
            ("CGROUP_VERSION", layout.version().to_owned()),
            ("CONTROLLERS", layout.controllers()),
            ("SETTINGS", settings.join(" ")),
        ]
    }

    fn wait_for_basic_units(&self) -> Result<()> {
        wait_until("the start of systemd's basic units", PATIENCE, || {
            self.first()?;
            let output = self.try_run("systemctl is-active basic.target")?;
            Ok((output.stdout.trim() == "active").then_some(()))
        })
    }

    /// Waits until systemd has nothing left to start.
    pub fn wait_settled(&self, timeout: Duration) -> Result<BootState> {
        let what = format!("the end of the boot of machine {}", self.spec.name);
        wait_until(&what, timeout, || {
            let output = self.try_run("systemctl is-system-running")?;
            match output.stdout.trim() {
                "running" => Ok(Some(BootState::Running)),
                "degraded" => {
                    let failed = self.run("systemctl list-units --failed --plain --no-legend")?.stdout;
                    let names = failed.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned);
                    Ok(Some(BootState::Degraded(names.collect())))
                }
                _ => Ok(None),
            }
        })
    }

    /// Kills its first process, and thereby everything inside. Written data stays, synced or not.
    pub fn crash(&self) -> Result<()> {
        self.first()?;
        self.off()
    }

    /// Cuts its power. Every process is frozen first, so none sees a disk error. The filesystem stops without flushing
    /// its log, so unsynced data is lost. Then everything inside ends.
    pub fn power_cut(&self) -> Result<()> {
        let root = self.first()?.proc("root");
        cgroup::freeze(&self.record()?.groups)?;
        let mut command = Command::new("xfs_io");
        command.args(["-x", "-r", "-c", "shutdown"]).arg(&root);
        tool::output(&mut command).context("cannot stop the filesystem")?;
        let probe = root.join(".landfall-power-cut-probe");
        match File::create_new(&probe) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {}
            outcome => bail!("the disk still answers after the power cut: {outcome:?}"),
        }
        cgroup::kill(&self.record()?.groups)?;
        self.off()
    }

    /// Ends all of its processes, and waits until processes, mounts and loop device are gone. Does nothing if it is
    /// off.
    pub(super) fn off(&self) -> Result<()> {
        let mut record = self.record()?;
        if let Some(running) = record.running.take() {
            if let Some(first) = &running.first {
                first.kill(PATIENCE)?;
            }
            running.keeper.kill(PATIENCE)?;
            self.switch().unplug(self.number);
        }
        let disk = self.disk();
        wait_until(&format!("the release of the disk {}", disk.display()), PATIENCE, || {
            Ok(self.loop_devices()?.is_empty().then_some(()))
        })?;
        cgroup::remove(&record.groups)?;
        record.groups.clear();
        self.save(&record)
    }

    /// Removes the cgroups of a machine that has ended on its own. Returns true if the machine is running or booting.
    pub(super) fn sweep(&self) -> Result<bool> {
        let running = self.record()?.running;
        if running.is_some_and(|running| running.keeper.is_alive()) {
            return Ok(true);
        }
        let lock = self.lock_file()?;
        if lock.try_lock().is_err() {
            return Ok(true);
        }
        self.off().map(|()| false)
    }

    /// Opens the lock that is held while the machine boots.
    fn lock_file(&self) -> Result<File> {
        let path = self.folder.join("lock");
        File::create(&path).with_context(|| format!("cannot create the lock {}", path.display()))
    }

    /// Removes the stick from the running machine.
    pub fn remove_stick(&self) -> Result<()> {
        self.run("umount /media/stick").map(drop)
    }

    /// Changes the stick for the next boot.
    pub fn set_stick(&mut self, folder: Option<&Path>) -> Result<()> {
        let mut record = self.record()?;
        record.spec.stick = folder.map(Path::to_path_buf);
        self.spec.stick.clone_from(&record.spec.stick);
        self.save(&record)
    }

    /// Takes a snapshot of the running machine.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let birth = self.folder.join(BIRTH);
        let known = if birth.exists() { Some(files::read_json::<Snapshot>(&birth)?) } else { None };
        Snapshot::take(self, known.as_ref())
    }

    /// Returns all changes since the first boot was complete.
    pub fn difference_since_birth(&self) -> Result<Difference> {
        Ok(Difference::between(&self.birth()?, &self.snapshot()?))
    }

    /// Returns changes of files, folders and mounts since the first boot was complete.
    pub fn files_since_birth(&self) -> Result<Difference> {
        let birth = self.birth()?.files_alone();
        Ok(Difference::between(&birth, &Snapshot::take_files(self, Some(&birth))?))
    }

    pub(super) fn birth(&self) -> Result<Snapshot> {
        files::read_json(&self.folder.join(BIRTH))
            .with_context(|| format!("machine {} was never booted", self.spec.name))
    }

    /// Returns its cgroups on the host, one per hierarchy.
    pub(super) fn groups(&self) -> Result<Vec<PathBuf>> {
        Ok(self.record()?.groups)
    }

    /// Returns the switch to which it is connected.
    pub fn switch(&self) -> Switch {
        let site = self.folder.parent().and_then(Path::parent).unwrap_or(&self.folder);
        Switch::from_record(site, self.site.switch.clone())
    }

    /// Returns the folder with all files of the machine.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn record(&self) -> Result<Record> {
        files::read_json(&self.folder.join(RECORD))
    }

    pub(super) fn save(&self, record: &Record) -> Result<()> {
        files::write_json(&self.folder.join(RECORD), record)
    }
}

/// Returns a random machine-id from the kernel's source of identifiers.
fn random_id() -> Result<String> {
    let path = "/proc/sys/kernel/random/uuid";
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    Ok(text.trim().replace('-', ""))
}

/// Returns the names of the loop devices that hold a file.
fn loop_devices(file: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Path::new("/sys/block").read_dir().context("cannot read /sys/block")? {
        let path = entry?.path();
        let backing = std::fs::read_to_string(path.join("loop/backing_file")).unwrap_or_default();
        if Path::new(backing.trim_end_matches('\n')) == file {
            names.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}
