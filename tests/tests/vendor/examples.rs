//! The examples of this repository, locked and built by the program from the assembled parts. A reader's copy of them
//! works.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use landfall_test_support::package_server::PackageServer;
use landfall_xtask::images::registry_tree::Reference;
use landfall_xtask::registry::Registry;
use landfall_xtask::{builds, images, workspace};
use serde_json::Value;

use super::outcome::Outcome;
use super::starter::{Starter, starter};
use super::wheel_index::put_wheel;

fn example(name: &str) -> PathBuf {
    workspace::root().join("docs/examples").join(name)
}

fn assembled_lock_path() -> PathBuf {
    workspace::root().join("tests/images/assembled.lock")
}

/// Locks an example from this lock and builds it. Returns the report of `inspect` about the bundle.
fn build_example(starter: &Starter, name: &str, lock: &Path, mirrors: &str) -> Result<Value> {
    let helm = images::ensure_helm()?;
    let folder = starter.scratch()?;
    let vendor = starter.vendor(folder.path(), starter.registry()?)?;
    let (example, stick) = (example(name), folder.path().join("stick"));
    let registries = std::fs::read_to_string(vendor.registries_file())? + mirrors;
    std::fs::write(vendor.registries_file(), registries)?;
    // The lock names files relative to itself.
    if example.join("requirements.txt").exists() {
        std::fs::copy(example.join("requirements.txt"), folder.path().join("requirements.txt"))?;
    }
    let mut command = starter.landfall_lock();
    command.arg(&example).arg("--lock").arg(lock).arg("--registries").arg(vendor.registries_file());
    command.arg("--store").arg(vendor.store()).arg("--helm").arg(&helm).arg("--output").arg(vendor.lock_file());
    Outcome::success(&mut command)?;
    let gpu_program = builds::landfall_gpu()?;
    let [helm, gpu_program] = [&helm, &gpu_program].map(|path| path.display().to_string());
    let programs = ["--json", "--helm", &helm, "--gpu-program", &gpu_program];
    let arguments = vendor.build_arguments(&example, &stick, &programs);
    Outcome::success(&mut starter.command(&vendor, &arguments))?;
    Outcome::success(starter.landfall(&["inspect", "--json"]).arg(&stick))?.json()
}

