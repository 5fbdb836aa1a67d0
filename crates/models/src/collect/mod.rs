//! The models among the files of an artifact or folder: which files belong together, and the contents of their headers.

mod index;
mod ollama;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use self::index::Index;
use crate::config::read_config;
use crate::document::{Figures, Model, WeightsFormat};
use crate::error::ModelError;
use crate::gguf::{self, GgufHeader};
use crate::limits;
use crate::names::{has_extension, part, shorten, split, stem};
use crate::pointer::{POINTER_BYTES, is_pointer};
use crate::safetensors::{self, SafetensorsHeader};
use crate::weights::Weights;

const SAFETENSORS: &str = ".safetensors";
const GGUF: &str = ".gguf";

/// Stem of weights that modify another model's weights and are not a model themselves.
const ADAPTER: &str = "adapter_model";

/// Index with the file of each tensor; copies of the weights next to these files are ignored.
const INDEX: &str = "model.safetensors.index.json";

/// Stem of a second copy of the weights, in their authors' own format.
const CONSOLIDATED: &str = "consolidated";

/// A file of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelFile {
    /// Path in the artifact, with `/`.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// A source that opens the files of an artifact.
pub trait ModelSource {
    /// Opens a file for reading from its beginning.
    fn open(&self, file: &ModelFile) -> io::Result<Box<dyn Read + '_>>;
}

/// Returns the models of an artifact with this name. Files without weights are ignored. Weights with false headers are
/// an error, even if they belong to no model. So are a Git LFS pointer in place of a file, and an index that names a
/// missing file. A model has a reason in place of figures if parts of it are missing, or if its configuration is
/// missing or not understood.
pub fn models(name: &str, files: &[ModelFile], source: &dyn ModelSource) -> Result<Vec<Model>, ModelError> {
    let mut files = files.to_vec();
    files.sort();
    refuse_pointers(&files, source)?;
    index::check(&files, source)?;
    let stored = ollama::stored_models(&files, source)?;
    let headers = Headers::read(&files, &stored, source)?;
    let mut found = of_safetensors(&files, &headers, source)?;
    found.extend(of_gguf(&files, &headers));
    found.extend(stored.iter().map(|model| model.model(&headers)));
    if found.len() > limits::MODELS {
        return Err(ModelError::TooMany { found: found.len() });
    }
    let is_only = found.len() == 1;
    let named = |(path, model): (String, Model)| {
        let whole = if is_only || path.is_empty() { name.to_owned() } else { format!("{name}/{path}") };
        Model { name: printable(&whole), ..model }
    };
    Ok(found.into_iter().map(named).collect())
}

/// Returns an error if a file is a Git LFS pointer.
fn refuse_pointers(files: &[ModelFile], source: &dyn ModelSource) -> Result<(), ModelError> {
    for file in files.iter().filter(|file| file.bytes < POINTER_BYTES) {
        if small_file(file, POINTER_BYTES, source)?.is_ok_and(|bytes| is_pointer(&bytes)) {
            return Err(ModelError::Pointer { file: printable(&file.path) });
        }
    }
    Ok(())
}

/// The headers of all files with weights, by path. Those that belong to no model are also read, because an engine may
/// load them.
#[derive(Default)]
struct Headers<'a> {
    safetensors: BTreeMap<&'a str, SafetensorsHeader>,
    gguf: BTreeMap<&'a str, GgufHeader>,
}

