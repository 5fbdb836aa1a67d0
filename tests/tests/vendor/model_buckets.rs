//! The starter's model from a bucket of a real S3 server, through the program. It is locked by its list, read once, and
//! resumed with Range requests. The keys that sign requests appear in no written file.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_xtask::bucket_server::{ACCESS_KEY, BucketServer, SECRET};
use landfall_xtask::vendor::Vendor;
use landfall_xtask::workspace;
use rusty_s3::{Credentials, S3Action as _, UrlStyle};

use super::models::{files_of_model, holds, model_entry, with_model};
use super::outcome::Outcome;
use super::starter::{Starter, release, starter};

const BUCKET: &str = "models";
const PREFIX: &str = "minilm/v 2";
const REGION: &str = "us-east-1";

/// A server with the model, and a vendor whose lock names it.
struct World {
    starter: &'static Starter,
    vendor: Vendor,
    server: BucketServer,
    /// Files of the model: path, digest, and location of the bytes.
    files: Vec<(String, String, PathBuf)>,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Result<Self> {
        let starter = starter()?;
        let folder = starter.scratch()?;
        std::fs::create_dir_all(folder.path().join("buckets").join(BUCKET))?;
        let server = BucketServer::start(&folder.path().join("buckets"), &folder.path().join("beside"), None)?;
        let vendor = starter.vendor(folder.path(), starter.registry()?)?;
        let files = files_of_model(starter, &starter.inspection()?)?;
        let world = Self { starter, vendor, server, files, folder };
        for (path, _, stored) in &world.files {
            world.put(path, stored)?;
        }
        world.put("onnx/model.onnx", &world.vendor.registries_file())?;
        std::fs::write(world.path("images.lock"), world.lock_text()?)?;
        Ok(world)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file into the bucket, below the prefix.
    fn put(&self, path: &str, file: &Path) -> Result<()> {
        let endpoint = reqwest::Url::parse(&self.server.endpoint())?;
        let bucket = rusty_s3::Bucket::new(endpoint, UrlStyle::Path, BUCKET, REGION).context("no bucket")?;
        let (keys, object) = (Credentials::new(ACCESS_KEY, SECRET), format!("{PREFIX}/{path}"));
        let address = bucket.put_object(Some(&keys), &object).sign(Duration::from_mins(5));
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--upload-file"]).arg(file);
        Outcome::success(curl.arg(address.as_str())).map(drop)
    }

    /// Returns the lock of assembled parts, with the model from the bucket.
    fn lock_text(&self) -> Result<String> {
        let lock = std::fs::read_to_string(workspace::root().join("tests/images/assembled.lock"))?;
        let reference = model_entry(&lock)?.lines().next().context("no reference")?;
        let entry = format!(
            "{reference}\n    license: Apache-2.0\n    s3:\n      endpoint: {}\n      bucket: {BUCKET}\n      \
             prefix: '{PREFIX}'\n      exclude: ['onnx/*']\n      pinned: unresolved\n",
            self.server.endpoint()
        );
        with_model(&lock, &entry)
    }

    /// Writes a registries file with this secret for the server, or without one.
    fn registries(&self, name: &str, secret: Option<&str>) -> Result<PathBuf> {
        let (endpoint, keys) = (self.server.endpoint(), format!("{name}.keys"));
        let host = endpoint.replace("http://", "");
        let mirrors = std::fs::read_to_string(self.vendor.registries_file())?;
        let mut text = format!("{mirrors}  - {{host: '{host}', endpoint: '{endpoint}'}}\n");
        if let Some(secret) = secret {
            text = format!("{text}buckets:\n  - {{host: '{host}', credentials: '{keys}', profile: models}}\n");
            let profile = format!("[models]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {secret}\n");
            std::fs::write(self.path(&keys), profile)?;
        }
        let path = self.path(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// Returns a `landfall lock` command for the release, with its own store.
    fn lock(&self, lock: &Path, registries: &Path) -> Command {
        let mut command = self.starter.landfall_lock();
        command.arg(release()).arg("--lock").arg(lock).arg("--registries").arg(registries);
        command.arg("--store").arg(self.path("lock-store"));
        for variable in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"] {
            command.env_remove(variable);
        }
        command
    }

    /// Checks the resolved lock with the keys in the environment.
    fn check(&self, registries: &Path) -> Result<Outcome> {
        let mut command = self.lock(&self.vendor.lock_file(), registries);
        command.arg("--check").env("AWS_ENDPOINT_URL_S3", self.server.endpoint());
        Outcome::of(command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET))
    }

    /// Stores the first half of the weights like an interrupted build. Returns their digest.
    fn interrupt(&self) -> Result<&str> {
        let weights = self.files.iter().find(|(path, ..)| path == "model.safetensors").context("no weights")?;
        let (_, digest, stored) = weights;
        let bytes = std::fs::read(stored)?;
        let partial = self.vendor.store().join("landfall/partial");
        std::fs::create_dir_all(&partial)?;
        std::fs::write(partial.join(digest.replace("sha256:", "")), &bytes[..bytes.len() / 2])?;
        Ok(digest)
    }
}

#[test]
#[ignore = "needs cargo xtask test"]
fn bucket_model_is_locked_and_built() -> Result<()> {
    let mut world = World::new()?;
    let (right, none) = (world.registries("right.yaml", Some(SECRET))?, world.registries("none.yaml", None)?);
    let wrong = world.registries("wrong.yaml", Some("another-secret"))?;
    let (written, resolved) = (world.path("images.lock"), world.vendor.lock_file());
    let listed = Outcome::success(world.lock(&written, &right).args(["--dry-run", "--json"]))?.json()?;
    let endpoint = world.server.endpoint();
    let list = format!("{endpoint}/models?encoding-type=url&list-type=2&prefix=minilm%2Fv%202%2F");
    ensure!(listed.to_string().contains(&list), "{list} is not in {listed}");

    for registries in [&none, &wrong] {
        let refused = Outcome::of(world.lock(&written, registries).arg("--output").arg(&resolved))?;
        assert_eq!((refused.code, refused.error()), (2, Some("LF2156")), "{}", refused.stderr);
        ensure!(!refused.stderr.contains("X-Amz-Signature"), "a signed address is shown: {}", refused.stderr);
    }
    Outcome::success(world.lock(&written, &right).arg("--output").arg(&resolved))?;
    let locked = std::fs::read_to_string(&resolved)?;
    for (path, digest, _) in &world.files {
        ensure!(locked.contains(&format!("- {{path: '{path}', etag: '")), "{path}:\n{locked}");
        ensure!(locked.contains(&format!(", digest: '{digest}', size: ")), "{digest}:\n{locked}");
    }
    ensure!(![SECRET, ACCESS_KEY, "model.onnx"].iter().any(|word| locked.contains(word)), "{locked}");
    let checked = world.check(&none)?;
    assert_eq!(checked.code, 0, "{}", checked.stderr);

    let digest = world.interrupt()?.to_owned();
    let mut arguments = world.vendor.build_arguments(&release(), &world.path("stick"), &["-vv"]);
    let registries = arguments.iter().position(|argument| argument == "--registries").context("no registries")?;
    arguments[registries + 1] = right.display().to_string();
    let mut build = world.starter.command(&world.vendor, &arguments);
    let outcome = Outcome::success(build.env("LANDFALL_LOG", "debug"))?;
    ensure!(outcome.stderr.contains(&format!("resuming {digest} at byte ")), "{}", outcome.stderr);
    ensure!(!outcome.stderr.contains(SECRET) && !outcome.stderr.contains("X-Amz-Signature"), "a secret is in the log");
    for entry in world.path("stick").read_dir()? {
        let entry = entry?.path();
        let is_small = entry.metadata()?.len() < 64 << 20;
        ensure!(!is_small || !holds(&entry, ACCESS_KEY)?, "the keys are in {}", entry.display());
    }

    // A replaced object is named, but not read.
    world.put("vocab.txt", &world.vendor.registries_file())?;
    let moved = world.check(&none)?;
    assert_eq!((moved.code, moved.error()), (4, Some("LF2019")), "{}", moved.stderr);
    ensure!(moved.stderr.contains("`vocab.txt` of ") && moved.stderr.contains("with the ETag"), "{}", moved.stderr);

    // Content in the store is not requested.
    world.server.kill()?;
    let again = world.vendor.build_arguments(&release(), &world.path("again"), &[]);
    Outcome::success(&mut world.starter.command(&world.vendor, &again))?;
    Ok(())
}
