//! The starter bundle on a stick, built once for all tests of this run, and machines with that stick.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use landfall_bundle_spec::trust::Role;
use landfall_test_support::runnable::copy_program;
use landfall_xtask::once::Once;
use landfall_xtask::outcome::Outcome;
use landfall_xtask::proofs::ExpectedRelease;
use landfall_xtask::site::{Machine, MachineSpec, Site};
use landfall_xtask::vendor::{KEY_PASSWORD, Vendor};
use landfall_xtask::{documents, printer, workspace};
use serde_json::Value;

use super::roots;

/// Part size of the bundle, which gives several parts of many chunks.
const PART_SIZE: &str = "256MiB";

/// Name and version of the release in the bundle.
const RELEASE: (&str, &str) = ("starter", "1.0.0");

/// A vendor's delivery, and the fingerprint that the site received over another channel.
pub(crate) struct Fixture {
    /// Path of the `landfall` next to the bundle, on the host.
    pub(crate) landfall: PathBuf,
    /// Folder of the stick on the host.
    pub(crate) stick: PathBuf,
    /// Fingerprint of root document 1, as if received by letter. The bundle carries the documents of a hundred
    /// rotations.
    pub(crate) fingerprint: String,
    /// Fingerprint of the newest root document.
    pub(crate) newest_root: String,
    /// Expectations of the proofs.
    pub(crate) expected: ExpectedRelease,
    /// Size of the bundle as one stream, in bytes.
    pub(crate) total_bytes: u64,
    /// Size of its head, in bytes.
    pub(crate) head_bytes: u64,
    /// Size of its blobs, in bytes.
    pub(crate) blob_bytes: u64,
}

impl Fixture {
    /// Runs the program next to the bundle, as the vendor.
    fn run(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.landfall);
        workspace::run(command.args(arguments).env("LANDFALL_KEY_PASSWORD", KEY_PASSWORD).stdout(Stdio::null()))
    }

    /// Issues a license with this description into a folder, with the file name `ID.license`. The folder must not have
    /// a file with that name.
    pub(crate) fn license(&self, description: &str, folder: &Path) -> Result<()> {
        let file = folder.join("license.yaml");
        std::fs::write(&file, description).context("cannot describe a license")?;
        let keys = self::folder().join("vendor/keys");
        let [first, second] = roots::key_files(&keys, Role::License).map(|key| text(&key));
        let (description, keys, folder) = (text(&file), text(&keys), text(folder));
        let options = ["--key", &first, "--key", &second, "--roots", &keys, "--output", &folder];
        self.run(&[&["license", "issue", &description][..], &options].concat())
    }

    /// Writes a revocation of the release, `revocation.json`, into a folder. Returns its path.
    pub(crate) fn revoke(&self, folder: &Path) -> Result<PathBuf> {
        let keys = self::folder().join("vendor/keys");
        for document in files_with(&keys, |name| name.ends_with(".root.json"))? {
            let name = document.file_name().context("a root document has a name")?;
            std::fs::copy(&document, folder.join(name)).context("cannot copy a root document")?;
        }
        let revocation = folder.join("revocation.json");
        let (name, version) = RELEASE;
        self.run(&["trust", "revoke", name, version, "--roots", &text(folder), "--reason", "it loses data"])?;
        let [first, second] = roots::key_files(&keys, Role::Revocation).map(|key| text(&key));
        self.run(&["trust", "sign", &text(&revocation), "--key", &first, "--key", &second])?;
        Ok(revocation)
    }

    /// Writes a delta of a bundle for a site that keeps another one of the same vendor. Returns the report.
    pub(crate) fn delta(&self, bundle: &Path, from: &Path, inventory: Option<&Path>, output: &Path) -> Result<Value> {
        if output.exists() {
            std::fs::remove_dir_all(output).with_context(|| format!("cannot empty {}", output.display()))?;
        }
        let mut command = Command::new(&self.landfall);
        command.args(["--json", "carry", "delta"]).arg(bundle).arg("--from").arg(from);
        command.arg("--trust").arg(first_root()).arg("--output").arg(output);
        if let Some(inventory) = inventory {
            command.arg("--inventory").arg(inventory);
        }
        let said = command.output().context("cannot run landfall")?;
        ensure!(said.status.success(), "carry delta: {}", String::from_utf8_lossy(&said.stderr));
        documents::read(&String::from_utf8_lossy(&said.stdout))
    }

    /// Returns the code with which `verify` refuses a file.
    pub(crate) fn refusal(&self, file: &Path) -> Result<String> {
        let refused =
            Outcome::of(Command::new(&self.landfall).args(["verify", "--trust"]).arg(first_root()).arg(file))?;
        let code = refused.error().with_context(|| format!("{} is not refused: {}", file.display(), refused.stderr))?;
        Ok(code.to_owned())
    }

    /// Builds a host pack of the same vendor into a folder.
    pub(crate) fn host_pack(&self, definition: &Path, output: &Path, store: &Path) -> Result<()> {
        let keys = self::folder().join("vendor/keys");
        let [first, second] = roots::key_files(&keys, Role::Release);
        let mut command = Command::new(&self.landfall);
        command.arg("build").arg(definition);
        let options: [(&str, &Path); 5] =
            [("--roots", &keys), ("--key", &first), ("--key", &second), ("--output", output), ("--store", store)];
        for (option, value) in options {
            command.arg(option).arg(value);
        }
        workspace::run(command.env("LANDFALL_KEY_PASSWORD", KEY_PASSWORD).stdout(Stdio::null()))
    }

    /// Returns the parts of the bundle on the host, in order.
    pub(crate) fn parts(&self) -> Result<Vec<PathBuf>> {
        let mut parts = files_with(&self.stick, |name| name.contains(".landfall."))?;
        parts.sort();
        Ok(parts)
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Returns the files of a folder whose names satisfy a condition.
pub(crate) fn files_with(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let is_wanted = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(&wanted);
    Ok(paths.into_iter().filter(is_wanted).collect())
}

/// Returns the folder of these tests. The stick and all files derived from it are on one filesystem.
pub(crate) fn folder() -> PathBuf {
    workspace::root().join("target/e2e")
}

/// Returns the path of the vendor's first root document, which is a site's anchor.
fn first_root() -> PathBuf {
    folder().join("vendor/keys/1.root.json")
}

/// Returns the bundle, which is built on the first call.
pub(crate) fn fixture() -> Result<&'static Fixture> {
    static FIXTURE: Once<Fixture> = Once::new();
    FIXTURE.get(build)
}

