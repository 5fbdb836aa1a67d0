//! Faults in the middle of upgrades. Each row of the table has a fault, its moment, and the expected end. After each,
//! the site is exactly one of the two releases, with that release's data. Every acknowledged row must be in the
//! database or in the replaced data of an undo.

mod replaced;
mod strike;
mod stuck;
mod table;
mod watch;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use landfall_xtask::{printer, writer};

use self::strike::Fault;
use self::table::{CHEAP, Ends, OTHERS, Row, Then};
use self::watch::{FaultMoment, FoundProcesses, Watch};
use super::cut_upgrades::{another_row, expect, write_rows};
use super::engineer::{Engineer, Said};
use super::installed::{installed_machine, start_over};
use super::later_releases::{ensure_half_release, ensure_later_releases};

#[test]
#[ignore = "needs cargo xtask test"]
fn cheap_faults_end_as_expected() -> Result<()> {
    strike_by_table("e2e-faults", CHEAP.iter().collect())
}

#[test]
#[ignore = "needs cargo xtask test --full"]
fn every_fault_ends_as_expected_odd() -> Result<()> {
    ensure_half_release()?;
    strike_by_table("e2e-odd-faults", CHEAP.iter().chain(&OTHERS).step_by(2).collect())
}

#[test]
#[ignore = "needs cargo xtask test --full"]
fn every_fault_ends_as_expected_even() -> Result<()> {
    ensure_half_release()?;
    strike_by_table("e2e-even-faults", CHEAP.iter().chain(&OTHERS).skip(1).step_by(2).collect())
}

/// Runs the rows one after another, on one machine.
fn strike_by_table(site: &str, rows: Vec<&Row>) -> Result<()> {
    ensure_later_releases()?;
    let (_site, machine) = installed_machine(site)?;
    let engineer = Engineer::at(&machine);
    begin_to_write(engineer)?;
    let (last, mut removed) = (rows.len() - 1, BTreeSet::new());
    for (index, row) in rows.into_iter().enumerate() {
        let begun = Instant::now();
        printer::note(format!("fault: {}", row.name));
        withstand(engineer, row, &mut removed).with_context(|| format!("the fault: {}", row.name))?;
        let (seconds, version) = (begun.elapsed().as_secs_f64(), row.ends.version());
        printer::note(format!("proved in {seconds:.0} s: {}; the site is {version}", row.name));
        if version != "1.0.0" && index < last {
            start_over(&machine)?;
            begin_to_write(engineer)?;
        }
    }
    Ok(())
}

fn begin_to_write(engineer: Engineer<'_>) -> Result<()> {
    write_rows(engineer)?;
    writer::start(engineer.machine())
}

/// Runs one row: the upgrade with its fault, the actions of a user, and the checks afterwards. `removed` are the
/// writer's rows that were removed with replaced data.
fn withstand(engineer: Engineer<'_>, row: &Row, removed: &mut BTreeSet<u64>) -> Result<()> {
    let machine = engineer.machine();
    let rows = another_row(engineer)?;
    row.fault.prepare(engineer)?;
    if row.when == FaultMoment::Migration {
        strike::slow_migration(machine)?;
    }
    let said = upgrade_struck(engineer, row)?;
    let lines = said.lines.join("\n");
    let all = || format!("the upgrade to {} said:\n{lines}", row.bundle);
    expect_end(&said, row.ends).with_context(all)?;
    ensure!(lines.contains(row.says), "`{}` was not said; {}", row.says, all());
    if row.ends == Ends::Stuck {
        stuck::expect_stuck(engineer)?;
    }
    row.fault.end(machine)?;
    match row.ends {
        Ends::Stopped(then) => go_on(engineer, then)?,
        Ends::Stuck => stuck::end_by_the_page(engineer)?,
        Ends::Refused(..) | Ends::Undone | Ends::UndoneInUse(_) | Ends::Committed => {}
    }
    engineer.wait_ready("a fault")?;
    expect(engineer, row.ends.version(), &rows)?;
    expect_rows(engineer, row.ends, removed)?;
    expect_backups(engineer)?;
    remove_replaced_data(engineer)
}

/// Fails unless the command ended with the code in the table.
fn expect_end(said: &Said, ends: Ends) -> Result<()> {
    match ends {
        Ends::Refused(code, exit) => said.expect_refusal("upgrade", code, exit).map(drop),
        Ends::Undone | Ends::UndoneInUse(_) => said.expect_refusal("upgrade", "LF4032", 4).map(drop),
        Ends::Stopped(_) => said.expect_refusal("upgrade", "LF4031", 5).map(drop),
        Ends::Stuck => said.expect_refusal("upgrade", "LF4008", 6).map(drop),
        Ends::Committed => {
            let report = said.report("upgrade")?;
            ensure!(report["version"] == ends.version(), "{report}");
            Ok(())
        }
    }
}

