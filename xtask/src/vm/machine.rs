//! A virtual machine: its disk, its power, its stick.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::accelerator::Accelerator;
use super::agent::{Agent, GuestProcess, Output};
use super::image::{self, ADDRESS, INTERFACE, Image, STICK};
use super::stick::{LABEL, Stick};
use super::wire::Wire;
use crate::printer;

/// Time limit for QEMU to answer.
const MONITOR_LIMIT: Duration = Duration::from_mins(1);

/// Time limit of a boot on a dedicated machine.
const BOOT_LIMIT: Duration = Duration::from_mins(10);

/// Last message of a panicked kernel, number of final lines that are searched for it, and interval of the search.
const PANIC: &str = "Kernel panic - not syncing";
const PANIC_LINES: usize = 100;
const PANIC_PAUSE: Duration = Duration::from_secs(30);

/// Time limit for the interface to appear after the rest of a boot, on a dedicated machine.
const ADDRESS_LIMIT: Duration = Duration::from_mins(1);

/// Time limit of a clean shutdown on a dedicated machine.
const OFF_LIMIT: Duration = Duration::from_mins(3);

/// Serial line through which a program inside writes lines to a file of this host, where they survive any failure of
/// the machine.
pub const LINES: &str = "/dev/virtio-ports/landfall.lines";

/// Hardware of a machine.
#[derive(Clone)]
pub struct Hardware {
    /// Its accelerator.
    pub accelerator: Accelerator,
    /// The image with its kernel.
    pub image: Image,
    /// Stick that can be plugged in.
    pub stick: Stick,
}

/// A virtual machine. It ends with this value, with the thread that created it, and with this process.
pub struct Machine {
    hardware: Hardware,
    folder: PathBuf,
    sockets: tempfile::TempDir,
    clock: Option<Timestamp>,
    power: Option<Power>,
}

/// The processes and connections of a machine that is on.
struct Power {
    qemu: Child,
    monitor: Wire,
    agent: Agent,
}