/// Returns the names in a list of a release.
fn names(shown: &Value, list: &str) -> Result<Vec<String>> {
    let entries = shown["release"][list].as_array().with_context(|| format!("no {list}"))?;
    Ok(entries.iter().filter_map(|entry| entry["name"].as_str()).map(str::to_owned).collect())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn chart_and_model_examples_build() -> Result<()> {
    let starter = starter()?;
    for (name, own, proof) in [("charts", "greeter", "greeting"), ("models", "reader", "weights")] {
        let shown = build_example(starter, name, &assembled_lock_path(), "")?;
        assert_eq!(names(&shown, "components")?, ["network", "dns", own]);
        assert_eq!(names(&shown, "proofs")?, [proof]);
    }
    Ok(())
}

/// Returns the lock of assembled parts, with these entries added to its images and artifacts.
pub fn lock_with(images: &str, artifacts: &str) -> Result<String> {
    let lock = std::fs::read_to_string(assembled_lock_path())?;
    let (before, after) = lock.split_once("\nartifacts:\n").context("the lock has no artifacts")?;
    Ok(format!("{before}\n{images}\nartifacts:\n{artifacts}{after}"))
}

/// Returns a lock entry for an assembled part, with every field unresolved.
pub fn entry(part: &Reference, license: &str) -> String {
    let index = if part.image { "    index: none\n" } else { "" };
    let unresolved = ["digest", "mediaType", "size"].map(|field| format!("    {field}: unresolved\n")).concat();
    let Reference { reference, recipe, .. } = part;
    format!("  - reference: {reference}\n    recipe: {recipe}\n    license: {license}\n{index}{unresolved}")
}

#[test]
#[ignore = "needs cargo xtask test"]
fn gpu_example_builds() -> Result<()> {
    let (starter, parts) = (starter()?, images::ensure_gpu_example()?);
    let nvidia = Registry::start(&parts.root)?;
    let (mut of_images, mut of_artifacts) = (String::new(), String::new());
    let own = std::fs::read_to_string(example("gpu").join("images.lock"))?;
    for part in &parts.references {
        let (repository, _) = part.reference.rsplit_once(':').context("a reference has no tag")?;
        ensure!(own.contains(&format!("- reference: {repository}:")), "the example has no {repository}");
        let entries = if part.image { &mut of_images } else { &mut of_artifacts };
        entries.push_str(&entry(part, "Apache-2.0"));
    }
    let folder = starter.scratch()?;
    let lock = folder.path().join("images.lock");
    std::fs::write(&lock, lock_with(&of_images, &of_artifacts)?)?;
    let mirrors = ["nvcr.io", "example.internal"]
        .map(|host| format!("  - {{host: {host}, endpoint: 'http://{}/{host}', plainHttp: true}}\n", nvidia.address()));
    let shown = build_example(starter, "gpu", &lock, &mirrors.concat())?;
    assert_eq!(names(&shown, "components")?, ["network", "dns", "gpus", "gpu-metrics", "worker"]);
    assert_eq!(names(&shown, "proofs")?, ["cuda"]);
    let values = names(&shown, "values")?;
    let of_gpus: Vec<_> = values.iter().filter(|name| name.starts_with("gpu.")).collect();
    assert_eq!(of_gpus, ["gpu.migStrategy", "gpu.replicas"]);
    let pack = &shown["release"]["node_packs"][0];
    ensure!(pack.to_string().contains("gpu-tools"), "the node pack is {pack}");
    Ok(())
}

/// Starts an index with the wheels of the starter release, which satisfy the example's requirements.
fn index(starter: &Starter) -> Result<PackageServer> {
    let server = PackageServer::start()?;
    let inspection = starter.inspection()?;
    let artifacts = inspection["release"]["artifacts"].as_array().context("no artifacts")?;
    let wheels = artifacts.iter().find(|artifact| artifact["name"] == "wheels").context("no wheels")?;
    for file in wheels["files"].as_array().context("no files")? {
        let (path, digest) = (&file["path"], file["blob"]["digest"].as_str().context("no digest")?);
        let path = path.as_str().context("no path")?;
        let is_wheel = Path::new(path).extension().is_some_and(|extension| extension == "whl");
        if !is_wheel {
            continue;
        }
        let hex = digest.trim_start_matches("sha256:");
        let stored = starter.tree().join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
        let bytes = std::fs::read(&stored).with_context(|| format!("cannot read {}", stored.display()))?;
        ensure!(put_wheel(&server, path, bytes) == hex, "{} is not {path}", stored.display());
    }
    Ok(server)
}

#[test]
#[ignore = "needs cargo xtask test"]
fn package_example_builds() -> Result<()> {
    let starter = starter()?;
    let index = index(starter)?;
    let folder = starter.scratch()?;
    let own = std::fs::read_to_string(example("packages").join("images.lock"))?;
    let at = own.find("  - reference: example.internal/").context("the example has no package set")?;
    let lock = folder.path().join("images.lock");
    std::fs::write(&lock, std::fs::read_to_string(assembled_lock_path())? + &own[at..])?;
    std::fs::copy(example("packages").join("requirements.txt"), folder.path().join("requirements.txt"))?;
    let mirror = format!("  - {{host: packages.example.com, endpoint: '{}'}}\n", index.endpoint());
    let shown = build_example(starter, "packages", &lock, &mirror)?;
    assert_eq!(names(&shown, "components")?, ["network", "dns", "packages", "calculator"]);
    let artifacts = shown["release"]["artifacts"].as_array().context("no artifacts")?;
    let wheels = artifacts.iter().find(|artifact| artifact["name"] == "wheels").context("no wheels")?;
    let paths: Vec<_> = wheels["files"].as_array().into_iter().flatten().filter_map(|it| it["path"].as_str()).collect();
    let has = |beginning: &str| paths.iter().any(|path| path.starts_with(beginning));
    ensure!(has("numpy-") && has("packaging-") && has("requirements.txt") && paths.len() == 3, "{paths:?}");
    Ok(())
}