impl<'a> Headers<'a> {
    fn read(
        files: &'a [ModelFile],
        stored: &[ollama::StoredModel<'a>],
        source: &dyn ModelSource,
    ) -> Result<Self, ModelError> {
        let mut headers = Self::default();
        for file in files {
            if has_extension(&file.path, SAFETENSORS) {
                let header = safetensors::read(open_file(file, source)?, file.bytes);
                headers.safetensors.insert(&file.path, header.map_err(|error| header_error(file, error))?);
            }
        }
        let named = files.iter().filter(|file| has_extension(&file.path, GGUF));
        for file in named.chain(stored.iter().flat_map(|model| model.weights().iter().copied())) {
            if !headers.gguf.contains_key(file.path.as_str()) {
                let header = gguf::read(open_file(file, source)?, file.bytes);
                headers.gguf.insert(&file.path, header.map_err(|error| header_error(file, error))?);
            }
        }
        Ok(headers)
    }
}

/// Returns the models in folders with safetensors files. Folders inside another such folder are left out: they hold
/// parts, such as layers that follow an encoder, or the same weights in another format.
fn of_safetensors(
    files: &[ModelFile],
    headers: &Headers<'_>,
    source: &dyn ModelSource,
) -> Result<Vec<(String, Model)>, ModelError> {
    let mut folders: BTreeMap<&str, Vec<(&ModelFile, &str)>> = BTreeMap::new();
    for file in files {
        let (folder, name) = split(&file.path);
        if let Some(stem) = stem(name, SAFETENSORS).filter(|stem| *stem != ADAPTER) {
            folders.entry(folder).or_default().push((file, stem));
        }
    }
    let has_weights = |folder: &str| folders.contains_key(folder);
    let is_within = |folder: &str| {
        let above = folder.match_indices('/').map(|(at, _)| &folder[..at]);
        !folder.is_empty() && std::iter::once("").chain(above).any(has_weights)
    };
    let outer = folders.iter().filter(|(folder, _)| !is_within(folder));
    outer
        .map(|(folder, weights)| {
            Ok(((*folder).to_owned(), folder_model(folder, weights.clone(), files, headers, source)?))
        })
        .collect()
}

fn folder_model(
    folder: &str,
    mut weights: Vec<(&ModelFile, &str)>,
    files: &[ModelFile],
    headers: &Headers<'_>,
    source: &dyn ModelSource,
) -> Result<Model, ModelError> {
    let is_copy = |(_, stem): &(&ModelFile, &str)| stem.starts_with(CONSOLIDATED);
    if !weights.iter().all(is_copy) {
        weights.retain(|file| !is_copy(file));
    }
    let beside = |name: &str| {
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        files.iter().find(|file| file.path == path)
    };
    let mut obstacle = match beside(INDEX) {
        Some(file) => keep_indexed(&mut weights, file, source)?,
        None => several_names(&weights),
    };
    obstacle = obstacle.or_else(|| missing_parts(&weights));
    let mut total = Weights::default();
    for header in weights.iter().filter_map(|(file, _)| headers.safetensors.get(file.path.as_str())) {
        total.extend(&header.weights);
        obstacle = obstacle.or_else(|| header.unknown.clone());
    }
    let figures = match (obstacle, beside("config.json")) {
        (Some(reason), _) => figures(Err(reason)),
        (None, Some(file)) => figures(configuration(file, source)?),
        (None, None) => Figures::Unknown("no config.json is beside the weights".to_owned()),
    };
    Ok(Model {
        name: String::new(),
        format: WeightsFormat::Safetensors,
        files: count(&weights),
        weights: total,
        figures,
    })
}

/// Keeps only the weights that the index names, if there are any. Returns a reason if the model nevertheless has no
/// figures.
fn keep_indexed(
    weights: &mut Vec<(&ModelFile, &str)>,
    index: &ModelFile,
    source: &dyn ModelSource,
) -> Result<Option<String>, ModelError> {
    let bytes = match small_file(index, limits::INDEX_BYTES, source)? {
        Ok(bytes) => bytes,
        Err(reason) => return Ok(Some(reason)),
    };
    let names: BTreeSet<String> = match serde_json::from_slice::<Index>(&bytes) {
        Ok(index) => index.files(),
        Err(error) => return Ok(Some(format!("{INDEX} cannot be read: {error}"))),
    };
    // Names in the index are only compared with the listing, never opened.
    let is_named = |file: &(&ModelFile, &str)| names.contains(split(&file.0.path).1);
    let found = weights.iter().filter(|file| is_named(file)).count();
    if found > 0 {
        weights.retain(is_named);
    }
    let is_complete = found == names.len();
    Ok((!is_complete).then(|| format!("{INDEX} names {} files, and {found} of them are here", names.len())))
}

/// Returns the reason why the model's files are unknown: one folder has weights under several names, and no index.
fn several_names(weights: &[(&ModelFile, &str)]) -> Option<String> {
    let common = |stem| part(stem).map_or((stem, 0), |(common, _, stated)| (common, stated));
    let names: BTreeSet<_> = weights.iter().map(|(_, stem)| common(stem)).collect();
    (names.len() > 1).then(|| format!("weights of {} names are in one folder without {INDEX}", names.len()))
}

/// Returns the contents of a file of at most `limit` bytes, or the reason why they are not used.
fn small_file(file: &ModelFile, limit: u64, source: &dyn ModelSource) -> Result<Result<Vec<u8>, String>, ModelError> {
    if file.bytes > limit {
        let name = split(&file.path).1;
        return Ok(Err(format!("{name} has {} bytes, and at most {limit} are read", file.bytes)));
    }
    let mut bytes = Vec::new();
    let read = open_file(file, source)?.take(limit).read_to_end(&mut bytes);
    read.map_err(|error| ModelError::Open { file: file.path.clone(), source: error })?;
    Ok(Ok(bytes))
}

fn configuration(
    file: &ModelFile,
    source: &dyn ModelSource,
) -> Result<Result<crate::Architecture, String>, ModelError> {
    Ok(small_file(file, limits::CONFIG_BYTES, source)?.and_then(|bytes| {
        read_config(&bytes).unwrap_or_else(|error| Err(format!("config.json cannot be read: {error}")))
    }))
}

/// Returns the models in GGUF files; the parts of one model are combined.
fn of_gguf(files: &[ModelFile], headers: &Headers<'_>) -> Vec<(String, Model)> {
    let mut models: BTreeMap<String, Vec<(&ModelFile, &str)>> = BTreeMap::new();
    for file in files {
        let (folder, name) = split(&file.path);
        let Some(stem) = stem(name, GGUF) else { continue };
        let common = part(stem).map_or(stem, |(common, ..)| common);
        let key = if folder.is_empty() { common.to_owned() } else { format!("{folder}/{common}") };
        models.entry(key).or_default().push((file, stem));
    }
    models.into_iter().map(|(path, parts)| (path, gguf_model(&parts, headers))).collect()
}

fn gguf_model(parts: &[(&ModelFile, &str)], headers: &Headers<'_>) -> Model {
    let mut obstacle = missing_parts(parts);
    let mut weights = Weights::default();
    let mut known = None;
    for header in parts.iter().filter_map(|(file, _)| headers.gguf.get(file.path.as_str())) {
        weights.extend(&header.weights);
        obstacle = obstacle.or_else(|| header.unknown.clone());
        // The first part contains the metadata of the model.
        known.get_or_insert_with(|| header.figures.clone());
    }
    let known = known.unwrap_or_else(|| Err("it has no file".to_owned()));
    let figures = figures(obstacle.map_or(known, Err));
    Model { name: String::new(), format: WeightsFormat::Gguf, files: count(parts), weights, figures }
}

/// Checks names such as `model-00001-of-00003`, which state the number of parts. Returns a description of the missing
/// parts.
fn missing_parts(files: &[(&ModelFile, &str)]) -> Option<String> {
    let mut numbers: BTreeMap<(&str, u32), BTreeSet<u32>> = BTreeMap::new();
    for (common, number, stated) in files.iter().filter_map(|(_, stem)| part(stem)) {
        let found = numbers.entry((common, stated)).or_default();
        if (1..=stated).contains(&number) {
            found.insert(number);
        }
    }
    let incomplete = numbers.iter().find(|((_, stated), found)| found.len() as u64 != u64::from(*stated));
    incomplete.map(|((common, stated), found)| {
        let (common, found) = (shorten(common), found.len());
        format!("{common} has {found} of the {stated} files that their names announce")
    })
}

fn figures(found: Result<crate::Architecture, String>) -> Figures {
    match found {
        Ok(mut architecture) => {
            architecture.family = printable(&architecture.family);
            if let Some(quantization) = &mut architecture.quantization {
                quantization.method = printable(&quantization.method);
            }
            Figures::Known(Box::new(architecture))
        }
        Err(reason) => Figures::Unknown(printable(&reason)),
    }
}

/// Returns a text, which may come from a file, in a form that a document can contain.
fn printable(text: &str) -> String {
    shorten(text).chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

fn open_file<'a>(file: &ModelFile, source: &'a dyn ModelSource) -> Result<Box<dyn Read + 'a>, ModelError> {
    source.open(file).map_err(|error| ModelError::Open { file: file.path.clone(), source: error })
}

fn header_error(file: &ModelFile, source: crate::HeaderError) -> ModelError {
    ModelError::Header { file: file.path.clone(), source }
}

fn count(files: &[(&ModelFile, &str)]) -> u32 {
    u32::try_from(files.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
