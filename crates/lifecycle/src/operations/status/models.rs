//! Models of the installed release, with the figures of their software and their fit on this host. Never makes a site
//! unready: a model that does not run shows at its component.

use landfall_documents::status::{ModelFigure, ModelStatus, StatusReport};
use landfall_engine::causes::with_causes;
use landfall_host::facts::Memory;
use landfall_host::facts::ProbedGpus;
use landfall_host::facts::host::cores;
use landfall_models::fit::{ModelFit, RequestedFigures, UsedResources};
use landfall_models::{FitReport, Host, ModelsDocument, fit};
use landfall_release_document::{MODEL_FIGURES, MODEL_PREFIX};

use crate::plan::models::{how, number};
use landfall_site::configuration::{ResolvedValues, SiteConfiguration};
use landfall_site::pins::Pins;

/// Returns the fit of a model with these figures, after the models before it. A model without figures uses none of
/// the shared resources, because its release alone decides where it runs.
fn model_status(
    model: &ModelFit,
    report: &FitReport,
    figures: Vec<ModelFigure>,
    taken: &mut UsedResources,
) -> ModelStatus {
    let figure = |name: &str| figures.iter().find(|figure| figure.name == name).map(|figure| figure.value);
    let request = RequestedFigures {
        tensor_parallel: figure("tensorParallel"),
        context: figure("context"),
        sequences: figure("sequences"),
    };
    let chosen = if figures.is_empty() {
        taken.clone().choose(report, model, request)
    } else {
        taken.choose(report, model, request)
    };
    let (profile, reason) = match chosen {
        Ok(choice) => (Some(how(&choice)), None),
        Err(refusal) => (None, Some(refusal.text)),
    };
    ModelStatus {
        name: model.name.clone(),
        quantization: model.quantization.clone(),
        weights_bytes: model.weights_bytes,
        figures,
        profile,
        reason,
    }
}

/// Returns the figures of a model: the site's settings, otherwise the planned ones.
fn figures(model: &str, planned: &ResolvedValues, settings: &SiteConfiguration) -> Vec<ModelFigure> {
    let figure = |name: &str| {
        let value = format!("{MODEL_PREFIX}{model}.{name}");
        let set = settings.values.get(&value);
        let counts = number(set.or_else(|| planned.get(&value))?)?;
        Some(ModelFigure { name: name.to_owned(), value: counts, set_by_site: set.is_some() })
    };
    MODEL_FIGURES.iter().filter_map(|name| figure(name)).collect()
}

/// Returns each model of a document on a host, in the order of the release.
fn models(
    document: &ModelsDocument,
    host: &Host,
    planned: &ResolvedValues,
    settings: &SiteConfiguration,
) -> Vec<ModelStatus> {
    let report = fit(document, host);
    let mut taken = UsedResources::default();
    let each = report.models.iter().map(|model| {
        let figures = figures(&model.name, planned, settings);
        model_status(model, &report, figures, &mut taken)
    });
    each.collect()
}

/// Adds the models that the release describes, if any. `document` is the head's document about them.
pub(super) fn add_models(report: &mut StatusReport, document: Option<&[u8]>, probed: &ProbedGpus, pins: &Pins) {
    let Some(bytes) = document else { return };
    match ModelsDocument::read(bytes) {
        Ok(document) => {
            let memory = Memory::read().map_or(0, |memory| memory.total_bytes);
            let host = Host::of(cores(), memory, Some(&probed.report));
            report.models = models(&document, &host, &pins.fitted, &pins.settings);
        }
        Err(error) => report.notes.push(format!("the release's models cannot be read: {}", with_causes(&error))),
    }
}

#[cfg(test)]
mod tests {
    use landfall_host::facts::Facts;
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::models::tests::{document, host, site};

    fn on(facts: &Facts, planned: &[(&str, Value)], set: &[(&str, Value)]) -> ModelStatus {
        let document = ModelsDocument::read(&document(&["llama"])).unwrap();
        let host = Host::of(facts.cores, facts.memory_bytes, facts.gpus.as_ref());
        let planned = planned.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let mut found = models(&document, &host, &planned, &site(set));
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    #[test]
    fn model_shows_planned_figures_and_profile() {
        let planned = [("models.llama.tensorParallel", json!(2)), ("models.llama.context", json!("131072"))];
        let set = [("models.llama.context", json!("8192"))];
        let found = on(&host("two-l4"), &planned, &set);
        let figures: Vec<_> =
            found.figures.iter().map(|figure| (figure.name.as_str(), figure.value, figure.set_by_site)).collect();
        assert_eq!(figures, [("tensorParallel", 2, false), ("context", 8192, true)]);
        let profile = found.profile.unwrap();
        assert!(profile.contains("tensor-parallel degree 2, context 8192"), "{profile}");
        assert_eq!(found.reason, None);
        assert_eq!(found.weights_bytes, 16_060_522_496);
    }

    #[test]
    fn model_without_gpus_gives_reason() {
        let without = Facts { gpus: None, ..host("two-l4") };
        let found = on(&without, &[("models.llama.tensorParallel", json!(2))], &[]);
        assert_eq!(found.profile, None);
        assert!(found.reason.is_some_and(|reason| !reason.is_empty()));
    }

    #[test]
    fn unplanned_model_shows_best_profile() {
        let found = on(&host("two-l4"), &[], &[]);
        assert!(found.figures.is_empty());
        assert!(found.profile.is_some_and(|profile| profile.contains("context 131072")));
    }
}
