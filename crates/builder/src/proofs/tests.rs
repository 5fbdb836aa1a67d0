use landfall_error_codes::CodedError as _;
use landfall_release_document::{ArtifactEntry, ProofTrial};
use landfall_test_support::definition as notation;
use serde_json::{Value, json};

use super::{check_rendered, proofs};
use crate::definition::Definition;
use crate::error::BuildError;
use crate::release;
use crate::rendered::{Origin, RenderedComponent};

const GOOD: &str = include_str!("../definition/good.yaml");

const PROOFS: &str = "
proofs:
  - name: rows
    component: database
    shows: A row that is written is read again
    command:
      workload: StatefulSet/database
      container: server
      arguments: [sh, -euc, 'psql --quiet']
      expect: {stdout: {equals: '1'}}
  - name: weights
    component: assistant
    shows: The weights have the bundle's digest
    limitSeconds: 60
    command:
      workload: Deployment/assistant
      arguments: [check, '%{sha256:model/model.bin}  /models/model.bin', '100%']
  - name: answers
    component: assistant
    shows: The service answers
    request:
      service: assistant
      port: 80
      path: /health
      headers: {accept: application/json}
      expect: {status: 200, body: {json: {/ready: true}}}
";

fn read(from: &str, to: &str) -> Result<Definition, BuildError> {
    let text = format!("{GOOD}{PROOFS}");
    assert!(text.contains(from), "the good definition lost `{from}`");
    read_text(&text.replacen(from, to, 1))
}

/// Reads a definition with this text from a temporary folder.
pub(crate) fn read_text(text: &str) -> Result<Definition, BuildError> {
    let folder = tempfile::tempdir().expect("folder");
    notation::write(folder.path(), text);
    release::read(folder.path())
}

/// The error with its hint, and with the text of the line instead of its number.
pub(crate) fn error_text(error: &BuildError, text: &str) -> String {
    let message = error.to_string();
    let (_, message) = message.split_once(".yaml:").expect("file");
    let (number, message) = message.split_once(": ").expect("line");
    let line = text.lines().nth(number.parse::<usize>().expect("number") - 1).expect("line").trim();
    let hint = error.hint().map(|hint| format!(" => {hint}")).unwrap_or_default();
    format!("{} <{line}> {message}{hint}", error.code().id)
}

fn refusal(from: &str, to: &str) -> String {
    error_text(&read(from, to).expect_err("refused"), &format!("{GOOD}{PROOFS}").replacen(from, to, 1))
}

