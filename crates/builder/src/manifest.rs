//! Manifests, indexes and configurations from registries; parsed leniently, because other software writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use landfall_bundle_spec::Sha256;
use landfall_release_document::Descriptor;
use serde::{Deserialize, Deserializer};

/// Media type of an OCI manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Media type of an OCI index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

const INDEX_TYPES: [&str; 2] = [OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"];

/// Returns true if a media type is that of an index over platforms.
pub fn is_index(media_type: &str) -> bool {
    INDEX_TYPES.contains(&media_type)
}

/// Media types in the header `Accept`: manifests of one platform precede indexes.
pub(crate) const ACCEPTED: [&str; 4] =
    [OCI_MANIFEST, "application/vnd.docker.distribution.manifest.v2+json", INDEX_TYPES[0], INDEX_TYPES[1]];

/// Prefix of the media types of Docker's schema 1, signed or not.
pub(crate) const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+";

/// Media type of a manifest or an index, as the document itself states it.
///
/// An OCI document may omit it, and a schema 1 document has none: then its fields reveal the type.
pub(crate) fn media_type_of(bytes: &[u8]) -> serde_json::Result<String> {
    let document: serde_json::Value = serde_json::from_slice(bytes)?;
    if document.get("schemaVersion").and_then(serde_json::Value::as_u64) == Some(1) {
        let signed = if document.get("signatures").is_some() { "prettyjws" } else { "json" };
        return Ok(format!("{SCHEMA_1}{signed}"));
    }
    let implied = if document.get("manifests").is_some() { OCI_INDEX } else { OCI_MANIFEST };
    Ok(document.get("mediaType").and_then(serde_json::Value::as_str).unwrap_or(implied).to_owned())
}

/// Reads a list or a map; null counts as empty, because Go programs write empty ones that way.
fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A descriptor with its annotations.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OciDescriptor {
    /// OCI media type.
    pub media_type: String,
    /// Digest of the blob.
    pub digest: Sha256,
    /// Size in bytes.
    pub size: u64,
    /// Annotations of its writer.
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
    /// Platform, in an index.
    #[serde(default)]
    pub platform: Option<Platform>,
}

impl OciDescriptor {
    /// The stated platform, if any.
    fn stated_platform(&self) -> Option<&Platform> {
        self.platform.as_ref().filter(|platform| !platform.is_unstated())
    }

    /// The descriptor without annotations.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor { media_type: self.media_type.clone(), digest: self.digest, size: self.size }
    }
}

/// A platform of an index or a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// CPU architecture, such as `amd64`.
    #[serde(default, deserialize_with = "or_default")]
    pub architecture: String,
    /// Operating system, such as `linux`.
    #[serde(default, deserialize_with = "or_default")]
    pub os: String,
    /// Variant, such as `v3`, of an architecture that has several.
    #[serde(default, deserialize_with = "or_default")]
    pub variant: String,
}

impl Platform {
    /// Returns true if it states neither operating system nor architecture.
    pub fn is_unstated(&self) -> bool {
        self.os.is_empty() && self.architecture.is_empty()
    }
}

/// Writes all fields in the form that containerd compares: aliases of an architecture are replaced, and its baseline
/// has no variant.
impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (architecture, variant) = (self.architecture.to_ascii_lowercase(), self.variant.to_ascii_lowercase());
        let architecture = match architecture.as_str() {
            "x86_64" | "x86-64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        write!(formatter, "{}/{architecture}", self.os.to_ascii_lowercase())?;
        match (architecture, variant.as_str()) {
            (_, "") | ("amd64", "v1") | ("arm64", "v8" | "8" | "v8.0") => Ok(()),
            (_, variant) => write!(formatter, "/{variant}"),
        }
    }
}

/// A manifest of one platform, or of an artifact.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestDocument {
    /// Media type in the document, if it has one.
    #[serde(default)]
    pub media_type: Option<String>,
    /// The configuration.
    pub config: OciDescriptor,
    /// Layers, base first; or the files of an artifact.
    #[serde(deserialize_with = "or_default")]
    pub layers: Vec<OciDescriptor>,
    /// Annotations of its writer.
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
}

/// An index over platforms.
#[derive(Debug, Clone, Deserialize)]
pub struct IndexDocument {
    /// Manifests: one per platform, and attestations.
    #[serde(deserialize_with = "or_default")]
    pub manifests: Vec<OciDescriptor>,
}

impl IndexDocument {
    /// The first manifest with a stated platform such as `linux/amd64`, without variant: its baseline runs on all
    /// machines of the platform.
    pub fn for_platform(&self, wanted: &str) -> Option<&OciDescriptor> {
        self.manifests.iter().find(|entry| entry.stated_platform().is_some_and(|stated| stated.to_string() == wanted))
    }

