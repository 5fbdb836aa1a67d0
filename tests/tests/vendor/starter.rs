//! The starter release, built once in parts for all tests of this binary.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use landfall_xtask::images::{self, Parts, SOURCE_DATE_EPOCH};
use landfall_xtask::once::Once;
use landfall_xtask::registry::Registry;
use landfall_xtask::vendor::Vendor;
use landfall_xtask::{builds, cache, workspace};
use serde_json::Value;

use super::outcome::Outcome;
use super::tools::digest_in_a_row;

/// Part size that gives several parts.
pub const PART_SIZE: &str = "256MiB";

/// A bundle of the starter release, and everything needed to rebuild it.
pub struct Starter {
    folder: PathBuf,
    landfall: PathBuf,
    parts: Parts,
    /// Report of `landfall build --json`.
    pub report: Value,
}

/// Returns the starter bundle. If it cannot be built, every test that needs it fails with the reason.
pub fn starter() -> Result<&'static Starter> {
    static STARTER: Once<Starter> = Once::new();
    STARTER.get(Starter::build).map_err(|error| anyhow!("no starter bundle: {error}"))
}

impl Starter {
    fn build() -> Result<Self> {
        let folder = workspace::root().join("target/vendor-tests");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        std::fs::create_dir_all(folder.join("docker")).context("cannot create the folder of the tests")?;
        // A copy, because the program becomes part of the bundle and must not change between two builds.
        let landfall = builds::copy_landfall(&folder)?;
        let parts = images::ensure_all()?;
        let mut starter = Self { folder, landfall, parts, report: Value::Null };
        let registry = Registry::start(&starter.parts.tree.root)?;
        let vendor = starter.vendor_at(&starter.folder, &cache::cache_root()?.join("vendor-store"), registry)?;
        vendor.lock(&release())?;
        let arguments = vendor.build_arguments(&release(), &starter.stick(), &["--part-size", PART_SIZE, "--json"]);
        let outcome = Outcome::success(&mut starter.command(&vendor, &arguments))?;
        starter.report = outcome.json()?;
        Ok(starter)
    }

    fn vendor_at(&self, folder: &Path, store: &Path, registry: Registry) -> Result<Vendor> {
        Vendor::with_registry(folder, store, &self.landfall, &self.parts.binaries, registry)
    }

    /// Creates another vendor with the same keys and lock, and its own folder, store and registry. The registry lives
    /// as long as the vendor.
    pub fn vendor(&self, folder: &Path, registry: Registry) -> Result<Vendor> {
        let keys = folder.join("keys");
        std::fs::create_dir_all(&keys)?;
        for name in ["cosign.key", "cosign.pub", "1.root.json"] {
            std::fs::copy(self.keys().join(name), keys.join(name)).with_context(|| format!("cannot copy {name}"))?;
        }
        std::fs::copy(self.lock_file(), folder.join("assembled.lock")).context("cannot copy the lock")?;
        self.vendor_at(folder, &folder.join("store"), registry)
    }

    /// Starts a registry with the parts of the release.
    pub fn registry(&self) -> Result<Registry> {
        Registry::start(self.tree())
    }

    /// Returns a reproducible `landfall` command of this vendor, isolated from the credentials of the tests' user.
    pub fn command(&self, vendor: &Vendor, arguments: &[String]) -> Command {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let mut command = vendor.command(&arguments);
        self.isolate(&mut command);
        command
    }