#[test]
fn misdeclared_proofs_are_refused() {
    let refusals = [
        refusal("component: database\n    shows", "component: databse\n    shows"),
        refusal("- name: weights", "- name: rows"),
        refusal("- name: weights", "- name: Weights"),
        refusal("shows: The service answers", "shows: ''"),
        refusal("limitSeconds: 60", "limitSeconds: 0"),
        refusal("limitSeconds: 60", "limitseconds: 60"),
        refusal("workload: StatefulSet/database", "workload: StatefullSet/database"),
        refusal("workload: StatefulSet/database", "workload: database"),
        refusal("container: server", "container: Server"),
        refusal("arguments: [sh, -euc, 'psql --quiet']", "arguments: []"),
        refusal("expect: {stdout: {equals: '1'}}", "expect: {stdout: {equals: '1', contains: '1'}}"),
        refusal("expect: {stdout: {equals: '1'}}", "expect: {exitCode: 256}"),
        refusal("expect: {stdout: {equals: '1'}}", "expect: {stderr: ''}"),
        refusal("%{sha256:model/", "%{sha256:modell/"),
        refusal("      service: assistant", "      method: TRACE\n      service: assistant"),
        refusal("port: 80", "port: 0"),
        refusal("path: /health", "path: health"),
        refusal("headers: {accept:", "headers: {content-length:"),
        refusal("{json: {/ready: true}}", "{json: {ready: true}}"),
        refusal("    request:\n", "    command: {workload: Deployment/assistant, arguments: ['true']}\n    request:\n"),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

fn sample_components(definition: &Definition) -> Vec<RenderedComponent> {
    let of = |name: &str, objects: Vec<Value>| {
        let components = &definition.release.components;
        let index = components.iter().position(|component| component.name.value == name).expect("component");
        RenderedComponent { index, origin: Origin::Folder(format!("manifests/{name}").into()), objects }
    };
    let workload = |kind: &str, name: &str, container: &str| {
        json!({ "kind": kind, "metadata": { "name": name },
            "spec": { "template": { "spec": { "containers": [{ "name": container }] } } } })
    };
    let service = |name: &str, address: Value| {
        json!({ "kind": "Service", "metadata": { "name": name },
            "spec": { "clusterIP": address, "ports": [{ "port": 80 }, { "port": 53, "protocol": "UDP" }] } })
    };
    vec![
        of("database", vec![workload("StatefulSet", "database", "server"), service("database", "None".into())]),
        of("assistant", vec![workload("Deployment", "assistant", "assistant"), service("assistant", Value::Null)]),
    ]
}

#[test]
fn unrendered_objects_cannot_be_proved() {
    let definition = read("counter: 7", "counter: 7").expect("good");
    check_rendered(&definition, &sample_components(&definition)).expect("everything exists");
    let refusal = |from: &str, to: &str| {
        let definition = read(from, to).expect("valid release");
        let error = check_rendered(&definition, &sample_components(&definition)).expect_err("refused");
        error_text(&error, &format!("{GOOD}{PROOFS}").replacen(from, to, 1))
    };
    let refusals = [
        refusal("workload: StatefulSet/database", "workload: StatefulSet/databse"),
        refusal("workload: StatefulSet/database", "workload: Deployment/database"),
        refusal("workload: StatefulSet/database", "workload: Deployment/assistant"),
        refusal("container: server", "container: postgres"),
        refusal("service: assistant", "service: asistant"),
        refusal("port: 80", "port: 8080"),
        refusal("port: 80", "port: 53"),
        refusal(
            "component: assistant\n    shows: The service answers\n    request:\n      service: assistant",
            "component: database\n    shows: The service answers\n    request:\n      service: database",
        ),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

fn artifact(files: &[&str]) -> ArtifactEntry {
    let blob = json!({ "mediaType": "a/b", "digest": format!("sha256:{}", "ab".repeat(32)), "size": 3 });
    let files: Vec<Value> = files.iter().map(|path| json!({ "path": path, "blob": blob })).collect();
    let entry = json!({ "name": "model", "kind": "model", "reference": "a/b:1", "manifest": blob, "config": blob,
        "files": files });
    serde_json::from_value(entry).expect("entry")
}

#[test]
fn file_digests_are_filled_in() {
    let definition = read("counter: 7", "counter: 7").expect("good");
    let made = proofs(&definition, &[artifact(&["config.json", "model.bin"])]).expect("proofs");
    let ProofTrial::Command(command) = &made[1].trial else { panic!("a command") };
    assert_eq!(command.arguments, ["check", &format!("{}  /models/model.bin", "ab".repeat(32)), "100%"]);
    assert_eq!((made[0].limit_seconds, made[1].limit_seconds, made.len()), (30, 60, 3));
    assert!(made.iter().all(|proof| proof.check().is_ok()));

    let error = proofs(&definition, &[artifact(&["model.safetensors", "modell.bin"])]).expect_err("no such file");
    assert_eq!(
        error_text(&error, &format!("{GOOD}{PROOFS}")),
        "LF2041 <arguments: [check, '%{sha256:model/model.bin}  /models/model.bin', '100%']> \
         proofs[1].command.arguments: the artifact `model` has no file `model.bin` => Did you mean `modell.bin`?"
    );
}

#[test]
fn proofs_are_optional() {
    let definition = read_text(GOOD).expect("good");
    assert_eq!(proofs(&definition, &[]).expect("none"), []);
}
