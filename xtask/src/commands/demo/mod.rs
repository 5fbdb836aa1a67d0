//! `cargo xtask demo`: from real software to a running site without network access.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, recreated when lost")]

mod upgrade;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::console::Console;
use crate::proofs::{self, ExpectedRelease};
use crate::results::{self, Outcome, Run};
use crate::site::{Machine, MachineSpec, Site};
use crate::starter::{land, release, show, write_stick};
use crate::vendor::Vendor;
use crate::{later_releases, printer, workspace};

/// Name of the demo's site, which stays until `--down`.
pub const SITE: &str = "demo";

/// Name of the demo's machine.
pub const MACHINE: &str = "node-1";

/// Build the starter bundle, install it on a disconnected machine, and prove use.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// End the demo's machine and remove its disk; the bundle stays.
    #[arg(long)]
    down: bool,
    /// Afterwards, upgrade the site, let an upgrade fail, and roll back, while a program writes without pause.
    #[arg(long, conflicts_with = "down")]
    upgrade: bool,
    /// Write the duration in minutes to docs/TESTS.md.
    #[arg(long, conflicts_with = "down")]
    report: bool,
}

impl Arguments {
    /// Returns the command under which its results are listed.
    fn result_name(&self) -> &'static str {
        if self.upgrade { results::DEMO_UPGRADE } else { results::DEMO }
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    if arguments.down {
        Site::open(SITE)?.down()?;
        printer::note("the demo's machine is removed");
        return Ok(0);
    }
    let run = Run::begin()?;
    let folder = workspace::root().join("target/demo");
    let vendor = Vendor::open(&folder.join("vendor"))?;
    let bundle = build(&vendor, &folder)?;
    if arguments.upgrade {
        later_releases::build(&vendor, &folder)?;
    }
    let expected = ExpectedRelease::from_inspection(&vendor.report(&["inspect", &bundle.display().to_string()])?)?;
    end_earlier_demo()?;
    let site = Site::start_kept(SITE)?;
    // With a default route and a nameserver, packets of software that phones home reach the switch, which records and
    // drops them. Otherwise, the machine's own kernel would refuse them unrecorded.
    let spec = MachineSpec::new(MACHINE).stick(folder.join("stick")).default_route().nameserver();
    let machine = site.machine(spec)?;
    machine.boot()?;
    machine.wait_settled(std::time::Duration::from_mins(1))?;
    land(&machine, &vendor)?;
    prove(&machine)?;
    let (foreign, names) = (site.foreign_packets()?, site.switch().asked_names()?);
    ensure!(foreign.is_empty(), "packets left for foreign addresses: {foreign:?}");
    ensure!(names.is_empty(), "software asked for foreign names: {names:?}");
    printer::note("proved: no packet was for an address outside the site, and no query for a foreign name");
    show_status(&machine, &expected)?;
    let console = open_console(&machine)?;
    if arguments.upgrade {
        upgrade::rehearse(&machine)?;
    }
    let minutes = results::minutes(results::elapsed()?);
    farewell(&folder, &console, &minutes);
    if arguments.report {
        run.keep_command(&Outcome { name: arguments.result_name(), minutes, has_passed: true })?;
    }
    Ok(0)
}

/// Locks and builds the starter release, and writes what a vendor publishes next to the stick.
fn build(vendor: &Vendor, folder: &Path) -> Result<PathBuf> {
    let stick = folder.join("stick");
    if stick.exists() {
        std::fs::remove_dir_all(&stick).with_context(|| format!("cannot empty {}", stick.display()))?;
    }
    vendor.lock(&release())?;
    for name in ["cosign.pub", "1.root.json"] {
        std::fs::copy(vendor.keys().join(name), folder.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    write_stick(vendor, folder)
}

fn end_earlier_demo() -> Result<()> {
    if Site::list()?.iter().any(|site| site.name() == SITE) {
        printer::note("an earlier demo still runs: ending it");
        Site::open(SITE)?.down()?;
    }
    Ok(())
}

/// Runs the release's proofs like a field engineer, and shows their output.
fn prove(machine: &Machine) -> Result<()> {
    printer::note("site# landfall prove");
    let status = machine.run_streaming("/media/stick/landfall", &["prove"], show)?;
    ensure!(status.success(), "landfall prove ended with {status}");
    Ok(())
}

/// Waits until the status says that everything is ready, and shows it.
fn show_status(machine: &Machine, expected: &ExpectedRelease) -> Result<()> {
    proofs::wait_ready(machine, expected)?;
    printer::data(machine.run("/media/stick/landfall status")?.stdout.trim_end());
    Ok(())
}

/// Access to the console for a browser on this host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WayIn {
    /// URL of the console, with a trailing slash.
    pub(crate) address: String,
    /// One-use token for the first administrator.
    pub(crate) token: String,
}

/// Prefix of the printed line, and the text between URL and token.
const WAY_IN: [&str; 2] = ["its console:  ", "first, entered once with the token "];

impl WayIn {
    /// Returns the line that is printed for users.
    fn line(&self) -> String {
        let [begin, between] = WAY_IN;
        format!("{begin}{}{between}{}", self.address, self.token)
    }

    /// Parses a line of the demo; None if it shows no access to the console.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let [begin, between] = WAY_IN;
        let (address, token) = line.strip_prefix(begin)?.split_once(between)?;
        Some(Self { address: address.to_owned(), token: token.to_owned() })
    }
}

