//! Fits the models of a release to this host: the fit sets values of the release, unless the site sets them.
//!
//! The fit fills each value named `models.MODEL.FIGURE`. A site's setting replaces it after a check that the engine
//! accepts it. A plan pins the figures, so a later change of settings uses the same ones.

use std::collections::BTreeMap;

use landfall_error_codes::codes;
use landfall_host::facts::Facts;
use landfall_models::fit::{Choice, RequestedFigures, UsedResources};
use landfall_models::{Host, MODELS_DOCUMENT_NAME, ModelsDocument, fit};
use landfall_release_document::{MODEL_PREFIX, ReleaseDocument, SiteValue, model_figure};
use serde_json::Value;

use landfall_site::configuration::{ResolvedValues, SiteConfiguration};
use landfall_site::findings::Finding;

/// A figure of a model that the fit decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    /// Number of GPUs that work together on the model; 0 on the CPU.
    TensorParallel,
    /// Maximum number of tokens of a sequence.
    Context,
    /// Number of sequences that the engine computes at once.
    Sequences,
    /// Bytes of GPU memory per GPU, or of main memory.
    MemoryBytes,
}

impl Figure {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "tensorParallel" => Some(Self::TensorParallel),
            "context" => Some(Self::Context),
            "sequences" => Some(Self::Sequences),
            "memoryBytes" => Some(Self::MemoryBytes),
            _ => None,
        }
    }

    fn of(self, choice: &Choice) -> u64 {
        match self {
            Self::TensorParallel => choice.tensor_parallel.into(),
            Self::Context => choice.context,
            Self::Sequences => choice.sequences,
            Self::MemoryBytes => choice.memory_bytes,
        }
    }
}

/// Figures for a host, and the findings about them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FittedModels {
    /// Values by name.
    pub values: ResolvedValues,
    /// A blocker for each model that does not run as the release and the site require, otherwise a passed finding.
    pub findings: Vec<Finding>,
}

impl FittedModels {
    /// Adds the figures of a model that runs, except those that the release does not allow.
    fn add(&mut self, name: &str, values: &[(&SiteValue, Figure)], choice: &Choice, configuration: &SiteConfiguration) {
        if let Some(finding) = too_little(values, choice, configuration) {
            self.findings.push(finding);
            return;
        }
        self.findings.push(passed_finding(name, choice));
        for (value, figure) in values {
            let content = as_declared(value, figure.of(choice));
            match schema_blocker(value, &content, configuration) {
                Some(finding) => self.findings.push(finding),
                None => {
                    self.values.insert(value.name.clone(), content);
                }
            }
        }
    }
}

/// Returns the values of a release that name a figure of a model, by model.
fn declared_figures(release: &ReleaseDocument) -> BTreeMap<&str, Vec<(&SiteValue, Figure)>> {
    let mut found: BTreeMap<&str, Vec<(&SiteValue, Figure)>> = BTreeMap::new();
    for value in &release.values {
        let Some((model, figure)) = model_figure(&value.name) else { continue };
        let Some(figure) = Figure::from_name(figure) else { continue };
        found.entry(model).or_default().push((value, figure));
    }
    found
}

/// Returns true if the release has values that the fit decides.
pub fn is_fitted(release: &ReleaseDocument) -> bool {
    !declared_figures(release).is_empty()
}

