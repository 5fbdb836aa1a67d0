//! Foreign layers, which a manifest names but which its registry need not hold. Their bytes would come from a URL in
//! the manifest, and their license often forbids redistribution, so no bundle could carry them.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use serde::Deserialize;

use crate::error::{BuildError, Result};
use crate::reference::Reference;

/// Parts of the OCI and Docker media types of layers that must not be distributed.
const FOREIGN_TYPES: [&str; 2] = [".layer.nondistributable.", ".rootfs.foreign."];

/// Maximum length in characters of a URL in messages, because it comes from outside.
const ADDRESS_LETTERS: usize = 200;

/// The part of a manifest that describes its layers. An index has none.
#[derive(Deserialize)]
struct Layers {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: Sha256,
    #[serde(default)]
    urls: Option<Vec<String>>,
}

impl Layer {
    /// Reason why the layer is foreign; `None` if it is not.
    fn reason(&self) -> Option<String> {
        if let Some(address) = self.urls.as_ref().and_then(|urls| urls.first()) {
            let shown: String = address.chars().take(ADDRESS_LETTERS).flat_map(char::escape_default).collect();
            return Some(format!("its bytes are at {shown}"));
        }
        let is_foreign = FOREIGN_TYPES.iter().any(|piece| self.media_type.contains(piece));
        is_foreign.then(|| format!("it is of the type {}", self.media_type.escape_default()))
    }
}

/// Returns an error for the first foreign layer of a manifest. Other documents are checked elsewhere.
pub(crate) fn refuse(reference: &Reference, manifest: &[u8]) -> Result<()> {
    let Ok(Layers { layers }) = serde_json::from_slice(manifest) else { return Ok(()) };
    let foreign = layers.iter().find_map(|layer| layer.reason().map(|reason| (layer.digest, reason)));
    let Some((digest, reason)) = foreign else { return Ok(()) };
    let what = format!("{reference} has the foreign layer {digest}: {reason}");
    Err(BuildError::new(codes::FOREIGN_LAYER, what))
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;

    use super::*;

    const TAR: &str = "application/vnd.oci.image.layer.v1.tar";

    fn check_layer(layer: &serde_json::Value) -> Result<()> {
        let own = serde_json::json!({ "mediaType": TAR, "digest": Sha256([1; 32]), "size": 1 });
        let manifest = serde_json::json!({ "schemaVersion": 2, "layers": [own, layer] });
        refuse(&"ghcr.io/a/windows:1".parse().expect("reference"), manifest.to_string().as_bytes())
    }

    #[test]
    fn foreign_layers_are_refused() {
        let digest = Sha256([2; 32]);
        let of_type = |media_type: &str| serde_json::json!({ "mediaType": media_type, "digest": digest, "size": 1 });
        for media_type in [
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        ] {
            let refused = check_layer(&of_type(media_type)).expect_err(media_type);
            assert_eq!(refused.code().id, "LF2151");
            let said = refused.to_string();
            assert!(said.contains("ghcr.io/a/windows:1") && said.contains(&digest.to_string()), "{said}");
            assert!(said.contains(media_type), "{said}");
        }
        let mut elsewhere = of_type(TAR);
        elsewhere["urls"] = serde_json::json!(["https://layers.example/\u{1b}[31mbase"]);
        let said = check_layer(&elsewhere).expect_err("elsewhere").to_string();
        assert!(said.ends_with("its bytes are at https://layers.example/\\u{1b}[31mbase"), "{said}");
    }

    #[test]
    fn ordinary_layers_pass() {
        let mut layer = serde_json::json!({ "mediaType": TAR, "digest": Sha256([2; 32]), "size": 1 });
        check_layer(&layer).expect("plain");
        for none in [serde_json::json!([]), serde_json::Value::Null] {
            layer["urls"] = none;
            check_layer(&layer).expect("without an address");
        }
        let reference = "ghcr.io/a/b:1".parse().expect("reference");
        for other in [&b"{}"[..], b"{\"manifests\": []}", b"no JSON"] {
            refuse(&reference, other).expect("judged elsewhere");
        }
    }
}