    /// Manifests without a stated platform: their configurations state it.
    pub fn without_platform(&self) -> impl Iterator<Item = &OciDescriptor> {
        let is_manifest = |entry: &&OciDescriptor| ACCEPTED[..2].contains(&entry.media_type.as_str());
        self.manifests.iter().filter(|entry| entry.stated_platform().is_none()).filter(is_manifest)
    }

    /// The stated platforms, unique and escaped for a terminal because they come from outside.
    pub fn platforms(&self) -> BTreeSet<String> {
        let stated = self.manifests.iter().filter_map(OciDescriptor::stated_platform);
        stated.map(|platform| platform.to_string().escape_default().to_string()).collect()
    }
}

/// The configuration of an image, as far as Landfall reads it.
#[derive(Debug, Clone, Deserialize)]
pub struct ImageConfiguration {
    /// Platform of the image.
    #[serde(flatten)]
    pub platform: Platform,
    /// Digests of the unpacked layers.
    pub rootfs: RootFs,
    /// Settings of the process.
    #[serde(default)]
    pub config: Option<RunConfiguration>,
}

/// Digests of the unpacked layers.
#[derive(Debug, Clone, Deserialize)]
pub struct RootFs {
    /// SHA-256 of each unpacked layer, base first.
    pub diff_ids: Vec<Sha256>,
}

/// Settings of an image's process, as far as Landfall reads them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunConfiguration {
    /// Environment variables, each as `NAME=value`.
    #[serde(default)]
    pub env: Option<Vec<String>>,
    /// Labels of its maker.
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_counts_as_empty() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let config =
            format!(r#"{{"mediaType": "a", "digest": "{digest}", "size": 1, "annotations": null, "platform": null}}"#);
        let text = format!(r#"{{"config": {config}, "layers": null, "annotations": null}}"#);
        let manifest: ManifestDocument = serde_json::from_str(&text).expect("manifest");
        assert!(
            manifest.annotations.is_empty() && manifest.layers.is_empty() && manifest.config.annotations.is_empty()
        );
        assert!(serde_json::from_str::<IndexDocument>(r#"{"manifests": null}"#).expect("index").manifests.is_empty());
        let refused = serde_json::from_str::<IndexDocument>("{}").expect_err("not stated").to_string();
        assert!(refused.starts_with("missing field `manifests`"), "{refused}");
    }
    #[test]
    fn platforms_normalize_to_key() {
        let normal = |os: &str, architecture: &str, variant: &str| {
            let platform = serde_json::json!({ "os": os, "architecture": architecture, "variant": variant });
            serde_json::from_value::<Platform>(platform).expect("platform").to_string()
        };
        for (stated, expected) in [
            (("linux", "amd64", ""), "linux/amd64"),
            (("linux", "amd64", "v1"), "linux/amd64"),
            (("linux", "amd64", "v3"), "linux/amd64/v3"),
            (("Linux", "x86_64", ""), "linux/amd64"),
            (("linux", "arm64", "v8"), "linux/arm64"),
            (("linux", "aarch64", "v9"), "linux/arm64/v9"),
            (("linux", "arm", "v8"), "linux/arm/v8"),
        ] {
            assert_eq!(normal(stated.0, stated.1, stated.2), expected);
        }
    }

    #[test]
    fn baseline_platform_is_chosen() {
        let entry = |number: u8, platform: serde_json::Value| {
            let digest = landfall_bundle_spec::Sha256([number; 32]);
            serde_json::json!({ "mediaType": OCI_MANIFEST, "digest": digest, "size": 1, "platform": platform })
        };
        let amd64 = |variant: &str| serde_json::json!({ "os": "linux", "architecture": "amd64", "variant": variant });
        let entries =
            [entry(3, amd64("v3")), entry(2, serde_json::json!({})), entry(1, amd64("")), entry(4, amd64("v1"))];
        let index = |entries: &[serde_json::Value]| -> IndexDocument {
            serde_json::from_value(serde_json::json!({ "manifests": entries })).expect("index")
        };
        let all = index(&entries);
        assert_eq!(all.for_platform("linux/amd64").expect("baseline").digest, landfall_bundle_spec::Sha256([1; 32]));
        assert_eq!(all.without_platform().count(), 1);
        let above = index(&entries[..1]);
        assert!(above.for_platform("linux/amd64").is_none(), "no machine below v3 runs it");
        assert_eq!(Vec::from_iter(above.platforms()), ["linux/amd64/v3"]);
    }
}
