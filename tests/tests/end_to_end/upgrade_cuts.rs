//! The power is cut at seeded instants of upgrades: while data is staged, backed up, changed, and brought back. The site ends by itself
//! as exactly one of the two versions, with that version's data.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use landfall_tests::printer;
use landfall_tests::proofs::sql;
use landfall_tests::site::wait_until;

use super::cut::{At, Moment, boot, cut_during};
use super::engineer::Engineer;
use super::fixture::machine_with_stick;
use super::later_releases::{BROKEN, NEXT, ensure_later_releases};
use super::seed::Seeded;
use super::upgrade::{expect_release, schema};

/// How long the agent may take to end what was interrupted, once the machine has booted.
const SELF_LIMIT: Duration = Duration::from_mins(10);

/// Volumes that a change has moved or copied, which none leaves behind.
const DISPLACED: &str = "ls /var/lib/landfall/storage | grep -E '^(before|unfinished)' || true";

/// Steps of a rollback that brings data back.
const ROLLBACK: [&str; 7] = [
    "stop/postgres/postgres",
    "set-aside/postgres/database",
    "component/postgres",
    "stop-again/postgres/postgres",
    "load/postgres/database",
    "ready/postgres",
    "check-restored/postgres/database",
];

/// How many instants there are of each kind.
struct Counts {
    staging: usize,
    backup: usize,
    change: usize,
    /// In rollbacks that bring data back, after upgrades that were cut and went forward.
    rollback: usize,
    undo: usize,
}

#[test]
#[ignore = "needs cargo xtask test"]
fn a_few_instants_of_upgrades() -> Result<()> {
    // Four, since more of them take more time than CI has.
    upgrades_cut("e2e-upgrade-cuts", &Counts { staging: 1, backup: 0, change: 1, rollback: 1, undo: 1 })
}

#[test]
#[ignore = "needs cargo xtask test --full"]
fn twenty_four_instants_of_upgrades() -> Result<()> {
    upgrades_cut("e2e-upgrade-all-cuts", &Counts { staging: 3, backup: 5, change: 5, rollback: 5, undo: 6 })
}

