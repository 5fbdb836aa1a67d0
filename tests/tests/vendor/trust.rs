//! A key ceremony of three people, each with another kind of signer: `landfall` itself, cosign, and a hardware token.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_launcher::packages;
use landfall_xtask::vendor::KEY_PASSWORD;
use landfall_xtask::{builds, images, setup};
use serde_json::Value;

use super::outcome::Outcome;
use super::signers;
use super::starter::starter;

/// Path of the token's library in Debian.
const TOKEN_LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// Three people, their public keys and the vendor's roots, in a folder.
struct Ceremony {
    folder: tempfile::TempDir,
    cosign: PathBuf,
}

impl Ceremony {
    fn begin() -> Result<Self> {
        setup::ensure_packages(packages::TOKEN)?;
        let ceremony =
            Self { folder: tempfile::tempdir().context("cannot create a folder")?, cosign: images::ensure_cosign()? };
        ceremony.landfall(&["key", "new", "--no-root", "--output", "alice"])?;
        std::fs::create_dir(ceremony.path("bob"))?;
        let mut bob = Command::new(&ceremony.cosign);
        bob.args(["generate-key-pair", "--output-key-prefix", "bob/cosign"]);
        ceremony.run(&mut bob)?;
        ceremony.make_token()?;
        Ok(ceremony)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, command: &mut Command) -> Result<Outcome> {
        Outcome::success(self.prepare(command))
    }

    fn prepare<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("COSIGN_PASSWORD", KEY_PASSWORD)
            .env("SOFTHSM2_CONF", self.path("softhsm2.conf"))
            .env("PKCS11_MODULE_PATH", TOKEN_LIBRARY)
            .env_remove("LANDFALL_KEY_PASSWORD")
    }

    fn landfall(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(builds::landfall()?);
        self.run(command.arg("--json").args(arguments))?.json()
    }

    fn refusal_of(&self, arguments: &[&str]) -> Result<(i32, String)> {
        let mut command = Command::new(builds::landfall()?);
        let outcome = Outcome::of(self.prepare(command.args(arguments)))?;
        Ok((outcome.code, outcome.stderr))
    }

    /// Creates a token with an EC key, whose public key is written as PEM.
    fn make_token(&self) -> Result<()> {
        std::fs::create_dir(self.path("tokens"))?;
        let settings =
            format!("directories.tokendir = {}\nobjectstore.backend = file\n", self.path("tokens").display());
        std::fs::write(self.path("softhsm2.conf"), settings)?;
        let mut init = Command::new("softhsm2-util");
        init.args(["--init-token", "--free", "--label", "carol", "--pin", "1234", "--so-pin", "5678"]);
        self.run(&mut init)?;
        let tool = |arguments: &[&str]| {
            let mut tool = Command::new("pkcs11-tool");
            self.run(tool.args(["--module", TOKEN_LIBRARY, "--token-label", "carol"]).args(arguments))
        };
        tool(&[
            "--login",
            "--pin",
            "1234",
            "--keypairgen",
            "--key-type",
            "EC:prime256v1",
            "--id",
            "01",
            "--label",
            "k",
        ])?;
        tool(&["--read-object", "--type", "pubkey", "--id", "01", "--output-file", "carol.der"])?;
        let mut convert = Command::new("openssl");
        self.run(convert.args(["ec", "-pubin", "-inform", "DER", "-in", "carol.der", "-out", "carol.pub"]))?;
        Ok(())
    }

    /// Returns the command with which carol signs, using a key that never leaves the token.
    fn token_command() -> &'static str {
        "openssl dgst -sha256 -engine pkcs11 -keyform engine \
         -sign 'pkcs11:token=carol;object=k;pin-value=1234' -out \"$SIGNATURE\" \"$DOCUMENT\""
    }

    fn cosign_command(&self) -> String {
        let cosign = self.cosign.display();
        format!(
            "{cosign} sign-blob --yes --key bob/cosign.key --bundle \"$SIGNATURE\" --use-signing-config=false \
             --tlog-upload=false \"$DOCUMENT\""
        )
    }
}

fn is_complete(shown: &Value) -> bool {
    shown["complete"] == Value::Bool(true)
}

