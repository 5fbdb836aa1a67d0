//! The parts "demo" and "demo-upgrade": the commands of a newcomer, run from outside, with checks of everything that
//! they promise to leave.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::invocation::xtask;
use crate::cache::Cache;
use crate::commands::demo::{MACHINE, SITE, WayIn};
use crate::console::form_word;
use crate::cosign::CosignVerifier;
use crate::proofs::{self, ExpectedRelease};
use crate::site::{Machine, PowerState, Site, wait_until};
use crate::vendor::VENDOR_STORE;
use crate::{documents, images, printer, workspace};

/// Time limit with a full cache, on two cores that other processes may also use.
const WARM_LIMIT: Duration = Duration::from_mins(8);

/// Time limit with an empty cache, or with one that holds only the images.
const COLD_LIMIT: Duration = Duration::from_mins(35);

/// Time limit until the site is ready after the last upgrade.
const READY_LIMIT: Duration = Duration::from_mins(2);

/// Time limit until the kernel releases the resources of an ended machine.
const GIVEN_BACK_LIMIT: Duration = Duration::from_secs(20);

/// Time limit for the demo's last lines after it has ended.
const LAST_LINES_LIMIT: Duration = Duration::from_secs(2);

/// A password that every rule accepts.
const PASSWORD: &str = "ostrich-lantern-quarry-71";

/// Release that the demo's last upgrade installs.
const LATER_VERSION: &str = "1.1.0";

/// Runs the demo, checks what it leaves, ends it, and checks that nothing remains.
pub(super) fn run(turn: impl FnOnce() -> Result<File>) -> Result<()> {
    let cache = Cache::open()?;
    let is_fresh = cache.is_empty()?;
    let is_warm = cache.holds(VENDOR_STORE);
    if !is_fresh {
        // On a fresh machine, a full run assembles the images in the background. This part's time limit and its turn
        // with the machines begin only afterwards.
        images::ensure_all()?;
    }
    let limit = if is_warm { WARM_LIMIT } else { COLD_LIMIT };
    let _turn = turn()?;
    let begun = Instant::now();
    let landed = demo().and_then(|said| {
        let took = begun.elapsed();
        ensure!(took <= limit, "the demo took {} s, and may take {} s", took.as_secs(), limit.as_secs());
        expect_everything_there(&workspace::root().join("target/demo"))?;
        enter_console(&said)
    });
    end(landed)
}

/// Runs the demo as a user would. Returns its output.
fn demo() -> Result<Vec<String>> {
    let mut demo = Command::new(workspace::THIS_PROGRAM).arg("demo").stderr(Stdio::piped()).spawn()?;
    let lines = BufReader::new(demo.stderr.take().context("the demo says nothing")?).lines();
    let (sender, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(std::result::Result::ok) {
            printer::note(&line);
            let _ = sender.send(line);
        }
    });
    let status = demo.wait()?;
    // The machine outlives the demo, and may keep the pipe open. So the end of the pipe is not awaited.
    let said = std::iter::from_fn(|| heard.recv_timeout(LAST_LINES_LIMIT).ok()).collect();
    ensure!(status.success(), "the demo ended with {status}");
    Ok(said)
}

/// Opens the console at the printed URL, and creates an administrator with the printed token.
fn enter_console(said: &[String]) -> Result<()> {
    let way =
        said.iter().find_map(|line| WayIn::read(line)).context("the demo did not print how to enter its console")?;
    let folder = tempfile::tempdir()?;
    let memory = text(&folder.path().join("cookies"));
    let first = format!("{}first", way.address);
    let page = curl(&["--cookie-jar", &memory, &first])?;
    let fields = [("csrf", form_word(&page)?), ("token", way.token.as_str()), ("name", "ada"), ("password", PASSWORD)];
    let fields = fields.into_iter().chain([("again", PASSWORD)]).map(|(name, value)| format!("{name}={value}"));
    let form: Vec<String> = fields.flat_map(|field| ["--data-urlencode".to_owned(), field]).collect();
    let origin = format!("Origin: {}", way.address.trim_end_matches('/'));
    let mut arguments = vec!["--cookie", &memory, "--header", &origin, "--output", "/dev/null"];
    arguments.extend(["--write-out", "%{http_code}", &first]);
    arguments.extend(form.iter().map(String::as_str));
    let code = curl(&arguments)?;
    ensure!(code == "303", "the demo's token created no administrator: {code}");
    printer::note("the demo's console was entered with the printed token, at the printed address");
    Ok(())
}

