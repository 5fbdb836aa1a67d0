//! The starter's model as packed by `ModelPack`: archives as layers, one of them compressed, pushed to a real registry,
//! and unpacked by `build`. A model whose configuration contradicts them is refused.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_xtask::registry::Registry;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::hostile_upstreams::store_files;
use super::models::{files_of_model, names, with_model};
use super::outcome::Outcome;
use super::starter::{Starter, release, starter};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIGURATION: &str = "application/vnd.cncf.model.config.v1+json";
const REPOSITORY: &str = "sentence-transformers/all-minilm-l6-v2";

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn curl(arguments: &[&str]) -> Result<Outcome> {
    let mut curl = Command::new("curl");
    Outcome::success(curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*"]).args(arguments))
}

/// A registry that accepts pushes.
struct PushRegistry<'a> {
    registry: Registry,
    folder: &'a Path,
}

impl PushRegistry<'_> {
    fn address(&self, path: &str) -> String {
        format!("http://{}/v2/{REPOSITORY}/{path}", self.registry.address())
    }

    /// Pushes a blob. Returns its descriptor for a manifest.
    fn blob(&self, media_type: &str, bytes: &[u8]) -> Result<Value> {
        let file = self.folder.join("blob");
        std::fs::write(&file, bytes)?;
        let (file, begin) = (format!("@{}", file.display()), self.address("blobs/uploads/"));
        let answer = curl(&["--request", "POST", "--dump-header", "-", &begin])?;
        let location = answer.text()?.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
        });
        let location = location.context("the registry names no place for a blob")?;
        let (digest, and) = (digest(bytes), if location.contains('?') { '&' } else { '?' });
        let place = format!("{location}{and}digest={digest}");
        let octets = "Content-Type: application/octet-stream";
        curl(&["--request", "PUT", "--header", octets, "--data-binary", &file, &place])?;
        Ok(json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() }))
    }

    /// Pushes the manifest of a model.
    fn model(&self, tag: &str, configuration: &Value, layers: &[Value]) -> Result<()> {
        let configuration = self.blob(CONFIGURATION, configuration.to_string().as_bytes())?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.cncf.model.manifest.v1+json",
            "config": configuration, "layers": layers,
        });
        let (file, header) = (self.folder.join("manifest"), format!("Content-Type: {MANIFEST}"));
        std::fs::write(&file, manifest.to_string())?;
        let (file, place) = (format!("@{}", file.display()), self.address(&format!("manifests/{tag}")));
        curl(&["--request", "PUT", "--header", &header, "--data-binary", &file, &place]).map(drop)
    }
}

/// Creates an archive of these files of the model.
fn archive(folder: &Path, name: &str, files: &[&str]) -> Result<PathBuf> {
    let path = folder.join(name);
    let mut tar = Command::new("tar");
    tar.args(["--create", "--owner=0", "--group=0", "--file"]).arg(&path).arg("--directory").arg(folder.join("model"));
    Outcome::success(tar.args(files))?;
    Ok(path)
}

/// Returns the lock of assembled parts with this tag of the model.
fn lock(starter: &Starter, tag: &str) -> Result<String> {
    let text = std::fs::read_to_string(starter.lock_file())?;
    let entry = format!(
        "  - reference: huggingface.co/{REPOSITORY}:{tag}\n    license: Apache-2.0\n    digest: unresolved\n    \
         mediaType: unresolved\n    size: unresolved\n"
    );
    with_model(&text, &entry)
}

#[test]
#[ignore = "needs cargo xtask test"]
fn archived_model_is_unpacked_or_refused() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let path = |name: &str| folder.path().join(name);
    let files: Vec<(String, String, PathBuf)> = files_of_model(starter, &starter.inspection()?)?;
    for (name, _, stored) in &files {
        let to = path("model").join(name);
        std::fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
        std::fs::copy(stored, &to).with_context(|| format!("cannot copy {name}"))?;
    }
    let others: Vec<_> =
        files.iter().map(|(name, ..)| name.as_str()).filter(|name| *name != "model.safetensors").collect();
    let packed = archive(folder.path(), "weights.tar", &["model.safetensors"])?;
    let weights = std::fs::read(&packed)?;
    let weights_gzip = Outcome::success(Command::new("gzip").args(["--fast", "--stdout"]).arg(&packed))?.stdout;
    let rest = std::fs::read(archive(folder.path(), "rest.tar", &others)?)?;

    std::fs::create_dir(path("pushed"))?;
    let target = PushRegistry { registry: Registry::start_writable(&path("pushed"))?, folder: folder.path() };
    let layers = [
        target.blob("application/vnd.cncf.model.weight.v1.tar+gzip", &weights_gzip)?,
        target.blob("application/vnd.cncf.model.weight.config.v1.tar", &rest)?,
    ];
    let configuration = |diff_ids: [String; 2]| {
        json!({ "descriptor": { "name": "minilm" }, "config": {},
        "modelfs": { "type": "layers", "diffIds": diff_ids } })
    };
    target.model("true", &configuration([digest(&weights), digest(&rest)]), &layers)?;
    target.model("lying", &configuration([digest(&weights), digest(&weights)]), &layers)?;

    let vendor = starter.vendor(folder.path(), starter.registry()?)?;
    let mirrors = std::fs::read_to_string(vendor.registries_file())?;
    let mirror = format!("{mirrors}  - {{host: huggingface.co, endpoint: 'http://{}'}}\n", target.registry.address());
    std::fs::write(vendor.registries_file(), mirror)?;
    let build = |tag: &str| -> Result<Outcome> {
        std::fs::write(path("images.lock"), lock(starter, tag)?)?;
        let mut lock = starter.landfall_lock();
        lock.arg(release()).arg("--lock").arg(path("images.lock")).arg("--registries").arg(vendor.registries_file());
        Outcome::success(lock.arg("--output").arg(vendor.lock_file()).arg("--store").arg(vendor.store()))?;
        Outcome::of(&mut starter.command(&vendor, &vendor.build_arguments(&release(), &path("stick"), &[])))
    };
    let refused = build("lying")?;
    assert_eq!((refused.code, refused.error()), (2, Some("LF2157")), "{}", refused.stderr);
    // Neither the archives nor their contents are kept.
    let all = store_files(vendor.store())?;
    let has =
        |digest: &str| all.keys().any(|path| path.to_string_lossy().contains(digest.trim_start_matches("sha256:")));
    let of_model = files.iter().map(|(_, digest, _)| digest.clone());
    let kept: Vec<_> = of_model.chain([digest(&weights_gzip), digest(&rest)]).filter(|digest| has(digest)).collect();
    ensure!(kept.is_empty(), "kept from a refused model: {kept:?}");
    let whole = build("true")?;
    assert_eq!(whole.code, 0, "{}", whole.stderr);

    // The site gets the files of the plain model, under the same digests.
    let shown = Outcome::success(starter.landfall(&["inspect", "--json"]).arg(path("stick")))?.json()?;
    assert_eq!(names(&files_of_model(starter, &shown)?), names(&files));
    let blobs = shown["blobs"].as_array().context("no blobs")?;
    ensure!(!blobs.iter().any(|blob| blob["digest"] == json!(digest(&weights_gzip))), "the archive travels");
    let fit = Outcome::success(starter.landfall(&["models", "fit", "--json"]).arg(path("stick")))?.json()?;
    ensure!(fit.to_string().contains("minilm"), "{fit}");
    Ok(())
}
