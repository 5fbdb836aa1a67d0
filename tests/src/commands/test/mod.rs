//! `cargo xtask test`: everything that CI runs, in parts, each with its minutes.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::Result;
use landfall_launcher::command::is_asked_for;
use landfall_launcher::packages;

use self::beside::Beside;
use self::headroom::Headroom;
use self::turn::Turn;
use crate::cache::Cache;
use crate::results::{self, Outcome, Run, minutes};
use crate::workspace::{self, cargo};
use crate::{dependencies, images, printer, python_tools, setup, tools};

mod bench;
mod beside;
mod compiled;
mod demo;
mod figures;
mod headroom;
mod lint;
mod newcomer;
mod pages;
mod release;
mod site_figures;
mod sites;
mod stamped;
mod turn;
mod unit;

/// Runs everything that CI runs: parts that always run, and those of the commit's turn.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Run only the part of this name or, if there is none, the parts whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Also run the parts that take too long for CI or need a larger machine than CI has.
    #[arg(long)]
    full: bool,
    /// Continue after a part has failed, and report all of them.
    #[arg(long)]
    keep_going: bool,
    /// Write the results to docs/TESTS.md.
    #[arg(long)]
    report: bool,
}

/// One part: a name, and what it does.
struct Part {
    name: &'static str,
    run: fn() -> Result<()>,
    runs: Runs,
    place: Place,
}

/// Where a part runs, if others run, too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In its turn.
    InTurn,
    /// Beside the others, after [`BUILD`]: it has machines or control planes, which wait most of the time.
    Beside,
}

/// The result of a part.
struct Row {
    name: &'static str,
    started: Instant,
    elapsed: Duration,
    /// What it said last, if it failed: much of what the others printed may be between.
    failure: Option<String>,
}

impl Row {
    fn outcome(&self) -> Outcome {
        Outcome { name: self.name, minutes: minutes(self.elapsed), has_passed: !self.has_failed() }
    }

    fn has_failed(&self) -> bool {
        self.failure.is_some()
    }
}

/// The part that compiles what the parts with machines need.
const BUILD: &str = "build";

/// When a part runs that is not requested by name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    /// Always: it fits CI.
    Always,
    /// In these turns, and with `--full`.
    InTurns(&'static [u32]),
    /// With `--full`: it takes longer, or needs more of the machine than CI has.
    WhenFull,
}

const fn part(name: &'static str, run: fn() -> Result<()>) -> Part {
    Part { name, run, runs: Runs::Always, place: Place::InTurn }
}

const fn beside(name: &'static str, run: fn() -> Result<()>) -> Part {
    Part { name, run, runs: Runs::Always, place: Place::Beside }
}

impl Part {
    /// The same in these turns alone.
    const fn in_turns(self, turns: &'static [u32]) -> Self {
        Self { runs: Runs::InTurns(turns), ..self }
    }
}

const fn when_full(name: &'static str, run: fn() -> Result<()>) -> Part {
    Part { name, run, runs: Runs::WhenFull, place: Place::InTurn }
}

impl Arguments {
    /// Whether a part runs in this turn: one that is named always does.
    fn asks_for(&self, part: &Part, turn: Turn) -> bool {
        match (&self.only, part.runs) {
            (Some(only), _) => is_asked_for(only, part.name),
            (None, Runs::Always) => true,
            (None, Runs::InTurns(turns)) => self.full || turn.is_among(turns),
            (None, Runs::WhenFull) => self.full,
        }
    }

    /// Keeps the results of the parts, and that of the whole if it was what CI runs.
    fn keep(&self, run: &Run, rows: &[Row]) -> Result<()> {
        let outcomes: Vec<Outcome> = rows.iter().map(Row::outcome).collect();
        if outcomes.iter().any(|outcome| outcome.name == pages::NAME && outcome.has_passed) {
            pages::keep_pictures()?;
        }
        run.keep_parts(&outcomes, &PARTS.iter().map(|part| part.name).collect::<Vec<_>>())?;
        if self.only.is_some() || self.full {
            return Ok(());
        }
        let has_passed = outcomes.iter().all(|outcome| outcome.has_passed);
        run.keep_command(&Outcome { name: results::TEST, minutes: minutes(results::elapsed()?), has_passed })
    }
}

