//! The part "lint": formatting, lints, documentation, licenses, dependencies, and generated documents.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::invocation::{built_launcher, launcher};
use crate::commands::documents;
use crate::imports::{Imports, refuse_knots};
use crate::site::tool;
use crate::workspace::{self, cargo};
use crate::{printer, tools};

/// Runs all checks.
pub(super) fn run() -> Result<()> {
    workspace::run(cargo().args(["fmt", "--all", "--check"]))?;
    workspace::run(launcher("fmt").args(["--", "--check"]))?;
    let denied = denied_warnings()?;
    workspace::run(cargo().args(["clippy", "--quiet", "--workspace", "--all-targets", "--"]).args(denied))?;
    workspace::run(built_launcher("clippy").args(["--all-targets", "--"]).args(denied))?;
    let flags = denied.join("=");
    workspace::run(cargo().args(["doc", "--quiet", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", flags))?;
    refuse_unchecked_examples()?;
    refuse_tied_modules()?;
    workspace::run(tools::cargo_deny()?.args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]))?;
    advisories()?;
    workspace::run(&mut tools::cargo_machete()?)?;
    documents::check()
}

/// Kinds of documentation blocks that are not Rust code.
const PLAIN: [&str; 2] = ["text", "console"];

/// Fails if documentation contains an example, which nothing would compile: doc tests are off, because they would link
/// every crate once more. So every block has a kind, and examples are tests.
fn refuse_unchecked_examples() -> Result<()> {
    let root = workspace::root();
    let files = tool::output(Command::new("git").args(["ls-files", "*.rs"]).current_dir(&root))?;
    for file in files.lines() {
        let text = std::fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {file}"))?;
        if let Some(line) = unchecked_example(&text) {
            bail!("{file}:{line}: an example that nothing compiles; make it a test, or mark the block as `text`");
        }
    }
    Ok(())
}

/// Returns the line of the first block that may be Rust code.
fn unchecked_example(text: &str) -> Option<usize> {
    let mut is_inside = false;
    (1..).zip(text.lines()).find_map(|(number, line)| {
        let line = line.trim_start();
        let comment = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?;
        let language = comment.trim_start().strip_prefix("```")?.trim();
        is_inside = !is_inside;
        (is_inside && !PLAIN.contains(&language)).then_some(number)
    })
}

/// Fails if top-level modules of a crate import each other.
fn refuse_tied_modules() -> Result<()> {
    let root = workspace::root();
    let files = tool::output(Command::new("git").args(["ls-files", "*.rs", "*Cargo.toml"]).current_dir(&root))?;
    for folder in files.lines().filter_map(|file| file.strip_suffix("/Cargo.toml")) {
        let inside = files.lines().filter_map(|file| file.strip_prefix(folder)?.strip_prefix("/src/"));
        let read = |file: &str| {
            let text = std::fs::read_to_string(root.join(folder).join("src").join(file));
            anyhow::Ok((PathBuf::from(file), text.with_context(|| format!("cannot read {folder}/src/{file}"))?))
        };
        let sources = inside
            .filter(|file| Path::new(file).extension().is_some_and(|end| end == "rs"))
            .map(read)
            .collect::<Result<Vec<_>>>()?;
        let imports = Imports::of_sources(sources.iter().map(|(path, text)| (path.as_path(), text.as_str())))?;
        refuse_knots(folder, &imports)?;
    }
    Ok(())
}

/// Returns the flags that deny warnings with the project's own Rust release. Newer releases bring new lints, whose
/// warnings fail nothing.
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

/// Returns true if a compiler with this version output is of a release such as `1.95`.
fn is_of_release(version: &str, release: &str) -> bool {
    let number = version.strip_prefix("rustc ").unwrap_or_default();
    number.strip_prefix(release).is_some_and(|rest| rest.starts_with('.')) && !number.contains("nightly")
}

/// Checks advisories. Their database is on a network that CI may not have: if it cannot be reached, that is reported;
/// findings fail.
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
    fn uncompiled_examples_are_found() {
        let block =
            |language: &str| format!("fn a() {{}}\n    /// ```{language}\n    /// a\n    /// ```\nfn b() {{}}\n");
        for plain in PLAIN {
            assert_eq!(unchecked_example(&block(plain)), None, "{plain}");
        }
        for code in ["", "rust", "no_run", "ignore"] {
            assert_eq!(unchecked_example(&block(code)), Some(2), "{code}");
        }
        assert_eq!(unchecked_example("//! ```text\n//! a\n//! ```\n//!\n//! ```\n"), Some(5));
    }

    #[test]
    fn only_stated_release_denies_warnings() {
        assert!(is_of_release("rustc 1.95.1 (59807616e 2026-04-14)", "1.95"));
        for other in ["rustc 1.96.0 (abc 2026-05-01)", "rustc 1.95.0-nightly (abc 2026-02-01)", "rustc 1.950.0", ""] {
            assert!(!is_of_release(other, "1.95"), "{other}");
        }
    }
}
