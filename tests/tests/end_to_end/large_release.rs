//! A release of twenty gibibytes on a stick, on a compressing filesystem. Its files are mostly zeros, so that the
//! vendor's three copies of them take little space here.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use landfall_xtask::file_server::FileServer;
use landfall_xtask::vendor::Vendor;
use landfall_xtask::{setup, silence, workspace};
use serde_json::Value;

use super::fixture::fixture;

/// Number and size in bytes of a model's weight files.
const LARGE: (u64, u64) = (16, 1152 << 20);

/// Number and size in bytes of files below the size that is synced individually.
const SMALL: (u64, u64) = (1024, 2 << 20);

/// Maximum size of the vendor's compressed files. The volume's file is sparse.
const VOLUME_BYTES: u64 = 96 << 30;

/// Size from which the store syncs a blob individually.
const SYNCED_ALONE_BYTES: u64 = 16 << 20;

/// Minimum size that is counted for a smaller blob.
const COUNTED_BYTES: u64 = 8 << 10;

/// Name of the artifact in release and lock.
const REFERENCE: &str = "landfall.internal/weights/large";

/// A mounted filesystem that compresses; unmounted when dropped.
pub(crate) struct Volume {
    folder: PathBuf,
}

impl Volume {
    /// Creates a new one, and mounts it.
    pub(crate) fn mount() -> Result<Self> {
        setup::ensure_packages(landfall_launcher::packages::COMPRESSING)?;
        let base = workspace::target_folder().join("large");
        let volume = Self { folder: base.join("volume") };
        volume.unmount();
        std::fs::create_dir_all(&volume.folder).context("cannot create the mount point")?;
        let image = base.join("volume.img");
        File::create(&image)?.set_len(VOLUME_BYTES)?;
        workspace::run(Command::new("mkfs.btrfs").args(["--quiet", "--force"]).arg(&image))?;
        let options = "loop,compress-force=zstd:1,noatime";
        workspace::run(Command::new("mount").args(["--options", options]).arg(&image).arg(&volume.folder))?;
        Ok(volume)
    }

    /// Returns a path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns the folder that is the stick, with the starter release and, in a subfolder, the large one.
    pub(crate) fn stick(&self) -> PathBuf {
        self.path("stick")
    }

    /// Compresses a folder that was written with direct I/O, which leaves files uncompressed, and releases the space.
    fn compress(&self, folder: &Path) -> Result<()> {
        let compress = ["filesystem", "defragment", "-r", "-czstd", "-f"];
        workspace::run(Command::new("btrfs").args(compress).arg(folder).stdout(Stdio::null()))?;
        self.give_back()
    }

    /// Releases the space of removed or compressed files.
    fn give_back(&self) -> Result<()> {
        workspace::run(Command::new("sync").arg("--file-system").arg(&self.folder))?;
        workspace::run(Command::new("fstrim").arg(&self.folder))
    }

    fn unmount(&self) {
        let mut command = Command::new("umount");
        // It may not be mounted after a successful run.
        let _ = command.args(["--lazy", "--quiet"]).arg(&self.folder).stderr(Stdio::null()).status();
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        self.unmount();
        let _ = std::fs::remove_file(self.folder.with_extension("img"));
    }
}

/// Properties of the release, known to the vendor.
pub(crate) struct LargeRelease {
    /// Fingerprint of its root.
    pub(crate) fingerprint: String,
    /// Size in bytes of its blobs that share syncs with others.
    pub(crate) small_bytes: u64,
}

