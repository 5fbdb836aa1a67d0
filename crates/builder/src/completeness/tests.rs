use landfall_error_codes::CodedError;
use serde_json::{Value, json};

use super::check_rendered;
use crate::proofs::tests::read_text;
use crate::rendered::{Origin, RenderedComponent};

/// A definition whose only component has these fields.
fn text(fields: &str, proofs: &str) -> String {
    let good = include_str!("../definition/good.yaml");
    let (head, _) = good.split_once("components:\n").expect("components");
    format!("{head}components:\n  - name: web\n    manifests: manifests/web\n    namespace: web\n{fields}{proofs}")
}

const PROOF: &str =
    "proofs:\n  - {name: answers, component: web, shows: It answers, request: {service: web, port: 80, path: /}}\n";

/// Container with everything.
fn complete() -> Value {
    let resources = json!({ "requests": { "cpu": "10m", "memory": "16Mi" }, "limits": { "memory": "32Mi" } });
    json!({ "name": "web", "readinessProbe": { "tcpSocket": { "port": 80 } }, "resources": resources })
}

fn workload(kind: &str, containers: &Value) -> Value {
    let version = if kind == "Job" { "batch/v1" } else { "apps/v1" };
    json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "web" },
        "spec": { "template": { "spec": { "containers": containers } } } })
}

/// Remarks, or the error with its hint.
fn checked(fields: &str, proofs: &str, objects: Vec<Value>) -> Result<Vec<String>, String> {
    let in_file = |message: &str| message.split_once("component.yaml:").expect("the component's own file").1.to_owned();
    let definition = read_text(&text(fields, proofs)).map_err(|error| in_file(&error.to_string()))?;
    let component = RenderedComponent { index: 0, origin: Origin::Folder("manifests/web".into()), objects };
    check_rendered(&definition, &[component]).map_err(|error| {
        let what = in_file(&error.to_string());
        format!("{}{what} => {}", error.code().id, CodedError::hint(&error).expect("a hint"))
    })
}

#[test]
fn complete_component_passes() {
    let deployment = workload("Deployment", &json!([complete(), complete()]));
    assert_eq!(checked("", PROOF, vec![deployment]), Ok(Vec::new()));
    // A limit alone is also the request, and a Job is never ready.
    let limits = json!([{ "name": "a", "resources": { "limits": { "cpu": 1, "memory": "1Gi" } } }]);
    assert_eq!(checked("", PROOF, vec![workload("Job", &limits)]), Ok(Vec::new()));
}

#[test]
fn missing_properties_are_refused() {
    let bare = |name: &str| json!({ "name": name });
    let all = workload("StatefulSet", &json!([bare("a"), bare("b"), bare("c"), bare("d")]));
    let mut unlimited = complete();
    unlimited["resources"]["limits"].take();
    let refusals = [
        checked("", "", vec![all]),
        checked("", PROOF, vec![workload("DaemonSet", &json!([unlimited]))]),
        checked("", "", vec![workload("Deployment", &json!([complete()]))]),
        checked("    without: {proofs: ' '}\n", "", Vec::new()),
        checked("    without: {prooves: none}\n", "", Vec::new()),
    ];
    let refusals: Vec<_> = refusals.into_iter().map(|refused| refused.expect_err("refused")).collect();
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn stated_absence_is_allowed() {
    let fields = "    without: {probes: it serves nothing, limits: its publisher sets none, proofs: the web has one}\n";
    let bare = workload("Deployment", &json!([{ "name": "a" }]));
    assert_eq!(checked(fields, "", vec![bare]), Ok(Vec::new()));
    let remarks = checked(fields, PROOF, vec![workload("Deployment", &json!([complete()]))]).expect("allowed");
    assert_eq!(remarks.len(), 3, "{remarks:?}");
    assert!(remarks[0].starts_with("the component `web` has probes, although `without` says"), "{remarks:?}");
}