/// Fails unless every acknowledged row of the writer is in the database, or where the expected end says. Replaced data,
/// with its rows, is removed once the row of the table is proved.
fn expect_rows(engineer: Engineer<'_>, ends: Ends, removed: &mut BTreeSet<u64>) -> Result<()> {
    let machine = engineer.machine();
    let acknowledged = writer::next_acknowledged(machine)?;
    let missing: BTreeSet<u64> = acknowledged.missing(machine)?.difference(removed).copied().collect();
    let (replaced, least) = match ends {
        Ends::UndoneInUse(least) => (replaced::rows(engineer)?, least),
        _ => (BTreeSet::new(), 0),
    };
    let lost: Vec<u64> = missing.difference(&replaced).copied().collect();
    ensure!(lost.is_empty(), "{} acknowledged rows are lost: {lost:?}", lost.len());
    ensure!(missing.len() >= least, "{} rows were written to the changed data, not {least}", missing.len());
    if !missing.is_empty() {
        printer::note(format!(
            "proved: {} rows that were written to the changed data are kept beside it",
            missing.len()
        ));
    }
    removed.extend(missing);
    Ok(())
}

fn go_on(engineer: Engineer<'_>, then: Then) -> Result<()> {
    match then {
        Then::Abort => engineer.landfall(&["upgrade", "--abort"])?.report("upgrade --abort").map(drop),
        Then::Resume => engineer.landfall(&["resume"])?.report("resume").map(drop),
    }
}

/// Runs the upgrade with its fault. Returns its result and output.
fn upgrade_struck(engineer: Engineer<'_>, row: &Row) -> Result<Said> {
    let (machine, arguments) = (engineer.machine(), ["upgrade", row.bundle]);
    if row.when == FaultMoment::Before {
        row.fault.strike(machine, None)?;
        return engineer.landfall(&arguments);
    }
    let ended = AtomicBool::new(false);
    let mut watch = Watch::begin(machine, row.when)?;
    std::thread::scope(|scope| {
        let striker = scope.spawn(|| -> Result<bool> {
            let Some(found) = watch.wait(&ended)? else { return Ok(false) };
            strike_while_paused(engineer, row.fault, found)?;
            if row.fault.ends_with_its_step() {
                let _paused = watch.wait_for_failure(&ended)?;
                row.fault.end(machine)?;
            }
            Ok(true)
        });
        let said = engineer.landfall(&arguments);
        ended.store(true, Ordering::Release);
        let struck = striker.join().map_err(|_| anyhow!("the thread that injects the fault panicked"))?;
        let said = said?;
        let context = || format!("the upgrade said:\n{}", said.lines.join("\n"));
        ensure!(struck.with_context(context)?, "the upgrade ended before {:?}; {}", row.when, context());
        Ok(said)
    })
}

/// Applies the fault while the operation is paused. The operation continues when this returns.
fn strike_while_paused(engineer: Engineer<'_>, fault: Fault, found: FoundProcesses) -> Result<()> {
    if matches!(fault, Fault::FillUntilHelperEnds(_)) {
        return fault.strike(engineer.machine(), Some(found));
    }
    let _paused = found.paused;
    fault.strike(engineer.machine(), None)
}

/// Fails if a fault has damaged a backup.
fn expect_backups(engineer: Engineer<'_>) -> Result<()> {
    let listed = engineer.landfall(&["backup", "list"])?.report("backup list")?;
    if listed["backups"].as_array().is_none_or(Vec::is_empty) {
        return Ok(());
    }
    let checked = engineer.landfall(&["backup", "check"])?.report("backup check")?;
    ensure!(checked["damages"].as_array().is_some_and(Vec::is_empty), "backups are damaged: {checked:#}");
    Ok(())
}

/// Removes the data that failed upgrades have left, which would otherwise fill the machine.
fn remove_replaced_data(engineer: Engineer<'_>) -> Result<()> {
    let name = engineer.machine().run("hostname")?.stdout.trim().to_owned();
    let listed = engineer.landfall(&["replaced-data", "list"])?.report("replaced-data list")?;
    for replaced in listed["replacedData"].as_array().context("no replaced data is listed")? {
        let replaced = replaced["name"].as_str().context("replaced data has no name")?;
        engineer
            .landfall(&["replaced-data", "remove", replaced, "--confirm", &name])?
            .report("replaced-data remove")?;
    }
    Ok(())
}
