//! The part "unit": tests that need no machine, of each crate and of whole programs.

use anyhow::{Context, Result};
use landfall_launcher::packages;
use rustix::fs::StatVfsMountFlags;
use tempfile::TempDir;

use super::invocation::built_launcher;
use crate::workspace::{self, cargo};
use crate::{dependencies, setup};

/// Tests of whole crates that need no machine. They cover byte counters, the frozen vectors, a hundred roots, memory of
/// a backup, programs of containers, documents of an earlier program, and every verb of the command line.
const UNIT_TESTS: [&str; 26] = [
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
    "earlier",
    "--test",
    "output",
    "--test",
    "variables",
    "--test",
    "verbs",
    "--test",
    "wrong_inputs",
];

/// Tests with failing disks and mounts, which only root can create, and with restic. If these are unavailable, the
/// tests fail instead of passing unnoticed.
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

/// Folder in which the host keeps files in memory.
const MEMORY: &str = "/dev/shm";

/// Free space that all tests running in parallel need there.
const MEMORY_BYTES: u64 = 4 << 30;

/// Returns a folder for temporary files in memory, if it has enough space and allows executing programs, which some
/// tests write. On a disk, each of thousands of syncs takes a hundredth of a second. [`UNIT_TESTS`] and
/// [`DEMANDING_TESTS`] prove what must reach a disk.
fn folder_in_memory() -> Result<Option<TempDir>> {
    let is_fit = rustix::fs::statvfs(MEMORY).is_ok_and(|memory| {
        let runs_programs = !memory.f_flag.contains(StatVfsMountFlags::NOEXEC);
        runs_programs && memory.f_bavail * memory.f_frsize >= MEMORY_BYTES
    });
    let folder = is_fit.then(|| tempfile::Builder::new().prefix("landfall-tests-").tempdir_in(MEMORY)).transpose();
    folder.with_context(|| format!("cannot create a folder in {MEMORY}"))
}

/// Part of the names of the `filesystems` part's tests.
const REAL_FILESYSTEMS: &str = "real_filesystem";

/// Cuts the power of ext4 and XFS while real code writes to them. The tests fail if such disks cannot be created.
pub(super) fn run_on_filesystems() -> Result<()> {
    setup::ensure_packages(packages::TESTS)?;
    let memory = folder_in_memory()?;
    let mut tests = cargo();
    // One at a time: a process that shares its processor is not interrupted at the intended instant.
    tests.args(["test", "--quiet", "--workspace", "--lib", "--", "--ignored", "--test-threads", "1", REAL_FILESYSTEMS]);
    if let Some(folder) = &memory {
        tests.env("TMPDIR", folder.path());
    }
    workspace::run(&mut tests)
}

/// Modules of the console whose tests run with both of its databases.
const STORING: [&str; 6] = ["approval::", "audit::", "forward::", "people::", "server::canaries", "trend::"];

/// Runs all tests.
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

/// Repeats the tests of the console's storage with PostgreSQL, without those about the database file. It names the
/// whole workspace, because other crates have few tests with these names. If it named only the console's package, cargo
/// would recompile its dependencies with other features.
fn run_with_postgresql() -> Result<()> {
    let mut tests = cargo();
    tests.args(["test", "--quiet", "--workspace", "--lib", "--"]).args(STORING);
    workspace::run(tests.env("LANDFALL_TEST_DATABASE", "postgresql"))
}
