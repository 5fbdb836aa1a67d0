//! A release that two keys must sign.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use landfall_bundle_spec::trust::{RootContents, SigningKey, UnsignedRoot};
use landfall_xtask::vendor::KEY_PASSWORD;

use super::outcome::Outcome;
use super::starter::{Starter, starter};

#[expect(clippy::disallowed_methods, reason = "a throw-away file of a test")]
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Creates two key pairs, and a root document that requires both.
fn keys_of_two(starter: &Starter, folder: &Path) -> Result<[PathBuf; 2]> {
    let keys = ["first", "second"].map(|name| folder.join(name));
    let mut signing = Vec::new();
    for key in &keys {
        let mut new = starter.landfall(&["key", "new", "--development", "--output"]);
        Outcome::success(new.arg(key).env("LANDFALL_KEY_PASSWORD", KEY_PASSWORD))?;
        let pem = std::fs::read(key.join("cosign.key"))?;
        signing.push(SigningKey::from_encrypted_pem(&pem, KEY_PASSWORD.as_bytes())?);
    }
    let both = (signing.iter().map(|key| key.public().clone()).collect::<Vec<_>>(), 2);
    let mut contents = RootContents::single(signing[0].public(), true);
    (contents.root, contents.release) = (both.clone(), both);
    let mut root = UnsignedRoot::new(&contents)?;
    signing.iter().try_for_each(|key| root.sign(key))?;
    std::fs::create_dir(folder.join("roots"))?;
    write(&folder.join("roots/1.root.json"), root.finish(None)?.bytes())?;
    Ok(keys.map(|key| key.join("cosign.key")))
}

/// Returns a build from the warm store, with these roots and keys.
pub fn build(starter: &Starter, roots: &Path, output: &Path, keys: &[&PathBuf]) -> Result<Command> {
    let mut command = starter.landfall(&["build"]);
    command.arg(super::starter::release()).arg("--output").arg(output).arg("--json");
    command.arg("--lock").arg(starter.lock_file()).arg("--roots").arg(roots);
    command.arg("--store").arg(landfall_xtask::cache::cache_root()?.join("vendor-store"));
    command.arg("--kubectl").arg(starter.binaries().join("kubectl"));
    for key in keys {
        command.arg("--key").arg(key);
    }
    command.env("LANDFALL_KEY_PASSWORD", KEY_PASSWORD);
    Ok(command)
}

#[test]
#[ignore = "needs cargo xtask test"]
fn two_required_keys_must_sign() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let [first, second] = keys_of_two(starter, folder.path())?;
    let (roots, stick) = (folder.path().join("roots"), folder.path().join("stick"));
    let build = |keys: &[&PathBuf]| build(starter, &roots, &stick, keys);
    // One key alone, or the same key twice, is rejected before anything is written.
    for too_few in [vec![&first], vec![&second, &second]] {
        let refused = Outcome::of(&mut build(&too_few)?)?;
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains("LF2013") && refused.stderr.contains("1.root.json"), "{}", refused.stderr);
        assert!(refused.stderr.contains("asks for 2 keys to sign a release, 1 given"), "{}", refused.stderr);
        assert!(!stick.exists());
    }
    let report = Outcome::success(&mut build(&[&first, &second])?)?.json()?;
    let mut verify = starter.landfall(&["verify", "--json", "--trust"]);
    let verified = Outcome::success(verify.arg(roots.join("1.root.json")).arg(&stick))?.json()?;
    assert_eq!((&verified["verified"], &verified["id"]), (&true.into(), &report["id"]));
    assert_eq!(verified["signedBy"].as_array().map(Vec::len), Some(2), "{verified}");
    Ok(())
}