    /// Returns a `landfall` command that needs no vendor.
    pub fn landfall(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.landfall);
        command.args(arguments);
        self.isolate(&mut command);
        command
    }

    /// Returns a `landfall lock` command with the node pack's kubectl.
    pub fn landfall_lock(&self) -> Command {
        let mut command = self.landfall(&["lock"]);
        command.arg("--kubectl").arg(self.parts.binaries.join("kubectl"));
        command
    }

    fn isolate(&self, command: &mut Command) {
        command
            .env("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH.to_string())
            .env("DOCKER_CONFIG", self.folder.join("docker"))
            .env_remove("LANDFALL_LOG");
    }

    /// Returns a build from the warm store, without a registry.
    pub fn rebuild(&self, output: &str, more: &[&str]) -> Result<Command> {
        self.rebuild_with_keys(&self.keys(), output, more)
    }

    /// Like [`rebuild`](Self::rebuild), signed with the keys in another folder.
    pub fn rebuild_with_keys(&self, keys: &Path, output: &str, more: &[&str]) -> Result<Command> {
        let store = cache::cache_root()?.join("vendor-store");
        let kubectl = self.parts.binaries.join("kubectl");
        let options = [
            ("--lock", self.lock_file()),
            ("--key", keys.join("cosign.key")),
            ("--roots", keys.to_owned()),
            ("--store", store),
            ("--kubectl", kubectl),
        ];
        let mut command = self.landfall(&["build"]);
        command.arg(release()).args(["--output", output]);
        for (option, value) in options {
            command.arg(option).arg(value);
        }
        command.args(more).env("LANDFALL_KEY_PASSWORD", landfall_xtask::vendor::KEY_PASSWORD);
        Ok(command)
    }

    /// Returns the folder of the node pack's programs, which include `kubectl`.
    pub fn binaries(&self) -> &Path {
        &self.parts.binaries
    }

    /// Returns the registry's storage, from which the parts of the release are served.
    pub fn tree(&self) -> &Path {
        &self.parts.tree.root
    }

    /// Returns the folder with the parts, the head, `SHA256SUMS`, the transfer sheet and the provenance.
    pub fn stick(&self) -> PathBuf {
        self.folder.join("stick")
    }

    /// Returns the folder of the keys.
    pub fn keys(&self) -> PathBuf {
        self.folder.join("keys")
    }

    /// Returns the path of the resolved lock.
    pub fn lock_file(&self) -> PathBuf {
        self.folder.join("assembled.lock")
    }

    /// Creates an empty folder for one test, on the same disk, removed when dropped.
    pub fn scratch(&self) -> Result<tempfile::TempDir> {
        tempfile::tempdir_in(&self.folder).context("cannot create a folder for a test")
    }

    /// Returns the names of the files in the build's report.
    pub fn file_names(&self) -> Vec<&str> {
        let files = self.report["files"].as_array().into_iter().flatten();
        files.filter_map(|file| file["name"].as_str()).collect()
    }

    /// Returns the parts, in order.
    pub fn part_paths(&self) -> Vec<PathBuf> {
        let parts = self.file_names().into_iter().filter(|name| name.contains(".landfall"));
        parts.map(|name| self.stick().join(name)).collect()
    }

    /// Fails unless a report and its stick equal the starter bundle, except for the ECDSA signature and the digests of
    /// the files that contain it. Each signature has another nonce.
    pub fn same_but_for_the_signature(&self, stick: &Path, report: &Value) -> Result<()> {
        for field in ["id", "totalBytes", "fingerprint"] {
            assert_eq!(report[field], self.report[field], "{field}");
        }
        // Signatures vary in length, and the provenance has no padding for that.
        let shape = |report: &Value| -> Vec<_> {
            let files = report["files"].as_array().cloned().unwrap_or_default();
            let size = |file: &Value| file["size"].as_u64().filter(|_| !is_provenance(&file["name"]));
            files.iter().map(|file| (file["name"].to_string(), size(file))).collect()
        };
        assert_eq!(shape(report), shape(&self.report));
        let name = self.file(PROVENANCE)?.file_name().map(|name| stick.join(name)).context("provenance has a name")?;
        let [first, second] = [self.file(PROVENANCE)?, name].map(|path| payload(&path));
        assert_eq!(first?, second?, "the statement about the build");
        // The head, file by file, as extracted by tar; the signature is one of them.
        let [first, second] = [&self.stick(), stick].map(|stick| self.extract_head(stick));
        let (first, second) = (first?, second?);
        let difference =
            Outcome::of(Command::new("diff").args(["--recursive", "--brief"]).arg(first.path()).arg(second.path()))?;
        let different: Vec<_> = difference.text()?.lines().collect();
        let only_the_signature =
            different.iter().all(|line| line.contains("/signatures/") && line.ends_with(" differ"));
        assert!(only_the_signature && different.len() <= 1, "{different:?}");
        // Everything after the head.
        let head_bytes = std::fs::metadata(self.file(".head")?)?.len();
        let parts: Vec<_> = self.part_paths().iter().filter_map(|path| Some(stick.join(path.file_name()?))).collect();
        let [first, second] = [&self.part_paths(), &parts].map(|parts| digest_in_a_row(parts, head_bytes));
        assert_eq!(first?, second?, "the stream after the head");
        Ok(())
    }

    fn extract_head(&self, stick: &Path) -> Result<tempfile::TempDir> {
        let folder = self.scratch()?;
        let name = self.file(".head")?.file_name().map(|name| stick.join(name)).context("a head has a name")?;
        // tar reports an unexpected end of the archive, because a head is only its beginning.
        let _ = Command::new("tar").arg("--extract").arg("--file").arg(name).current_dir(folder.path()).output()?;
        anyhow::ensure!(folder.path().join("chunks.b3").is_file(), "tar extracted no head");
        Ok(folder)
    }

    /// Returns the reported file whose name has this suffix.
    pub fn file(&self, extension: &str) -> Result<PathBuf> {
        let name = self.file_names().into_iter().find(|name| name.ends_with(extension));
        Ok(self.stick().join(name.with_context(|| format!("no file of the bundle ends with {extension}"))?))
    }

    /// Returns the size of the whole stream in bytes.
    pub fn total_bytes(&self) -> Result<u64> {
        self.report["totalBytes"].as_u64().context("the report has no total")
    }

    /// Returns the fingerprint of root document 1, computed from the file.
    pub fn fingerprint(&self) -> Result<String> {
        let root = std::fs::read(self.keys().join("1.root.json")).context("there is no root document")?;
        Ok(format!("sha256:{}", hex::encode(<sha2::Sha256 as sha2::Digest>::digest(root))))
    }

    /// Returns the report of `landfall inspect --json` about the bundle.
    pub fn inspection(&self) -> Result<Value> {
        Outcome::success(self.landfall(&["inspect", "--json"]).arg(self.stick()))?.json()
    }
}

/// Suffix of the file with the provenance.
pub const PROVENANCE: &str = ".provenance.json";

fn is_provenance(name: &Value) -> bool {
    name.as_str().is_some_and(|name| name.ends_with(PROVENANCE))
}

/// Returns the signed payload in the envelope of a provenance file, in Base64.
fn payload(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let envelope: Value = serde_json::from_slice(&bytes).context("the provenance is no JSON")?;
    Ok(envelope["payload"].as_str().context("the provenance has no payload")?.to_owned())
}

/// Returns the folder of the starter release's definition.
pub fn release() -> PathBuf {
    workspace::root().join("releases/starter")
}
