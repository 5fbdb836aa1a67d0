//! The starter's model from a gated repository on a hub, through the program. It is locked by its branch, and
//! downloaded by its commit, with a broken connection in between.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use landfall_test_support::hub_server::{Fault, Hub};
use landfall_xtask::workspace;
use serde_json::{Value, json};

use super::outcome::Outcome;
use super::starter::{Starter, release, starter};

const REPOSITORY: &str = "sentence-transformers/all-MiniLM-L6-v2";
/// Commit in the checked-in lock.
const COMMIT: &str = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41";
/// Token that gives access to the repository.
pub const TOKEN: &str = "hf_tokenOfTheTests";

/// Returns the model's files in the bundle.
pub fn files_of_model(starter: &Starter, inspection: &Value) -> Result<Vec<(String, String, PathBuf)>> {
    files_of(starter, inspection, "minilm")
}

/// Returns the files of an artifact in the bundle: path, digest, and location of the bytes in the parts' registry.
pub fn files_of(starter: &Starter, inspection: &Value, name: &str) -> Result<Vec<(String, String, PathBuf)>> {
    let artifacts = inspection["release"]["artifacts"].as_array().context("no artifacts")?;
    let artifact = artifacts.iter().find(|artifact| artifact["name"] == name).context("no such artifact")?;
    let files = artifact["files"].as_array().context("no files")?.iter().map(|file| {
        let (path, digest) = (file["path"].as_str()?, file["blob"]["digest"].as_str()?);
        let hex = digest.strip_prefix("sha256:")?;
        let stored = format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
        Some((path.to_owned(), digest.to_owned(), starter.tree().join(stored)))
    });
    files.collect::<Option<_>>().context("a file has no digest")
}

/// Returns paths and digests of files, sorted by path.
pub fn names(files: &[(String, String, PathBuf)]) -> Vec<(String, String)> {
    let mut names: Vec<_> = files.iter().map(|(path, digest, _)| (path.clone(), digest.clone())).collect();
    names.sort();
    names
}

/// Starts a hub with the model under its public name, and a file that no entry uses.
fn public_hub(files: &[(String, String, PathBuf)]) -> Result<Hub> {
    let hub = Hub::start()?;
    let mut content = Vec::new();
    for (path, _, stored) in files {
        let bytes = std::fs::read(stored).with_context(|| format!("cannot read {}", stored.display()))?;
        let is_large = Path::new(path).extension().is_some_and(|extension| extension == "safetensors");
        content.push((path.as_str(), bytes, is_large));
    }
    content.push(("pytorch_model.bin", b"pickled".to_vec(), true));
    let content: Vec<_> = content.iter().map(|(path, bytes, large)| (*path, bytes.as_slice(), *large)).collect();
    hub.push(REPOSITORY, COMMIT, &content);
    Ok(hub)
}

/// Like [`public_hub`], but accessible only with the token.
pub fn gated_hub(files: &[(String, String, PathBuf)]) -> Result<Hub> {
    let hub = public_hub(files)?;
    let mut state = hub.state();
    state.token = Some(TOKEN.to_owned());
    if let Some(repository) = state.repositories.get_mut(REPOSITORY) {
        repository.card = json!({ "license": "apache-2.0", "language": "en" });
    }
    drop(state);
    Ok(hub)
}

/// Returns the lock of assembled parts, with the model from its hub as in the checked-in lock. The entry names its
/// branch, and its license comes from the model card.
fn lock() -> Result<String> {
    let read = |path: &str| std::fs::read_to_string(workspace::root().join(path)).context("a lock is missing");
    let (assembled, upstream) = (read("tests/images/assembled.lock")?, read("images.lock")?);
    let hub = without_digests(model_entry(&upstream)?).replace("    license: Apache-2.0\n", "");
    let hub = hub.replace(&format!("revision: {COMMIT}"), "revision: main");
    with_model(&assembled, &hub)
}

/// Returns the entry of the model in the text of a lock.
pub fn model_entry(lock: &str) -> Result<&str> {
    let from = lock.find("  - reference: huggingface.co/").context("no model")?;
    let to = lock[from + 1..].find("\n  - reference: ").map_or(lock.len(), |at| from + 1 + at + 1);
    Ok(&lock[from..to])
}

/// Returns the text of a lock without externally known digests of the model's files, which no stand-in has.
pub fn without_digests(lock: &str) -> String {
    let is_other =
        |line: &&str| !line.starts_with("      digests:") && !line.starts_with("        model.safetensors: ");
    lock.split_inclusive('\n').filter(is_other).collect()
}