/// The parts, cheap ones first, so that a mistake is found early.
const PARTS: &[Part] = &[
    part("setup", set_up),
    part("newcomer", newcomer::run),
    part(BUILD, build),
    beside("machines", machines),
    beside("demo", demo),
    beside("site", sites::site),
    beside("site-others", sites::site_others).in_turns(&[0]),
    beside("cluster", cluster).in_turns(&[0, 2]),
    beside("node", sites::node).in_turns(&[1]),
    beside("licensed", sites::licensed).in_turns(&[2]),
    beside("browser", sites::browser).in_turns(&[3]),
    beside("administration", sites::administration).in_turns(&[4]),
    part("lint", lint::run),
    part("unit", unit::run),
    part("filesystems", unit::run_on_filesystems),
    part("gpu", gpu),
    part(pages::NAME, pages::run).in_turns(&[1, 2, 3, 4]),
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
    when_full("stock", stock),
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

/// Runs the command: exit code 0 when every part passed, 1 otherwise.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let run = Run::begin()?;
    let temperature = run.temperature().name();
    printer::note(format!("the cache is {temperature}"));
    let turn = Turn::of_this_commit();
    let parts: Vec<&Part> = PARTS.iter().filter(|part| arguments.asks_for(part, turn)).collect();
    announce(arguments, &parts, turn);
    let headroom = Headroom::watch()?;
    let rows = run_parts(&parts, arguments.keep_going);
    for row in &rows {
        let outcome = if row.has_failed() { "FAILED" } else { "passed" };
        let free = headroom.least_between(row.started, row.started + row.elapsed);
        printer::note(format!("{:<14} {:>6} min  {outcome}  {free}", row.name, minutes(row.elapsed)));
    }
    printer::note(format!("{:<14} {:>6} min  started {temperature}", "all", minutes(results::elapsed()?)));
    if arguments.report {
        arguments.keep(&run, &rows)?;
    }
    for row in &rows {
        if let Some(failure) = &row.failure {
            printer::note(format!("{} failed, and said last:\n{failure}", row.name));
        }
    }
    let failed = rows.iter().filter(|row| row.has_failed()).count();
    printer::data(format!("parts: {} passed, {failed} failed", rows.len() - failed));
    Ok(u8::from(failed > 0))
}

/// Says which parts wait for another turn.
fn announce(arguments: &Arguments, chosen: &[&Part], turn: Turn) {
    if arguments.only.is_some() {
        return;
    }
    let is_left =
        |part: &&Part| matches!(part.runs, Runs::InTurns(_)) && chosen.iter().all(|one| one.name != part.name);
    let left: Vec<&str> = PARTS.iter().filter(is_left).map(|part| part.name).collect();
    if !left.is_empty() {
        printer::note(format!("turn {turn}, by the commit's hash; of another turn: {}", left.join(", ")));
    }
}

/// Runs the parts, some of them beside the others if there are others. A failure ends all, unless they keep going.
fn run_parts(parts: &[&'static Part], keep_going: bool) -> Vec<Row> {
    let (mut waiting, in_turn): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(|part| part.place == Place::Beside);
    if in_turn.is_empty() {
        return waiting.into_iter().map(run_part).collect();
    }
    let is_stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut rows = Vec::new();
        let mut running: Option<Beside<'_>> = None;
        let mut is_built = in_turn.iter().all(|part| part.name != BUILD);
        for part in in_turn {
            if is_built && !waiting.is_empty() {
                let parts = std::mem::take(&mut waiting);
                running = Some(Beside::start(scope, parts, keep_going, &is_stopped));
            }
            let row = run_part(part);
            let continues = !row.has_failed() || keep_going;
            rows.push(row);
            if !continues {
                running.iter().for_each(Beside::stop);
                break;
            }
            is_built |= part.name == BUILD;
        }
        rows.extend(running.map(Beside::join).unwrap_or_default());
        // Nothing came after what they wait for.
        if keep_going || rows.iter().all(|row| !row.has_failed()) {
            rows.extend(waiting.into_iter().map(run_part));
        }
        rows
    })
}

