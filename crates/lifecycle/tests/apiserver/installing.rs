//! The planned steps of a release's components, run in order as the engine runs them, and what they say when a
//! component cannot come up.

use landfall_engine::plan::PlannedStep;
use landfall_engine::step::{ObservedState, StepError};
use landfall_error_codes::CodedError;
use landfall_lifecycle::context::Site;
use landfall_lifecycle::plan::components::{ComponentInputs, component_steps};
use landfall_lifecycle::steps::action::Action;
use landfall_lifecycle::steps::resolve;
use landfall_release_document::ReleaseDocument;
use landfall_site::configuration::ResolvedValues;
use landfall_site::site_secrets::SecretNumbers;
use serde_json::{Value, json};

use crate::fixture::{ControlPlane, release};

/// One component with one of each: settings, a service, a Job that never runs, an artifact, a secret.
pub fn sample_release() -> ReleaseDocument {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let blob = json!({"mediaType": "application/octet-stream", "digest": digest, "size": 1000});
    release(
        &json!([{
            "name": "web", "namespace": "web", "needs": [], "objects": "documents/objects/web.json",
            "pod_security": "restricted",
            "quota": {"pods": "3"}, "ready_seconds": 3,
            "secrets": [{"name": "web", "random": {"key": 24}}],
            "mounts": [{"artifact": "weights", "claim": "weights"}],
        }]),
        &json!([{"name": "web.mode", "schema": {"type": "string"}, "default": "fast",
            "targets": [{"component": "web", "kind": "ConfigMap", "name": "settings", "path": "/data/mode"}]}]),
        &json!([{"name": "weights", "kind": "model", "reference": "example.org/weights:1", "manifest": blob,
            "config": blob,
            "files": [{"path": "weights.bin", "blob": blob}]}]),
    )
}

/// Objects that are ready without any node.
pub fn settings_and_service() -> Vec<Value> {
    vec![
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "web"},
            "data": {"mode": "none"}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}),
    ]
}

fn stateful_set(pod: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web", "namespace": "web"},
        "spec": {"serviceName": "web", "replicas": 1, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod}}})
}

pub fn plan(site: &Site) -> Vec<PlannedStep<Action>> {
    let values = ResolvedValues::from([("web.mode".to_owned(), json!("fast"))]);
    let inputs = ComponentInputs {
        release: &site.releases.own.release,
        documents: &site.releases.own.documents,
        values: &values,
        secrets: &SecretNumbers::new(),
        node: "node",
    };
    component_steps(&inputs).unwrap()
}

/// How often a component that cannot come up is waited for, three seconds each time.
const TRIES: usize = 10;

/// A step that ran, and what it recorded before.
pub type Run = (PlannedStep<Action>, Value);

/// A step that failed.
#[derive(Debug)]
pub struct StepFailure {
    step: String,
    error: StepError,
}

/// Runs all steps; the error names the step that failed.
pub fn install(site: &mut Site) -> Result<Vec<Run>, Box<StepFailure>> {
    let mut done = Vec::new();
    for planned in plan(site) {
        let step = resolve(&planned.action);
        let failed = |error| Box::new(StepFailure { step: planned.id.to_string(), error });
        assert!(!matches!(step.observe(site).map_err(failed)?, ObservedState::Foreign(_)));
        let before = step.prepare(site).map_err(failed)?;
        step.act(site, &before).map_err(failed)?;
        assert_eq!(step.observe(site).map_err(failed)?, ObservedState::Done, "{}", planned.id);
        done.push((planned, before));
    }
    Ok(done)
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn component_is_installed_and_removed() {
    let plane = ControlPlane::start();
    let site = &mut plane.site(sample_release(), &[("documents/objects/web.json", json!(settings_and_service()))]);
    let names: Vec<String> = plan(site).iter().map(|step| step.id.to_string()).collect();
    assert_eq!(
        names,
        ["namespace/web", "secret/web/web", "mount/web/weights-abababababab", "component/web", "ready/web"]
    );
    // A plan is pinned as text in the journal and read back.
    let text = serde_json::to_string(&plan(site)).unwrap();
    assert_eq!(serde_json::from_str::<Vec<PlannedStep<Action>>>(&text).unwrap(), plan(site));

    let done = install(site).unwrap();
    assert_eq!(
        plane.kubectl(&["get", "configmap", "settings", "-n", "web", "-o", "jsonpath={.data.mode}"], None),
        "fast"
    );
    let status = &plane.cluster().components().unwrap()[0];
    assert_eq!((status.ready, status.total, status.reasons.len()), (1, 1, 0));
    for (planned, before) in done.iter().rev() {
        resolve(&planned.action).undo(site, before).unwrap();
    }
    assert_eq!(plane.kubectl(&["get", "namespace", "web", "--ignore-not-found", "-o", "name"], None), "");
    assert_eq!(plane.kubectl(&["get", "pv", "-o", "name"], None), "");
    assert!(plane.cluster().components().unwrap().is_empty());
}

#[test]
#[ignore = "needs LANDFALL_TEST_BINARIES, which `cargo xtask test` sets"]
fn failed_component_gives_its_reason() {
    let plane = ControlPlane::start();
    // The namespace is restricted and the pod is not: the controller cannot make it, and says why in an event.
    let pod = json!({"containers": [{"name": "web", "image": "docker.io/library/web:1",
        "securityContext": {"privileged": true}}]});
    let objects = [settings_and_service(), vec![stateful_set(&pod)]].concat();
    let site = &mut plane.site(sample_release(), &[("documents/objects/web.json", json!(objects))]);
    let parts = [
        "component web was not ready after",
        "apps/StatefulSet web/web: 0 of 1 pods are made",
        "violates PodSecurity \"restricted:v1.36\"",
    ];
    // The controller may not have looked within the seconds that the component gets: the step says so, and is tried
    // again, as by a resume.
    let message = (0..TRIES)
        .map(|_| {
            let StepFailure { step, error } = *install(site).unwrap_err();
            assert_eq!((step.as_str(), error.code().id), ("ready/web", "LF4208"));
            error.to_string()
        })
        .find(|message| parts.iter().all(|part| message.contains(part)));
    assert!(message.is_some(), "none of {TRIES} messages names all of {parts:?}: {:?}", install(site).unwrap_err());
    let status = &plane.cluster().components().unwrap()[0];
    assert_eq!((status.ready, status.total), (1, 2));
    assert!(status.reasons.iter().any(|reason| reason.contains("violates PodSecurity")), "{:?}", status.reasons);
}
