//! The parts with machines and real clusters, which share the tests of one program among them.

use anyhow::Result;
use landfall_launcher::packages;

use super::headroom;
use super::invocation::{run_end_to_end, turn_on_this_host};
use super::pages::ensure_browser;
use crate::setup;

/// How many sites run at a time: one alone leaves two processors idle for two thirds of the time.
const LANES: &str = "2";

/// The test of the part `large`, by a part of its name.
const LARGE: &str = "twenty_gibibytes";

/// What it takes of the disk: the release on its stick, the store that it is staged to, and a site.
const LARGE_BYTES: u64 = 36_000_000_000;

/// That of the part `busy-log`.
const BUSY_LOG: &str = "busy_log::";

/// What it takes of the disk: the database with its log twice, and its backups.
const BUSY_LOG_BYTES: u64 = 30_000_000_000;

/// Those of the part `cuts`, one for each lane.
const CUTS: &str = "all_instants";

/// Those of the part `faults`, one for each lane; `site` has a few rows of the same table.
const FAULTS: &str = "every_fault";

/// Those of the part `drills`, one for each lane.
const DRILLS: &str = "drills_under_load";

/// Those of the part `recovery`: installs and uninstalls that are cut, data that is kept, and whatever interrupts a restore. `upgrades`
/// has changes that are cut, which the same engine continues, and `node` restores without a cut. The first one runs alone: it compares
/// the time of each step with the plan's.
const RECOVERY: [&str; 4] = ["kept_data::rows_survive", "power_cut::", "uninstall::after_a_cut", "restores::"];

/// Those of the part `administration`: what a host's administrator does to a site that runs. The first one runs alone: it measures how soon
/// services answer.
const ADMINISTRATION: [&str; 6] =
    ["firewall::", "full_disk::", "runbooks::", "units::", "site_configuration::", "site_secrets::"];

/// Those of the part `licensed`: software of a site with a license asks what it allows. In the other lane: an upgrade, which is to be tried
/// more often than in one turn.
const LICENSED: [&str; 2] = ["license_check::", "another_release::"];

/// Those of the part `upgrades`: a site becomes another release and goes back, also with a program of its own, and its power is cut at an
/// instant of each kind.
const UPGRADES: [&str; 3] = ["another_release::", "cut_upgrades::an_instant", "two_programs::"];

/// The test of a real site from a real browser.
const CUSTOMER: &str = "browser::a_customer";

/// Those of the part `browser`. In the other lane: what is refused, found or reported, on machines that nothing is installed on or that need
/// no change.
const BROWSER: [&str; 5] = [CUSTOMER, "damage::", "host_pack::", "refusals::", "spoiled::"];

/// Those of the part `node`: the node pack of a site changes, which takes a quarter of an hour. In the other lane: backups, to the landing on
/// an empty machine.
const NODE: [&str; 2] = ["node_upgrade::", "backups::"];

/// Those that take a part of their own: they are long, or need much of the disk.
const LONG: [&str; 5] = [LARGE, BUSY_LOG, CUTS, FAULTS, DRILLS];

/// What is left: a release lands and leaves, settings change, faults strike, and the handbook's first chapter is true.
pub(super) fn site() -> Result<()> {
    let parts: [&[&str]; 7] = [&LONG, &RECOVERY, &ADMINISTRATION, &LICENSED, &UPGRADES, &BROWSER, &NODE];
    sites(&parts.concat().into_iter().flat_map(|name| ["--skip", name]).collect::<Vec<_>>())
}

pub(super) fn upgrades() -> Result<()> {
    sites(&UPGRADES)
}

/// Tests with machines and real clusters, which these arguments of the test program choose.
fn sites(chosen: &[&str]) -> Result<()> {
    sites_in_lanes(LANES, chosen)
}

fn sites_in_lanes(lanes: &str, chosen: &[&str]) -> Result<()> {
    setup::ensure_packages(packages::TESTS)?;
    let _turn = turn_on_this_host()?;
    run_end_to_end("end_to_end", &[&["--test-threads", lanes], chosen].concat())
}

/// Takes three quarters of an hour.
pub(super) fn recovery() -> Result<()> {
    alone_then_others(&RECOVERY)
}

pub(super) fn administration() -> Result<()> {
    alone_then_others(&ADMINISTRATION)
}

/// The first of these tests alone, since it measures, and then the others.
fn alone_then_others(names: &[&str]) -> Result<()> {
    let (measured, others) = names.split_at(1);
    sites_in_lanes("1", measured)?;
    sites(others)
}

pub(super) fn licensed() -> Result<()> {
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

/// Takes up to 30 GB of disk.
pub(super) fn busy_log() -> Result<()> {
    headroom::require_disk(BUSY_LOG_BYTES)?;
    sites(&[BUSY_LOG])
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