/// Returns the token in the output of `landfall console`. Another call would invalidate it.
fn printed_token(said: &str) -> Option<&str> {
    said.lines().find_map(|line| line.strip_prefix("token ")?.split_whitespace().next())
}

/// Prints the access to the console. Fails unless the console, also for a browser on this host, is reachable with the
/// printed certificate. Returns the access.
fn open_console(machine: &Machine) -> Result<WayIn> {
    printer::note("site# landfall console");
    let said = machine.run("/media/stick/landfall console")?.stdout;
    printer::data(said.trim_end());
    let token = printed_token(&said).context("`landfall console` printed no token")?.to_owned();
    let console = Console::without_token(machine)?;
    let (code, _) = console.ask(machine, "/health/live", &[])?;
    let shown = console.shown_fingerprint(machine)?;
    ensure!(code == 200 && shown == console.fingerprint, "the console answers {code} with the certificate {shown}");
    printer::note("proved: the console answers with this certificate");
    let address = lead_to(console.port)?;
    let mut curl = Command::new("curl");
    curl.args(["--noproxy", "*", "--insecure", "--silent", "--fail"]).arg(format!("{address}health/live"));
    let live = curl.output().context("cannot run curl")?;
    ensure!(live.stdout == b"live\n", "{address} answers {:?}", String::from_utf8_lossy(&live.stdout));
    printer::note(format!("proved: a browser of this host reaches it at {address}"));
    Ok(WayIn { address, token })
}

/// Forwards a loopback port of this host to a port of the machine until the demo is ended. Returns its address.
fn lead_to(port: u16) -> Result<String> {
    let mut forward = workspace::outliving(&["site", "forward", SITE, "--port", &port.to_string()]);
    // It must not write to the terminal once the user has it back.
    let mut forward = forward.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut address = String::new();
    let output = forward.stdout.take().context("the forwarding command prints nothing")?;
    BufReader::new(output).read_line(&mut address).context("cannot read the address of the console")?;
    if !address.starts_with("https://") {
        bail!("the console cannot be reached: the forwarding command ended with {}", forward.wait()?);
    }
    Ok(address.trim_end().to_owned())
}

fn farewell(folder: &Path, console: &WayIn, minutes: &str) {
    printer::note(format!("done in {minutes} min"));
    printer::note(format!("bundle, cosign.pub and 1.root.json: {}", folder.display()));
    printer::note(console.line());
    printer::note("look around:  cargo xtask site shell demo");
    printer::note("end it:       cargo xtask demo --down");
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use clap::error::ErrorKind;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn console_token_is_parsed() {
        let said = "console      https://192.0.2.7:31443/\ntoken        K7QF2M-9XRT4B (counts once, until \
            2026-11-23T10:00:00Z)\n";
        let token = printed_token(said).unwrap().to_owned();
        assert_eq!(token, "K7QF2M-9XRT4B");
        assert_eq!(printed_token("console      https://192.0.2.7:31443/\n"), None);
        let way = WayIn { address: "https://127.0.0.1:41443/".to_owned(), token };
        let line = way.line();
        assert_eq!(line, "its console:  https://127.0.0.1:41443/first, entered once with the token K7QF2M-9XRT4B");
        assert_eq!(WayIn::read(&line), Some(way));
        assert_eq!(WayIn::read("end it:       cargo xtask demo --down"), None);
    }

    #[test]
    fn demo_variants_have_separate_results() {
        let listed = |line: &str| Line::try_parse_from(line.split(' ')).map(|line| line.arguments.result_name());
        assert_eq!(listed("demo --report").unwrap(), "cargo xtask demo");
        assert_eq!(listed("demo --upgrade --report").unwrap(), "cargo xtask demo --upgrade");
        for line in ["demo --down --report", "demo --down --upgrade"] {
            assert_eq!(listed(line).unwrap_err().kind(), ErrorKind::ArgumentConflict, "{line}");
        }
    }
}
