//! A bundle of a later format. It requires a feature that no Landfall knows, its head has unknown fields and files, and
//! its root names keys of unknown kinds. Only `install` hands over to the program in the bundle, and only once the
//! bundle is trusted.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use landfall_bundle_spec::sample::{Forgery, Sample, Vendor};
use landfall_bundle_spec::trust::KeyKind;
use landfall_xtask::builds;
use serde_json::Value;
use tempfile::TempDir;

use super::outcome::Outcome;

/// Program in the bundle. It prints its arguments, which no `landfall` does.
const PROGRAM: &str = "/bin/echo";

/// Variable that tells a program that another one has already handed over.
const HANDED: &str = "LANDFALL_HANDED_OVER";

/// Required feature, and the version that supports it.
const REQUIRED: [&str; 2] = ["`parity`", "2.0.0"];

/// A bundle of a later format.
struct Newer {
    folder: TempDir,
    fingerprint: String,
    /// Offset of the carried program.
    program_offset: u64,
}

impl Newer {
    fn carrying(program: Vec<u8>) -> Result<Self> {
        let vendor = Vendor::of_the_future(KeyKind::EcdsaP256)?;
        let forgery = Forgery::of(&Sample::carrying(&vendor, program)?).of_the_future()?;
        Self::of(&vendor, forgery)
    }

    /// Creates such a bundle without a `landfall` that could take over.
    fn without_a_program() -> Result<Self> {
        let vendor = Vendor::of_the_future(KeyKind::EcdsaP256)?;
        let forgery = Forgery::of(&Sample::tiny(&vendor)?).of_the_future()?;
        let mut landfall: Value = serde_json::from_slice(forgery.contents("landfall.json"))?;
        landfall.as_object_mut().and_then(|fields| fields.remove("program")).context("no program is named")?;
        Self::of(&vendor, forgery.with("landfall.json", &serde_json::to_vec_pretty(&landfall)?))
    }

    /// Signs the bundle, whose area also has unknown files, and writes another one without those files.
    fn of(vendor: &Vendor, forgery: Forgery) -> Result<Self> {
        let plain = forgery.sign(&vendor.key)?;
        let forgery = plain.clone().insert_before("trust/", "signatures/zz.ml-dsa.json", b"{}");
        let forgery = forgery.insert_before("parity.json", "trust/delegations.json", b"[1.5]");
        let folder = tempfile::tempdir().context("cannot create a folder")?;
        write(&folder.path().join("sample.landfall"), &forgery.stream())?;
        for folder in ["mail", "plain"].map(|name| folder.path().join(name)) {
            std::fs::create_dir(&folder).context("cannot create a folder")?;
        }
        write(&folder.path().join("mail/sample.head"), &forgery.head())?;
        write(&folder.path().join("plain/sample.landfall"), &plain.stream())?;
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
    let mut command = Command::new(builds::landfall()?);
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
fn assert_refused(what: &str, outcome: &Outcome) {
    assert_eq!((outcome.code, outcome.error()), (3, Some("LF1004")), "{what}: {}", outcome.stderr);
    assert!(outcome.stdout.is_empty(), "{what}: the program ran: {:?}", String::from_utf8_lossy(&outcome.stdout));
    names_what_is_required(outcome);
}

fn names_what_is_required(outcome: &Outcome) {
    for part in REQUIRED {
        assert!(outcome.stderr.contains(part), "{part} is not named: {}", outcome.stderr);
    }
}

#[test]
#[ignore = "needs cargo xtask test"]
fn install_hands_over_to_carried_program() -> Result<()> {
    let newer = Newer::carrying(std::fs::read(PROGRAM).context("cannot read the program")?)?;
    for more in [&["--dry-run"][..], &[]] {
        let outcome = newer.run("install", &newer.bundle(), more)?;
        let expected = format!("install {} --trust {}", newer.bundle().display(), newer.fingerprint);
        let expected = [&[expected.as_str()], more].concat().join(" ");
        assert_eq!((outcome.code, outcome.text()?.trim_end()), (0, expected.as_str()), "{}", outcome.stderr);
        names_what_is_required(&outcome);
    }
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn only_install_runs_carried_program() -> Result<()> {
    let newer = Newer::carrying(std::fs::read(PROGRAM).context("cannot read the program")?)?;
    assert_refused("verify", &newer.run("verify", &newer.bundle(), &[])?);
    let store = newer.folder.path().join("store").display().to_string();
    assert_refused("stage", &newer.run("stage", &newer.bundle(), &["--store", &store])?);
    let head = newer.folder.path().join("mail/sample.head");
    assert_refused("a head alone", &newer.run("install", &head, &["--dry-run"])?);
    let handed = Outcome::of(dry_run(&newer.bundle(), &newer.fingerprint)?.env(HANDED, "1"))?;
    assert_refused("handed over already", &handed);

    let stranger = format!("sha256:{}", "0".repeat(64));
    let distrusted = Outcome::of(&mut dry_run(&newer.folder.path().join("plain/sample.landfall"), &stranger)?)?;
    assert_eq!((distrusted.code, distrusted.error()), (3, Some("LF1103")), "{}", distrusted.stderr);
    assert!(distrusted.stdout.is_empty(), "the program of an untrusted bundle ran");
    // An unreadable file is named first, because it may be the reason.
    let distrusted = Outcome::of(&mut dry_run(&newer.bundle(), &stranger)?)?;
    assert_eq!(distrusted.code, 3, "{}", distrusted.stderr);
    assert!(distrusted.stderr.contains("signatures/zz.ml-dsa.json"), "{}", distrusted.stderr);
    assert!(distrusted.stdout.is_empty(), "the program of an untrusted bundle ran");

    let file = File::options().read(true).write(true).open(newer.bundle()).context("cannot open the bundle")?;
    let mut byte = [0];
    let middle = newer.program_offset + 1000;
    file.read_exact_at(&mut byte, middle)?;
    file.write_all_at(&[byte[0] ^ 1], middle)?;
    let damaged = newer.run("install", &newer.bundle(), &["--dry-run"])?;
    assert_refused("a damaged program", &damaged);
    assert!(damaged.stderr.contains("damaged"), "{}", damaged.stderr);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn future_bundle_without_program_is_refused() -> Result<()> {
    let newer = Newer::without_a_program()?;
    for more in [&["--dry-run"][..], &[]] {
        let outcome = newer.run("install", &newer.bundle(), more)?;
        assert_refused("no program", &outcome);
        assert!(outcome.stderr.contains("it carries none"), "{}", outcome.stderr);
    }
    assert_refused("verify", &newer.run("verify", &newer.bundle(), &[])?);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn insufficient_carried_program_is_refused() -> Result<()> {
    let script = Newer::carrying(b"#!/bin/sh\necho it ran\n".to_vec())?;
    assert_refused("a script", &script.run("install", &script.bundle(), &["--dry-run"])?);
    // The same `landfall` as the running one, and one with other bytes but the same abilities: the bundle is handed to
    // the latter once.
    let mut program = std::fs::read(builds::landfall()?).context("cannot read landfall")?;
    let same = Newer::carrying(program.clone())?;
    let outcome = same.run("install", &same.bundle(), &["--dry-run"])?;
    assert_refused("the same", &outcome);
    assert!(outcome.stderr.contains("this very landfall"), "{}", outcome.stderr);
    program.push(0);
    let other = Newer::carrying(program)?;
    let outcome = other.run("install", &other.bundle(), &["--dry-run"])?;
    assert_refused("another", &outcome);
    assert!(outcome.stderr.contains("handed the bundle by another one already"), "{}", outcome.stderr);
    Ok(())
}
