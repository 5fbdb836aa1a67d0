//! Help for a customer without a shell: a support bundle in the browser, and a drill that proves a backup.

use std::fs::File;
use std::io::BufReader;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use landfall_xtask::console::Program;
use landfall_xtask::printer;
use landfall_xtask::site::wait_until;
use serde_json::{Value, json};

use super::console;
use super::engineer::Engineer;

/// Time limit of a drill.
const DRILL_LIMIT: Duration = Duration::from_mins(15);
/// Time limit for a new drill to take the site's lock.
const LOCK_LIMIT: Duration = Duration::from_mins(2);
/// Command that succeeds while an operation holds the site's lock. It asks the kernel, because trying the lock could
/// make the operation itself fail.
const IS_LOCKED: &str = "grep --quiet \":$(stat --format=%i /var/lib/landfall/journal/lock) \" /proc/locks";
/// Time between two polls.
const POLL: Duration = Duration::from_secs(3);

/// Fails unless a ready site with a backup creates a support bundle and proves the backup, both requested through the
/// console.
pub(crate) fn comes_from_the_browser(engineer: Engineer<'_>) -> Result<()> {
    let program = console::program(engineer.machine())?;
    gives_out_a_support_bundle(engineer, &program)?;
    proves_a_backup(&program)?;
    printer::note("proved: a support bundle was collected and downloaded, and a drill was run, through the console");
    Ok(())
}

fn gives_out_a_support_bundle(engineer: Engineer<'_>, program: &Program<'_>) -> Result<()> {
    let machine = engineer.machine();
    let done = program.outcome("/api/v1/support", &json!({ "hours": 2 }))?;
    ensure!(done["state"] == "done", "{done:#}");
    let (_, page) = program.get("/api/v1/support")?;
    let (bundle, id) = (&page["bundle"], done["request"].as_str().context("the request has no id")?);
    ensure!(bundle["id"] == id && bundle["hours"] == 2 && bundle["by"].is_string(), "{page:#}");
    let mode = machine.run("stat --format %a /var/lib/landfall/console-support")?.stdout;
    ensure!(mode.trim() == "700", "the folder of the bundle has the mode {mode}");

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("support.tar.gz");
    let (bearer, output) = (format!("Authorization: Bearer {}", program.key), file.display().to_string());
    // curl uses the last of several limits; a bundle may have 192 MiB.
    let arguments = ["--max-time", "300", "--header", &bearer, "--output", &output];
    let (code, _) = program.console.ask(machine, &format!("/api/v1/support/{id}"), &arguments)?;
    ensure!(code == 200, "the bundle is answered with {code}");
    let size = file.metadata()?.len();
    ensure!(bundle["sizeBytes"] == size, "{size} bytes arrived: {page:#}");
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(File::open(&file)?)));
    let mut names = Vec::new();
    for entry in archive.entries()? {
        names.push(entry?.path()?.display().to_string());
    }
    for name in ["status.json", "support.json", "cluster/pods.jsonl", "journald/landfall-kubelet.log"] {
        ensure!(names.iter().any(|found| found == name), "{name} is not among {names:?}");
    }
    Ok(())
}

fn proves_a_backup(program: &Program<'_>) -> Result<()> {
    let list = || -> Result<Value> {
        let (code, list) = program.get("/api/v1/backups")?;
        ensure!(code == 200, "backups are answered with {code}: {list:#}");
        Ok(list)
    };
    let before = list()?;
    ensure!(before["schedule"]["daily"].is_string() && before["schedule"]["next"].is_string(), "{before:#}");
    let bearer = format!("Authorization: Bearer {}", program.key);
    let arguments = ["--header", &bearer, "--request", "POST"];
    let (code, said) = program.console.ask(program.machine, "/api/v1/drills", &arguments)?;
    ensure!(code == 202, "the drill is answered with {code}: {said}");
    refuses_a_backup_meanwhile(program, &list)?;
    wait_until("the end of the drill", DRILL_LIMIT, || {
        std::thread::sleep(POLL);
        let now = list()?;
        let is_new = now["lastDrill"]["at"].is_string() && now["lastDrill"] != before["lastDrill"];
        ensure!(!is_new || now["lastDrill"]["failure"].is_null(), "the drill failed: {:#}", now["lastDrill"]);
        Ok(is_new.then_some(()))
    })
}

/// During a drill, a backup is refused immediately. One that the timer starts anyway is recorded.
fn refuses_a_backup_meanwhile(program: &Program<'_>, list: &impl Fn() -> Result<Value>) -> Result<()> {
    let machine = program.machine;
    wait_until("the drill to hold the lock", LOCK_LIMIT, || {
        std::thread::sleep(Duration::from_millis(200));
        Ok(machine.try_run(IS_LOCKED)?.status.success().then_some(()))
    })?;
    let (code, said) = program.post("/api/v1/backups", &json!({}))?;
    ensure!(code == 409 && said["code"] == "LF4006", "a backup beside a drill is answered with {code}: {said:#}");
    ensure!(list()?["lastRefusal"].is_null(), "a backup refused immediately is listed as not begun");
    let begun = machine.try_run("systemctl start landfall-backup.service")?;
    ensure!(!begun.status.success(), "a backup was made beside a drill");
    machine.run("systemctl reset-failed landfall-backup.service")?;
    wait_until("the note of the backup that did not begin", LOCK_LIMIT, || {
        std::thread::sleep(POLL);
        let refused = list()?["lastRefusal"].clone();
        ensure!(refused.is_null() || refused["failure"]["code"] == "LF4006", "{refused:#}");
        Ok((!refused.is_null()).then_some(()))
    })
}
