//! The parts: their order, when and where each runs, and the code of the small ones.

use anyhow::Result;
use landfall_launcher::packages;

use super::invocation::{end_to_end, run_end_to_end, run_named, turn_on_this_host, xtask};
use super::{bench, compiled, demo, figures, lint, newcomer, pages, release, site_figures, sites, unit};
use crate::commands::fuzz;
use crate::workspace::{self, cargo};
use crate::{builds, dependencies, images, python_tools, setup, tools};

/// A part: its name, its function, and when and where it runs.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) run: fn() -> Result<()>,
    pub(super) runs: Runs,
    pub(super) place: Place,
}

/// Place where a part runs if other parts run as well.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In sequence with other parts.
    InTurn,
    /// In the background, after [`BUILD`]: it has machines or control planes, and mostly waits.
    Beside,
}

/// Part that compiles what the parts with machines need.
pub(super) const BUILD: &str = "build";

/// Condition on which a part runs if it is not requested by name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Runs {
    /// Always: it fits CI.
    Always,
    /// In every other turn than these, and with `--full`.
    ExceptInTurns(&'static [u32]),
    /// In these turns, and with `--full`.
    InTurns(&'static [u32]),
    /// With `--full`: it takes longer than CI allows, or needs more of the machine than CI has.
    WhenFull,
}

const fn part(name: &'static str, run: fn() -> Result<()>) -> Part {
    Part { name, run, runs: Runs::Always, place: Place::InTurn }
}

pub(super) const fn background_part(name: &'static str, run: fn() -> Result<()>) -> Part {
    Part { name, run, runs: Runs::Always, place: Place::Beside }
}

impl Part {
    /// Returns this part, to run only in these turns.
    pub(super) const fn in_turns(self, turns: &'static [u32]) -> Self {
        Self { runs: Runs::InTurns(turns), ..self }
    }

    /// Returns this part, to leave these turns to longer ones.
    pub(super) const fn except_in_turns(self, turns: &'static [u32]) -> Self {
        Self { runs: Runs::ExceptInTurns(turns), ..self }
    }
}

pub(super) const fn when_full(name: &'static str, run: fn() -> Result<()>) -> Part {
    Part { name, run, runs: Runs::WhenFull, place: Place::InTurn }
}

/// The parts, cheap ones first, so that a mistake is found early.
pub(super) const PARTS: &[Part] = &[
    part("setup", set_up),
    part("newcomer", newcomer::run),
    part(BUILD, build),
    background_part("machines", machines),
    background_part("demo", demo),
    background_part("site", sites::site).except_in_turns(&[0]),
    background_part("upgrades", sites::upgrades).in_turns(&[0]),
    background_part("cluster", cluster).in_turns(&[0]),
    background_part("node", sites::node).in_turns(&[1]),
    background_part("licensed", sites::licensed_sites).in_turns(&[2]),
    background_part("browser", sites::browser).in_turns(&[3]),
    background_part("administration", sites::administration).in_turns(&[4]),
    part("lint", lint::run),
    part("unit", unit::run),
    part("filesystems", unit::run_on_filesystems),
    part("gpu", gpu),
    part(pages::NAME, pages::run).in_turns(&[1, 3, 4]),
    part("images", assemble_images),
    part("vendor", vendor).in_turns(&[0]),
    part("strings", strings).in_turns(&[1]),
    part("reproducible", reproducible).in_turns(&[2]),
    part("buckets", buckets),
    part("bench", bench::run),
    part("release", release::run),
    when_full("figures", figures::run),
    when_full("site-figures", site_figures::run),
    when_full("large", sites::large),
    when_full("busy-log", sites::busy_log),
    when_full("stock", stock),
    when_full("interruptions", sites::interruptions),
    when_full("cuts", sites::cuts),
    when_full("faults", sites::faults),
    when_full("drills", sites::drills),
    when_full("demo-upgrade", demo_upgrade),
    when_full("recovery", sites::recovery),
    when_full("compiled", compiled::run),
    when_full("ollama", ollama),
    when_full("fuzz", fuzz),
    when_full("vm", virtual_machines),
];

fn set_up() -> Result<()> {
    setup::ensure_packages(packages::TESTS)?;
    setup::ensure_packages(packages::TOKEN)?;
    pages::ensure_browser()?;
    tools::ensure()?;
    dependencies::bring();
    Ok(())
}

/// Compiles everything that background parts need. Otherwise, they would compile it at the same time as other parts.
fn build() -> Result<()> {
    builds::landfall()?;
    workspace::run(cargo().args(["test", "--workspace", "--lib", "--bins", "--tests", "--no-run"]))?;
    dependencies::keep_for_tests()?;
    compile_gpu_tests()
}

/// Tests of the program that reads GPU facts, on the target that it ships for, because a static program cannot load
/// NVIDIA's library.
const GPU_TESTS: [&str; 5] = ["test", "--quiet", "--package", "landfall-gpu", "--target"];

fn gpu() -> Result<()> {
    compile_gpu_tests()?;
    workspace::run(cargo().args(GPU_TESTS).arg(workspace::GLIBC_TARGET))
}

fn compile_gpu_tests() -> Result<()> {
    dependencies::bring();
    workspace::run(cargo().args(GPU_TESTS).args([workspace::GLIBC_TARGET, "--no-run"]))?;
    dependencies::keep_for_glibc()
}

fn machines() -> Result<()> {
    let _turn = turn_on_this_host()?;
    end_to_end("site")
}

/// Part of the name of the `reproducible` part's test.
const REPRODUCIBLE: &str = "a_second_build";

fn assemble_images() -> Result<()> {
    images::ensure_all()?;
    images::ensure_redis()?;
    run_end_to_end("images", &["--test-threads", "1", "--skip", REPRODUCIBLE])
}

/// Builds some images once more from scratch, which compiles a Go program again.
fn reproducible() -> Result<()> {
    images::ensure_all()?;
    run_end_to_end("images", &[REPRODUCIBLE])
}

/// Tests backups in buckets of a real S3 server.
fn buckets() -> Result<()> {
    images::ensure_versitygw()?;
    end_to_end("buckets")
}

fn cluster() -> Result<()> {
    let binaries = images::ensure_all()?.binaries;
    // One at a time: some tests start two control planes and test time limits of each.
    run_named("apiserver", &["--test-threads", "1"], ("LANDFALL_TEST_BINARIES", binaries.as_path()))
}

/// Part of the name of the `strings` part's test. Part `vendor` covers a quarter of its strings.
const STRINGS: &str = "every_string_of_a_stick";

/// Takes six minutes: every verb that reads a stick reads each of about a hundred kinds of strings.
fn strings() -> Result<()> {
    run_end_to_end("vendor", &[STRINGS])
}

/// Part of the name of the `ollama` part's test.
const OLLAMA: &str = "ollama_reads_what";

/// Takes five to nine minutes on a machine that has not compiled Ollama yet.
fn ollama() -> Result<()> {
    images::ensure_ollama()?;
    run_end_to_end("vendor", &[OLLAMA])
}

fn vendor() -> Result<()> {
    run_end_to_end("vendor", &["--test-threads", "1", "--skip", STRINGS, "--skip", OLLAMA])?;
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([python_tools::uv_folder()?].into_iter().chain(std::env::split_paths(&folders)))?;
    // The images are built with pip, which the test of the package index uses as well; uv is in the same folder.
    let mut clients = cargo();
    clients.args(["test", "--quiet", "--workspace", "--test", "pip", "--", "--include-ignored"]).env("PATH", path);
    workspace::run(&mut clients)
}

/// Time for each fuzz target, in seconds.
const FUZZ_SECONDS: u32 = 60;

/// Part of the names of tests that take minutes each: a million mutated licenses, and as many mutated answers.
const MUTATIONS: &str = "none_of_a_million";

fn fuzz() -> Result<()> {
    fuzz::every_target(FUZZ_SECONDS)?;
    workspace::run(cargo().args(["test", "--quiet", "--workspace", "--lib", "--", "--ignored", MUTATIONS]))
}

/// Runs the demo. The cache must be checked before the lock is taken, because the lock is a file in it.
fn demo() -> Result<()> {
    demo::run(turn_on_this_host)
}

/// Takes a quarter of an hour.
fn demo_upgrade() -> Result<()> {
    demo::run_upgrade(turn_on_this_host)
}

/// Boots a stock Debian under its own kernel, where preflight meets its firewalls. The machines are emulated if the
/// host's KVM cannot boot a stock kernel. They install nothing, so this part does not wait for the turn of parts that
/// do.
fn stock() -> Result<()> {
    xtask(&["vm"])
}

fn virtual_machines() -> Result<()> {
    let _turn = turn_on_this_host()?;
    xtask(&["vm", "--full", "--report"])
}
