//! Executables for tests that can run as soon as they are written.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a program that can run immediately. Nothing is synced.
///
/// A separate process writes it, because a program that this process wrote could not run for a moment. A child that
/// another thread has just started inherits the files that are open for writing here until it executes its own program.
/// The kernel runs no file that is open for writing (`ETXTBSY`).
///
/// # Panics
///
/// Panics if the program cannot be written.
#[expect(clippy::expect_used, reason = "for tests")]
pub fn write_program(path: &Path, bytes: impl AsRef<[u8]>) {
    let mut install = Command::new("install");
    install.args(["--mode=755", "/dev/stdin"]).arg(path).stdin(Stdio::piped());
    let mut install = install.spawn().expect("install runs");
    let written = install.stdin.take().expect("it reads").write_all(bytes.as_ref());
    assert!(install.wait().expect("it ends").success() && written.is_ok(), "cannot write {}", path.display());
}

/// Copies a program so that the copy can run immediately. A separate process copies it, as in [`write_program`].
/// Nothing is synced.
///
/// # Panics
///
/// Panics if the program cannot be copied.
#[expect(clippy::expect_used, reason = "for tests")]
pub fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("install").arg("--mode=755").args([from, to]).status().expect("install runs");
    assert!(copied.success(), "cannot copy {} to {}", from.display(), to.display());
}
