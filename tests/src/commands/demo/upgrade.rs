//! `cargo xtask demo --upgrade`: the demo's site becomes another release, refuses one that does not work, and goes back, while a
//! program writes without pause.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;

use super::{BUILD_OPTIONS, show};
use crate::site::Machine;
use crate::vendor::Vendor;
use crate::{documents, later_releases, printer, writer};

/// One line of the demo's table.
struct Row {
    what: &'static str,
    seconds: f64,
    /// The longest time in which the database acknowledged no row.
    pause_seconds: f64,
    version: String,
}

/// What is done, in order: a name, the command, its exit code, and the version that is installed afterwards.
const ACTS: &[(&str, &[&str], i32, &str)] = &[
    ("upgrade", &["upgrade", "/media/stick/next"], 0, "1.1.0"),
    ("upgrade that fails", &["upgrade", "/media/stick/broken"], 4, "1.1.0"),
    ("rollback", &["rollback", "--data", "keep"], 0, "1.0.0"),
    ("upgrade again", &["upgrade", "/media/stick/next"], 0, "1.1.0"),
];

/// Builds the later releases beside the starter on the stick, in a folder with the starter's.
pub(crate) fn build(vendor: &Vendor, folder: &Path) -> Result<()> {
    let defined = later_releases::define(&folder.join("later-releases"))?;
    for (name, release) in defined.into_iter().filter(|(name, _)| *name != "unproved") {
        later_releases::lock(vendor, &release)?;
        vendor.build(&release, &folder.join("stick").join(name), &BUILD_OPTIONS)?;
    }
    Ok(())
}

/// Does all of it on a site that has landed, and prints what was measured.
pub(super) fn rehearse(machine: &Machine) -> Result<()> {
    writer::start(machine)?;
    let mut rows = Vec::new();
    for (what, arguments, exit_code, version) in ACTS {
        printer::note(format!("site# landfall {}", arguments.join(" ")));
        let (from, begun) = (Timestamp::now(), Instant::now());
        let status = machine.run_streaming("/media/stick/landfall", arguments, show)?;
        let seconds = begun.elapsed().as_secs_f64();
        ensure!(status.code() == Some(*exit_code), "landfall {} ended with {status}", arguments.join(" "));
        let found = installed(machine)?;
        ensure!(found == *version, "{found} is installed after: {what}");
        // A row that is acknowledged after it ends the last pause.
        let acknowledged = writer::next_acknowledged(machine)?;
        acknowledged.expect_kept(machine)?;
        rows.push(Row { what, seconds, pause_seconds: acknowledged.longest_pause(from), version: found });
    }
    let kept = writer::acknowledged(machine)?.expect_kept(machine)?;
    print_table(&rows);
    printer::note(format!("proved: {kept} rows were acknowledged meanwhile, and every one is there"));
    Ok(())
}

fn installed(machine: &Machine) -> Result<String> {
    let said = machine.try_run("/media/stick/landfall releases --json")?.stdout;
    let releases = documents::read(&said)?;
    let version = releases["releases"][0]["version"].as_str();
    version.map(str::to_owned).context("the site names no installed release")
}

fn print_table(rows: &[Row]) {
    printer::data(format!("{:<20} {:>8} {:>16}  then installed", "", "seconds", "longest pause"));
    for Row { what, seconds, pause_seconds, version } in rows {
        printer::data(format!("{what:<20} {seconds:>8.0} {pause_seconds:>15.1}s  {version}"));
    }
}