/// Returns the response of a server on this host's loopback.
fn curl(arguments: &[&str]) -> Result<String> {
    let mut curl = Command::new("curl");
    curl.args(["--noproxy", "*", "--insecure", "--silent", "--show-error", "--fail", "--max-time", "30"]);
    let output = curl.args(arguments).output().context("cannot run curl")?;
    ensure!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs the demo with upgrades, which has its own checks. Then checks the site that it leaves, ends it, and checks that
/// nothing remains.
pub(super) fn run_upgrade(turn: impl FnOnce() -> Result<File>) -> Result<()> {
    images::ensure_all()?;
    let _turn = turn()?;
    end(xtask(&["demo", "--upgrade"]).and_then(|()| expect_upgraded()))
}

/// Ends the demo. Whatever the result, no machine remains.
fn end(landed: Result<()>) -> Result<()> {
    let machine =
        Site::open(SITE).and_then(|site| site.find(MACHINE)).and_then(|machine| Ok((machine.first()?, machine)));
    let down = xtask(&["demo", "--down"]);
    landed?;
    down?;
    let (first, machine) = machine.context("the demo's machine does not run")?;
    ensure!(!first.is_alive(), "the demo's machine still runs");
    expect_nothing_left(&machine)
}

/// Fails unless the bundle, the key and the root exist and match, and the machine is running, ready and quiet.
fn expect_everything_there(folder: &Path) -> Result<()> {
    let (stick, root) = (folder.join("stick"), folder.join("1.root.json"));
    let verified = report(&stick.join("landfall"), &["verify", &text(&stick), "--trust", &text(&root)])?;
    ensure!(verified["verified"] == true && verified["development"] == true, "the demo's bundle: {verified}");
    // The only signature is by a key of that root, as just verified. Cosign checks that it is this key.
    let judged = CosignVerifier::head(&head_on(&stick)?)?;
    let is_of_the_key = judged.accepts(&folder.join("cosign.pub"), &judged.document())?;
    ensure!(is_of_the_key, "the demo's cosign.pub is not the key that signed its bundle");
    let expected = ExpectedRelease::from_inspection(&report(&stick.join("landfall"), &["inspect", &text(&stick)])?)?;

    let site = Site::open(SITE)?;
    ensure!(site.is_kept(), "the demo's site ends with its maker");
    let machine = site.find(MACHINE)?;
    ensure!(machine.power() == PowerState::On, "the demo's machine no longer runs");
    proofs::wait_ready(&machine, &expected)?;
    let foreign = site.foreign_packets()?;
    ensure!(foreign.is_empty(), "packets left for foreign addresses: {foreign:?}");
    printer::note(
        "the demo left a bundle that its own root and cosign with its key verify, and a machine on which everything is \
         ready",
    );
    Ok(())
}

/// Fails unless the machine runs the release of the last upgrade, ready and quiet.
fn expect_upgraded() -> Result<()> {
    let site = Site::open(SITE)?;
    let machine = site.find(MACHINE)?;
    let status = wait_until("the upgraded demo to be ready", READY_LIMIT, || {
        let output = machine.try_run("/media/stick/landfall status --json")?;
        let status = documents::status(output.status.code().map(i64::from), &output.stdout).context(output.stderr)?;
        Ok((status["ready"] == true).then_some(status))
    })?;
    ensure!(status["release"]["version"] == LATER_VERSION, "the demo ends with {}", status["release"]);
    let foreign = site.foreign_packets()?;
    ensure!(foreign.is_empty(), "packets left for foreign addresses: {foreign:?}");
    printer::note("the demo went to a later release, back and forward again, and the machine is ready");
    Ok(())
}

/// Returns the path of the head next to the bundle.
fn head_on(stick: &Path) -> Result<PathBuf> {
    let entries = stick.read_dir().with_context(|| format!("cannot list {}", stick.display()))?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths.find(|path| path.extension().is_some_and(|name| name == "head")).context("the demo's stick has no head")
}

/// Waits until nothing of the demo remains. The kernel releases loop devices and cgroups shortly after the last process
/// that used them.
fn expect_nothing_left(machine: &Machine) -> Result<()> {
    let gone = Site::open(SITE).err().context("the demo's site is still there")?.to_string();
    ensure!(gone == format!("there is no site named {SITE}"), "{gone}");
    ensure!(!machine.disk().exists(), "the demo's disk is still there");
    let given_back = || Ok(find_remains(machine)?.is_empty().then_some(()));
    wait_until("the end of the demo's loop devices and cgroups", GIVEN_BACK_LIMIT, given_back)
        .with_context(|| format!("still there: {:?}", find_remains(machine).unwrap_or_default()))
}

/// Returns loop devices and cgroups of the demo.
fn find_remains(machine: &Machine) -> Result<Vec<String>> {
    let group = format!("landfall-{SITE}-*");
    let mut find = Command::new("find");
    let groups = find.args(["/sys/fs/cgroup", "-name", &group]).output().context("cannot run find")?.stdout;
    let groups = String::from_utf8_lossy(&groups).lines().map(str::to_owned).collect();
    Ok([machine.loop_devices()?, groups].concat())
}

/// Runs `landfall --json`; returns the report, or an error if the command fails.
fn report(landfall: &PathBuf, arguments: &[&str]) -> Result<Value> {
    let output = Command::new(landfall).arg("--json").args(arguments).output().context("cannot start landfall")?;
    if !output.status.success() {
        bail!(
            "landfall {} ended with {}: {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    documents::read(&String::from_utf8_lossy(&output.stdout))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
