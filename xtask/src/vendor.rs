//! A vendor at work: real parts in a real registry on loopback, a development key, a lock, a bundle.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cache::cache_root;
use crate::registry::Registry;
use crate::{builds, documents, images, workspace};

/// The password of the development keys of tests and demo; like the keys, it is public.
pub const KEY_PASSWORD: &str = "development";

/// The folder of the cache with the content store that all vendors on this machine share.
pub const VENDOR_STORE: &str = "vendor-store";

/// The list of assembled images, from the project's root.
const CHECKED_IN_LOCK: &str = "tests/images/assembled.lock";

/// A vendor with everything needed to lock and build.
pub struct Vendor {
    folder: PathBuf,
    landfall: PathBuf,
    binaries: PathBuf,
    store: PathBuf,
    registry: Registry,
}

impl Vendor {
    /// Builds `landfall` and the real parts, serves them, and creates a development key in the folder unless it has
    /// one. The content store is shared by all vendors on this machine, so a rebuild pulls nothing.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::with_store(folder, &cache_root()?.join(VENDOR_STORE))
    }

    /// Like [`open`](Self::open), with a separate content store.
    pub fn with_store(folder: &Path, store: &Path) -> Result<Self> {
        Self::with_parts(folder, store, &builds::landfall()?)
    }

    /// Like [`open`](Self::open), with another `landfall`.
    pub fn with_program(folder: &Path, landfall: &Path) -> Result<Self> {
        Self::with_parts(folder, &cache_root()?.join(VENDOR_STORE), landfall)
    }

    fn with_parts(folder: &Path, store: &Path, landfall: &Path) -> Result<Self> {
        let parts = images::ensure_all()?;
        let registry = Registry::start(&parts.tree.root)?;
        Self::with_registry(folder, store, landfall, &parts.binaries, registry)
    }

    /// Creates a vendor from existing parts: `landfall`, the folder of `kubectl`, and a running registry.
    pub fn with_registry(
        folder: &Path,
        store: &Path,
        landfall: &Path,
        binaries: &Path,
        registry: Registry,
    ) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let (landfall, binaries) = (landfall.to_owned(), binaries.to_owned());
        let vendor = Self { folder: folder.into(), landfall, binaries, store: store.into(), registry };
        vendor.write_registries()?;
        if !vendor.keys().join("cosign.key").exists() {
            vendor.run(&["key", "new", "--development", "--output", &text(vendor.keys())])?;
        }
        Ok(vendor)
    }

    /// Pulls content under this host's name from another registry.
    #[expect(clippy::disallowed_methods, reason = "a file of the test bench, recreated at each start")]
    pub fn mirror(&self, host: &str, registry: &Registry) -> Result<()> {
        let path = self.registries_file();
        let before = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let endpoint = format!("http://{}/{host}", registry.address());
        let text = format!("{before}  - {{host: {host}, endpoint: '{endpoint}', plainHttp: true}}\n");
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The registry on loopback.
    pub fn registry(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// The static `landfall`.
    pub fn landfall(&self) -> &Path {
        &self.landfall
    }

    /// Folder of the node pack's programs, including `kubectl`.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// The content store.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Folder with `cosign.key`, `cosign.pub` and `1.root.json`.
    pub fn keys(&self) -> PathBuf {
        self.folder.join("keys")
    }

    /// The resolved lock.
    pub fn lock_file(&self) -> PathBuf {
        self.folder.join("assembled.lock")
    }

    /// Path of the configuration of mirrors.
    pub fn registries_file(&self) -> PathBuf {
        self.folder.join("registries.yaml")
    }

    /// The fingerprint of root document 1, as a letter would state it.
    pub fn fingerprint(&self) -> Result<String> {
        let root = std::fs::read(self.keys().join("1.root.json")).context("the vendor has no root document")?;
        let digest = <sha2::Sha256 as sha2::Digest>::digest(root);
        Ok(format!("sha256:{}", hex::encode(digest)))
    }

    /// A `landfall` command with the password of the keys.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.landfall);
        command.args(arguments).env("LANDFALL_KEY_PASSWORD", KEY_PASSWORD);
        command
    }

    /// Runs `landfall` with its messages passed through. Fails if it fails.
    pub fn run(&self, arguments: &[&str]) -> Result<()> {
        workspace::run(self.command(arguments).stdout(std::process::Stdio::null()))
    }

    /// Runs `landfall --json`, and reads its report. Fails if it fails.
    pub fn report(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.command(arguments).arg("--json").stderr(std::process::Stdio::inherit()).output()?;
        ensure!(output.status.success(), "landfall {} ended with {}", arguments.join(" "), output.status);
        documents::read(&String::from_utf8_lossy(&output.stdout))
    }

    /// Resolves the checked-in lock of assembled images against the registry.
    pub fn lock(&self, release: &Path) -> Result<()> {
        self.lock_with(release, &workspace::root().join(CHECKED_IN_LOCK))
    }

    /// Like [`lock`](Self::lock), with the selected parts of a later release, and with entries for additional
    /// artifacts.
    #[expect(clippy::disallowed_methods, reason = "a file of the tests, which ends with them")]
    pub fn lock_with_later(&self, release: &Path, is_wanted: impl Fn(&str) -> bool, artifacts: &str) -> Result<()> {
        let mut text = std::fs::read_to_string(workspace::root().join(CHECKED_IN_LOCK))? + artifacts;
        for (reference, later) in images::ensure_all()?.later.into_iter().filter(|(reference, _)| is_wanted(reference))
        {
            let line = |reference: &str| format!("reference: {reference}\n");
            ensure!(text.matches(&line(&reference)).count() == 1, "the lock does not have {reference} exactly once");
            text = text.replace(&line(&reference), &line(&later));
        }
        let path = self.folder.join("later.lock");
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        self.lock_with(release, &path)
    }

    fn lock_with(&self, release: &Path, checked_in: &Path) -> Result<()> {
        let [release, checked_in, registries, output, store, kubectl] = [
            release,
            checked_in,
            &self.registries_file(),
            &self.lock_file(),
            &self.store,
            &self.binaries.join("kubectl"),
        ]
        .map(text);
        let mut arguments = vec!["lock", &release, "--lock", &checked_in, "--registries", &registries];
        arguments.extend(["--output", &output, "--store", &store, "--kubectl", &kubectl]);
        self.run(&arguments)
    }

    /// Returns the arguments of `landfall build` for a release, with additional ones.
    pub fn build_arguments(&self, release: &Path, output: &Path, more: &[&str]) -> Vec<String> {
        let (keys, kubectl) = (self.keys(), self.binaries.join("kubectl"));
        let mut arguments = vec!["build".to_owned(), text(release)];
        let options: [(&str, &Path); 7] = [
            ("--lock", &self.lock_file()),
            ("--registries", &self.registries_file()),
            ("--key", &keys.join("cosign.key")),
            ("--roots", &keys),
            ("--output", output),
            ("--store", &self.store),
            ("--kubectl", &kubectl),
        ];
        for (option, value) in options {
            arguments.extend([option.to_owned(), text(value)]);
        }
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        arguments
    }

    /// Builds a release into a folder, and returns the report.
    pub fn build(&self, release: &Path, output: &Path, more: &[&str]) -> Result<Value> {
        let arguments = self.build_arguments(release, output, more);
        self.report(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    #[expect(clippy::disallowed_methods, reason = "a file of the test bench, recreated at each start")]
    fn write_registries(&self) -> Result<()> {
        let address = self.registry.address();
        let text = format!("mirrors:\n  - host: \"*\"\n    endpoint: http://{address}\n    plainHttp: true\n");
        std::fs::write(self.registries_file(), text).context("cannot write registries.yaml")
    }
}

fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}
