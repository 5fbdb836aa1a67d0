//! The part "unit": tests that need no machine, of each crate and of whole programs.

use anyhow::{Context, Result};
use landfall_launcher::packages;
use rustix::fs::StatVfsMountFlags;
use tempfile::TempDir;

use super::invocation::built_launcher;
use crate::workspace::{self, cargo};
use crate::{dependencies, setup};

/// Tests of whole crates that need no machine: bytes counted, the frozen vectors, a hundred roots, the memory of a backup, programs of
/// containers, and every verb of the command line.
const UNIT_TESTS: [&str; 24] = [
    "--test",
    "counters",
    "--test",
    "vectors",
    "--test",
    "rotations",
    "--test",
    "memory",
    "--test",
    "container",
    "--test",
    "validator",
    "--test",
    "mailed",
    "--test",
    "completions",
    "--test",
    "output",
    "--test",
    "variables",
    "--test",
    "verbs",
    "--test",
    "wrong_inputs",
];

/// Tests with disks that fail and with mounts, which only root can make, and with restic. Without these they fail rather than pass unseen.
const DEMANDING_TESTS: [&str; 10] = [
    "--test",
    "failing_disk",
    "--test",
    "unreadable",
    "--test",
    "restic",
    "--test",
    "mounts",
    "--",
    "--include-ignored",
];

/// Where the host keeps files in memory.
const MEMORY: &str = "/dev/shm";

/// What must be free there for all tests that run at a time.
const MEMORY_BYTES: u64 = 4 << 30;

/// A folder for temporary files in memory, where there is room, and where programs may run, which some tests write: thousands of syncs take
/// a hundredth of a second each on a disk. [`UNIT_TESTS`] and [`DEMANDING_TESTS`] prove what must reach one.
fn folder_in_memory() -> Result<Option<TempDir>> {
    let is_fit = rustix::fs::statvfs(MEMORY).is_ok_and(|memory| {
        let runs_programs = !memory.f_flag.contains(StatVfsMountFlags::NOEXEC);
        runs_programs && memory.f_bavail * memory.f_frsize >= MEMORY_BYTES
    });
    let folder = is_fit.then(|| tempfile::Builder::new().prefix("landfall-tests-").tempdir_in(MEMORY)).transpose();
    folder.with_context(|| format!("cannot create a folder in {MEMORY}"))
}

/// The tests of the part `filesystems`, by a part of their names.
const REAL_FILESYSTEMS: &str = "real_filesystem";

/// Cuts the power of ext4 and XFS while real code writes to them. Nothing passes unseen where no such disks can be made: the tests fail.
pub(super) fn run_on_filesystems() -> Result<()> {
    setup::ensure_packages(packages::TESTS)?;
    let memory = folder_in_memory()?;
    let mut tests = cargo();
    // One at a time: an instant of a process that shares its processor is not the instant that was meant.
    tests.args(["test", "--quiet", "--workspace", "--lib", "--", "--ignored", "--test-threads", "1", REAL_FILESYSTEMS]);
    if let Some(folder) = &memory {
        tests.env("TMPDIR", folder.path());
    }
    workspace::run(&mut tests)
}

/// Modules of the console whose tests run with both of its databases.
const STORING: [&str; 6] = ["approval::", "audit::", "forward::", "people::", "server::canaries", "trend::"];

/// Runs all of them.
pub(super) fn run() -> Result<()> {
    setup::ensure_packages(packages::TESTS)?;
    let memory = folder_in_memory()?;
    let mut tests = cargo();
    tests.args(["test", "--quiet", "--workspace", "--lib", "--bins"]);
    if let Some(folder) = &memory {
        tests.env("TMPDIR", folder.path());
    }
    workspace::run(&mut tests)?;
    run_with_postgresql()?;
    workspace::run(cargo().args(["test", "--quiet", "--workspace"]).args(UNIT_TESTS))?;
    workspace::run(cargo().args(["test", "--quiet", "--workspace"]).args(DEMANDING_TESTS))?;
    workspace::run(&mut built_launcher("test"))?;
    dependencies::keep_for_tests()
}

/// What the console stores, once more with PostgreSQL behind it. What is about the database's file stays out. The whole workspace is named, and
/// other crates have few tests of these names: for the console's package alone, Cargo would compile its dependencies once more, since they then
/// have other features.
fn run_with_postgresql() -> Result<()> {
    let mut tests = cargo();
    tests.args(["test", "--quiet", "--workspace", "--lib", "--"]).args(STORING);
    workspace::run(tests.env("LANDFALL_TEST_DATABASE", "postgresql"))
}
