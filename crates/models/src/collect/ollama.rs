//! The models in Ollama's store, among the files of an artifact or a folder.

use std::io::Read as _;

use super::{Headers, ModelFile, ModelSource, gguf_model, open_file};
use crate::document::Model;
use crate::error::ModelError;
use crate::ollama::{MANIFEST_BYTES, OllamaManifest, OllamaName};

/// A model found by its manifest, with the files of its weights.
pub(super) struct StoredModel<'a> {
    name: OllamaName,
    weights: Vec<&'a ModelFile>,
}

/// Returns the models whose manifests and weights are among these files. Other files below `manifests` are ignored.
pub(super) fn stored_models<'a>(
    files: &'a [ModelFile],
    source: &dyn ModelSource,
) -> Result<Vec<StoredModel<'a>>, ModelError> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.bytes <= MANIFEST_BYTES) {
        let Some(name) = OllamaName::of_path(&file.path) else { continue };
        let mut bytes = Vec::new();
        let read = open_file(file, source)?.take(MANIFEST_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| ModelError::Open { file: file.path.clone(), source: error })?;
        let Ok(manifest) = OllamaManifest::read(&bytes) else { continue };
        let paths = manifest.blobs().iter().filter(|blob| blob.is_weights()).map(crate::ollama::OllamaBlob::path);
        let weights: Vec<_> = paths.filter_map(|path| files.iter().find(|file| file.path == path)).collect();
        if !weights.is_empty() {
            found.push(StoredModel { name, weights });
        }
    }
    Ok(found)
}

impl<'a> StoredModel<'a> {
    /// Files of the weights.
    pub(super) fn weights(&self) -> &[&'a ModelFile] {
        &self.weights
    }

    /// Returns the name of the model, and the model according to the headers of its weights.
    pub(super) fn model(&self, headers: &Headers<'_>) -> (String, Model) {
        let parts: Vec<_> = self.weights.iter().map(|file| (*file, "")).collect();
        (self.name.to_string(), gguf_model(&parts, headers))
    }
}