fn run_part(part: &Part) -> Row {
    printer::note(format!("== {} ==", part.name));
    let started = Instant::now();
    let outcome = (part.run)();
    if let Err(error) = &outcome {
        printer::failure(error);
    }
    let failure = outcome.err().map(|error| format!("{error:#}"));
    Row { name: part.name, started, elapsed: started.elapsed(), failure }
}

fn set_up() -> Result<()> {
    setup::ensure_packages(packages::TESTS)?;
    setup::ensure_packages(packages::TOKEN)?;
    pages::ensure_browser()?;
    tools::ensure()?;
    dependencies::bring();
    Ok(())
}

/// Everything that the parts beside the others would have to compile while those compile, too.
fn build() -> Result<()> {
    workspace::landfall()?;
    workspace::run(cargo().args(["test", "--workspace", "--lib", "--bins", "--tests", "--no-run"]))?;
    dependencies::keep_for_tests()?;
    compile_gpu_tests()
}

/// A cargo command for the launcher, which is a workspace of its own.
fn launcher(command: &str) -> Command {
    let mut cargo = cargo();
    cargo.args([command, "--manifest-path", "launcher/Cargo.toml"]);
    cargo
}

/// The same for a command that builds, for the target and in the folder that `cargo xtask` has.
fn built_launcher(command: &str) -> Command {
    let mut cargo = launcher(command);
    cargo.args(["--quiet", "--target", workspace::GLIBC_TARGET, "--target-dir"]);
    cargo.arg(workspace::target_folder().join("launcher"));
    cargo
}

/// Tests of the program that reads GPU facts, on the target that it ships for: a static program cannot load NVIDIA's library.
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

/// An end-to-end test of the `tests` crate; one at a time, since most need both cores.
fn end_to_end(test: &str) -> Result<()> {
    run_end_to_end(test, &["--test-threads", "1"])
}

/// The same with these arguments for the test program.
fn run_end_to_end(test: &str, arguments: &[&str]) -> Result<()> {
    run_with(&workspace::landfall()?, test, arguments)
}

/// The same with this program.
fn run_with(landfall: &Path, test: &str, arguments: &[&str]) -> Result<()> {
    run_named(test, arguments, (workspace::PROGRAM_VARIABLE, landfall))
}

/// All tests of a test program with these arguments and this variable. Only Cargo is quiet: each test is named, with the minute in which it
/// ends. Why it fails is printed then, and not when all have ended, which they may never do: another part's failure ends them.
fn run_named(test: &str, arguments: &[&str], (variable, value): (&str, &Path)) -> Result<()> {
    let mut tests = cargo();
    tests.args([
        "test",
        "--quiet",
        "--workspace",
        "--test",
        test,
        "--",
        "--include-ignored",
        "--nocapture",
        "--format",
        "pretty",
    ]);
    tests.args(arguments).env(variable, value);
    stamped::run(tests)
}

/// Held by a part that has machines: a power cut at an exact instant needs a processor that is not much used by others.
fn turn_on_this_host() -> Result<File> {
    printer::note("machines of one run at a time on this host: waiting for the turn");
    Cache::open()?.lock("machines")
}

/// Another command of this program, as a person would run it.
fn xtask(arguments: &[&str]) -> Result<()> {
    workspace::run(Command::new(workspace::THIS_PROGRAM).args(arguments))
}

fn machines() -> Result<()> {
    let _turn = turn_on_this_host()?;
    end_to_end("site")
}

/// The test of the part `reproducible`, by a part of its name.
const REPRODUCIBLE: &str = "a_second_build";

fn assemble_images() -> Result<()> {
    images::ensure_all()?;
    images::ensure_redis()?;
    run_end_to_end("images", &["--test-threads", "1", "--skip", REPRODUCIBLE])
}

/// Builds every image once more, which takes as long as the first time: seven minutes.
fn reproducible() -> Result<()> {
    images::ensure_all()?;
    run_end_to_end("images", &[REPRODUCIBLE])
}

