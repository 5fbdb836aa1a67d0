//! Programs of tests that run as soon as they are written.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a program that can run at once; nothing is synced.
///
/// A process of its own writes it. Written by this one, it could not run for a moment: a child that another thread has just started holds
/// what is open for writing here until it runs its own program, and the kernel runs no file that is open for writing (`ETXTBSY`).
///
/// # Panics
///
/// If it cannot be written.
#[expect(clippy::expect_used, reason = "for tests")]
pub fn write_program(path: &Path, bytes: impl AsRef<[u8]>) {
    let mut install = Command::new("install");
    install.args(["--mode=755", "/dev/stdin"]).arg(path).stdin(Stdio::piped());
    let mut install = install.spawn().expect("install runs");
    let written = install.stdin.take().expect("it reads").write_all(bytes.as_ref());
    assert!(install.wait().expect("it ends").success() && written.is_ok(), "cannot write {}", path.display());
}

/// Copies a program so that the copy can run at once, by a process of its own as [`write_program`] does; nothing is synced.
///
/// # Panics
///
/// If it cannot be copied.
#[expect(clippy::expect_used, reason = "for tests")]
pub fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("install").arg("--mode=755").args([from, to]).status().expect("install runs");
    assert!(copied.success(), "cannot copy {} to {}", from.display(), to.display());
}
