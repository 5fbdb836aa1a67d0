//! The parts with machines and real clusters, which share the tests of one program among them.

use anyhow::Result;
use landfall_launcher::packages;

use super::pages::ensure_browser;
use super::{headroom, run_end_to_end, turn_on_this_host};
use crate::setup;

/// How many sites run at a time: one alone leaves two processors idle for two thirds of the time.
const LANES: &str = "2";

/// The test of the part `large`, by a part of its name.
const LARGE: &str = "twenty_gibibytes";

/// What it takes of the disk: the release on its stick, the store that it is staged to, and a site.
const LARGE_BYTES: u64 = 36_000_000_000;

/// That of the part `cuts`.
const CUTS: &str = "twenty_four_instants";

/// That of the part `faults`; `site` has a few rows of the same table.
const FAULTS: &str = "every_fault";

/// That of the part `drills`.
const DRILLS: &str = "twenty_drills";

/// Those of the part `recovery`: installs and uninstalls that are cut, data that is kept, and whatever interrupts a restore. `site` has
/// upgrades and rollbacks that are cut, which the same engine continues, and restores without a cut. The first one runs alone: it compares
/// the time of each step with the plan's.
const RECOVERY: [&str; 4] = ["kept_data::rows_survive", "power_cut::", "uninstall::after_a_cut", "restores::"];

/// Those of the part `administration`: what a host's administrator does to a site that runs. The first one runs alone: it measures how soon
/// services answer.
const ADMINISTRATION: [&str; 6] =
    ["firewall::", "full_disk::", "runbooks::", "units::", "site_configuration::", "site_secrets::"];

/// Those of the part `licensed`: software of a site with a license asks what it allows.
const LICENSED: [&str; 1] = ["license_check::"];

/// That of the part `browser`: a real site from a real browser.
const BROWSER: &str = "browser::a_customer";

/// Those of the part `node`: the node pack of a site changes, which takes a quarter of an hour.
const NODE: [&str; 1] = ["node_upgrade::"];

/// Those of the part `site-others`: what is refused, found or reported, on machines that nothing is installed on or that need no change.
const OTHERS: [&str; 4] = ["damage::", "host_pack::", "refusals::", "spoiled::"];

pub(super) fn site() -> Result<()> {
    let others = [LARGE, CUTS, FAULTS, DRILLS, BROWSER]
        .into_iter()
        .chain(RECOVERY)
        .chain(ADMINISTRATION)
        .chain(LICENSED)
        .chain(NODE)
        .chain(OTHERS);
    sites(&others.flat_map(|name| ["--skip", name]).collect::<Vec<_>>())
}

/// Takes a quarter of an hour.
pub(super) fn site_others() -> Result<()> {
    sites(&OTHERS)
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
    sites(&[BROWSER])
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
