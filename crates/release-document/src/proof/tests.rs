use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Proof, ProofField};

fn command() -> Value {
    json!({
        "name": "rows", "component": "db", "shows": "A row that is written is read again", "limit_seconds": 30,
        "trial": { "command": {
            "workload": { "kind": "StatefulSet", "name": "db" }, "container": "db",
            "arguments": ["sh", "-euc", "psql --command 'SELECT 1'\n"],
            "expect": { "exit_code": 0, "stdout": { "equals": "1" } },
        } },
    })
}

fn request() -> Value {
    json!({
        "name": "answers", "component": "web", "shows": "The service answers", "limit_seconds": 600,
        "trial": { "request": {
            "service": "web", "port": 80, "method": "POST", "path": "/ask?deep=1",
            "headers": { "X-Question": "why not" },
            "body": "{}\n", "expect": { "status": 200, "body": { "json": { "/ready": true, "": { "ready": true } } } },
        } },
    })
}

fn read(document: &Value) -> Result<Proof, String> {
    serde_json::from_value(document.clone()).map_err(|error| error.to_string())
}

#[test]
fn valid_proof_round_trips() {
    for document in [command(), request()] {
        let proof = read(&document).unwrap();
        assert_eq!(proof.check(), Ok(()));
        assert_eq!(serde_json::to_value(&proof).unwrap(), document);
    }
}

#[test]
fn proof_fields_are_validated() {
    let long = |bytes: usize| Value::from("a".repeat(bytes));
    let many: Vec<Value> = (0..65).map(|_| "a".into()).collect();
    for (good, place, value, field) in [
        (command(), "/name", json!("Rows"), ProofField::Name),
        (command(), "/component", json!("../db"), ProofField::Component),
        (command(), "/shows", json!(" "), ProofField::Shows),
        (command(), "/shows", json!("a\nverified"), ProofField::Shows),
        (command(), "/shows", long(201), ProofField::Shows),
        (command(), "/limit_seconds", json!(0), ProofField::Limit),
        (command(), "/limit_seconds", json!(601), ProofField::Limit),
        (command(), "/trial/command/workload/name", json!("db/../x"), ProofField::Workload),
        (command(), "/trial/command/container", json!(""), ProofField::Container),
        (command(), "/trial/command/arguments", json!([]), ProofField::Arguments),
        (command(), "/trial/command/arguments", json!(["", "a"]), ProofField::Arguments),
        (command(), "/trial/command/arguments", json!(["a", "b\0"]), ProofField::Arguments),
        (command(), "/trial/command/arguments/1", long(17 << 10), ProofField::Arguments),
        (command(), "/trial/command/arguments", many.into(), ProofField::Arguments),
        (command(), "/trial/command/expect/stdout", json!({ "contains": "" }), ProofField::Expect),
        (command(), "/trial/command/expect/stdout/equals", long(4097), ProofField::Expect),
        (request(), "/trial/request/service", json!("web.other"), ProofField::Service),
        (request(), "/trial/request/path", json!("health"), ProofField::Path),
        (request(), "/trial/request/path", json!("/a b"), ProofField::Path),
        (request(), "/trial/request/path", json!("/a\r\nX: y"), ProofField::Path),
        (request(), "/trial/request/headers", json!({ "Content-Length": "9" }), ProofField::Headers),
        (request(), "/trial/request/headers", json!({ "x:y": "9" }), ProofField::Headers),
        (request(), "/trial/request/headers/X-Question", json!("a\r\nb: c"), ProofField::Headers),
        (request(), "/trial/request/body", long((64 << 10) + 1), ProofField::Body),
        (request(), "/trial/request/expect/status", json!(101), ProofField::Expect),
        (request(), "/trial/request/expect/body/json", json!({}), ProofField::Expect),
        (request(), "/trial/request/expect/body/json", json!({ "ready": 1 }), ProofField::Expect),
    ] {
        let mut document = good;
        *document.pointer_mut(place).unwrap_or_else(|| panic!("{place}")) = value.clone();
        let fault = read(&document).unwrap().check().expect_err(place);
        assert_eq!(fault.field, field, "{place}: {}", fault.what);
        assert!(fault.what.len() < 1000 && !fault.what.chars().any(char::is_control), "{place}: {}", fault.what);
    }
}

#[test]
fn unknown_fields_and_methods_are_refused() {
    let both = json!({ "equals": "a", "contains": "b" });
    for (good, place, value, expected) in [
        (command(), "/trial/command/workload/kind", json!("Pod"), "unknown variant `Pod`"),
        (command(), "/trial/command/expect", json!({ "exit_code": 0, "stderr": "" }), "unknown field `stderr`"),
        (command(), "/trial/command/expect/exit_code", json!(256), "integer `256`"),
        (command(), "/trial/command/expect/stdout", both, "map with a single key"),
        (command(), "/trial", json!({ "shell": "rm" }), "unknown variant `shell`"),
        (request(), "/trial/request/method", json!("TRACE"), "unknown variant `TRACE`"),
        (request(), "/trial/request/port", json!(0), "integer `0`"),
        (request(), "/trial/request/port", json!(65536), "integer `65536`"),
    ] {
        let mut document = good;
        *document.pointer_mut(place).unwrap() = value;
        let error = read(&document).unwrap_err();
        assert!(error.contains(expected), "{place}: {error}");
    }
}

proptest! {
    #[test]
    fn accepted_request_is_valid_http(
        path in "[ -~\\n\\r]{0,8}",
        name in "[ -~\\r]{0,8}",
        value in "[ -~\\r\\n]{0,8}",
    ) {
        let mut document = request();
        document["trial"]["request"]["path"] = path.clone().into();
        document["trial"]["request"]["headers"] = json!({ &name: &value });
        if read(&document).unwrap().check().is_ok() {
            let line = format!("GET {path} HTTP/1.1");
            prop_assert_eq!(line.split(' ').count(), 3, "{}", line);
            let header = format!("{name}: {value}");
            prop_assert!(!header.contains(['\r', '\n']) && !name.contains([':', ' ']), "{}", header);
        }
    }
}
