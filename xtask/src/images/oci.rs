//! Manifests of images and artifacts, and everything that they reference.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::layer::{Layer, put};
use super::{CREATED, Workshop};
use crate::cache::Key;

/// Media type of every manifest written here.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Location of a blob's bytes.
#[derive(Clone, Debug)]
pub enum Bytes {
    /// In memory.
    Text(Vec<u8>),
    /// In a file of the cache.
    File(PathBuf),
}

/// A blob, with its description in a manifest.
#[derive(Clone, Debug)]
pub struct Blob {
    /// Bytes of the blob.
    pub bytes: Bytes,
    /// SHA-256, with the prefix `sha256:`.
    pub digest: String,
    /// Size in bytes.
    pub size: u64,
    /// Media type in the manifest.
    pub media_type: String,
    /// Annotations in the manifest.
    pub annotations: Vec<(String, String)>,
}

impl Blob {
    /// Creates a blob in memory.
    pub fn text(media_type: &str, bytes: Vec<u8>) -> Self {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
        let size = bytes.len() as u64;
        Self { bytes: Bytes::Text(bytes), digest, size, media_type: media_type.to_owned(), annotations: Vec::new() }
    }

    /// Creates a blob from a file of a cache entry. The file is hashed only once, because entries never change.
    pub fn file(workshop: &Workshop, media_type: &str, path: &Path) -> Result<Self> {
        let name = path.strip_prefix(workshop.cache().root()).unwrap_or(path).to_string_lossy();
        let key = Key::new().with("path", name.as_bytes());
        let folder = workshop.cache().entry("digest", &key, |folder| {
            let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
            let mut hash = Sha256::new();
            let size =
                std::io::copy(&mut file, &mut hash).with_context(|| format!("cannot read {}", path.display()))?;
            put(&folder.join("digest"), format!("{size} sha256:{}", hex::encode(hash.finalize())).as_bytes())
        })?;
        let text = std::fs::read_to_string(folder.join("digest")).context("cannot read a digest of the cache")?;
        let (size, digest) = text.split_once(' ').context("a digest of the cache is malformed")?;
        let size = size.parse().context("a digest of the cache has no size")?;
        let bytes = Bytes::File(path.to_path_buf());
        Ok(Self { bytes, digest: digest.to_owned(), size, media_type: media_type.to_owned(), annotations: Vec::new() })
    }

    /// Adds an annotation.
    #[must_use]
    pub fn with_annotation(mut self, name: &str, value: &str) -> Self {
        self.annotations.push((name.to_owned(), value.to_owned()));
        self
    }

    fn descriptor(&self) -> Value {
        let mut descriptor = json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.size });
        if !self.annotations.is_empty() {
            let pairs = self.annotations.iter().map(|(name, value)| (name.clone(), json!(value)));
            descriptor["annotations"] = Value::Object(pairs.collect());
        }
        descriptor
    }
}

/// Runtime configuration of an image.
#[derive(Default)]
pub struct Settings {
    /// Numeric user and group, so that Kubernetes can check that it is not root; empty for root.
    pub user: &'static str,
    /// Program and first arguments.
    pub entrypoint: &'static [&'static str],
    /// Arguments that a pod replaces.
    pub command: &'static [&'static str],
    /// Environment as NAME=value, in addition to PATH.
    pub environment: &'static [&'static str],
    /// Folders to search for programs; the default ones if empty.
    pub path: &'static str,
    /// Working folder; the root if empty.
    pub folder: &'static str,
    /// Signal that ends it; SIGTERM if empty.
    pub stop_signal: &'static str,
}

/// An image or artifact, ready to be stored under its reference.
#[derive(Clone, Debug)]
pub struct PublishedContent {
    /// Upstream's host, repository and tag.
    pub reference: String,
    /// Name of its recipe.
    pub recipe: &'static str,
    /// True for an image, false for an artifact.
    pub image: bool,
    /// The manifest.
    pub manifest: Blob,
    /// Blobs of the configuration and the layers.
    pub blobs: Vec<Blob>,
}

