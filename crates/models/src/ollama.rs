//! Ollama's store of models: names, their manifests, and the blobs in a manifest.
//!
//! ```text
//! manifests/HOST/NAMESPACE/MODEL/TAG    the blobs of a model
//! blobs/sha256-DIGITS                   weights (GGUF), template, parameters, license
//! ```
//!
//! Threats: a manifest may name anything, and is read before anything is known about it. Its size is limited, its
//! digests must be valid, and its sizes must match those of the files. A path consists of digits, and of names with a
//! restricted set of characters.

use std::fmt;
use std::str::FromStr;

use landfall_bundle_spec::{Sha256, limits};
use serde::Deserialize;

/// Maximum size of a manifest in bytes. A typical one has a few hundred.
pub const MANIFEST_BYTES: u64 = 1 << 20;

/// Media types of layers that are GGUF files: weights, and files that are loaded with them.
const WEIGHTS: [&str; 3] = [
    "application/vnd.ollama.image.model",
    "application/vnd.ollama.image.projector",
    "application/vnd.ollama.image.adapter",
];

/// Media type of a layer with the text of a license.
const LICENSE: &str = "application/vnd.ollama.image.license";

/// The folder of manifests.
const MANIFESTS: &str = "manifests";

/// Defaults for the missing parts of a name.
const HOST: &str = "registry.ollama.ai";
const NAMESPACE: &str = "library";
const TAG: &str = "latest";

/// Maximum length in bytes of the host, and of each other part.
const HOST_BYTES: usize = 350;
const PART_BYTES: usize = 80;

/// Maximum number of layers of a model.
const LAYERS: usize = 256;

/// The name of a model, such as `llama3.2:1b` or `hf.co/team/model:Q4_K_M`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OllamaName {
    host: String,
    namespace: String,
    model: String,
    tag: String,
}

/// The text is not the name of a model.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the name of a model of Ollama, such as llama3.2:1b")]
pub struct OllamaNameError(String);

impl FromStr for OllamaName {
    type Err = OllamaNameError;

    /// Parses a name as Ollama does: the defaults are Ollama's own registry, its library, and `latest`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<_> = text.split('/').collect();
        let (host, namespace, model) = match parts.as_slice() {
            [model] => (HOST, NAMESPACE, *model),
            [namespace, model] => (HOST, *namespace, *model),
            [host, namespace, model] => (*host, *namespace, *model),
            _ => return Err(OllamaNameError(text.to_owned())),
        };
        let (model, tag) = model.split_once(':').unwrap_or((model, TAG));
        Self::of_parts([host, namespace, model, tag]).ok_or_else(|| OllamaNameError(text.to_owned()))
    }
}

impl fmt::Display for OllamaName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, namespace, model, tag } = self;
        if host != HOST {
            write!(formatter, "{host}/{namespace}/")?;
        } else if namespace != NAMESPACE {
            write!(formatter, "{namespace}/")?;
        }
        write!(formatter, "{model}:{tag}")
    }
}

impl OllamaName {
    fn of_parts([host, namespace, model, tag]: [&str; 4]) -> Option<Self> {
        let is_good = is_part(host, HOST_BYTES, ".:")
            && is_part(namespace, PART_BYTES, "")
            && is_part(model, PART_BYTES, ".")
            && is_part(tag, PART_BYTES, ".");
        let [host, namespace, model, tag] = [host, namespace, model, tag].map(str::to_owned);
        is_good.then_some(Self { host, namespace, model, tag })
    }

    /// Path of its manifest in a store.
    pub fn path(&self) -> String {
        let Self { host, namespace, model, tag } = self;
        format!("{MANIFESTS}/{host}/{namespace}/{model}/{tag}")
    }

    /// Returns the name whose manifest has this path; `None` for any other path.
    pub fn of_path(path: &str) -> Option<Self> {
        let parts: Vec<_> = path.split('/').collect();
        let [folder, host, namespace, model, tag] = parts.as_slice() else { return None };
        (*folder == MANIFESTS).then(|| Self::of_parts([host, namespace, model, tag])).flatten()
    }
}

/// Returns true if a text is a valid part of a name: it begins with a letter, a digit or `_`, and contains only these,
/// `-` and the characters of `more`.
fn is_part(text: &str, longest: usize, more: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_letter = |byte: u8| is_first(byte) || byte == b'-' || more.as_bytes().contains(&byte);
    text.len() <= longest && text.bytes().next().is_some_and(is_first) && text.bytes().all(is_letter)
}

/// A blob in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OllamaBlob {
    /// Media type of the blob.
    #[serde(rename = "mediaType")]
    pub media_type: String,
    /// SHA-256 of its bytes.
    pub digest: Sha256,
    /// Size in bytes.
    pub size: u64,
}

impl OllamaBlob {
    /// Path of the blob in a store.
    pub fn path(&self) -> String {
        format!("blobs/sha256-{}", self.digest.to_hex())
    }

    /// Returns true if the blob is a GGUF file.
    pub fn is_weights(&self) -> bool {
        WEIGHTS.contains(&self.media_type.as_str())
    }

    /// Returns true if the blob is the text of a license.
    pub fn is_license(&self) -> bool {
        self.media_type == LICENSE
    }
}

/// The blobs of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OllamaManifest {
    blobs: Vec<OllamaBlob>,
}

