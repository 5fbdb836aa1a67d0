//! `cargo xtask demo --upgrade`: upgrades the demo's site, refuses a broken release, and rolls back. Meanwhile,
//! programs write and call every component continuously.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;

use crate::site::Machine;
use crate::starter::show;
use crate::{bulletin, caller, documents, edits, printer, writer};

/// An operation of the demo.
struct Act {
    name: &'static str,
    command: &'static [&'static str],
    exit_code: i32,
    /// Version that is installed afterwards.
    version: &'static str,
}

/// All operations, in order.
static ACTS: [Act; 4] = [
    Act { name: "upgrade", command: &["upgrade", "/media/stick/next"], exit_code: 0, version: "1.1.0" },
    Act { name: "upgrade that fails", command: &["upgrade", "/media/stick/broken"], exit_code: 4, version: "1.1.0" },
    Act { name: "rollback", command: &["rollback", "--data", "keep"], exit_code: 0, version: "1.0.0" },
    Act { name: "upgrade again", command: &["upgrade", "/media/stick/next"], exit_code: 0, version: "1.1.0" },
];

/// One row of the demo's tables.
struct Row {
    act: &'static Act,
    seconds: f64,
    /// Longest time in which the database acknowledged no row.
    pause_seconds: f64,
    /// Longest time without a response of each component, in seconds. Only components of both releases are included.
    downtimes: BTreeMap<&'static str, f64>,
}

/// State that must survive each operation.
struct PreservedState<'a> {
    machine: &'a Machine,
    /// Number of the last line that the bulletin has acknowledged; 0 before it is installed.
    line: u64,
    /// Installed components.
    components: BTreeSet<String>,
}

/// Runs all operations on an installed site, and prints the measurements.
pub(super) fn rehearse(machine: &Machine) -> Result<()> {
    writer::start(machine)?;
    caller::start(machine)?;
    edits::make(machine)?;
    let mut kept = PreservedState { machine, line: 0, components: components(machine)? };
    caller::next_answers(machine, &kept.components)?;
    let rows = ACTS.iter().map(|act| kept.perform(act)).collect::<Result<Vec<_>>>()?;
    let acknowledged = writer::acknowledgments(machine)?.expect_kept(machine)?;
    print_table(&rows);
    print_downtimes(&rows);
    printer::note(format!("proved: {acknowledged} rows were acknowledged in the meantime, and none is missing"));
    printer::note(format!("proved: so is each of the {} lines of the component that 1.1.0 adds", kept.line));
    printer::note("proved: an administrator's edit of the database is as it was");
    Ok(())
}

impl PreservedState<'_> {
    /// Runs an operation, and fails unless everything has survived.
    fn perform(&mut self, act: &'static Act) -> Result<Row> {
        let (machine, command) = (self.machine, act.command.join(" "));
        printer::note(format!("site# landfall {command}"));
        let (from, begun) = (Timestamp::now(), Instant::now());
        let status = machine.run_streaming("/media/stick/landfall", act.command, show)?;
        let seconds = begun.elapsed().as_secs_f64();
        ensure!(status.code() == Some(act.exit_code), "landfall {command} ended with {status}");
        let found = installed_version(machine)?;
        ensure!(found == act.version, "{found} is installed after: {}", act.name);
        // An acknowledgment or a response after the operation ends the last pause.
        let acknowledged = writer::next_acknowledged(machine)?;
        acknowledged.expect_kept(machine)?;
        let before = std::mem::replace(&mut self.components, components(machine)?);
        let answers = caller::next_answers(machine, &self.components)?;
        self.expect_kept()?;
        let both = caller::called_components().filter(|name| before.contains(*name) && self.components.contains(*name));
        let downtimes = both.map(|name| (name, answers.longest_pause(name, from))).collect();
        Ok(Row { act, seconds, pause_seconds: acknowledged.longest_pause(from), downtimes })
    }

    fn expect_kept(&mut self) -> Result<()> {
        edits::expect_kept(self.machine)?;
        if self.components.contains("bulletin") {
            bulletin::expect_kept(self.machine, self.line)?;
            self.line = bulletin::last_acknowledged(self.machine)?;
        }
        Ok(())
    }
}

fn installed_version(machine: &Machine) -> Result<String> {
    let said = machine.try_run("/media/stick/landfall releases --json")?.stdout;
    let releases = documents::read(&said)?;
    let version = releases["releases"][0]["version"].as_str();
    version.map(str::to_owned).context("the site names no installed release")
}

/// Returns the names of the installed components.
fn components(machine: &Machine) -> Result<BTreeSet<String>> {
    let output = machine.try_run("/media/stick/landfall status --json")?;
    let status = documents::status(output.status.code().map(i64::from), &output.stdout).context(output.stderr)?;
    let components = status["components"].as_array().context("status lists no components")?;
    Ok(components.iter().filter_map(|one| one["component"].as_str()).map(str::to_owned).collect())
}

fn print_table(rows: &[Row]) {
    printer::data(format!("{:<20} {:>8} {:>16}  then installed", "", "seconds", "longest pause"));
    for Row { act, seconds, pause_seconds, .. } in rows {
        printer::data(format!("{:<20} {seconds:>8.0} {pause_seconds:>15.1}s  {}", act.name, act.version));
    }
}

fn print_downtimes(rows: &[Row]) {
    printer::data("\nthe longest time for which a component did not answer, in seconds");
    for line in downtimes(rows) {
        printer::data(line);
    }
}

/// Returns a heading, and a line for each operation.
fn downtimes(rows: &[Row]) -> Vec<String> {
    let width = |name: &str| name.len().max(6);
    let headings: Vec<String> = caller::called_components().map(|name| format!("  {name:>0$}", width(name))).collect();
    let line = |row: &Row| {
        let cell = |name: &'static str| {
            let cell = row.downtimes.get(name).map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.1}"));
            format!("  {cell:>0$}", width(name))
        };
        format!("{:<20}{}", row.act.name, caller::called_components().map(cell).collect::<Vec<_>>().concat())
    };
    std::iter::once(format!("{:<20}{}", "", headings.concat())).chain(rows.iter().map(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_component_has_no_downtime() {
        let downtimes_of = BTreeMap::from([("dns", 0.52), ("postgres", 12.0)]);
        let row = Row { act: &ACTS[0], seconds: 1.0, pause_seconds: 1.0, downtimes: downtimes_of };
        let lines = downtimes(&[row]);
        assert_eq!(lines[0], "                      assistant  bulletin  console     dns  packages  postgres  valkey");
        assert_eq!(lines[1], "upgrade                       –         –        –     0.5         –      12.0       –");
    }
}