/// Backups in buckets of a real server of S3.
fn buckets() -> Result<()> {
    images::ensure_versitygw()?;
    end_to_end("buckets")
}

fn cluster() -> Result<()> {
    let binaries = images::ensure_all()?.binaries;
    // One at a time: some start two control planes, and test the time limits of each.
    run_named("apiserver", &["--test-threads", "1"], ("LANDFALL_TEST_BINARIES", binaries.as_path()))
}

/// The test of the part `strings`, by a part of its name; `vendor` takes a fourth of them.
const STRINGS: &str = "every_string_of_a_stick";

/// Takes six minutes: each of some hundred kinds of strings is read by every verb that reads a stick.
fn strings() -> Result<()> {
    run_end_to_end("vendor", &[STRINGS])
}

/// The test of the part `ollama`, by a part of its name.
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
    // The images are made with pip, which the test of the package index uses as well; uv is found beside it.
    let mut clients = cargo();
    clients.args(["test", "--quiet", "--workspace", "--test", "pip", "--", "--include-ignored"]).env("PATH", path);
    workspace::run(&mut clients)
}

/// Seconds for each fuzz target.
const FUZZ_SECONDS: u32 = 60;

/// Tests that take minutes each, by a part of their names: a million mutated licenses, and as many answers.
const MUTATIONS: &str = "none_of_a_million";

fn fuzz() -> Result<()> {
    super::fuzz::every_target(FUZZ_SECONDS)?;
    workspace::run(cargo().args(["test", "--quiet", "--workspace", "--lib", "--", "--ignored", MUTATIONS]))
}

/// The cache is checked before the lock, which is in it.
fn demo() -> Result<()> {
    demo::run(turn_on_this_host)
}

/// Takes a quarter of an hour.
fn demo_upgrade() -> Result<()> {
    demo::run_upgrade(turn_on_this_host)
}

/// A stock Debian boots under its own kernel, and preflight meets its firewalls. The machines are emulated where the host's KVM boots no
/// stock kernel, and install nothing: they need no turn of those that do.
fn stock() -> Result<()> {
    xtask(&["vm"])
}

fn virtual_machines() -> Result<()> {
    let _turn = turn_on_this_host()?;
    xtask(&["vm", "--full", "--report"])
}

#[cfg(test)]
mod tests {
    use landfall_launcher::command::{PARTS_WHEN_FULL, TEST_PARTS};

    use super::*;

    #[test]
    fn the_launcher_knows_what_each_part_needs() {
        for part in PARTS {
            assert!(
                TEST_PARTS.iter().any(|(name, _)| *name == part.name),
                "{} is not in launcher/src/command.rs",
                part.name
            );
        }
        let when_full: Vec<&str> =
            PARTS.iter().filter(|part| part.runs == Runs::WhenFull).map(|part| part.name).collect();
        assert_eq!(when_full, PARTS_WHEN_FULL);
    }

    #[test]
    fn a_part_for_full_runs_is_left_out_unless_it_is_named() {
        let part = when_full("slow", || Ok(()));
        let asks = |only: Option<&str>, full| {
            let arguments = Arguments { only: only.map(str::to_owned), full, keep_going: false, report: false };
            arguments.asks_for(&part, Turn::of_this_commit())
        };
        assert_eq!([asks(None, false), asks(None, true), asks(Some("slow"), false)], [false, true, true]);
    }

    #[test]
    fn a_name_that_another_one_contains_asks_for_its_own_part() {
        let names = |only: &str| -> Vec<&str> {
            let only = Some(only.to_owned());
            let arguments = Arguments { only, full: false, keep_going: false, report: false };
            let turn = Turn::of_this_commit();
            PARTS.iter().filter(|part| arguments.asks_for(part, turn)).map(|part| part.name).collect()
        };
        assert_eq!(names("site"), ["site"]);
        assert_eq!(names("figures"), ["figures"]);
        assert_eq!(names("figure"), ["figures", "site-figures"]);
        assert_eq!(names("demo"), ["demo"]);
        assert!(names("appliance").is_empty());
    }
}
