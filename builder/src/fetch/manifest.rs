//! Manifests, indexes and configurations as registries give them; lenient, since other software writes them.

use std::collections::BTreeMap;

use landfall_bundle_spec::Sha256;
use landfall_release_document::Descriptor;
use serde::{Deserialize, Deserializer};

/// The media type of a manifest of OCI.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The media type of an index of OCI.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

const INDEX_TYPES: [&str; 2] = [OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"];

/// Whether a media type is that of an index over platforms.
pub fn is_index(media_type: &str) -> bool {
    INDEX_TYPES.contains(&media_type)
}

/// Media types that are asked for, manifests of one platform before indexes.
pub(super) const ACCEPTED: [&str; 4] =
    [OCI_MANIFEST, "application/vnd.docker.distribution.manifest.v2+json", INDEX_TYPES[0], INDEX_TYPES[1]];

/// How the media types of Docker's schema 1 begin, with and without signatures.
pub(super) const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+";

/// The media type of a manifest or an index, as the document itself says. An OCI document may omit it, and one of schema 1 has none;
/// its fields then show what it is.
pub(super) fn media_type_of(bytes: &[u8]) -> serde_json::Result<String> {
    let document: serde_json::Value = serde_json::from_slice(bytes)?;
    if document.get("schemaVersion").and_then(serde_json::Value::as_u64) == Some(1) {
        let signed = if document.get("signatures").is_some() { "prettyjws" } else { "json" };
        return Ok(format!("{SCHEMA_1}{signed}"));
    }
    let implied = if document.get("manifests").is_some() { OCI_INDEX } else { OCI_MANIFEST };
    Ok(document.get("mediaType").and_then(serde_json::Value::as_str).unwrap_or(implied).to_owned())
}

/// A list or a map, empty where it is null: programs in Go write one so that has no element.
fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A descriptor with its annotations.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    /// OCI media type.
    pub media_type: String,
    /// Name of the blob.
    pub digest: Sha256,
    /// Bytes.
    pub size: u64,
    /// What its writer says about it.
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
    /// For which platform it is, in an index.
    #[serde(default)]
    pub platform: Option<Platform>,
}

impl Described {
    /// Without annotations.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor { media_type: self.media_type.clone(), digest: self.digest, size: self.size }
    }
}

/// A platform of an index.
#[derive(Debug, Clone, Deserialize)]
pub struct Platform {
    /// Such as `amd64`.
    pub architecture: String,
    /// Such as `linux`.
    pub os: String,
}

/// A manifest of one platform, or of an artifact.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestDocument {
    /// Its own media type, where it says so.
    #[serde(default)]
    pub media_type: Option<String>,
    /// The configuration.
    pub config: Described,
    /// Layers, base first; files of an artifact.
    #[serde(deserialize_with = "or_default")]
    pub layers: Vec<Described>,
    /// What its writer says about it.
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
}

/// An index over platforms.
#[derive(Debug, Clone, Deserialize)]
pub struct IndexDocument {
    /// One per platform, and attestations.
    #[serde(deserialize_with = "or_default")]
    pub manifests: Vec<Described>,
}

impl IndexDocument {
    /// The manifest of a platform such as `linux/amd64`.
    pub fn for_platform(&self, wanted: &str) -> Option<&Described> {
        self.manifests.iter().find(|entry| {
            entry
                .platform
                .as_ref()
                .is_some_and(|platform| format!("{}/{}", platform.os, platform.architecture) == wanted)
        })
    }
}

/// The configuration of an image, as far as Landfall reads it.
#[derive(Debug, Clone, Deserialize)]
pub struct ImageConfiguration {
    /// Such as `amd64`.
    pub architecture: String,
    /// Such as `linux`.
    pub os: String,
    /// What the layers unpack to.
    pub rootfs: RootFs,
    /// How it runs.
    #[serde(default)]
    pub config: Option<RunConfiguration>,
}

/// What the layers unpack to.
#[derive(Debug, Clone, Deserialize)]
pub struct RootFs {
    /// SHA-256 of each unpacked layer, base first.
    pub diff_ids: Vec<Sha256>,
}

/// How an image runs, as far as Landfall reads it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunConfiguration {
    /// Its environment, each variable as `NAME=value`.
    #[serde(default)]
    pub env: Option<Vec<String>>,
    /// What its maker says about it.
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_counts_as_empty() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let config =
            format!(r#"{{"mediaType": "a", "digest": "{digest}", "size": 1, "annotations": null, "platform": null}}"#);
        let text = format!(r#"{{"config": {config}, "layers": null, "annotations": null}}"#);
        let manifest: ManifestDocument = serde_json::from_str(&text).expect("manifest");
        assert!(
            manifest.annotations.is_empty() && manifest.layers.is_empty() && manifest.config.annotations.is_empty()
        );
        assert!(serde_json::from_str::<IndexDocument>(r#"{"manifests": null}"#).expect("index").manifests.is_empty());
        assert!(serde_json::from_str::<IndexDocument>("{}").is_err());
    }
}