/// Default folders of programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Returns an image of the given layers, the lowest first.
pub fn image(recipe: &'static str, reference: String, layers: &[Layer], settings: &Settings) -> PublishedContent {
    let path = if settings.path.is_empty() { PATH } else { settings.path };
    let mut environment = vec![format!("PATH={path}")];
    environment.extend(settings.environment.iter().map(ToString::to_string));
    let mut config =
        json!({ "Env": environment, "WorkingDir": if settings.folder.is_empty() { "/" } else { settings.folder } });
    for (name, value) in [("Entrypoint", settings.entrypoint), ("Cmd", settings.command)] {
        if !value.is_empty() {
            config[name] = json!(value);
        }
    }
    for (name, value) in [("User", settings.user), ("StopSignal", settings.stop_signal)] {
        if !value.is_empty() {
            config[name] = json!(value);
        }
    }
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let configuration = json!({
        "architecture": "amd64",
        "os": "linux",
        "created": CREATED,
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let configuration = Blob::text("application/vnd.oci.image.config.v1+json", configuration.to_string().into_bytes());
    let layers = layers.iter().map(|layer| Blob {
        bytes: Bytes::File(layer.path.clone()),
        digest: layer.digest.clone(),
        size: layer.size,
        media_type: layer.compression.media_type().to_owned(),
        annotations: Vec::new(),
    });
    publish(recipe, reference, None, configuration, layers.collect())
}

/// Returns an artifact of the given type, with one layer per file.
pub fn artifact(
    recipe: &'static str,
    reference: String,
    kind: &str,
    configuration: Option<Blob>,
    layers: Vec<Blob>,
) -> PublishedContent {
    let empty = || Blob::text("application/vnd.oci.empty.v1+json", b"{}".to_vec());
    publish(recipe, reference, Some(kind), configuration.unwrap_or_else(empty), layers)
}

fn publish(
    recipe: &'static str,
    reference: String,
    kind: Option<&str>,
    configuration: Blob,
    layers: Vec<Blob>,
) -> PublishedContent {
    let version = reference.rsplit_once(':').map_or("", |(_, tag)| tag);
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": configuration.descriptor(),
        "layers": layers.iter().map(Blob::descriptor).collect::<Vec<_>>(),
        "annotations": {
            "org.opencontainers.image.created": CREATED,
            "org.opencontainers.image.version": version,
            // This shows everywhere that it is not upstream's own image.
            "dev.landfall.assembled": "true",
        },
    });
    if let Some(kind) = kind {
        manifest["artifactType"] = json!(kind);
    }
    let mut blobs = vec![configuration];
    blobs.extend(layers);
    let manifest = Blob::text(MANIFEST, manifest.to_string().into_bytes());
    PublishedContent { reference, recipe, image: kind.is_none(), manifest, blobs }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_manifest(published: &PublishedContent) -> Value {
        let Bytes::Text(text) = &published.manifest.bytes else { panic!("a manifest is in memory") };
        serde_json::from_slice(text).unwrap()
    }

    #[test]
    fn artifact_keeps_type_and_annotations() {
        let layer =
            Blob::text("application/x", b"bytes".to_vec()).with_annotation("org.opencontainers.image.title", "file");
        let published = artifact("recipe", "host.example/files:v1".into(), "application/kind", None, vec![layer]);
        let manifest = parse_manifest(&published);
        assert_eq!(manifest["artifactType"], "application/kind");
        assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
        assert_eq!(manifest["layers"][0]["annotations"]["org.opencontainers.image.title"], "file");
        assert_eq!(manifest["annotations"]["org.opencontainers.image.version"], "v1");
        assert_eq!(published.blobs.len(), 2);
    }

    #[test]
    fn image_has_no_artifact_type() {
        let published = image("recipe", "host.example/image:v1".into(), &[], &Settings::default());
        assert!(parse_manifest(&published).get("artifactType").is_none() && published.image);
    }
}
