//! `cargo xtask site`: test machines for manual use.

use std::io::IsTerminal;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::cache::cache_root;
use crate::site::{Machine, MachineSpec, PowerState, Site};
use crate::{printer, workspace};

/// Time between two checks that a site still exists.
const LOOK: Duration = Duration::from_secs(2);

/// Start, use and end test machines.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a site and boot its machines; the site ends with this command unless it is kept.
    Up(Up),
    /// List the sites of this host.
    List,
    /// Run a program on a machine; its exit code is passed on.
    Run {
        #[command(flatten)]
        target: Target,
        /// Program and arguments.
        #[arg(last = true, required = true)]
        program: Vec<String>,
    },
    /// Open a shell on a machine.
    Shell(Target),
    /// Forward a loopback port of this host to a port of a machine, until the command is interrupted or the site is
    /// ended.
    Forward {
        #[command(flatten)]
        target: Target,
        /// Port of the machine; by default, the console's.
        #[arg(long, default_value_t = 31443)]
        port: u16,
    },
    /// Cut the power of a machine: unsynced data is lost.
    Cut(Target),
    /// Kill the first process of a machine.
    Crash(Target),
    /// Boot a machine that is off.
    Boot(Target),
    /// Print the changes of a machine since its birth.
    Difference(Target),
    /// Print every packet for an address outside the site.
    Packets {
        /// Name of the site.
        name: String,
    },
    /// Wait for the end of standard input, then remove the leftovers of dead makers.
    #[command(hide = true)]
    Sweep,
    /// End a site and remove its disks.
    Down {
        /// Name of the site.
        name: String,
    },
}

#[derive(Debug, Args)]
struct Up {
    /// Name of the new site.
    name: String,
    /// Leave the site running after this command has ended.
    #[arg(long)]
    keep: bool,
    /// Number of machines: node-1, node-2…
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=20))]
    machines: u8,
    /// Folder that every machine sees read-only at /media/stick.
    #[arg(long)]
    stick: Option<PathBuf>,
    /// Give the machines a default route, which leads nowhere.
    #[arg(long)]
    default_route: bool,
    /// Size of each disk in GiB; disks are sparse.
    #[arg(long, default_value_t = 14)]
    disk_gib: u32,
}

#[derive(Debug, Args)]
struct Target {
    /// Name of the site.
    name: String,
    /// Name of the machine.
    #[arg(long, default_value = "node-1")]
    machine: String,
}

impl Target {
    fn machine(&self) -> Result<Machine> {
        Site::open(&self.name)?.find(&self.machine)
    }
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<u8> {
    match arguments.command {
        Command::Up(up) => start(&up)?,
        Command::List => list()?,
        Command::Run { target, program } => return program_on(&target.machine()?, &program),
        Command::Shell(target) => return program_on(&target.machine()?, &["/bin/bash".to_owned(), "-l".to_owned()]),
        Command::Forward { target, port } => forward(&target, port)?,
        Command::Cut(target) => target.machine()?.power_cut()?,
        Command::Crash(target) => target.machine()?.crash()?,
        Command::Boot(target) => target.machine()?.boot()?,
        Command::Difference(target) => {
            let difference = target.machine()?.difference_since_birth()?;
            difference.changes.iter().for_each(printer::data);
        }
        Command::Packets { name } => Site::open(&name)?.foreign_packets()?.iter().for_each(printer::data),
        Command::Sweep => sweep()?,
        Command::Down { name } => Site::open(&name)?.down()?,
    }
    Ok(0)
}

fn forward(target: &Target, port: u16) -> Result<()> {
    let forward = target.machine()?.forward(port)?;
    printer::data(format!("https://{}/", forward.address()?));
    std::thread::spawn(move || forward.run());
    // A machine that is off may boot again.
    while Site::open(&target.name).is_ok() {
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn start(up: &Up) -> Result<()> {
    let stick = up.stick.as_deref().map(std::path::absolute).transpose()?;
    let _sweeper = if up.keep { None } else { Some(start_sweeper()?) };
    let site = if up.keep { Site::start_kept(&up.name)? } else { Site::new(&up.name)? };
    let booted = boot_machines(&site, up, stick.as_deref());
    if booted.is_err() && up.keep {
        let _ = Site::open(&up.name)?.down();
    }
    booted?;
    if !up.keep {
        printer::note("the site lives until this command ends (Ctrl-C)");
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

/// Starts a process that outlives this one, and then removes the site's disks and settings. This process cannot do so
/// after a Ctrl-C or a SIGKILL. The sweeper waits on a pipe whose other end this process holds.
fn start_sweeper() -> Result<Child> {
    let mut sweeper = workspace::outliving(&["site", "sweep"]);
    sweeper.stdin(Stdio::piped()).stdout(Stdio::null());
    sweeper.spawn().context("cannot start the sweeper")
}

fn sweep() -> Result<()> {
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).context("cannot wait for the end of standard input")?;
    // A dying process closes its files before the kernel reports it as dead.
    std::thread::sleep(std::time::Duration::from_millis(500));
    // A test's cache may be gone by now, and is not needed.
    if !cache_root()?.exists() {
        return Ok(());
    }
    Site::list().map(drop)
}

fn boot_machines(site: &Site, up: &Up, stick: Option<&Path>) -> Result<()> {
    for number in 1..=up.machines {
        let mut spec = MachineSpec::new(&format!("node-{number}")).disk_gib(up.disk_gib);
        spec.stick = stick.map(Path::to_path_buf);
        spec.has_default_route = up.default_route;
        let machine = site.machine(spec)?;
        machine.boot()?;
        printer::note(format_args!("{} of site {} is up at {}", machine.name(), site.name(), machine.address()));
    }
    Ok(())
}

fn list() -> Result<()> {
    for site in Site::list()? {
        for machine in site.machines()? {
            let power = if machine.power() == PowerState::On { "on" } else { "off" };
            let kept = if site.is_kept() { "kept" } else { "held" };
            printer::data(format_args!("{} {} {} {power} {kept}", site.name(), machine.name(), machine.address()));
        }
    }
    Ok(())
}

fn program_on(machine: &Machine, program: &[String]) -> Result<u8> {
    let (name, arguments) = program.split_first().context("no program was given")?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut command = machine.command(name, &arguments)?;
    if std::io::stdin().is_terminal() {
        command.env("TERM", std::env::var_os("TERM").unwrap_or_else(|| "dumb".into()));
    }
    let status = command.status().context("cannot run nsenter")?;
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(1))
}
