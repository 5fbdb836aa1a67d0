//! The part "bench": the performance table is complete, and its counters match the design. Counters are the same in
//! every profile, so the program of the other parts is measured, which saves a full compilation. Ratios of time are
//! valid only in the release profile: the part "figures" measures and judges them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::bench::limits::MEMORY_LIMIT_BYTES;
use crate::bench::startup;
use crate::bench::verbs::{
    KERNEL, MEDIA_READ, MEDIA_READ_BACK, MEDIA_WRITTEN, MEMORY, STORE_READ, STORE_WRITTEN, table,
};
use crate::{builds, workspace};

/// Counters of a row, per byte of the bundle (media) or of its blobs (store).
const COUNTERS: [&str; 5] = [STORE_READ, STORE_WRITTEN, MEDIA_READ, MEDIA_WRITTEN, MEDIA_READ_BACK];

/// Verb, rivals, and the required counters with two digits.
const ROWS: [(&str, &[&str], [f64; 5]); 3] = [
    ("build", &["cp + syncfs + cold read of the blobs"], [1.0, 0.0, 0.0, 1.0, 1.0]),
    ("verify", &["cat > /dev/null", "b3sum"], [0.0, 0.0, 1.0, 0.0, 0.0]),
    ("stage", &["cp + syncfs of the blobs"], [0.0, 1.0, 1.0, 0.0, 0.0]),
];

/// Memory limit of every command. The release profile has 64 MiB; the test build's code has 114 MiB, of which up to
/// 64 MiB are in memory. Up to 127 MiB in total were measured, in a build: the key of its signature opens with 32 MiB,
/// which the allocator keeps for a second.
const MEMORY_BYTES: f64 = 2.25 * MEMORY_LIMIT_BYTES;

/// Exit code of `cargo xtask bench` if a goal is missed.
const GOAL_MISSED: i32 = 1;

/// Runs one pair of each verb.
pub(super) fn run() -> Result<()> {
    let rows = rows_of(&table(), || {
        let landfall = builds::landfall()?;
        let mut bench = Command::new(workspace::THIS_PROGRAM);
        let status = bench.args(["bench", "--pairs", "1"]).env(builds::PROGRAM_VARIABLE, landfall).status();
        let status = status.context("cannot start cargo xtask bench")?;
        // Time goals also assume the release profile. Without the table, this part fails.
        ensure!(matches!(status.code(), Some(0 | GOAL_MISSED)), "cargo xtask bench ended with {status}");
        Ok(())
    })?;
    ensure!(rows.len() == ROWS.len() + startup::LIMITS.len(), "the table has {} rows", rows.len());
    startup::LIMITS.iter().try_for_each(|(name, _)| expect_startup(row(&rows, name)?))?;
    rows.iter().zip(ROWS).try_for_each(|(row, (verb, rivals, counters))| {
        expect_row(row, verb, rivals, counters).with_context(|| format!("the row of {verb}: {row}"))
    })
}

/// Returns the rows that a measurement writes into this file. Rows of an earlier measurement are removed first.
pub(super) fn rows_of(file: &Path, measure: impl FnOnce() -> Result<()>) -> Result<Vec<Value>> {
    if file.exists() {
        std::fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    measure()?;
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no list", file.display()))
}

/// Returns the row of this name.
pub(super) fn row<'a>(rows: &'a [Value], name: &str) -> Result<&'a Value> {
    rows.iter().find(|row| row["name"] == name).with_context(|| format!("{name} was not measured"))
}

/// Returns a figure of a row.
pub(super) fn figure(row: &Value, name: &str) -> Result<f64> {
    let found = row["figures"].as_array().into_iter().flatten().find(|figure| figure["name"] == name);
    number(&found.with_context(|| format!("there is no figure `{name}`"))?["value"])
}

fn number(value: &Value) -> Result<f64> {
    value.as_f64().with_context(|| format!("{value} is not a number"))
}

/// Fails unless the startup figures are plausible.
fn expect_startup(row: &Value) -> Result<()> {
    let [time, memory] = [figure(row, startup::TIME)?, figure(row, startup::MEMORY)?];
    ensure!(time > 0.0 && memory > f64::from(1 << 20) && memory <= MEMORY_BYTES, "the start is {row}");
    Ok(())
}

fn expect_row(row: &Value, verb: &str, rivals: &[&str], counters: [f64; 5]) -> Result<()> {
    ensure!(row["name"] == verb, "it is of another verb");
    for (name, wanted) in COUNTERS.into_iter().zip(counters) {
        let counted = figure(row, name)?;
        ensure!((counted - wanted).abs() < 0.005, "{name} is {counted}, not {wanted:.2}");
    }
    let agreement = figure(row, KERNEL)?;
    ensure!((agreement - 1.0).abs() <= 0.02, "the kernel counts {agreement} of what Landfall counts");
    let memory = figure(row, MEMORY)?;
    ensure!(memory > f64::from(1 << 20) && memory <= MEMORY_BYTES, "{memory} bytes of memory");
    let ratios = row["ratios"].as_array().context("no ratios")?;
    let found: Vec<&str> = ratios.iter().filter_map(|ratio| ratio["rival"].as_str()).collect();
    ensure!(found == rivals, "its rivals are {found:?}");
    for ratio in ratios {
        ensure!(ratio["pairs"] == 1 && number(&ratio["median"])? > 0.0, "no ratio: {ratio}");
    }
    Ok(())
}
