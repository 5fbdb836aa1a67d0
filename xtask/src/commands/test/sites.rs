//! The parts with machines and real clusters, which share the tests of one program among them.

use std::path::PathBuf;

use anyhow::Result;
use landfall_launcher::packages;

use super::headroom;
use super::invocation::{run_end_to_end, run_with, turn_on_this_host};
use super::pages::ensure_browser;
use crate::bench::released_program;
use crate::{builds, setup};

/// Number of sites that run at a time. One alone leaves two processors idle for two thirds of the time.
const LANES: &str = "2";

/// Part of the name of the test of `large`.
const LARGE: &str = "twenty_gibibytes";

/// Its disk space in bytes: the release on its stick, the store with the staged release, and a site.
const LARGE_BYTES: u64 = 36_000_000_000;

/// Part of the name of the test of `busy-log`.
const BUSY_LOG: &str = "busy_log::";

/// Its disk space in bytes: the database with its log twice, and its backups.
const BUSY_LOG_BYTES: u64 = 38_000_000_000;

/// Tests of the part `cuts`, one for each lane.
const CUTS: &str = "all_instants";

/// Tests of the part `faults`, one for each lane; `site` has a few rows of the same table.
const FAULTS: &str = "every_fault";

/// Tests of the part `drills`, one for each lane.
const DRILLS: &str = "drills_under_load";

/// Tests of the part `recovery`: interrupted installs, uninstalls and restores, and kept data. Interrupted changes are
/// in `interruptions`, and plain restores in `node`. The first test runs alone, because it compares the time of each
/// step with the plan.
const RECOVERY: [&str; 4] = ["kept_data::rows_survive", "power_cut::", "uninstall::after_a_cut", "restores::"];

/// Tests of the part `administration`: an administrator's changes to the host of a running site. The first test runs
/// alone, because it measures how soon services answer.
const ADMINISTRATION: [&str; 6] =
    ["firewall::", "full_disk::", "runbooks::", "units::", "site_configuration::", "site_secrets::"];

/// Tests of the part `licensed`: software that asks for the limits of its license. The other lane has an upgrade and a
/// rollback between two programs.
const LICENSED: [&str; 2] = ["license_check::", "two_programs::"];

/// Tests of the part `upgrades`, one for each lane: upgrades and rollbacks that succeed, and upgrades that fail.
const UPGRADES: &str = "another_release::";

/// Tests of the part `interruptions`, one for each lane: changes whose power is cut at an instant of each kind.
const INTERRUPTIONS: &str = "cut_upgrades::an_instant";

/// Test of a real site from a real browser.
const CUSTOMER: &str = "browser::a_customer";

/// Tests of the part `browser`. The other lane has refusals, findings and reports of machines without a release, or
/// without a change.
const BROWSER: [&str; 5] = [CUSTOMER, "damage::", "host_pack::", "refusals::", "spoiled::"];

/// Tests of the part `node`: an upgrade of the node pack, which takes a quarter of an hour. The other lane has backups,
/// up to a restore on an empty machine.
const NODE: [&str; 2] = ["node_upgrade::", "backups::"];

/// Tests with a separate part each, because they are long or need much disk space.
const LONG: [&str; 7] = [LARGE, BUSY_LOG, CUTS, FAULTS, DRILLS, UPGRADES, INTERRUPTIONS];

/// The remaining tests: install and uninstall, changes of settings, a few faults, and the handbook's guide.
pub(super) fn site() -> Result<()> {
    let parts: [&[&str]; 6] = [&LONG, &RECOVERY, &ADMINISTRATION, &LICENSED, &BROWSER, &NODE];
    sites(&parts.concat().into_iter().flat_map(|name| ["--skip", name]).collect::<Vec<_>>())
}

pub(super) fn upgrades() -> Result<()> {
    sites(&[UPGRADES])
}

pub(super) fn interruptions() -> Result<()> {
    sites(&[INTERRUPTIONS])
}

/// Runs the tests with machines and real clusters that these arguments of the test program select.
fn sites(chosen: &[&str]) -> Result<()> {
    sites_in_lanes(LANES, chosen)
}

fn sites_in_lanes(lanes: &str, chosen: &[&str]) -> Result<()> {
    sites_of(builds::landfall, lanes, chosen)
}

/// Like [`sites_in_lanes`], with the `landfall` that a function builds.
fn sites_of(program: impl FnOnce() -> Result<PathBuf>, lanes: &str, chosen: &[&str]) -> Result<()> {
    setup::ensure_packages(packages::TESTS)?;
    let _turn = turn_on_this_host()?;
    run_with(&program()?, "end_to_end", &[&["--test-threads", lanes], chosen].concat())
}

/// Takes three quarters of an hour.
pub(super) fn recovery() -> Result<()> {
    alone_then_others(&RECOVERY)
}

pub(super) fn administration() -> Result<()> {
    alone_then_others(&ADMINISTRATION)
}

/// Runs the first of these tests alone, because it measures, and then the others.
fn alone_then_others(names: &[&str]) -> Result<()> {
    let (measured, others) = names.split_at(1);
    sites_in_lanes("1", measured)?;
    sites(others)
}

pub(super) fn licensed_sites() -> Result<()> {
    sites(&LICENSED)
}

/// Takes a quarter of an hour.
pub(super) fn browser() -> Result<()> {
    ensure_browser()?;
    sites(&BROWSER)
}

pub(super) fn node() -> Result<()> {
    sites(&NODE)
}

/// Takes 36 GB of disk, and a quarter of an hour.
pub(super) fn large() -> Result<()> {
    headroom::require_disk(LARGE_BYTES)?;
    let _turn = turn_on_this_host()?;
    run_end_to_end("end_to_end", &[LARGE])
}

/// Takes 38 GB of disk. Requires a rate of the database's log, so it uses the program that ships.
pub(super) fn busy_log() -> Result<()> {
    headroom::require_disk(BUSY_LOG_BYTES)?;
    sites_of(released_program, "1", &[BUSY_LOG])
}

/// Takes an hour.
pub(super) fn cuts() -> Result<()> {
    sites(&[CUTS])
}

/// Takes half an hour.
pub(super) fn faults() -> Result<()> {
    sites(&[FAULTS])
}

/// Takes half an hour.
pub(super) fn drills() -> Result<()> {
    sites(&[DRILLS])
}