#[derive(Deserialize)]
struct EncodedManifest {
    #[serde(rename = "schemaVersion")]
    schema_version: u32,
    config: OllamaBlob,
    layers: Vec<OllamaBlob>,
}

impl OllamaManifest {
    /// Reads the manifest of a model.
    ///
    /// # Errors
    ///
    /// Returns a description of the fault, in words that follow the manifest's path.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() as u64 > MANIFEST_BYTES {
            return Err(format!("has more than {MANIFEST_BYTES} bytes"));
        }
        let written: EncodedManifest =
            serde_json::from_slice(bytes).map_err(|error| format!("is no manifest: {error}"))?;
        if written.schema_version != 2 {
            return Err(format!("is a manifest of schema {}, where Ollama has 2", written.schema_version));
        }
        if written.layers.len() > LAYERS {
            return Err(format!("has more than {LAYERS} layers"));
        }
        // The weights come first, the configuration last; two layers may be the same blob.
        let mut blobs: Vec<OllamaBlob> = Vec::with_capacity(written.layers.len() + 1);
        for blob in written.layers.into_iter().chain([written.config]) {
            if blob.size > limits::BLOB_BYTES {
                return Err(format!("names {} bytes for {}", blob.size, blob.digest));
            }
            match blobs.iter().find(|other| other.digest == blob.digest) {
                Some(other) if other.size != blob.size => return Err(format!("names two sizes of {}", blob.digest)),
                Some(_) => {}
                None => blobs.push(blob),
            }
        }
        Ok(Self { blobs })
    }

    /// The blobs, without duplicates.
    pub fn blobs(&self) -> &[OllamaBlob] {
        &self.blobs
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn layer(kind: &str, digest: u8, size: u64) -> Value {
        json!({ "mediaType": kind, "digest": Sha256([digest; 32]), "size": size, "from": "/elsewhere" })
    }

    fn manifest(layers: &[Value]) -> Value {
        json!({ "schemaVersion": 2, "mediaType": "a", "config": layer("b", 9, 5), "layers": layers, "runner": "x" })
    }

    fn read(value: &Value) -> Result<OllamaManifest, String> {
        OllamaManifest::read(value.to_string().as_bytes())
    }

    #[test]
    fn ollama_names_map_to_manifest_paths() {
        for (text, path, shown) in [
            ("llama3.2", "manifests/registry.ollama.ai/library/llama3.2/latest", "llama3.2:latest"),
            ("team/a:1b", "manifests/registry.ollama.ai/team/a/1b", "team/a:1b"),
            ("hf.co/team/a-GGUF:Q4_K_M", "manifests/hf.co/team/a-GGUF/Q4_K_M", "hf.co/team/a-GGUF:Q4_K_M"),
            ("localhost:5000/x/a", "manifests/localhost:5000/x/a/latest", "localhost:5000/x/a:latest"),
        ] {
            let name: OllamaName = text.parse().expect("name");
            assert_eq!((name.path().as_str(), name.to_string().as_str()), (path, shown));
            assert_eq!(OllamaName::of_path(path), Some(name));
        }
        for text in ["", "..", "a/../b", "a/b/c/d", "a:", "a:.b", "/a", "a b", "a:b:c", "a\u{1b}", "n.s/a"] {
            assert_eq!(text.parse::<OllamaName>().unwrap_err().0, text);
        }
        for path in ["manifests/a/b/c", "manifests/a/b/../d", "blobs/a/b/c/d", "manifests/a/b/c/d/e"] {
            assert_eq!(OllamaName::of_path(path), None, "{path}");
        }
    }

    #[test]
    fn manifest_blobs_are_unique() {
        let weights = "application/vnd.ollama.image.model";
        let found = read(&manifest(&[layer(weights, 1, 7), layer(LICENSE, 2, 3), layer("other", 1, 7)])).expect("good");
        let shown: Vec<_> =
            found.blobs().iter().map(|blob| (blob.size, blob.is_weights(), blob.is_license())).collect();
        assert_eq!(shown, [(7, true, false), (3, false, true), (5, false, false)]);
        assert_eq!(found.blobs()[0].path(), format!("blobs/sha256-{}", "01".repeat(32)));
    }

    #[test]
    fn invalid_manifests_are_refused() {
        let list = json!({ "schemaVersion": 2, "mediaType": "list", "manifests": [] });
        let cases = [
            list,
            json!({ "schemaVersion": 1, "config": layer("b", 9, 5), "layers": [] }),
            manifest(&[layer("a", 1, u64::MAX)]),
            manifest(&[layer("a", 1, 1), layer("a", 1, 2)]),
            manifest(&vec![layer("a", 1, 1); LAYERS + 1]),
            manifest(&[json!({ "mediaType": "a", "digest": "sha256:../../x", "size": 1 })]),
        ];
        let expected =
            ["missing field `config`", "schema 1", "bytes for", "two sizes", "more than 256", "is no manifest"];
        for (case, expected) in cases.iter().zip(expected) {
            let refused = read(case).expect_err("refused");
            assert!(refused.contains(expected), "{expected}: {refused}");
        }
        let long = vec![b' '; usize::try_from(MANIFEST_BYTES).unwrap() + 1];
        assert_eq!(OllamaManifest::read(&long), Err(format!("has more than {MANIFEST_BYTES} bytes")));
    }
}
