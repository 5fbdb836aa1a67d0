//! `landfall models fit`: computes how each model runs on a host. It verifies nothing, and says so.

use std::path::Path;

use landfall_bundle_spec::head::Opened;
use landfall_error_codes::codes;
use landfall_host::facts::{self, Facts, ProbedGpus};
use landfall_host::paths::SitePaths;
use landfall_media::bundle;
use landfall_models::{FitReport, Host, MODELS_DOCUMENT_NAME, ModelsDocument, fit, folder};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::{ModelsCommand, ModelsFitArguments};
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Fit of each model, unverified.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModelsFit {
    /// Always false: `landfall verify` is another command.
    verified: bool,
    #[serde(flatten)]
    report: FitReport,
}

impl Document for ModelsFit {
    const KIND: &'static str = "modelsFit";
}

/// Runs the subcommand.
pub(crate) fn run(command: &ModelsCommand, printer: Printer) -> Result<(), Failure> {
    let ModelsCommand::Fit(arguments) = command;
    let document = document(arguments)?;
    let facts = if let Some(file) = &arguments.facts {
        Facts::read(file)?
    } else {
        let paths = SitePaths::default();
        facts::collect(&paths, &ProbedGpus::now(&paths))?
    };
    let host = Host::of(facts.cores, facts.memory_bytes, facts.gpus.as_ref());
    let fitted = ModelsFit { verified: false, report: fit(&document, &host) };
    printer.report(&fitted, |fitted| text(fitted, arguments.bundle.is_some()))?;
    Ok(())
}

fn text(fitted: &ModelsFit, is_of_bundle: bool) -> String {
    let table = fit::table(&fitted.report);
    if is_of_bundle {
        return format!(
            "NOT VERIFIED: this is what the bundle says about its models; `landfall verify` checks it.\n\n{table}"
        );
    }
    table
}

/// Models of the bundle, or of the named files and folders.
fn document(arguments: &ModelsFitArguments) -> Result<ModelsDocument, Failure> {
    if let Some(path) = &arguments.bundle {
        return of_bundle(path);
    }
    let mut models = Vec::new();
    for path in &arguments.model {
        let found = folder::models_at(path)?;
        if found.is_empty() {
            return Err(Failure::new(
                codes::NO_MODELS,
                format!("{} holds no safetensors and no GGUF file", path.display()),
            ));
        }
        models.extend(found);
    }
    Ok(ModelsDocument::new(models, Vec::new()))
}

fn of_bundle(path: &Path) -> Result<ModelsDocument, Failure> {
    let located = bundle::locate(path)?;
    let opened = Opened::read(located.head()?)?;
    let contents = opened.untrusted_contents();
    let Some(bytes) = contents.small_document(MODELS_DOCUMENT_NAME) else {
        let name = contents.identity().name;
        return Err(Failure::new(codes::NO_MODELS, format!("the head of {name} describes no model")));
    };
    Ok(ModelsDocument::read(bytes)?)
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::sample::{Forgery, Sample, Vendor};
    use landfall_bundle_spec::trust::KeyKind;
    use landfall_error_codes::Code;
    use landfall_media::durable;
    use serde_json::json;

    use super::*;

    /// Head of the sample bundle, with this text as its models.
    fn head(models: Option<&str>) -> Vec<u8> {
        let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
        let mut forgery = Forgery::of(&Sample::tiny(&vendor).unwrap());
        if let Some(text) = models {
            forgery = forgery.insert_before("documents/release", MODELS_DOCUMENT_NAME, text.as_bytes());
        }
        forgery.bind().unwrap().head()
    }

    fn of(models: Option<&str>) -> Result<ModelsDocument, Code> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.head");
        durable::write_file(&path, &head(models), 0o644).unwrap();
        of_bundle(&path).map_err(|failure| failure.code())
    }

    #[test]
    fn invalid_models_are_refused() {
        let model = json!({"name": "m", "format": "gguf", "files": 1, "weights": {}, "figures": {"unknown": "why"}});
        let text = json!({"type": "landfall.dev/models/1", "models": [model]}).to_string();
        let document = of(Some(&text)).unwrap();
        let fitted = ModelsFit { verified: false, report: fit(&document, &Host::default()) };
        assert!(self::text(&fitted, true).starts_with("NOT VERIFIED"));
        assert!(self::text(&fitted, false).contains("m on CPU: its figures are not known: why"));
        assert_eq!(of(None).unwrap_err(), codes::NO_MODELS);
        assert_eq!(of(Some("{\"type\": \"landfall.dev/models/1\"}")).unwrap_err(), codes::INVALID_DOCUMENT);
    }

    #[test]
    fn folder_without_weights_has_no_models() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ModelsFitArguments { bundle: None, model: vec![folder.path().to_owned()], facts: None };
        assert_eq!(document(&arguments).unwrap_err().code(), codes::NO_MODELS);
    }
}
