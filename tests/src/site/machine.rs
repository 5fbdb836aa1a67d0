//! One test machine: its disk, its namespaces, its power.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, which are recreated when they are lost")]

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

/// Starts the namespaces.
const START: &str = include_str!("start.sh");
/// The script that becomes systemd.
const INSIDE: &str = include_str!("inside.sh");

/// The folder of the machines in the folder of a site.
const FOLDER: &str = "machines";
pub(super) const RECORD: &str = "machine.json";
pub(super) const BIRTH: &str = "birth.json";

/// How long systemd may take to start its basic units, and a killed machine to be gone.
const PATIENCE: Duration = Duration::from_mins(3);

/// The specification of a machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MachineSpec {
    /// Its name and hostname.
    pub name: String,
    /// Size of its disk; the file is sparse.
    pub disk_gib: u32,
    /// A folder of the host that appears read-only at `/media/stick`.
    pub stick: Option<PathBuf>,
    /// Whether it has a default route, through [`GATEWAY`], which drops everything.
    pub has_default_route: bool,
    /// Whether it has a nameserver, at [`GATEWAY`], which answers nothing.
    #[serde(default)]
    pub has_nameserver: bool,
    /// Debian packages that it has beyond those of every machine.
    #[serde(default)]
    pub packages: Vec<String>,
}

impl MachineSpec {
    /// A machine with a disk of 14 GiB, no stick, no default route and no nameserver.
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

    /// With that folder as its stick.
    #[must_use]
    pub fn stick(mut self, folder: impl Into<PathBuf>) -> Self {
        self.stick = Some(folder.into());
        self
    }

    /// With a default route that leads nowhere.
    #[must_use]
    pub fn default_route(mut self) -> Self {
        self.has_default_route = true;
        self
    }

    /// With a nameserver that answers nothing, and whose queries are recorded: see [`Switch::asked_names`].
    #[must_use]
    pub fn nameserver(mut self) -> Self {
        self.has_nameserver = true;
        self
    }

    /// With one more Debian package. The disk of such machines is made, and cached, on its own.
    #[must_use]
    pub fn package(mut self, name: &str) -> Self {
        self.packages.push(name.to_owned());
        self
    }

    /// With a disk of that size.
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
    /// Written before the first process starts, so that a sweep finds what to remove.
    groups: Vec<PathBuf>,
    running: Option<Running>,
}

/// The processes of a machine that is on, as the host sees them.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Running {
    keeper: ProcessId,
    first: Option<ProcessId>,
}

/// Whether a machine is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerState {
    /// Its first process lives.
    On,
    /// It was never booted, or crashed, or was cut.
    Off,
}

/// How far systemd got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootState {
    /// Every unit that should start has started.
    Running,
    /// Everything has settled, and these units have failed.
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
        ensure!(!folder.exists(), "site {} has a machine {} already", site.name, spec.name);
        std::fs::create_dir_all(folder.join("root")).with_context(|| format!("cannot create {}", folder.display()))?;
        let machine_id = random_id()?;
        let record = Record { spec: spec.clone(), number, machine_id, groups: Vec::new(), running: None };
        let machine = Self { site: site.clone(), folder, spec, number };
        disk::copy(template, &machine.disk())?;
        machine.save(&record)?;
        Ok(machine)
    }

    /// The recorded machines in the folder of a site.
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

    /// The name, which is the hostname inside.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its number on the switch, from 1.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Its address on the switch, `10.99.0.(10 + number)`.
    pub fn address(&self) -> Ipv4Addr {
        address_of(self.number)
    }

    /// The image that is its disk.
    pub fn disk(&self) -> PathBuf {
        self.folder.join("disk.img")
    }

    /// The host's loop devices that hold its disk: one while it is on.
    pub fn loop_devices(&self) -> Result<Vec<String>> {
        loop_devices(&self.disk())
    }

    /// Whether it is on.
    pub fn power(&self) -> PowerState {
        if self.is_running() { PowerState::On } else { PowerState::Off }
    }

    pub(super) fn is_running(&self) -> bool {
        self.first().is_ok()
    }

    /// Its first process, as the host sees it; an error when the machine is off.
    pub fn first(&self) -> Result<ProcessId> {
        let first = self.record()?.running.and_then(|running| running.first).filter(ProcessId::is_alive);
        first.with_context(|| format!("machine {} of site {} is off", self.spec.name, self.site.name))
    }

    /// Switches it on and waits until systemd has started its basic units; services may still be starting, see
    /// [`Machine::wait_settled`]. The first boot waits for everything and records the machine as it was born.
    pub fn boot(&self) -> Result<()> {
        ensure!(!self.is_running(), "machine {} of site {} is on already", self.spec.name, self.site.name);
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

    /// Makes cgroups and namespaces and waits until systemd is the first process.
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
        record.running = Some(Running { keeper: keeper.clone(), first: None });
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
        record.running = Some(Running { keeper, first: Some(first) });
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

    /// Kills its first process, and with it everything inside. Written data stays, synced or not.
    pub fn crash(&self) -> Result<()> {
        self.first()?;
        self.off()
    }

    /// Cuts its power: every process stops where it is, so none sees a disk error. The filesystem stops without
    /// flushing its log, so unsynced data is lost. Then everything inside ends.
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

    /// Ends all of its processes, and waits until processes, mounts and loop device are gone. No error if it is off.
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

    /// Removes the cgroups of a machine that ended by itself; true when it has not ended, but runs or is being booted.
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

    /// Held while the machine is being booted.
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

    /// The running machine as it is now.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let birth = self.folder.join(BIRTH);
        let known = if birth.exists() { Some(files::read_json::<Snapshot>(&birth)?) } else { None };
        Snapshot::take(self, known.as_ref())
    }

    /// What has changed since the first boot was complete.
    pub fn difference_since_birth(&self) -> Result<Difference> {
        Ok(Difference::between(&self.birth()?, &self.snapshot()?))
    }

    /// The same for files, folders and mounts only.
    pub fn files_since_birth(&self) -> Result<Difference> {
        let birth = self.birth()?.files_alone();
        Ok(Difference::between(&birth, &Snapshot::take_files(self, Some(&birth))?))
    }

    pub(super) fn birth(&self) -> Result<Snapshot> {
        files::read_json(&self.folder.join(BIRTH))
            .with_context(|| format!("machine {} was never booted", self.spec.name))
    }

    /// Its cgroups on the host, one per hierarchy.
    pub(super) fn groups(&self) -> Result<Vec<PathBuf>> {
        Ok(self.record()?.groups)
    }

    /// The switch it is plugged into.
    pub fn switch(&self) -> Switch {
        let site = self.folder.parent().and_then(Path::parent).unwrap_or(&self.folder);
        Switch::recorded(site, self.site.switch.clone())
    }

    /// The folder with everything of it.
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

/// A random machine-id, from the kernel's own source of identifiers.
fn random_id() -> Result<String> {
    let path = "/proc/sys/kernel/random/uuid";
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    Ok(text.trim().replace('-', ""))
}

/// The loop devices that hold a file, by their names.
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
