//! Data that an uninstall keeps. `--adopt-data` restores a database's rows, and nothing else restores or deletes them.

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use landfall_xtask::proofs::{sql, wait_ready};
use landfall_xtask::site::Machine;
use serde_json::Value;

use super::engineer::{Engineer, STICK};
use super::fixture::{fixture, machine_with_stick};
use super::{figures, terminal};

/// Number of rows that are written, in one transaction.
const ROWS: u32 = 1000;
/// Folder of kept data.
const STORAGE: &str = "/var/lib/landfall/storage";
const SECRETS: &str = "/var/lib/landfall/secrets";

#[test]
#[ignore = "needs cargo xtask test"]
fn rows_survive_uninstall_and_install() -> Result<()> {
    let (_site, machine) = machine_with_stick("e2e-kept")?;
    let engineer = Engineer::at(&machine);
    let fixture = fixture()?;
    engineer.install()?;
    wait_ready(&machine, &fixture.expected)?;
    sql(&machine, &format!("CREATE TABLE kept AS SELECT generate_series(1, {ROWS}) AS number"))?;
    let secret = machine.read_file(&secret_of_postgres(&machine)?)?;
    expect_closed(&machine)?;

    let report = engineer.uninstall(&[])?;
    ensure!(report["kept"] == serde_json::json!([STORAGE, SECRETS]), "{report}");
    let volume = volume_of_postgres(&report)?;
    printer::note(format!("kept: {volume}"));
    // A second uninstall, with nothing installed, deletes nothing.
    engineer.uninstall(&[])?;
    let refused = engineer.landfall(&["install", STICK, "--trust", &fixture.fingerprint])?;
    let refused = refused.expect_refusal("install over kept data", "LF3020", 4)?;
    let named = format!("{refused:?}");
    ensure!(named.contains("LF4020") && named.contains(&volume), "the refusal names no kept data: {named}");

    let install = ["install", STICK, "--trust", &fixture.fingerprint, "--adopt-data"];
    engineer.landfall(&install)?.report("install --adopt-data")?;
    expect_rows(&machine, &secret)?;

    engineer.uninstall(&[])?;
    // The second install on the same data: unlike the very first one, it takes as long as the one before.
    let plan = engineer.landfall(&[&install[..], &["--dry-run"]].concat())?.report("install --dry-run")?;
    engineer.landfall(&install)?.report("second install --adopt-data")?;
    figures::expect_times(&machine, &plan["figures"])?;
    expect_rows(&machine, &secret)?;
    printer::note(format!("proved: {ROWS} rows exist after two uninstalls and installs"));

    for wrong in [&["--delete-data"][..], &["--delete-data", "--confirm", "another-site"]] {
        engineer.landfall(&[&["uninstall"], wrong].concat())?.expect_refusal("uninstall", "LF4025", 2)?;
    }
    terminal::uninstalls_by_name(engineer)?;
    engineer.expect_unchanged("after an uninstall with deletion", &["/var/log/landfall"])?;
    let again = ["install", STICK, "--trust", &fixture.fingerprint, "--adopt-data"];
    engineer.landfall(&again)?.expect_refusal("install --adopt-data of nothing", "LF4024", 2)?;
    Ok(())
}

/// Fails unless the ready database has all rows, its earlier secret, and a single folder.
fn expect_rows(machine: &Machine, secret: &[u8]) -> Result<()> {
    wait_ready(machine, &fixture()?.expected)?;
    let counted = sql(machine, "SELECT count(*), sum(number) FROM kept")?;
    ensure!(counted == format!("{ROWS}|{}", ROWS * (ROWS + 1) / 2), "the rows are missing: {counted}");
    ensure!(machine.read_file(&secret_of_postgres(machine)?)? == secret, "the secret was made again");
    let folders = machine.run(&format!("ls {STORAGE} | grep -c postgres"))?.stdout;
    ensure!(folders.trim() == "1", "the database has {folders} folders");
    Ok(())
}

fn secret_of_postgres(machine: &Machine) -> Result<String> {
    let found = machine.run(&format!("ls {SECRETS}/postgres/*.json"))?.stdout;
    Ok(found.lines().next().context("PostgreSQL has no secret")?.to_owned())
}

fn volume_of_postgres(report: &Value) -> Result<String> {
    let volumes = report["volumes"].as_array().context("the report lists no volumes")?;
    let volume = volumes.iter().find(|volume| volume["component"] == "postgres").context("none is PostgreSQL's")?;
    Ok(volume["folder"].as_str().context("a volume has no folder")?.to_owned())
}

/// Fails unless only root can reach the volumes by their path.
fn expect_closed(machine: &Machine) -> Result<()> {
    let mode = machine.run(&format!("stat --format %a {STORAGE}"))?.stdout;
    ensure!(mode.trim() == "700", "{STORAGE} has the mode {mode}");
    let listed = machine.try_run(&format!("setpriv --reuid 65534 --regid 65534 --clear-groups ls {STORAGE}"))?;
    ensure!(!listed.status.success(), "another user lists the volumes: {}", listed.stdout);
    Ok(())
}
