use landfall_gpu_facts::GpuReport;
use landfall_host::facts::sample::sample;
use landfall_models::{Architecture, Figures, Model, ModelKind, Weights, WeightsFormat};
use landfall_release_document::{MODEL_FIGURES, ValueTarget};
use serde_json::json;

use super::*;
use crate::plan::computed::computed_values;
use crate::plan::install::tests::release;
use crate::plan::network::Networks;
use landfall_site::configuration::resolve_values;
use landfall_site::findings::Severity;

/// Returns Llama 3.1 with 8 billion weights in bfloat16.
fn llama(name: &str) -> Model {
    let figures = Architecture {
        family: "llama".to_owned(),
        kind: ModelKind::Decoder,
        layers: 32,
        hidden: 4096,
        heads: 32,
        kv_heads: 8,
        head_dim: 128,
        value_dim: 128,
        context: 131_072,
        vocabulary: 128_256,
        intermediate: 14_336,
        experts: None,
        window: None,
        latent: None,
        quantization: None,
    };
    let mut weights = Weights::default();
    weights.add("BF16", 16_060_522_496);
    let figures = Figures::Known(Box::new(figures));
    Model { name: name.to_owned(), format: WeightsFormat::Safetensors, files: 4, weights, figures }
}

pub(crate) fn document(names: &[&str]) -> Vec<u8> {
    ModelsDocument::new(names.iter().map(|name| llama(name)).collect(), Vec::new()).to_bytes().unwrap()
}

fn value(name: &str, schema: Value, default: Option<Value>) -> SiteValue {
    let target = ValueTarget {
        component: "dns".to_owned(),
        kind: "ConfigMap".to_owned(),
        name: "computed".to_owned(),
        path: "/data/corefile".to_owned(),
    };
    SiteValue { name: name.to_owned(), schema, default, targets: vec![target] }
}

/// Returns a release whose figures of one model come from the fit.
fn fitted_release() -> ReleaseDocument {
    let mut release = release();
    release.values = vec![
        value("models.llama.tensorParallel", json!({"type": "integer"}), Some(json!(1))),
        value("models.llama.context", json!({"type": "string"}), None),
        value("models.llama.sequences", json!({"type": "integer", "minimum": 1}), None),
        value("models.llama.title", json!({"type": "string"}), Some(json!("Llama"))),
        value("models.other.context", json!({"type": "integer"}), Some(json!(512))),
    ];
    release
}

/// Returns a host with the GPUs of a stored machine.
pub(crate) fn host(machine: &str) -> Facts {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../gpu-facts/testdata/machines");
    let report = GpuReport::read(&fs_err::read(format!("{folder}/{machine}.json")).unwrap()).unwrap();
    Facts { gpus: Some(report), cores: 16, memory_bytes: 64 << 30, ..sample() }
}

pub(crate) fn site(values: &[(&str, Value)]) -> SiteConfiguration {
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    SiteConfiguration { values, ..SiteConfiguration::default() }
}

fn of(facts: &Facts, set: &[(&str, Value)]) -> FittedModels {
    fit_models(&fitted_release(), Some(&document(&["llama"])), facts, &site(set))
}

/// Returns the values that the objects of the release finally get.
fn resolved_values(facts: &Facts, set: &[(&str, Value)]) -> ResolvedValues {
    let configuration = site(set);
    let computed = computed_values(&Networks::of(&configuration).unwrap(), &of(facts, set).values);
    resolve_values(&fitted_release(), &configuration, &computed).unwrap()
}

fn blockers(fitted: &FittedModels) -> Vec<&str> {
    let blockers = fitted.findings.iter().filter(|finding| finding.is_blocker());
    blockers.map(|finding| finding.measured.as_str()).collect()
}

#[test]
fn fit_decides_unset_figures() {
    let values = resolved_values(&host("two-l4"), &[]);
    assert_eq!(values["models.llama.tensorParallel"], json!(2), "not the release's default");
    assert_eq!(values["models.llama.context"], json!("131072"), "as a text, which an environment variable must be");
    assert!(values["models.llama.sequences"].as_u64().unwrap() > 1);
    assert_eq!(values["models.llama.title"], json!("Llama"), "no figure of a fit");
    assert_eq!(values["models.other.context"], json!(512), "no model of the bundle");
    let found = of(&host("two-l4"), &[]);
    let passed: Vec<_> = found.findings.iter().map(|finding| (finding.severity, finding.message.as_str())).collect();
    assert_eq!(passed, [(Severity::Passed, "The model llama fits")]);
}