impl Machine {
    /// Creates a machine whose disk starts as a copy of the given one, which is not changed. It is off. An existing
    /// folder is replaced.
    pub fn branch(hardware: &Hardware, from: &Path, folder: &Path) -> Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let format = if from.extension().is_some_and(|name| name == "qcow2") { "qcow2" } else { "raw" };
        image::branch(from, format, &folder.join("disk.qcow2"))?;
        let sockets = tempfile::tempdir().context("cannot create a folder for sockets")?;
        Ok(Self { hardware: hardware.clone(), folder: folder.to_owned(), sockets, clock: None, power: None })
    }

    /// Returns the path of its disk, which holds the differences from the original.
    pub fn disk(&self) -> PathBuf {
        self.folder.join("disk.qcow2")
    }

    /// Returns a time limit for the machine, given the limit on a dedicated one.
    pub fn patience(&self, on_its_own: Duration) -> Duration {
        on_its_own * self.hardware.accelerator.slowness()
    }

    /// Sets the time of its clock at the next boot; None means the correct time.
    pub fn set_clock(&mut self, time: Option<Timestamp>) {
        self.clock = time;
    }

    /// Switches it on, and waits until everything that starts at boot has started. Returns the time that took.
    #[expect(clippy::disallowed_methods, reason = "a file of the tests' tools")]
    pub fn boot(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        self.power_up(&[])?;
        if let Err(error) = self.settle() {
            let console = self.console();
            let text = std::fs::read(&console).with_context(|| format!("cannot read {}", console.display()))?;
            if !self.hardware.accelerator.has_tripped(&String::from_utf8_lossy(&text)) {
                return Err(error);
            }
            printer::note("the emulator ran outdated code of the booting kernel: it boots once more");
            self.cut_power()?;
            std::fs::rename(&console, console.with_extension("tripped")).context("cannot keep the console's text")?;
            self.power_up(&[])?;
            self.settle()?;
        }
        Ok(begun.elapsed())
    }

    /// Returns the path of its kernel's output, from all its boots.
    fn console(&self) -> PathBuf {
        self.folder.join("console")
    }

    /// Starts QEMU with additional arguments, and connects to it.
    pub(super) fn power_up(&mut self, more: &[String]) -> Result<()> {
        ensure!(self.power.is_none(), "the machine is on");
        let mut qemu = self.start(more)?;
        let socket = |name: &str| self.sockets.path().join(name);
        let connected = connect(&socket("monitor"), &socket("agent"));
        match connected {
            Ok((monitor, agent)) => self.power = Some(Power { qemu, monitor, agent }),
            Err(error) => {
                let _ = qemu.kill();
                let _ = qemu.wait();
                return Err(
                    error.context(format!("QEMU did not start; see {}", self.folder.join("qemu.log").display()))
                );
            }
        }
        Ok(())
    }

    /// Waits until the agent answers and systemd has finished the boot.
    fn settle(&mut self) -> Result<()> {
        let limit = self.patience(BOOT_LIMIT);
        self.wait_answer(limit)?;
        let state = self.within("systemctl is-system-running --wait", limit)?;
        let state = state.stdout.trim();
        if state != "running" {
            printer::note(format!("systemd says {state}: {}", self.failed_units()?));
        }
        let found = format!("until ip -brief address show {INTERFACE} | grep --quiet {ADDRESS}; do sleep 0.2; done");
        let limit = self.patience(ADDRESS_LIMIT);
        self.within(&found, limit).context("the interface has no address").map(drop)
    }

    /// Returns the names of the failed units, separated by spaces.
    pub fn failed_units(&mut self) -> Result<String> {
        let failed = self.run("systemctl list-units --failed --plain --no-legend")?;
        let names: Vec<&str> = failed.lines().filter_map(|line| line.split_whitespace().next()).collect();
        Ok(names.join(" "))
    }

    /// Waits until the agent answers. Fails if the kernel panics.
    fn wait_answer(&mut self, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            let Err(error) = self.power()?.agent.wait(PANIC_PAUSE) else { return Ok(()) };
            let console = self.console();
            let text = std::fs::read(&console).with_context(|| format!("cannot read {}", console.display()))?;
            let text = String::from_utf8_lossy(&text);
            let panicked = text.lines().rev().take(PANIC_LINES).find(|line| line.contains(PANIC));
            ensure!(panicked.is_none(), "the kernel panicked: {}", panicked.unwrap_or_default());
            ensure!(Instant::now() < end, "the machine did not answer within {limit:?}: {error:#}");
        }
    }

    /// Reboots it with `systemctl reboot`. Returns the time that took.
    pub fn reboot(&mut self) -> Result<Duration> {
        const BOOT_ID: &str = "cat /proc/sys/kernel/random/boot_id";
        let begun = Instant::now();
        let before = self.run(BOOT_ID)?;
        // The agent may end before it can answer.
        let _ = self.start_line("systemctl reboot");
        let end = begun + self.patience(OFF_LIMIT) + self.patience(BOOT_LIMIT);
        loop {
            ensure!(Instant::now() < end, "the machine did not reboot in time");
            std::thread::sleep(Duration::from_secs(2));
            let limit = self.patience(BOOT_LIMIT);
            self.wait_answer(limit)?;
            if self.try_run(BOOT_ID).is_ok_and(|now| now.is_success() && now.stdout != before) {
                break;
            }
        }
        self.settle()?;
        Ok(begun.elapsed())
    }

    /// Shuts it down.
    pub fn power_off(&mut self) -> Result<()> {
        let _ = self.start_line("systemctl poweroff");
        let end = Instant::now() + self.patience(OFF_LIMIT);
        let power = self.power()?;
        while power.qemu.try_wait().context("cannot wait for QEMU")?.is_none() {
            ensure!(Instant::now() < end, "the machine did not shut down in time");
            std::thread::sleep(Duration::from_millis(200));
        }
        self.power = None;
        Ok(())
    }

    /// Cuts its power: data that was not written to the disk is lost.
    pub fn cut_power(&mut self) -> Result<()> {
        let mut power = self.power.take().context("the machine is off")?;
        power.qemu.kill().context("cannot end QEMU")?;
        power.qemu.wait().context("cannot wait for QEMU")?;
        Ok(())
    }

    /// Connects the stick and waits until the machine sees it.
    pub fn plug_stick(&mut self) -> Result<()> {
        let device =
            json!({ "driver": "usb-storage", "bus": "usb.0", "drive": "stick", "id": "stick", "removable": true });
        self.monitor("device_add", &device)?;
        let found = format!("until [ -e /dev/disk/by-label/{LABEL} ]; do sleep 0.2; done");
        let limit = self.patience(Duration::from_mins(1));
        self.within(&found, limit).context("the machine does not see the stick").map(drop)
    }

    /// Connects the stick and mounts it, as a user would.
    pub fn mount_stick(&mut self) -> Result<()> {
        self.plug_stick()?;
        self.run(&format!("mount -o ro /dev/disk/by-label/{LABEL} {STICK}")).map(drop)
    }

    /// Removes the stick, even if it is in use.
    pub fn pull_stick(&mut self) -> Result<()> {
        self.monitor("device_del", &json!({ "id": "stick" }))?;
        self.power()?.monitor.wait_for_event("DEVICE_DELETED", MONITOR_LIMIT)
    }

    /// Runs a line of bash until it ends, and returns its result even if it fails.
    pub fn try_run(&mut self, line: &str) -> Result<Output> {
        let limit = self.patience(Duration::from_mins(2));
        self.within(line, limit)
    }

    /// Runs a line of bash, and returns its standard output. Fails if the line fails.
    pub fn run(&mut self, line: &str) -> Result<String> {
        let output = self.try_run(line)?;
        ensure!(output.is_success(), "`{line}` failed ({:?}): {}", output.code, output.text());
        Ok(output.stdout)
    }

    /// Runs a line of bash until it ends, with a time limit.
    pub fn within(&mut self, line: &str, limit: Duration) -> Result<Output> {
        let running = self.start_line(line)?;
        self.power()?.agent.wait_ended(running, limit).with_context(|| format!("`{line}`"))
    }

    /// Runs a line of bash that reads bytes from its standard input.
    pub fn feed(&mut self, line: &str, input: &[u8]) -> Result<Output> {
        let limit = self.patience(Duration::from_mins(5));
        let agent = &mut self.power()?.agent;
        let running = agent.start(line, input)?;
        agent.wait_ended(running, limit).with_context(|| format!("`{line}`"))
    }

    /// Starts a line of bash.
    pub fn start_line(&mut self, line: &str) -> Result<GuestProcess> {
        self.power()?.agent.start(line, &[])
    }

    /// Returns the result of a started line, if it has ended.
    pub fn try_wait(&mut self, running: GuestProcess) -> Result<Option<Output>> {
        self.power()?.agent.try_wait(running)
    }

    /// Returns the lines that programs of the machine have written to this host so far, from all its boots.
    pub fn lines(&self) -> Result<String> {
        let path = self.folder.join("lines");
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    pub(super) fn monitor(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        self.power()?.monitor.ask(command, arguments, MONITOR_LIMIT)
    }

    fn power(&mut self) -> Result<&mut Power> {
        let folder = &self.folder;
        let Some(power) = &mut self.power else { bail!("the machine of {} is off", folder.display()) };
        if let Some(status) = power.qemu.try_wait().context("cannot wait for QEMU")? {
            // If the machine shuts down, its QEMU ends successfully; `power_off` waits for that itself.
            ensure!(status.success(), "QEMU ended with {status}; see {}", folder.join("qemu.log").display());
        }
        Ok(power)
    }

    fn start(&self, more: &[String]) -> Result<Child> {
        let log = File::options().create(true).append(true).open(self.folder.join("qemu.log"));
        let log = log.context("cannot create the log of QEMU")?;
        // `setpriv` of util-linux ties QEMU's life to this thread, and then executes it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]).args(self.arguments()).args(more);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.spawn().context("cannot start qemu-system-x86_64")
    }

    /// Returns QEMU's arguments: two processors, a disk without host caching, a network card without an uplink, USB,
    /// and three serial lines.
    fn arguments(&self) -> Vec<String> {
        let Hardware { accelerator, image, stick } = &self.hardware;
        let file = |name: &str| self.folder.join(name).display().to_string();
        let socket = |name: &str| format!("path={},server=on,wait=off", self.sockets.path().join(name).display());
        let kernel = format!("root=/dev/vda ro console=ttyS0 {}", accelerator.kernel_options());
        let disk = json!({
            "driver": "qcow2", "node-name": "disk", "discard": "unmap", "cache": { "direct": true },
            "file": { "driver": "file", "filename": self.disk(), "discard": "unmap", "cache": { "direct": true } },
        });
        let stick = json!({
            "driver": "raw", "node-name": "stick", "read-only": true,
            "file": { "driver": "file", "filename": stick.image, "read-only": true },
        });
        let mut arguments: Vec<String> = accelerator.arguments().map(str::to_owned).to_vec();
        let pairs: [(&str, String); 20] = [
            ("-machine", "q35".into()),
            ("-smp", "2".into()),
            ("-m", "6144".into()),
            (
                "-rtc",
                format!(
                    "base={},driftfix=slew",
                    self.clock.map_or_else(|| "utc".into(), |time| time.strftime("%Y-%m-%dT%H:%M:%S").to_string())
                ),
            ),
            ("-kernel", image.kernel().display().to_string()),
            ("-initrd", image.initramfs().display().to_string()),
            ("-append", kernel),
            ("-chardev", format!("file,id=console,append=on,path={}", self.console().display())),
            ("-serial", "chardev:console".into()),
            ("-qmp", format!("unix:{},server=on,wait=off", self.sockets.path().join("monitor").display())),
            ("-blockdev", disk.to_string()),
            ("-device", "virtio-blk-pci,drive=disk".into()),
            ("-blockdev", stick.to_string()),
            ("-device", "qemu-xhci,id=usb".into()),
            ("-netdev", "user,id=network,restrict=on,ipv6=off".into()),
            // The position on the bus determines the interface's name.
            ("-device", "virtio-net-pci,netdev=network,addr=0x3".into()),
            ("-chardev", format!("socket,id=agent,{}", socket("agent"))),
            ("-chardev", format!("file,id=lines,append=on,path={}", file("lines"))),
            ("-device", "virtio-serial".into()),
            ("-device", "virtio-rng-pci".into()),
        ];
        arguments.extend(pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
        for (port, name) in [("agent", "org.qemu.guest_agent.0"), ("lines", "landfall.lines")] {
            arguments.extend(["-device".into(), format!("virtserialport,chardev={port},name={name}")]);
        }
        arguments.extend(["-nodefaults", "-no-user-config", "-display", "none"].map(str::to_owned));
        arguments
    }
}

fn connect(monitor: &Path, agent: &Path) -> Result<(Wire, Agent)> {
    let mut monitor = Wire::connect(monitor, MONITOR_LIMIT)?;
    monitor.greeting(MONITOR_LIMIT)?;
    monitor.ask("qmp_capabilities", &json!({}), MONITOR_LIMIT)?;
    Ok((monitor, Agent::connect(agent)?))
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut power) = self.power.take() {
            let _ = power.qemu.kill();
            let _ = power.qemu.wait();
        }
    }
}