/// Returns true if two configurations differ in the settings of models.
pub fn is_changed(before: &SiteConfiguration, after: &SiteConfiguration) -> bool {
    let set = |configuration: &SiteConfiguration| -> BTreeMap<String, Value> {
        let of_models = configuration.values.iter().filter(|(name, _)| name.starts_with(MODEL_PREFIX));
        of_models.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    set(before) != set(after)
}

/// Fits each model to a host. `document` holds the head's document about models, if it has one. Pure.
pub fn fit_models(
    release: &ReleaseDocument,
    document: Option<&[u8]>,
    facts: &Facts,
    configuration: &SiteConfiguration,
) -> FittedModels {
    let declared = declared_figures(release);
    let (false, Some(bytes)) = (declared.is_empty(), document) else { return FittedModels::default() };
    let document = match ModelsDocument::read(bytes) {
        Ok(document) => document,
        Err(error) => {
            let found = format!("{MODELS_DOCUMENT_NAME} of the bundle cannot be read: {error}");
            return FittedModels {
                findings: vec![Finding::new(codes::MODEL_UNFIT, found, "")],
                ..FittedModels::default()
            };
        }
    };
    let report = fit(&document, &Host::of(facts.cores, facts.memory_bytes, facts.gpus.as_ref()));
    let (mut taken, mut fitted) = (UsedResources::default(), FittedModels::default());
    // The release's order is the priority: earlier models choose first.
    for model in &report.models {
        let Some(values) = declared.get(model.name.as_str()) else { continue };
        let unclear = not_numbers(values, configuration);
        if !unclear.is_empty() {
            fitted.findings.extend(unclear);
            continue;
        }
        match taken.choose(&report, model, requested_figures(values, configuration)) {
            Ok(choice) => fitted.add(&model.name, values, &choice, configuration),
            Err(refusal) => {
                let found = format!("{}: {}", model.name, refusal.text);
                fitted.findings.push(Finding::new(codes::MODEL_UNFIT, found, ""));
            }
        }
    }
    fitted
}

/// Returns the site's setting of a figure.
fn set(values: &[(&SiteValue, Figure)], wanted: Figure, configuration: &SiteConfiguration) -> Option<u64> {
    let mut of_figure = values.iter().filter(|(_, figure)| *figure == wanted);
    of_figure.find_map(|(value, _)| number(configuration.values.get(&value.name)?))
}

/// Returns the site's settings for a model.
fn requested_figures(values: &[(&SiteValue, Figure)], configuration: &SiteConfiguration) -> RequestedFigures {
    let set = |wanted: Figure| set(values, wanted, configuration);
    RequestedFigures {
        tensor_parallel: set(Figure::TensorParallel),
        context: set(Figure::Context),
        sequences: set(Figure::Sequences),
    }
}

/// Parses a whole number, given as a number or as text.
pub(crate) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Returns a blocker for each figure that the site sets to something other than a whole number.
fn not_numbers(values: &[(&SiteValue, Figure)], configuration: &SiteConfiguration) -> Vec<Finding> {
    let of_site = values.iter().filter_map(|(value, _)| configuration.values.get_key_value(&value.name));
    let unclear = of_site.filter(|(_, content)| number(content).is_none()).map(|(name, content)| {
        let found = format!("{name} is {content}, which is not a whole number");
        Finding::new(codes::MODEL_UNFIT, found, "")
    });
    unclear.collect()
}

/// Returns a blocker if the site allows a model less memory than it takes.
fn too_little(values: &[(&SiteValue, Figure)], choice: &Choice, configuration: &SiteConfiguration) -> Option<Finding> {
    let (value, _) = values.iter().find(|(_, figure)| *figure == Figure::MemoryBytes)?;
    let allowed = set(values, Figure::MemoryBytes, configuration).filter(|allowed| *allowed < choice.memory_bytes)?;
    let found = format!("{} is {allowed}, and the model takes {} bytes", value.name, choice.memory_bytes);
    Some(Finding::new(codes::MODEL_UNFIT, found, ""))
}

/// Formats a figure as the value's schema requires, because environment variables are text.
fn as_declared(value: &SiteValue, figure: u64) -> Value {
    if value.schema["type"] == "string" { figure.to_string().into() } else { figure.into() }
}

/// Returns a blocker if the release's schema does not allow a figure and the site does not set it.
fn schema_blocker(value: &SiteValue, content: &Value, configuration: &SiteConfiguration) -> Option<Finding> {
    let is_allowed = || jsonschema::validator_for(&value.schema).is_ok_and(|validator| validator.is_valid(content));
    if configuration.values.contains_key(&value.name) || is_allowed() {
        return None;
    }
    let found = format!("{} would be {content}, which the release does not allow", value.name);
    Some(Finding::new(codes::MODEL_UNFIT, found, value.schema.to_string()))
}

fn passed_finding(name: &str, choice: &Choice) -> Finding {
    Finding::passed(codes::MODEL_UNFIT, &format!("The model {name} fits"), how(choice), String::new())
}

/// Describes for people how a model runs.
pub(crate) fn how(choice: &Choice) -> String {
    let Choice { place, engine, context, sequences, .. } = choice;
    let gpus = match choice.tensor_parallel {
        0 => String::new(),
        degree => format!(", tensor-parallel degree {degree}"),
    };
    format!("{} on {place}{gpus}, context {context}, {sequences} sequences at once", engine.name())
}

#[cfg(test)]
pub(crate) mod tests;