#[test]
fn accepted_site_figures_count() {
    let set = [("models.llama.tensorParallel", json!(1)), ("models.llama.context", json!("8192"))];
    let facts = host("two-l4");
    assert_eq!(blockers(&of(&facts, &set)), Vec::<&str>::new());
    let values = resolved_values(&facts, &set);
    assert_eq!((&values["models.llama.tensorParallel"], &values["models.llama.context"]), (&json!(1), &json!("8192")));

    for (name, content, why) in [
        ("models.llama.tensorParallel", json!(3), "llama: 3 GPUs are asked for"),
        ("models.llama.context", json!("999999"), "llama: a context of 999,999 tokens is asked for, and up to 131,072"),
        ("models.llama.sequences", json!(0), "llama: at least one sequence must be possible"),
    ] {
        let found = of(&facts, &[(name, content)]);
        assert!(matches!(blockers(&found)[..], [blocker] if blocker.starts_with(why)), "{:?}", found.findings);
        assert!(found.values.is_empty(), "nothing is guessed");
    }
}

#[test]
fn malformed_or_small_figures_block() {
    let facts = host("two-l4");
    for (name, content) in [
        ("models.llama.tensorParallel", json!("two")),
        ("models.llama.context", json!(8192.5)),
        ("models.llama.sequences", json!(-1)),
    ] {
        let found = of(&facts, &[(name, content.clone())]);
        assert_eq!(blockers(&found), [format!("{name} is {content}, which is not a whole number")]);
        assert!(found.values.is_empty(), "{:?}", found.values);
    }
    let values = vec![value("models.llama.memoryBytes", json!({"type": "integer"}), None)];
    let release = ReleaseDocument { values, ..fitted_release() };
    let of = |set: &[(&str, Value)]| fit_models(&release, Some(&document(&["llama"])), &facts, &site(set));
    let enough = of(&[]).values["models.llama.memoryBytes"].as_u64().unwrap();
    assert_eq!(blockers(&of(&[("models.llama.memoryBytes", json!(enough))])), Vec::<&str>::new());
    let found = of(&[("models.llama.memoryBytes", json!(enough - 1))]);
    let why = format!("models.llama.memoryBytes is {}, and the model takes {enough} bytes", enough - 1);
    assert_eq!(blockers(&found), [why]);
    assert!(found.values.is_empty(), "{:?}", found.values);
}

#[test]
fn unfit_model_blocks() {
    let found = of(&host("none"), &[]);
    assert!(matches!(blockers(&found)[..], [blocker] if blocker.starts_with("llama: llama.cpp reads GGUF")));
    let two = fit_models(
        &ReleaseDocument {
            values: ["llama", "twin"].map(|name| value(&format!("models.{name}.context"), json!({}), None)).to_vec(),
            ..fitted_release()
        },
        Some(&document(&["llama", "twin"])),
        &host("two-l4"),
        &site(&[]),
    );
    assert!(matches!(blockers(&two)[..], [blocker] if blocker.starts_with("twin: GPUs are missing")), "{two:?}");
}

#[test]
fn disallowed_fitted_figure_blocks() {
    let schema = json!({"type": "integer", "maximum": 4096});
    let release = ReleaseDocument { values: vec![value("models.llama.context", schema, None)], ..fitted_release() };
    let of = |set: &[(&str, Value)]| fit_models(&release, Some(&document(&["llama"])), &host("two-l4"), &site(set));
    let refused = of(&[]);
    assert_eq!(blockers(&refused), ["models.llama.context would be 131072, which the release does not allow"]);
    assert!(refused.values.is_empty(), "a rollback does not apply it either");
    assert_eq!(blockers(&of(&[("models.llama.context", json!(4096))])), Vec::<&str>::new());
}

#[test]
fn release_without_models_gets_nothing() {
    let facts = host("two-l4");
    assert_eq!(fit_models(&release(), Some(&document(&["llama"])), &facts, &site(&[])), FittedModels::default());
    assert_eq!(fit_models(&fitted_release(), None, &facts, &site(&[])), FittedModels::default());
    assert!(!is_fitted(&release()) && is_fitted(&fitted_release()));
    let broken = fit_models(&fitted_release(), Some(b"{}"), &facts, &site(&[]));
    assert!(matches!(blockers(&broken)[..], [blocker] if blocker.contains("cannot be read")));
}

#[test]
fn builder_figures_are_known() {
    assert!(MODEL_FIGURES.iter().all(|name| Figure::from_name(name).is_some()));
}

#[test]
fn model_changes_are_recognized() {
    let before = site(&[("models.llama.context", json!(4096)), ("web.replicas", json!(1))]);
    assert!(!is_changed(&before, &site(&[("models.llama.context", json!(4096)), ("web.replicas", json!(2))])));
    assert!(is_changed(&before, &site(&[("models.llama.context", json!(8192))])) && is_changed(&before, &site(&[])));
}
