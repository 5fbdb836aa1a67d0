use landfall_error_codes::CodedError as _;
use serde_json::{Value, json};

use super::{canary, check_rendered};
use crate::definition::Definition;
use crate::error::BuildError;
use crate::proofs::tests::{error_text, read_text};
use crate::rendered::{Origin, RenderedComponent};

const GOOD: &str = include_str!("../definition/good.yaml");

const PROOFS: &str = "
proofs:
  - name: answers
    component: assistant
    shows: The service answers
    request: {service: assistant, port: 80, path: /health}
  - name: runs
    component: assistant
    shows: The program runs
    command: {workload: Deployment/assistant, arguments: ['true']}
  - name: worker
    component: assistant
    shows: The worker works
    command: {workload: Deployment/worker, arguments: ['true']}
  - name: rows
    component: database
    shows: A row that is written is read again
    command: {workload: StatefulSet/database, arguments: ['true']}
";

const CANARY: &str = "    canary: {workload: Deployment/assistant, proofs: [answers, runs], soakSeconds: 60}\n";

/// The valid definition, with this canary for a component.
fn text(component: &str, canary: &str) -> String {
    let name = format!("  - name: {component}\n");
    assert!(GOOD.contains(&name), "the good definition has no {component}");
    format!("{}{PROOFS}", GOOD.replacen(&name, &format!("{name}{canary}"), 1))
}

fn refusal(component: &str, canary: &str) -> String {
    let text = text(component, canary);
    error_text(&read_text(&text).expect_err("refused"), &text)
}

#[test]
fn canary_matches_declaration() {
    let of = |written: &str| {
        let definition = read_text(&text("assistant", written)).expect("good");
        let index = definition.release.components.iter().position(|one| one.name.value == "assistant").expect("there");
        canary(&definition, index).expect("good")
    };
    let found = of(CANARY).expect("there is one");
    assert_eq!((found.workload.to_string().as_str(), found.soak_seconds), ("Deployment/assistant", 60));
    assert_eq!(found.proofs, ["answers", "runs"]);
    assert_eq!(of(&CANARY.replace(", soakSeconds: 60", "")).expect("there is one").soak_seconds, 30);
    assert_eq!(of(""), None);
}

#[test]
fn misdeclared_canaries_are_refused() {
    let assistant = |from: &str, to: &str| refusal("assistant", &CANARY.replacen(from, to, 1));
    let refusals = [
        assistant("Deployment/assistant", "Deploymnet/assistant"),
        assistant("Deployment/assistant", "StatefulSet/assistant"),
        assistant("[answers, runs]", "[]"),
        assistant("[answers, runs]", "[rows]"),
        assistant("[answers, runs]", "[worker]"),
        assistant("60", "3601"),
        assistant("soakSeconds", "soak"),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

fn service(selector: &Value, target: &Value) -> Value {
    json!({"kind": "Service", "metadata": {"name": "assistant"}, "spec": {
        "clusterIP": "10.96.0.20", "selector": selector, "ports": [{"port": 80, "targetPort": target}]}})
}

fn deployment(more: &Value, pod: &Value) -> Value {
    let mut deployment = json!({"kind": "Deployment", "metadata": {"name": "assistant"}, "spec": {
        "replicas": 2, "template": {"metadata": {"labels": {"app": "assistant"}}, "spec": {
            "containers": [{"name": "server", "ports": [{"name": "http", "containerPort": 8080}]}]}}}});
    merge(&mut deployment["spec"], more);
    merge(&mut deployment["spec"]["template"]["spec"], pod);
    deployment
}

fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().expect("fields") {
        into[key] = value.clone();
    }
}

fn check_objects(definition: &Definition, objects: Vec<Value>) -> Result<(), BuildError> {
    let index = definition.release.components.iter().position(|one| one.name.value == "assistant").expect("there");
    check_rendered(definition, &[RenderedComponent { index, origin: Origin::Folder("assistant".into()), objects }])
}

#[test]
fn unsafe_canaries_are_refused() {
    let definition = read_text(&text("assistant", CANARY)).expect("good");
    let good = service(&json!({"app": "assistant"}), &json!("http"));
    let claim = |modes: &Value| {
        json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": modes}})
    };
    let volume = json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]});
    let plain = || deployment(&json!({}), &json!({}));
    check_objects(&definition, vec![good.clone(), plain()]).expect("good");
    check_objects(&definition, vec![service(&json!({"app": "assistant"}), &json!(8080)), plain()]).expect("good");
    let shared = vec![good.clone(), claim(&json!(["ReadWriteMany"])), deployment(&json!({}), &volume)];
    check_objects(&definition, shared).expect("good");
    let of = |more: &Value, pod: &Value| vec![good.clone(), deployment(more, pod)];
    let none = json!({});
    let host_port =
        json!({"containers": [{"name": "server", "ports": [{"name": "http", "containerPort": 80, "hostPort": 80}]}]});
    let refusals: Vec<String> = [
        vec![good.clone()],
        of(&json!({"replicas": 1}), &none),
        of(&json!({"replicas": 0}), &none),
        of(&json!({"strategy": {"type": "Recreate"}}), &none),
        of(&none, &json!({"hostNetwork": true})),
        of(&none, &host_port),
        of(&none, &volume),
        vec![good.clone(), claim(&json!(["ReadWriteOnce"])), deployment(&none, &volume)],
        vec![service(&json!({"app": "another"}), &json!("http")), plain()],
        vec![service(&json!({}), &json!("http")), plain()],
        vec![service(&json!({"app": "assistant"}), &json!("metrics")), plain()],
    ]
    .into_iter()
    .map(|objects| {
        let error = check_objects(&definition, objects).expect_err("refused");
        let message = error.to_string();
        format!("{} {}", error.code().id, message.split_once("canary.").expect("field").1)
    })
    .collect();
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn default_value_sets_replica_count() {
    let value = "  - name: assistant.replicas\n    schema: {type: integer}\n    default: 3\n    targets: \
         [{component: assistant, kind: Deployment, name: assistant, path: /spec/replicas}]\n";
    let with = text("assistant", CANARY).replacen("\nvalues:\n", &format!("\nvalues:\n{value}"), 1);
    let definition = read_text(&with).expect("good");
    assert!(with.contains("assistant.replicas"), "the good definition has no values");
    let good = service(&json!({"app": "assistant"}), &json!("http"));
    check_objects(&definition, vec![good, deployment(&json!({"replicas": 1}), &json!({}))]).expect("three pods");
}
