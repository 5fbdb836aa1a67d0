//! Indexes, which state the file of each tensor. A model cannot be loaded if a file in its index is missing.

use std::collections::{BTreeSet, HashMap};

use super::{ModelFile, ModelSource, printable, small_file};
use crate::error::ModelError;
use crate::limits;
use crate::names::{has_extension, split};

/// Ending of the names of indexes, such as `model.safetensors.index.json` and `pytorch_model.bin.index.json`.
const ENDING: &str = ".index.json";

/// The part of an index that is read.
#[derive(serde::Deserialize)]
pub(super) struct Index {
    /// File of each tensor.
    weight_map: HashMap<String, String>,
}

impl Index {
    /// Returns the files in the index. They are only compared with the listing, never opened.
    pub(super) fn files(self) -> BTreeSet<String> {
        self.weight_map.into_values().collect()
    }
}

/// Returns an error for a model whose index names a missing file. An index none of whose files exist is ignored if its
/// folder has weights in another format.
pub(super) fn check(files: &[ModelFile], source: &dyn ModelSource) -> Result<(), ModelError> {
    for index in files.iter().filter(|file| has_extension(&file.path, ENDING)) {
        let Ok(bytes) = small_file(index, limits::INDEX_BYTES, source)? else { continue };
        let Ok(named) = serde_json::from_slice::<Index>(&bytes).map(Index::files) else { continue };
        let (folder, _) = split(&index.path);
        let beside: BTreeSet<&str> = files
            .iter()
            .map(|file| split(&file.path))
            .filter(|(other, _)| *other == folder)
            .map(|(_, name)| name)
            .collect();
        let missing: Vec<_> = named.iter().filter(|name| !beside.contains(name.as_str())).collect();
        let Some(first) = missing.first() else { continue };
        let is_other_form = missing.len() == named.len() && beside.iter().any(|name| is_weights(name));
        if !is_other_form {
            return Err(ModelError::ShardMissing {
                index: printable(&index.path),
                file: printable(first),
                missing: missing.len(),
                named: named.len(),
            });
        }
    }
    Ok(())
}

fn is_weights(name: &str) -> bool {
    has_extension(name, super::SAFETENSORS)
        || has_extension(name, super::GGUF)
        || (name.starts_with("pytorch_model") && has_extension(name, ".bin"))
}