/// Builds the release into the folder `large` of the stick, next to the starter release. Fails if a build prints
/// nothing for too long, with its output to a pipe or as JSON.
pub(crate) fn build(volume: &Volume) -> Result<LargeRelease> {
    let stick = volume.stick();
    workspace::run(Command::new("cp").arg("--recursive").arg(&fixture()?.stick).arg(&stick))?;
    let names = write_weights(&volume.path("weights"))?;
    let server = FileServer::start(&volume.path("weights"))?;
    let release = volume.path("release.yaml");
    write(&volume.path("images.lock"), &lock_with(&names)?)?;
    write(&release, &release_text()?)?;

    let vendor = Vendor::with_store(&volume.path("vendor"), &volume.path("store"))?;
    let mirrors = std::fs::read_to_string(vendor.registries_file())?;
    let own = format!("{mirrors}  - {{host: weights.example, endpoint: '{}'}}\n", server.endpoint);
    write(&vendor.registries_file(), &own)?;
    let text = |path: PathBuf| path.display().to_string();
    let (lock, store) = (text(volume.path("images.lock")), text(vendor.store().to_owned()));
    let (registries, kubectl) = (text(vendor.registries_file()), text(vendor.binaries().join("kubectl")));
    let (release, resolved) = (text(release), text(vendor.lock_file()));
    let lock = ["lock", &release, "--lock", &lock, "--registries", &registries, "--output", &resolved];
    let lock = [&lock[..], &["--store", &store, "--kubectl", &kubectl, "--json"]].concat();
    silence::longest("landfall lock", &mut vendor.command(&lock))?;
    let bundle = stick.join("large");
    let arguments = vendor.build_arguments(Path::new(&release), &bundle, &[]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    silence::expect_none("landfall build --json", vendor.command(&arguments).arg("--json"))?;
    std::fs::remove_dir_all(&bundle).context("cannot remove the bundle")?;
    volume.give_back()?;
    silence::expect_none("landfall build in a pipe", &mut vendor.command(&arguments))?;
    volume.compress(&bundle)?;
    let inspection = vendor.report(&["inspect", &text(bundle)])?;
    Ok(LargeRelease { fingerprint: vendor.fingerprint()?, small_bytes: small_bytes(&inspection)? })
}

/// Returns the size in bytes of a bundle's blobs that share syncs with others, each blob once.
fn small_bytes(inspection: &Value) -> Result<u64> {
    let blobs = inspection["blobs"].as_array().context("the bundle lists no blobs")?;
    let sizes: BTreeMap<&str, u64> =
        blobs.iter().filter_map(|blob| Some((blob["digest"].as_str()?, blob["size"].as_u64()?))).collect();
    ensure!(!sizes.is_empty() && sizes.len() <= blobs.len(), "blobs have no digests or sizes: {}", inspection["blobs"]);
    Ok(sizes.into_values().filter(|size| *size < SYNCED_ALONE_BYTES).map(|size| size.max(COUNTED_BYTES)).sum())
}

/// Writes files that differ in their first bytes and are zeros otherwise. Returns their names.
fn write_weights(folder: &Path) -> Result<Vec<String>> {
    std::fs::create_dir_all(folder)?;
    let mut names = Vec::new();
    for (kind, (count, bytes)) in [("large", LARGE), ("small", SMALL)] {
        for number in 0..count {
            let name = format!("{kind}-{number:04}.bin");
            let mut file = File::create(folder.join(&name))?;
            file.write_all(name.as_bytes())?;
            file.set_len(bytes)?;
            names.push(name);
        }
    }
    Ok(names)
}

/// Returns the lock of the starter release with the weights, still unresolved.
fn lock_with(names: &[String]) -> Result<String> {
    let lock = std::fs::read_to_string(workspace::root().join("tests/images/assembled.lock"))?;
    let file = |name: &String| {
        format!(
            "      - {{url: 'https://weights.example/{name}', digest: unresolved, size: unresolved, path: {name}}}\n"
        )
    };
    let files: String = names.iter().map(file).collect();
    let lock = lock.trim_end();
    Ok(format!("{lock}\n  - reference: {REFERENCE}:1\n    license: Apache-2.0\n    files:\n{files}"))
}

/// Returns the starter release under another name, with the weights.
fn release_text() -> Result<String> {
    let root = workspace::root();
    let starter = std::fs::read_to_string(root.join("releases/starter/release.yaml"))?;
    let large =
        starter.replace("../../", &format!("{}/", root.display())).replace("name: starter\n", "name: large\n").replace(
            "\nartifacts:\n",
            &format!("\nartifacts:\n  - {{name: weights, kind: model, reference: {REFERENCE}}}\n"),
        );
    ensure!(large.matches("large").count() >= 2, "the starter release is formatted differently");
    Ok(large)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
