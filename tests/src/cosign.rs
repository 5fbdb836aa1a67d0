//! The judgment of independent software about a bundle's signature: cosign, which does not know Landfall.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

use crate::images;
use crate::vendor::KEY_PASSWORD;

/// The program as a publisher of images uses it: with a key, and without a transparency log.
pub struct Publisher {
    program: PathBuf,
    home: tempfile::TempDir,
}

impl Publisher {
    /// Nothing is stored in a home folder.
    pub fn open() -> Result<Self> {
        let home = tempfile::tempdir().context("cannot make a home folder for cosign")?;
        Ok(Self { program: images::ensure_cosign()?, home })
    }

    /// cosign with these arguments, and the password of keys of development.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("COSIGN_PASSWORD", KEY_PASSWORD);
        command.env("HOME", self.home.path()).env("TUF_ROOT", self.home.path().join("tuf"));
        command
    }

    /// `sign` or `attest` with a key, in the form that cosign had before it wrote bundles, or as bundles.
    pub fn sign(&self, verb: &str, key: &Path, as_bundle: bool, more: &[&str], image: &str) -> Command {
        let form = format!("--new-bundle-format={as_bundle}");
        let mut command = self.command(&[verb, "--yes", "--tlog-upload=false", "--use-signing-config=false", &form]);
        command.arg("--allow-http-registry").arg("--key").arg(key).args(more).arg(image);
        command
    }

    /// `verify` or `verify-attestation` by a key, of what is stored under cosign's tags.
    pub fn verify(&self, verb: &str, key: &Path, more: &[&str], image: &str) -> Command {
        let mut command = self.command(&[verb, "--insecure-ignore-tlog=true", "--new-bundle-format=false"]);
        command.arg("--allow-http-registry").arg("--key").arg(key).args(more).arg(image);
        command
    }
}

impl Publisher {
    /// `verify-blob` by a key and a bundle of cosign's.
    pub fn verify_blob(&self, key: &Path, bundle: &Path, signed: &Path) -> Command {
        let mut command = self.command(&["verify-blob", "--insecure-ignore-tlog=true", "--key"]);
        command.arg(key).arg("--bundle").arg(bundle).arg(signed);
        command
    }
}

/// A bundle's signed document and signatures, extracted from its head by tar, and the program that judges them.
pub struct Judged {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Judged {
    /// Extracts a head, or the first part of a bundle.
    pub fn head(path: &Path) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder for a head")?;
        // tar reports that the archive ends early: a head is its beginning, and all of it was extracted by then.
        let mut tar = Command::new("tar");
        tar.arg("--extract").arg("--file").arg(path).arg("--directory").arg(folder.path());
        tar.output().context("cannot run tar")?;
        Ok(Self { program: images::ensure_cosign()?, folder })
    }

    /// The document that is signed.
    pub fn document(&self) -> PathBuf {
        self.folder.path().join("landfall.json")
    }

    /// The signature, of which there must be one.
    pub fn signature(&self) -> Result<PathBuf> {
        let entries = self.folder.path().join("signatures").read_dir().context("the head has no signatures")?;
        let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        ensure!(paths.len() == 1, "the head has {} signatures", paths.len());
        Ok(paths.into_iter().next().unwrap_or_default())
    }

    /// cosign's judgment of the signature of a document by this key. Nothing is fetched, and nothing is stored in a
    /// home folder.
    pub fn verify(&self, key: &Path, document: &Path) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.args(["verify-blob", "--insecure-ignore-tlog=true", "--key"]).arg(key);
        command.arg("--bundle").arg(self.signature()?).arg(document);
        command.env("HOME", self.folder.path()).env("TUF_ROOT", self.folder.path().join("tuf"));
        command.output().context("cannot run cosign")
    }

    /// Whether cosign accepts an envelope as a statement about a document by this key, with SLSA's provenance inside.
    pub fn accepts_provenance(&self, key: &Path, envelope: &Path, document: &Path) -> Result<bool> {
        let mut command = Command::new(&self.program);
        command.args(["verify-blob-attestation", "--insecure-ignore-tlog=true", "--type", "slsaprovenance1", "--key"]);
        command.arg(key).arg("--signature").arg(envelope).arg(document);
        command.env("HOME", self.folder.path()).env("TUF_ROOT", self.folder.path().join("tuf"));
        Self::accepted(&command.output().context("cannot run cosign")?)
    }

    /// Whether cosign accepts: its exit code and its output agree.
    pub fn accepts(&self, key: &Path, document: &Path) -> Result<bool> {
        Self::accepted(&self.verify(key, document)?)
    }

    fn accepted(output: &Output) -> Result<bool> {
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() == said.contains("Verified OK"), "cosign ended with {}: {said}", output.status);
        Ok(output.status.success())
    }
}
