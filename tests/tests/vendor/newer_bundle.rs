//! A bundle that needs a newer Landfall than the one at hand: `install` hands over to the program that the bundle carries
//! once the bundle is trusted, and nothing else does.
#![expect(clippy::disallowed_methods, reason = "files of the tests, which end with them")]

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use landfall_bundle_spec::sample::{Forgery, Sample, Vendor};
use landfall_bundle_spec::trust::KeyKind;
use landfall_tests::workspace;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::outcome::Outcome;

/// The program that such a bundle carries here: it prints its arguments, which no `landfall` does.
const PROGRAM: &str = "/bin/echo";

/// Shows a program that another one handed over already.
const HANDED: &str = "LANDFALL_HANDED_OVER";

/// A bundle that requires what no Landfall knows.
struct Newer {
    folder: TempDir,
    fingerprint: String,
    /// Where the carried program begins.
    program_offset: u64,
}

impl Newer {
    fn carrying(program: Vec<u8>) -> Result<Self> {
        let vendor = Vendor::new(KeyKind::EcdsaP256)?;
        let require = |value: &mut Value| value["requires"] = json!([{ "feature": "deltas", "landfall": "2.0.0" }]);
        let sample = Sample::carrying(&vendor, program)?;
        let forgery = Forgery::of(&sample).edit("landfall.json", require)?.sign(&vendor.key)?;
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        write(&folder.path().join("sample.landfall"), &forgery.stream())?;
        std::fs::create_dir(folder.path().join("mail")).context("cannot make a folder")?;
        write(&folder.path().join("mail/sample.head"), &forgery.head())?;
        let fingerprint = vendor.root.fingerprint().to_string();
        Ok(Self { folder, fingerprint, program_offset: forgery.head().len() as u64 + 512 })
    }

    fn bundle(&self) -> PathBuf {
        self.folder.path().join("sample.landfall")
    }

    /// Runs a verb on a bundle or its head.
    fn run(&self, verb: &str, bundle: &Path, more: &[&str]) -> Result<Outcome> {
        Outcome::of(&mut landfall(verb, bundle, &self.fingerprint, more)?)
    }
}

fn landfall(verb: &str, bundle: &Path, trust: &str, more: &[&str]) -> Result<Command> {
    let mut command = Command::new(workspace::landfall()?);
    command.arg(verb).arg(bundle).args(["--trust", trust]).args(more).env_remove(HANDED);
    Ok(command)
}

fn dry_run(bundle: &Path, trust: &str) -> Result<Command> {
    landfall("install", bundle, trust, &["--dry-run"])
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    file.write_all(bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Fails unless the bundle was refused for its requirement and nothing was run.
fn refused(what: &str, outcome: &Outcome) {
    assert_eq!((outcome.code, outcome.error()), (3, Some("LF1004")), "{what}: {}", outcome.stderr);
    assert!(outcome.stdout.is_empty(), "{what}: the program ran: {:?}", String::from_utf8_lossy(&outcome.stdout));
}

#[test]
#[ignore = "needs cargo xtask test"]
fn install_continues_with_the_landfall_that_the_bundle_carries() -> Result<()> {
    let newer = Newer::carrying(std::fs::read(PROGRAM).context("cannot read the program")?)?;
    for more in [&["--dry-run"][..], &[]] {
        let outcome = newer.run("install", &newer.bundle(), more)?;
        let expected = format!("install {} --trust {}", newer.bundle().display(), newer.fingerprint);
        let expected = [&[expected.as_str()], more].concat().join(" ");
        assert_eq!((outcome.code, outcome.text()?.trim_end()), (0, expected.as_str()), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("`deltas`"), "what is required is not named: {}", outcome.stderr);
    }
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn nothing_else_runs_what_a_bundle_carries() -> Result<()> {
    let newer = Newer::carrying(std::fs::read(PROGRAM).context("cannot read the program")?)?;
    refused("verify", &newer.run("verify", &newer.bundle(), &[])?);
    let store = newer.folder.path().join("store").display().to_string();
    refused("stage", &newer.run("stage", &newer.bundle(), &["--store", &store])?);
    let head = newer.folder.path().join("mail/sample.head");
    refused("a head alone", &newer.run("install", &head, &["--dry-run"])?);
    let handed = Outcome::of(dry_run(&newer.bundle(), &newer.fingerprint)?.env(HANDED, "1"))?;
    refused("handed over already", &handed);

    let stranger = format!("sha256:{}", "0".repeat(64));
    let distrusted = Outcome::of(&mut dry_run(&newer.bundle(), &stranger)?)?;
    assert_eq!((distrusted.code, distrusted.error()), (3, Some("LF1103")), "{}", distrusted.stderr);
    assert!(distrusted.stdout.is_empty(), "the program of an untrusted bundle ran");

    let file = File::options().read(true).write(true).open(newer.bundle()).context("cannot open the bundle")?;
    let mut byte = [0];
    let middle = newer.program_offset + 1000;
    file.read_exact_at(&mut byte, middle)?;
    file.write_all_at(&[byte[0] ^ 1], middle)?;
    let damaged = newer.run("install", &newer.bundle(), &["--dry-run"])?;
    refused("a damaged program", &damaged);
    assert!(damaged.stderr.contains("damaged"), "{}", damaged.stderr);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn a_carried_program_that_knows_no_more_ends_with_the_refusal() -> Result<()> {
    let script = Newer::carrying(b"#!/bin/sh\necho it ran\n".to_vec())?;
    refused("a script", &script.run("install", &script.bundle(), &["--dry-run"])?);
    // The very landfall that runs, and one that differs from it and knows as little: it is handed the bundle once.
    let mut program = std::fs::read(workspace::landfall()?).context("cannot read landfall")?;
    let same = Newer::carrying(program.clone())?;
    let outcome = same.run("install", &same.bundle(), &["--dry-run"])?;
    refused("the same", &outcome);
    assert!(outcome.stderr.contains("this very landfall"), "{}", outcome.stderr);
    program.push(0);
    let other = Newer::carrying(program)?;
    let outcome = other.run("install", &other.bundle(), &["--dry-run"])?;
    refused("another", &outcome);
    assert!(outcome.stderr.contains("handed the bundle by another one already"), "{}", outcome.stderr);
    Ok(())
}