#[test]
#[ignore = "needs cargo xtask test"]
fn three_people_rotate_one_root() -> Result<()> {
    let ceremony = Ceremony::begin()?;
    let all = ["--key", "all=alice/cosign.pub", "--key", "all=bob/cosign.pub", "--key", "all=carol.pub"];
    let init = [&["trust", "init", "--output", "roots", "--threshold", "all=2"][..], &all].concat();
    ceremony.landfall(&init)?;
    let first = "roots/1.root.json";
    // Alice signs where her key is, and Bob uses only cosign. Both hand over files.
    ceremony.landfall(&["trust", "sign", first, "--key", "alice/cosign.key", "--detached", "alice.sig"])?;
    ceremony.landfall(&["trust", "show", first, "--message", "1.to-sign"])?;
    let mut bob = Command::new("sh");
    bob.args(["-c", &ceremony.cosign_command()]).env("DOCUMENT", "1.to-sign").env("SIGNATURE", "bob.sig");
    ceremony.run(&mut bob)?;
    let one = ceremony.landfall(&["trust", "sign", first, "--signature", "alice.sig"])?;
    ensure!(!is_complete(&one), "one of two keys is enough: {one}");
    let two = ceremony.landfall(&["trust", "sign", first, "--signature", "bob.sig"])?;
    ensure!(is_complete(&two), "two of two keys are not enough: {two}");
    // A detached signature is one that cosign itself accepts.
    let mut verify = Command::new(&ceremony.cosign);
    verify.args(["verify-blob", "--insecure-ignore-tlog=true", "--key", "alice/cosign.pub", "--bundle", "alice.sig"]);
    ceremony.run(verify.arg("1.to-sign"))?;

    // Alice leaves: Bob and Carol's token sign the next document, with one command.
    ceremony.landfall(&["trust", "rotate", "--roots", "roots", "--remove", "all=alice/cosign.pub"])?;
    let cosign = ceremony.cosign_command();
    let token = Ceremony::token_command();
    let second = "roots/2.root.json";
    let signed = ceremony.landfall(&["trust", "sign", second, "--sign-command", &cosign, "--sign-command", token])?;
    ensure!(is_complete(&signed), "bob and carol are not enough: {signed}");
    let (code, stderr) = ceremony.refusal_of(&["trust", "sign", second, "--signature", "bob.sig"])?;
    ensure!(code == 2 && stderr.contains("LF1134"), "a signature of document 1 was taken for one of 2: {stderr}");

    // A revocation by the same two.
    ceremony.landfall(&["trust", "revoke", "shop", "1.0.0", "--roots", "roots", "--reason", "it loses data"])?;
    let revocation = "roots/revocation.json";
    let revoked =
        ceremony.landfall(&["trust", "sign", revocation, "--sign-command", &cosign, "--sign-command", token])?;
    ensure!(is_complete(&revoked), "the revocation is not complete: {revoked}");
    is_a_chain(&ceremony.path("roots"))
}

/// Fails unless the two documents form a chain that a bundle may contain and a site accepts.
fn is_a_chain(roots: &Path) -> Result<()> {
    use landfall_bundle_spec::trust::{Revocation, Root, TrustAnchor, walk};
    let read = |name: &str| std::fs::read(roots.join(name)).with_context(|| name.to_owned());
    let chain = ["1.root.json", "2.root.json"].map(|name| Ok::<_, anyhow::Error>(Root::read(name, &read(name)?)?));
    let chain = chain.into_iter().collect::<Result<Vec<_>>>()?;
    let trusted = walk(&TrustAnchor::Fingerprint(chain[0].fingerprint()), &chain)?;
    ensure!(trusted.root().number() == 2);
    ensure!(Revocation::read("revocation.json", &read("revocation.json")?)?.verify(trusted.root())?.len() == 2);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn external_signers_sign_release() -> Result<()> {
    let ceremony = Ceremony::begin()?;
    let (cosign, token) = (ceremony.cosign_command(), Ceremony::token_command());
    let init = ["trust", "init", "--development", "--output", "roots", "--threshold", "all=2"];
    ceremony.landfall(&[&init[..], &["--key", "all=bob/cosign.pub", "--key", "all=carol.pub"]].concat())?;
    let first = "roots/1.root.json";
    let signed = ceremony.landfall(&["trust", "sign", first, "--sign-command", &cosign, "--sign-command", token])?;
    ensure!(is_complete(&signed), "bob and carol are not enough: {signed}");

    let starter = starter()?;
    let folder = starter.scratch()?;
    let stick = folder.path().join("stick");
    let build = |commands: &[&str]| {
        let mut command = signers::build(starter, &ceremony.path("roots"), &stick, &[])?;
        for signs in commands {
            command.args(["--sign-command", signs]);
        }
        ceremony.prepare(&mut command);
        anyhow::Ok(command)
    };
    for too_few in [&cosign[..], token] {
        let refused = Outcome::of(&mut build(&[too_few])?)?;
        ensure!(refused.code == 2 && refused.stderr.contains("LF2013") && !stick.exists(), "{}", refused.stderr);
    }
    // One of them signs twice, which is noticed only afterwards.
    let twice = Outcome::of(&mut build(&[token, token])?)?;
    ensure!(twice.code == 3 && twice.stderr.contains("LF1107"), "one key was enough: {}", twice.stderr);
    let report = Outcome::success(&mut build(&[&cosign, token])?)?.json()?;
    let stick = stick.display().to_string();
    let verified = ceremony.landfall(&["verify", &stick, "--trust", first])?;
    ensure!(verified["verified"] == true && verified["id"] == report["id"], "{verified}");
    ensure!(verified["signedBy"].as_array().is_some_and(|signers| signers.len() == 2), "{verified}");
    // Each of them also signed the provenance.
    let provenance = ceremony.landfall(&["provenance", &stick, "--trust", first])?;
    ensure!(provenance["statedBy"] == verified["signedBy"], "{provenance}");
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn wrong_password_names_key() -> Result<()> {
    let ceremony = Ceremony::begin()?;
    ceremony.landfall(&["trust", "init", "--output", "roots", "--key", "all=alice/cosign.pub"])?;
    let mut command = Command::new(builds::landfall()?);
    command.args(["trust", "sign", "roots/1.root.json", "--key", "alice/cosign.key"]);
    let outcome = Outcome::of(ceremony.prepare(&mut command).env("COSIGN_PASSWORD", "not this one"))?;
    ensure!(outcome.code == 2 && outcome.stderr.contains("LF9002"), "{}", outcome.stderr);
    ensure!(outcome.stderr.contains("alice/cosign.key"), "the key is not named: {}", outcome.stderr);
    Ok(())
}
