//! Independent verification of a bundle's signature with cosign, which does not know Landfall.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

use crate::images;
use crate::vendor::KEY_PASSWORD;

/// Cosign as a publisher of images uses it: with a key, and without a transparency log.
pub struct Publisher {
    program: PathBuf,
    home: tempfile::TempDir,
}

impl Publisher {
    /// Prepares cosign with a temporary home folder, so that it stores nothing elsewhere.
    pub fn open() -> Result<Self> {
        let home = tempfile::tempdir().context("cannot create a home folder for cosign")?;
        Ok(Self { program: images::ensure_cosign()?, home })
    }

    /// Returns a cosign command with these arguments, and with the password of development keys.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("COSIGN_PASSWORD", KEY_PASSWORD);
        command.env("HOME", self.home.path()).env("TUF_ROOT", self.home.path().join("tuf"));
        command
    }

    /// Returns `sign` or `attest` with a key. Signatures are either in cosign's older format or Sigstore bundles.
    pub fn sign(&self, verb: &str, key: &Path, as_bundle: bool, more: &[&str], image: &str) -> Command {
        let form = format!("--new-bundle-format={as_bundle}");
        let mut command = self.command(&[verb, "--yes", "--tlog-upload=false", "--use-signing-config=false", &form]);
        command.arg("--allow-http-registry").arg("--key").arg(key).args(more).arg(image);
        command
    }

    /// Returns `verify` or `verify-attestation` with a key, for signatures under cosign's tags.
    pub fn verify(&self, verb: &str, key: &Path, more: &[&str], image: &str) -> Command {
        let mut command = self.command(&[verb, "--insecure-ignore-tlog=true", "--new-bundle-format=false"]);
        command.arg("--allow-http-registry").arg("--key").arg(key).args(more).arg(image);
        command
    }
}

impl Publisher {
    /// Returns `verify-blob` with a key and a Sigstore bundle.
    pub fn verify_blob(&self, key: &Path, bundle: &Path, signed: &Path) -> Command {
        let mut command = self.command(&["verify-blob", "--insecure-ignore-tlog=true", "--key"]);
        command.arg(key).arg("--bundle").arg(bundle).arg(signed);
        command
    }
}

/// A bundle's signed document and signatures, extracted from its head with tar, and the program that verifies them.
pub struct CosignVerifier {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl CosignVerifier {
    /// Extracts a head, or the first part of a bundle.
    pub fn head(path: &Path) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot create a folder for a head")?;
        // tar reports an unexpected end of the archive, because a head is only its beginning. All of it has been
        // extracted by then.
        let mut tar = Command::new("tar");
        tar.arg("--extract").arg("--file").arg(path).arg("--directory").arg(folder.path());
        tar.output().context("cannot run tar")?;
        Ok(Self { program: images::ensure_cosign()?, folder })
    }

    /// Returns the path of the signed document.
    pub fn document(&self) -> PathBuf {
        self.folder.path().join("landfall.json")
    }

    /// Returns the path of the signature. Fails unless there is exactly one.
    pub fn signature(&self) -> Result<PathBuf> {
        let entries = self.folder.path().join("signatures").read_dir().context("the head has no signatures")?;
        let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        ensure!(paths.len() == 1, "the head has {} signatures", paths.len());
        Ok(paths.into_iter().next().unwrap_or_default())
    }

    /// Runs cosign's verification of a document's signature with this key. Nothing is downloaded or stored in a home
    /// folder.
    pub fn verify(&self, key: &Path, document: &Path) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.args(["verify-blob", "--insecure-ignore-tlog=true", "--key"]).arg(key);
        command.arg("--bundle").arg(self.signature()?).arg(document);
        command.env("HOME", self.folder.path()).env("TUF_ROOT", self.folder.path().join("tuf"));
        command.output().context("cannot run cosign")
    }

    /// Returns true if cosign accepts an envelope as a statement about a document by this key, with SLSA provenance.
    pub fn accepts_provenance(&self, key: &Path, envelope: &Path, document: &Path) -> Result<bool> {
        let mut command = Command::new(&self.program);
        command.args(["verify-blob-attestation", "--insecure-ignore-tlog=true", "--type", "slsaprovenance1", "--key"]);
        command.arg(key).arg("--signature").arg(envelope).arg(document);
        command.env("HOME", self.folder.path()).env("TUF_ROOT", self.folder.path().join("tuf"));
        Self::is_accepted(&command.output().context("cannot run cosign")?)
    }

    /// Returns true if cosign accepts the signature. Fails if its exit code and its output disagree.
    pub fn accepts(&self, key: &Path, document: &Path) -> Result<bool> {
        Self::is_accepted(&self.verify(key, document)?)
    }

    fn is_accepted(output: &Output) -> Result<bool> {
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() == said.contains("Verified OK"), "cosign ended with {}: {said}", output.status);
        Ok(output.status.success())
    }
}