fn build() -> Result<Fixture> {
    let folder = folder();
    let stick = folder.join("stick");
    if stick.exists() {
        std::fs::remove_dir_all(&stick).with_context(|| format!("cannot empty {}", stick.display()))?;
    }
    let vendor = Vendor::open(&folder.join("vendor"))?;
    let release = workspace::root().join("releases/starter");
    let second = roots::rotate(&vendor)?.display().to_string();
    vendor.lock(&release)?;
    vendor.build(&release, &stick, &["--part-size", PART_SIZE, "--key", &second])?;
    let landfall = stick.join("landfall");
    copy_program(vendor.landfall(), &landfall);
    let inspection = vendor.report(&["inspect", &stick.display().to_string()])?;
    roots::expect_signed_by_release_keys(&vendor, &inspection)?;
    printer::note(format!("the starter bundle is in {}", stick.display()));
    let number = |name: &str| inspection[name].as_u64().with_context(|| format!("the bundle does not say its {name}"));
    let blobs = inspection["blobs"].as_array().context("the bundle lists no blobs")?;
    Ok(Fixture {
        landfall,
        stick,
        fingerprint: vendor.fingerprint()?,
        newest_root: roots::newest(&vendor)?,
        expected: ExpectedRelease::from_inspection(&inspection)?,
        total_bytes: number("totalBytes")?,
        head_bytes: number("headBytes")?,
        blob_bytes: blobs.iter().filter_map(|blob| blob["size"].as_u64()).sum(),
    })
}

/// Creates a site with one machine that has the stick and has booted. It has no default route.
pub(crate) fn machine_with_stick(name: &str) -> Result<(Site, Machine)> {
    boot_site(name, MachineSpec::new("node-1").stick(&fixture()?.stick))
}

/// Like [`machine_with_stick`], with iptables, which other machines lack.
pub(crate) fn machine_with_stick_and_iptables(name: &str) -> Result<(Site, Machine)> {
    boot_site(name, MachineSpec::new("node-1").stick(&fixture()?.stick).package("iptables"))
}

/// Like [`machine_with_stick`], with a default route, through which packets for foreign addresses reach the switch.
pub(crate) fn routed_machine_with_stick(name: &str) -> Result<(Site, Machine)> {
    boot_site(name, MachineSpec::new("node-1").stick(&fixture()?.stick).default_route())
}

/// Like [`routed_machine_with_stick`], with a nameserver whose queries are recorded.
pub(crate) fn connected_machine_with_stick(name: &str) -> Result<(Site, Machine)> {
    boot_site(name, MachineSpec::new("node-1").stick(&fixture()?.stick).default_route().nameserver())
}

fn boot_site(name: &str, spec: MachineSpec) -> Result<(Site, Machine)> {
    let site = Site::new(&Site::unique_name(name))?;
    let machine = site.machine(spec)?;
    machine.boot()?;
    Ok((site, machine))
}
