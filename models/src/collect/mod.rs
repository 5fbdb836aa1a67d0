//! The models among the files of an artifact or folder: which files belong together, and what their headers say.

use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::config::read_config;
use crate::document::{Figures, Model, WeightsFormat};
use crate::error::ModelError;
use crate::limits;
use crate::names::{part, shortened, split, stem};
use crate::weights::Weights;
use crate::{gguf, safetensors};

const SAFETENSORS: &str = ".safetensors";
const GGUF: &str = ".gguf";

/// Weights that change another model's, and are none of their own.
const ADAPTER: &str = "adapter_model";

/// The same weights once more, in the form of their makers.
const CONSOLIDATED: &str = "consolidated";

/// A file of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelFile {
    /// Its path in the artifact, with `/`.
    pub path: String,
    /// Its size.
    pub bytes: u64,
}

/// What opens the files of an artifact.
pub trait ModelSource {
    /// A reader of a file, from its beginning.
    fn open(&self, file: &ModelFile) -> io::Result<Box<dyn Read + '_>>;
}

/// The models of an artifact of this name. Files that hold no weights are ignored; weights that lie are refused; a model
/// whose configuration is missing or not understood has no figures, with the reason.
pub fn models(name: &str, files: &[ModelFile], source: &dyn ModelSource) -> Result<Vec<Model>, ModelError> {
    let mut files = files.to_vec();
    files.sort();
    let mut found = of_safetensors(&files, source)?;
    found.extend(of_gguf(&files, source)?);
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

/// The folders with safetensors files that are nearest to the root: deeper ones hold parts, such as layers of an encoder
/// that follow it, or the same weights in another form.
fn of_safetensors(files: &[ModelFile], source: &dyn ModelSource) -> Result<Vec<(String, Model)>, ModelError> {
    let mut folders: BTreeMap<&str, Vec<(&ModelFile, &str)>> = BTreeMap::new();
    for file in files {
        let (folder, name) = split(&file.path);
        if let Some(stem) = stem(name, SAFETENSORS).filter(|stem| *stem != ADAPTER) {
            folders.entry(folder).or_default().push((file, stem));
        }
    }
    let depth = |folder: &str| if folder.is_empty() { 0 } else { 1 + folder.matches('/').count() };
    let Some(nearest) = folders.keys().map(|folder| depth(folder)).min() else { return Ok(Vec::new()) };
    let nearest = folders.into_iter().filter(|(folder, _)| depth(folder) == nearest);
    nearest.map(|(folder, weights)| Ok((folder.to_owned(), folder_model(folder, weights, files, source)?))).collect()
}

fn folder_model(
    folder: &str,
    mut weights: Vec<(&ModelFile, &str)>,
    files: &[ModelFile],
    source: &dyn ModelSource,
) -> Result<Model, ModelError> {
    let is_copy = |(_, stem): &(&ModelFile, &str)| stem.starts_with(CONSOLIDATED);
    if !weights.iter().all(is_copy) {
        weights.retain(|file| !is_copy(file));
    }
    check_parts(&weights.iter().map(|(_, stem)| *stem).collect::<Vec<_>>())?;
    let mut total = Weights::default();
    for (file, _) in &weights {
        let header = safetensors::read(opened(file, source)?, file.bytes);
        total.extend(&header.map_err(|error| refused(file, error))?);
    }
    let path = if folder.is_empty() { "config.json".to_owned() } else { format!("{folder}/config.json") };
    let figures = match files.iter().find(|file| file.path == path) {
        Some(file) => figures(configuration(file, source)?),
        None => Figures::Unknown("no config.json is beside the weights".to_owned()),
    };
    Ok(Model {
        name: String::new(),
        format: WeightsFormat::Safetensors,
        files: count(&weights),
        weights: total,
        figures,
    })
}

fn configuration(
    file: &ModelFile,
    source: &dyn ModelSource,
) -> Result<Result<crate::Architecture, String>, ModelError> {
    let bad = |source| ModelError::Config { file: file.path.clone(), source };
    if file.bytes > limits::CONFIG_BYTES {
        let what = format!("it has {} bytes, and at most {} are read", file.bytes, limits::CONFIG_BYTES);
        return Err(bad(what.into()));
    }
    let mut bytes = Vec::new();
    let mut reader = opened(file, source)?.take(limits::CONFIG_BYTES);
    reader.read_to_end(&mut bytes).map_err(|error| bad(error.into()))?;
    read_config(&bytes).map_err(|error| bad(error.into()))
}

/// GGUF files, those of several parts together.
fn of_gguf(files: &[ModelFile], source: &dyn ModelSource) -> Result<Vec<(String, Model)>, ModelError> {
    let mut models: BTreeMap<String, Vec<(&ModelFile, &str)>> = BTreeMap::new();
    for file in files {
        let (folder, name) = split(&file.path);
        let Some(stem) = stem(name, GGUF) else { continue };
        let common = part(stem).map_or(stem, |(common, ..)| common);
        let key = if folder.is_empty() { common.to_owned() } else { format!("{folder}/{common}") };
        models.entry(key).or_default().push((file, stem));
    }
    models.into_iter().map(|(path, parts)| Ok((path, gguf_model(&parts, source)?))).collect()
}

fn gguf_model(parts: &[(&ModelFile, &str)], source: &dyn ModelSource) -> Result<Model, ModelError> {
    check_parts(&parts.iter().map(|(_, stem)| *stem).collect::<Vec<_>>())?;
    let mut weights = Weights::default();
    let mut known = None;
    for (file, _) in parts {
        let header = gguf::read(opened(file, source)?, file.bytes).map_err(|error| refused(file, error))?;
        weights.extend(&header.weights);
        // The first part has the metadata of the model.
        known.get_or_insert(header.figures);
    }
    let figures = figures(known.unwrap_or_else(|| Err("it has no file".to_owned())));
    Ok(Model { name: String::new(), format: WeightsFormat::Gguf, files: count(parts), weights, figures })
}

/// Names such as `model-00001-of-00003` announce their number: none of them may be missing.
fn check_parts(stems: &[&str]) -> Result<(), ModelError> {
    for stem in stems {
        let Some((common, _, stated)) = part(stem) else { continue };
        let numbers =
            stems.iter().filter_map(|other| part(other)).filter(|found| (found.0, found.2) == (common, stated));
        let found = numbers.filter(|(_, number, _)| (1..=stated).contains(number)).count();
        if found as u64 != u64::from(stated) {
            return Err(ModelError::PartsMissing { model: shortened(common), found, stated });
        }
    }
    Ok(())
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

/// A text that may come from a file, as a document can hold it.
fn printable(text: &str) -> String {
    shortened(text).chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

fn opened<'a>(file: &ModelFile, source: &'a dyn ModelSource) -> Result<Box<dyn Read + 'a>, ModelError> {
    source.open(file).map_err(|error| ModelError::Open { file: file.path.clone(), source: error })
}

fn refused(file: &ModelFile, source: crate::HeaderError) -> ModelError {
    ModelError::Header { file: file.path.clone(), source }
}

fn count(files: &[(&ModelFile, &str)]) -> u32 {
    u32::try_from(files.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
