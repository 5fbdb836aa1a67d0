//! Invocations that parts share: Cargo, test programs, and commands of this program.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::stamped;
use crate::cache::Cache;
use crate::printer;
use crate::workspace::{self, cargo};

/// A cargo command for the launcher, which is a workspace of its own.
pub(super) fn launcher(command: &str) -> Command {
    let mut cargo = cargo();
    cargo.args([command, "--manifest-path", "launcher/Cargo.toml"]);
    cargo
}

/// The same for a command that builds, for the target and in the folder that `cargo xtask` has.
pub(super) fn built_launcher(command: &str) -> Command {
    let mut cargo = launcher(command);
    cargo.args(["--quiet", "--target", workspace::GLIBC_TARGET, "--target-dir"]);
    cargo.arg(workspace::target_folder().join("launcher"));
    cargo
}

/// An end-to-end test of the `tests` crate; one at a time, since most need both cores.
pub(super) fn end_to_end(test: &str) -> Result<()> {
    run_end_to_end(test, &["--test-threads", "1"])
}

/// The same with these arguments for the test program.
pub(super) fn run_end_to_end(test: &str, arguments: &[&str]) -> Result<()> {
    run_with(&workspace::landfall()?, test, arguments)
}

/// The same with this program.
pub(super) fn run_with(landfall: &Path, test: &str, arguments: &[&str]) -> Result<()> {
    run_named(test, arguments, (workspace::PROGRAM_VARIABLE, landfall))
}

/// All tests of a test program with these arguments and this variable. Only Cargo is quiet: each test is named, with the minute in which it
/// ends. Why it fails is printed then, and not when all have ended, which they may never do: another part's failure ends them.
pub(super) fn run_named(test: &str, arguments: &[&str], (variable, value): (&str, &Path)) -> Result<()> {
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
pub(super) fn turn_on_this_host() -> Result<File> {
    printer::note("machines of one run at a time on this host: waiting for the turn");
    Cache::open()?.lock("machines")
}

/// Another command of this program, as a person would run it.
pub(super) fn xtask(arguments: &[&str]) -> Result<()> {
    workspace::run(Command::new(workspace::THIS_PROGRAM).args(arguments))
}
