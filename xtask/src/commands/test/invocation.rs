//! Invocations that parts share: of cargo, of test programs, and of this program.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::stamped;
use crate::builds;
use crate::cache::Cache;
use crate::printer;
use crate::workspace::{self, cargo};

/// Returns a cargo command for the launcher, which is a separate workspace.
pub(super) fn launcher(command: &str) -> Command {
    let mut cargo = cargo();
    cargo.args([command, "--manifest-path", "launcher/Cargo.toml"]);
    cargo
}

/// Like [`launcher`], for a command that builds, with the target and folder that `cargo xtask` uses.
pub(super) fn built_launcher(command: &str) -> Command {
    let mut cargo = launcher(command);
    cargo.args(["--quiet", "--target", workspace::GLIBC_TARGET, "--target-dir"]);
    cargo.arg(workspace::target_folder().join("launcher"));
    cargo
}

/// Runs an end-to-end test of the `tests` crate. Its tests run one at a time, because most need both cores.
pub(super) fn end_to_end(test: &str) -> Result<()> {
    run_end_to_end(test, &["--test-threads", "1"])
}

/// Like [`end_to_end`], with explicit arguments for the test program.
pub(super) fn run_end_to_end(test: &str, arguments: &[&str]) -> Result<()> {
    run_with(&builds::landfall()?, test, arguments)
}

/// Like [`run_end_to_end`], with an explicit `landfall`.
pub(super) fn run_with(landfall: &Path, test: &str, arguments: &[&str]) -> Result<()> {
    run_named(test, arguments, (builds::PROGRAM_VARIABLE, landfall))
}

/// Runs all tests of a test program with these arguments and this variable. Only cargo is quiet: each test is printed,
/// with the minute in which it ends. A failure is printed immediately. Otherwise it might never be printed, because
/// another part's failure ends the tests.
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

/// Takes the lock of the parts with machines. A power cut at an exact instant needs a processor with little other load.
pub(super) fn turn_on_this_host() -> Result<File> {
    printer::note("only one run may have machines on this host: waiting for its turn");
    Cache::open()?.lock("machines")
}

/// Runs another command of this program, as a user would.
pub(super) fn xtask(arguments: &[&str]) -> Result<()> {
    workspace::run(Command::new(workspace::THIS_PROGRAM).args(arguments))
}
