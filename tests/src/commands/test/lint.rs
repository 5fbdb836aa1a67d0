//! The part "lint": formatting, lints, documentation, licenses, dependencies, and the documents that are made from code.

use std::process::Command;

use anyhow::{Context, Result};

use super::{built_launcher, launcher};
use crate::commands::documents;
use crate::workspace::{self, cargo};
use crate::{printer, tools};

/// Runs all of them.
pub(super) fn run() -> Result<()> {
    workspace::run(cargo().args(["fmt", "--all", "--check"]))?;
    workspace::run(launcher("fmt").args(["--", "--check"]))?;
    let denied = denied_warnings()?;
    workspace::run(cargo().args(["clippy", "--quiet", "--workspace", "--all-targets", "--"]).args(denied))?;
    workspace::run(built_launcher("clippy").args(["--all-targets", "--"]).args(denied))?;
    let flags = denied.join("=");
    workspace::run(cargo().args(["doc", "--quiet", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", flags))?;
    workspace::run(tools::cargo_deny()?.args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]))?;
    advisories()?;
    workspace::run(&mut tools::cargo_machete()?)?;
    documents::check()
}

/// Newer releases of Rust bring new lints: their warnings fail nothing; only those of the project's own release do.
fn denied_warnings() -> Result<&'static [&'static str]> {
    let output = Command::new("rustc").arg("--version").output().context("cannot start rustc")?;
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    if is_of_release(&version, env!("CARGO_PKG_RUST_VERSION")) {
        return Ok(&["--deny", "warnings"]);
    }
    printer::note(format!(
        "lints are those of Rust {}: warnings of {version} do not fail",
        env!("CARGO_PKG_RUST_VERSION")
    ));
    Ok(&[])
}

/// Whether a compiler that prints this is of a release such as `1.95`.
fn is_of_release(version: &str, release: &str) -> bool {
    let number = version.strip_prefix("rustc ").unwrap_or_default();
    number.strip_prefix(release).is_some_and(|rest| rest.starts_with('.')) && !number.contains("nightly")
}

/// The advisory database is on a network that CI may not have: its absence is reported, its findings fail.
fn advisories() -> Result<()> {
    let fetched = tools::cargo_deny()?.args(["fetch", "db"]).output().context("cannot start cargo deny")?;
    if !fetched.status.success() {
        printer::note("advisories: not checked, the database cannot be reached from here");
        return Ok(());
    }
    workspace::run(tools::cargo_deny()?.args(["check", "advisories"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_release_that_the_project_names_denies_warnings() {
        assert!(is_of_release("rustc 1.95.1 (59807616e 2026-04-14)", "1.95"));
        for other in ["rustc 1.96.0 (abc 2026-05-01)", "rustc 1.95.0-nightly (abc 2026-02-01)", "rustc 1.950.0", ""] {
            assert!(!is_of_release(other, "1.95"), "{other}");
        }
    }
}
