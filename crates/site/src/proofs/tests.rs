use landfall_cluster::{Answer, NoAnswer, Output, ProgramResult, selector};
use landfall_error_codes::CodedError as _;
use landfall_release_document::{Proof, ProofTrial, ReleaseDocument};
use serde_json::{Value, json};

use super::trial::AttemptFailure;
use super::{choose_proofs, judge};

fn trial(trial: Value) -> ProofTrial {
    serde_json::from_value(trial).unwrap()
}

fn command(expect: &Value) -> ProofTrial {
    trial(json!({ "command": {
        "workload": { "kind": "Deployment", "name": "web" }, "arguments": ["true"], "expect": expect } }))
}

fn request(expect: &Value) -> ProofTrial {
    trial(json!({ "request": { "service": "web", "port": 80, "method": "GET", "path": "/", "expect": expect } }))
}

fn output(text: &str) -> Output {
    Output { text: text.to_owned(), dropped_bytes: 0 }
}

/// Returns the expectation and the result of a failed proof; `None` if it passed.
fn command_failure(expect: &Value, exit_code: i32, stdout: Output, stderr: &str) -> Option<String> {
    let trial = command(expect);
    let ProofTrial::Command(command) = &trial else { unreachable!() };
    let executed = ProgramResult { exit_code, stdout, stderr: output(stderr) };
    let found = judge::command(&command.expect, &executed).err()?;
    Some(format!("{} | {found}", judge::expectation(&trial)))
}

fn request_failure(expect: &Value, status: u16, body: &str) -> Option<String> {
    let trial = request(expect);
    let ProofTrial::Request(request) = &trial else { unreachable!() };
    let found = judge::response(&request.expect, &Answer { status, body: output(body) }).err()?;
    Some(format!("{} | {found}", judge::expectation(&trial)))
}

#[test]
fn command_is_judged_by_code_and_output() {
    let cases = [
        command_failure(&json!({ "exit_code": 0 }), 0, output("whatever"), "warning"),
        command_failure(&json!({ "exit_code": 3 }), 3, output(""), ""),
        command_failure(&json!({ "exit_code": 0, "stdout": { "equals": "1" } }), 0, output("1\n"), ""),
        command_failure(&json!({ "exit_code": 0, "stdout": { "contains": "land" } }), 0, output("it landed\n"), ""),
        command_failure(&json!({ "exit_code": 0, "stdout": { "json": { "/a/0": 1 } } }), 0, output("{\"a\": [1]}"), ""),
    ];
    assert_eq!(cases, [const { None }; 5], "these pass");
    let long = Output { text: "1".to_owned(), dropped_bytes: 7 };
    let cases = [
        command_failure(&json!({ "exit_code": 0 }), 1, output(""), "psql: no\nsuch role\n"),
        command_failure(&json!({ "exit_code": 3 }), 0, output("all is well"), ""),
        command_failure(&json!({ "exit_code": 0, "stdout": { "equals": "1" } }), 0, output("11\n"), ""),
        command_failure(&json!({ "exit_code": 0, "stdout": { "equals": "" } }), 0, output("leak"), ""),
        command_failure(&json!({ "exit_code": 0, "stdout": { "equals": "1" } }), 0, long, ""),
        command_failure(&json!({ "exit_code": 0, "stdout": { "contains": "land" } }), 0, output("sea"), "x"),
        command_failure(&json!({ "exit_code": 0, "stdout": { "json": { "/a": 1 } } }), 0, output("{"), ""),
    ];
    insta::assert_snapshot!(cases.map(|case| case.expect("it fails")).join("\n"));
}

#[test]
fn response_is_judged_by_status_and_body() {
    let ready = json!({ "status": 200, "body": { "json": { "/ready": true, "/count": 2 } } });
    let cases = [
        request_failure(&json!({ "status": 200 }), 200, "anything"),
        request_failure(&json!({ "status": 404, "body": { "contains": "none" } }), 404, "there is none"),
        request_failure(&ready, 200, "{\"ready\": true, \"count\": 2, \"more\": null}"),
    ];
    assert_eq!(cases, [const { None }; 3], "these pass");
    let cases = [
        request_failure(&json!({ "status": 200 }), 503, "{\"ready\": false}"),
        request_failure(&ready, 200, "{\"ready\": false, \"count\": 2}"),
        request_failure(&ready, 200, "{\"count\": 2}"),
        request_failure(&ready, 200, "<html>"),
        request_failure(&json!({ "status": 200, "body": { "json": { "": [] } } }), 200, "{}"),
    ];
    insta::assert_snapshot!(cases.map(|case| case.expect("it fails")).join("\n"));
}

#[test]
fn quoted_output_is_short() {
    let long = "é".repeat(100_000);
    let said = command_failure(&json!({ "exit_code": 0 }), 1, output(&long), &format!("{long}the reason")).unwrap();
    assert!(said.chars().count() < 1200 && said.ends_with("the reason`"), "{}", said.chars().count());
}

fn release() -> ReleaseDocument {
    let proof = |name: &str| Proof {
        name: name.to_owned(),
        component: "web".to_owned(),
        shows: "It works".to_owned(),
        limit_seconds: 30,
        trial: request(&json!({ "status": 200 })),
    };
    let document = json!({
        "type": "landfall.dev/release/1", "name": "shop", "version": "1.0.0", "counter": 1, "assembled": false,
        "platform": "linux/amd64", "node_packs": [], "images": [], "artifacts": [], "components": [], "values": [],
        "requirements": { "cores": 1, "memory_bytes": 1, "data_bytes": 1 },
        "proofs": [proof("rows"), proof("keys")],
    });
    serde_json::from_value(document).unwrap()
}

#[test]
fn chosen_proofs_keep_release_order() {
    let release = release();
    let names = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let chosen = choose_proofs(&release, &names)
            .map_err(|error| format!("{} {error}; {}", error.code().id, error.hint().unwrap_or_default()))?;
        Ok::<_, String>(chosen.iter().map(|proof| proof.name.clone()).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(names(&[]), Ok("rows keys".to_owned()));
    assert_eq!(names(&["keys", "rows"]), Ok("rows keys".to_owned()));
    assert_eq!(names(&["keys"]), Ok("keys".to_owned()));
    let refused = |given| names(&[given]).unwrap_err();
    assert_eq!(refused("row"), "LF4502 release shop 1.0.0 declares no proof `row`; Did you mean `rows`?");
    assert_eq!(
        refused("weights"),
        "LF4502 release shop 1.0.0 declares no proof `weights`; The release declares: rows, keys."
    );
}

#[test]
fn selector_includes_all_expressions() {
    let whole = json!({
        "matchLabels": { "app": "web", "tier": "front" },
        "matchExpressions": [
            { "key": "zone", "operator": "In", "values": ["a", "b"] },
            { "key": "old", "operator": "DoesNotExist" },
            { "key": "new", "operator": "Exists" },
            { "key": "color", "operator": "NotIn", "values": ["red"] },
        ],
    });
    assert_eq!(selector(&whole), "app=web,tier=front,zone in (a,b),!old,new,color notin (red)");
}

#[test]
fn pod_unknown_to_kubelet_is_retried() {
    let refused = |code| {
        let message = "pod does not exist".to_owned();
        AttemptFailure::from(NoAnswer::Refused { code, message, transient: false }).transient
    };
    assert!(refused(404) && !refused(403) && !refused(400));
}