fn upgrades_cut(site: &str, counts: &Counts) -> Result<()> {
    ensure_later_releases()?;
    let (_site, machine) = machine_with_stick(site)?;
    let engineer = Engineer::at(&machine);
    engineer.install()?;
    engineer.wait_ready("the install")?;
    sql(&machine, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")?;
    let steps = steps(engineer)?;
    let mut seeded = Seeded::named("upgrades")?;
    let forward = [
        (counts.staging, 300, placing(&steps)),
        (counts.backup, 25_000, vec!["backup".to_owned()]),
        (counts.change, 3000, changing(&steps)?),
    ];
    let back = ROLLBACK.map(str::to_owned);
    let mut rollbacks: Vec<At> =
        (0..counts.rollback).map(|_| instant(&mut seeded, &back, 2000, Moment::After)).collect();
    for (count, longest, candidates) in &forward {
        for _ in 0..*count {
            let at = instant(&mut seeded, candidates, *longest, Moment::After);
            cut_on_the_way(engineer, &at, &mut rollbacks)?;
        }
    }
    ensure!(rollbacks.is_empty(), "too few upgrades went forward: {rollbacks:?} were not tried");
    engineer.landfall(&["upgrade", NEXT])?.report("upgrade")?;
    let candidates = undone(&steps)?;
    for _ in 0..counts.undo {
        cut_on_the_way_back(engineer, &instant(&mut seeded, &candidates, 2000, Moment::Undoing))?;
    }
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after upgrades that were cut and an uninstall", &["/var/log/landfall"])
}

/// The ids of the upgrade's steps, in order.
fn steps(engineer: Engineer<'_>) -> Result<Vec<String>> {
    let plan = engineer.landfall(&["upgrade", NEXT, "--dry-run"])?.report("upgrade --dry-run")?;
    let steps = plan["plan"]["steps"].as_array().context("the plan has no steps")?;
    steps.iter().map(|step| step["id"].as_str().map(str::to_owned).context("a step has no id")).collect()
}

/// Those that bring content.
fn placing(steps: &[String]) -> Vec<String> {
    let is_it = |step: &&String| {
        ["stage", "registry-links", "runtime-configuration"].contains(&step.as_str())
            || step.starts_with("artifact-files/")
    };
    steps.iter().filter(is_it).cloned().collect()
}

/// Those that change the node and components, and prove them.
fn changing(steps: &[String]) -> Result<Vec<String>> {
    let begin = steps.iter().position(|step| step == "node-files").context("the upgrade leaves the node alone")?;
    let end = steps.iter().position(|step| step == "prove").context("the upgrade proves nothing")?;
    Ok(steps[begin..=end].to_vec())
}

/// Those that have changed something when the broken release fails.
fn undone(steps: &[String]) -> Result<Vec<String>> {
    let begin = steps.iter().position(|step| step.starts_with("stop/")).context("the upgrade stops nothing")?;
    let end = steps.iter().position(|step| step.starts_with("start/")).context("the upgrade starts nothing")?;
    Ok(steps[begin..end].to_vec())
}

fn instant(seeded: &mut Seeded, steps: &[String], longest: u64, moment: fn(Duration) -> Moment) -> At {
    let step = seeded.one_of(steps).clone();
    At { step, moment: moment(Duration::from_millis(seeded.within(0, longest))) }
}

/// From 1.0.0: it is 1.0.0 afterwards or 1.1.0, and then goes back, through another cut if one is left.
fn cut_on_the_way(engineer: Engineer<'_>, at: &At, rollbacks: &mut Vec<At>) -> Result<()> {
    let rows = another_row(engineer)?;
    cut_during(engineer, &["upgrade", NEXT], at)?;
    let version = ends_by_itself(engineer, at)?;
    expect(engineer, &version, &rows)?;
    if version == "1.1.0" {
        let name = engineer.machine().run("hostname")?.stdout;
        let back = ["rollback", "--data", "restore", "--confirm", name.trim()];
        if let Some(at) = rollbacks.pop() {
            cut_during(engineer, &back, &at)?;
            ends_by_itself(engineer, &at)?;
        } else {
            engineer.landfall(&back)?.report("rollback")?;
        }
        expect(engineer, "1.0.0", &rows)?;
    }
    Ok(())
}

/// From 1.1.0, to a release that fails and is undone: it is 1.1.0 afterwards.
fn cut_on_the_way_back(engineer: Engineer<'_>, at: &At) -> Result<()> {
    let rows = another_row(engineer)?;
    cut_during(engineer, &["upgrade", BROKEN], at)?;
    let version = ends_by_itself(engineer, at)?;
    ensure!(version == "1.1.0", "{version} is installed after an undo that was cut");
    expect(engineer, &version, &rows)
}

/// Boots, and returns the version that is installed once nothing is open.
fn ends_by_itself(engineer: Engineer<'_>, at: &At) -> Result<String> {
    boot(engineer.machine())?;
    let begun = Instant::now();
    let version = wait_until("the change to end by itself", SELF_LIMIT, || {
        let status = engineer.status()?;
        let state = status["state"].as_str().unwrap_or_default();
        ensure!(["changing", "change-interrupted", "installed"].contains(&state), "the status is {state}");
        Ok((state == "installed").then(|| status["release"]["version"].as_str().unwrap_or_default().to_owned()))
    })?;
    let seconds = begun.elapsed().as_secs();
    printer::note(format!("cut at {at:?}: ended by itself {seconds} s after the boot, as {version}"));
    Ok(version)
}

/// Writes one row more; returns a digest of all.
fn another_row(engineer: Engineer<'_>) -> Result<String> {
    sql(engineer.machine(), "INSERT INTO kept SELECT max(number) + 1 FROM kept")?;
    rows(engineer)
}

fn rows(engineer: Engineer<'_>) -> Result<String> {
    sql(engineer.machine(), "SELECT count(*) || ' ' || md5(string_agg(number::text, ' ' ORDER BY number)) FROM kept")
}

/// Fails unless this version is installed and ready, with its data and nothing else.
fn expect(engineer: Engineer<'_>, version: &str, wanted: &str) -> Result<()> {
    let (work_mem, table) = if version == "1.1.0" { ("8192kB", "schema_version") } else { ("4096kB", "none") };
    expect_release(engineer, version, work_mem)?;
    let found = rows(engineer)?;
    ensure!(found == wanted, "the rows of {version} are {found}, not {wanted}");
    let found = schema(engineer)?;
    ensure!(found == table, "the schema of {version} has {found}, not {table}");
    let displaced = engineer.machine().run(DISPLACED)?.stdout;
    ensure!(displaced.is_empty(), "data is left aside: {displaced}");
    Ok(())
}