/// Returns the text of a lock with this entry in place of the model's.
pub fn with_model(lock: &str, entry: &str) -> Result<String> {
    Ok(lock.replacen(model_entry(lock)?, entry, 1))
}

/// Returns true if a file contains these bytes.
pub fn holds(path: &Path, wanted: &str) -> Result<bool> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes.windows(wanted.len()).any(|window| window == wanted.as_bytes()))
}

#[test]
#[ignore = "needs cargo xtask test"]
fn gated_model_is_locked_and_built() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let path = |name: &str| folder.path().join(name);
    let files = files_of_model(starter, &starter.inspection()?)?;
    let hub = gated_hub(&files)?;
    let vendor = starter.vendor(folder.path(), starter.registry()?)?;
    let mirrors = std::fs::read_to_string(vendor.registries_file())?;
    let mirror = format!("{mirrors}  - {{host: huggingface.co, endpoint: '{}'}}\n", hub.endpoint());
    std::fs::write(vendor.registries_file(), mirror)?;
    std::fs::write(path("images.lock"), lock()?)?;
    std::fs::create_dir(path("docker"))?;
    let host = hub.endpoint().replace("http://", "");
    let credentials = json!({ "auths": { host: { "username": "token", "password": TOKEN } } });
    std::fs::write(path("docker/config.json"), credentials.to_string())?;

    let mut lock = starter.landfall_lock();
    lock.arg(release()).arg("--lock").arg(path("images.lock")).arg("--registries").arg(vendor.registries_file());
    lock.arg("--output").arg(vendor.lock_file()).arg("--store").arg(vendor.store());
    let refused = Outcome::of(&mut lock)?;
    assert_eq!((refused.code, refused.error()), (2, Some("LF2112")), "{}", refused.stderr);
    Outcome::success(lock.env("DOCKER_CONFIG", path("docker")).arg("-vv"))?;
    let locked = std::fs::read_to_string(vendor.lock_file())?;
    for (path, digest, _) in &files {
        assert!(locked.contains(&format!("- {{path: '{path}', digest: '{digest}', size: ")), "{path}:\n{locked}");
    }
    assert!(locked.contains(&format!("commit: '{COMMIT}'")) && !locked.contains("pytorch_model.bin"), "{locked}");

    hub.state().faults.extend([Fault::DropAfter(40 << 20)]);
    let arguments = vendor.build_arguments(&release(), &path("stick"), &["--json", "-vv"]);
    let mut command = starter.command(&vendor, &arguments);
    command.env("DOCKER_CONFIG", path("docker")).env("LANDFALL_LOG", "debug").stdin(Stdio::null());
    let built = Outcome::success(&mut command)?;
    ensure!(!built.stderr.contains(TOKEN) && !locked.contains(TOKEN), "the token is in the log or in the lock");
    assert!(built.stderr.contains("at byte ") && built.stderr.contains("by Range"), "{}", built.stderr);
    let seen = hub.requests();
    let elsewhere: Vec<_> = seen.iter().filter(|seen| seen.host == "localhost").collect();
    assert!(elsewhere.len() >= 2 && elsewhere.iter().all(|seen| seen.authorization.is_none()), "{elsewhere:?}");

    // The bundle has the same files as one from the registry, and describes them.
    let shown = Outcome::success(starter.landfall(&["inspect", "--json"]).arg(path("stick")))?.json()?;
    let found = files_of_model(starter, &shown)?;
    assert_eq!(names(&found), names(&files));
    for entry in path("stick").read_dir()? {
        let entry = entry?.path();
        let is_small = entry.metadata()?.len() < 64 << 20;
        assert!(!is_small || !holds(&entry, TOKEN)?, "the token is in {}", entry.display());
        let name = entry.to_string_lossy();
        if name.ends_with(".html") && !name.ends_with(".handbook.html") {
            assert!(holds(&entry, "<td>apache-2.0</td>")?, "the sheet has no license of the model");
        }
    }

    // Content in the store is not requested again, and needs no token.
    hub.forget();
    let mut again = starter.command(&vendor, &vendor.build_arguments(&release(), &path("again"), &[]));
    Outcome::success(again.stdin(Stdio::null()))?;
    assert_eq!(hub.requests(), []);
    let fit = Outcome::success(starter.landfall(&["models", "fit", "--json"]).arg(path("stick")))?.json()?;
    assert!(fit.to_string().contains("minilm"), "{fit}");
    let listed = Outcome::success(Command::new("ls").arg(path("again")))?;
    assert!(listed.text()?.contains(".landfall"), "{}", listed.text()?);
    Ok(())
}
