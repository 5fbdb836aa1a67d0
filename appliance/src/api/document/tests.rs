use std::collections::BTreeSet;

use axum::http::StatusCode;

use super::*;
use crate::people::Scope;
use crate::testing::{Site, until};

#[test]
fn document_lists_exactly_api_routes() {
    let in_table: BTreeSet<(String, String)> = RULES
        .iter()
        .filter(|rule| rule.path.starts_with(PREFIX) && rule.path != "/api/v1/openapi.json")
        .map(|rule| (verb(rule.method), rule.path.to_owned()))
        .collect();
    let paths = document()["paths"].as_object().unwrap();
    let in_document: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())))
        .collect();
    assert_eq!(in_document, in_table);
    for (method, path) in in_document {
        let operation = &paths[&path][&method];
        assert!(operation["security"].is_array(), "{method} {path} states no rights");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{method} {path}");
        assert!(!operation["responses"]["default"].is_null(), "{method} {path} describes no errors");
    }
}

#[test]
fn references_resolve_and_ids_are_unique() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                    found.insert(reference.to_owned());
                }
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    references(document(), &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(document().pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let all = operations();
    let ids: BTreeSet<&str> = all.iter().map(|operation| operation.id.as_str()).collect();
    assert_eq!(ids.len(), all.len());
}

/// Returns a validator for an answer of the document, including formats and definitions.
fn validator(name: &str) -> jsonschema::Validator {
    let schemas = document()["components"]["schemas"].clone();
    let whole = json!({ "$ref": format!("#/components/schemas/{name}"), "components": { "schemas": schemas } });
    jsonschema::validator_for(&whole).unwrap()
}

#[tokio::test]
async fn answers_match_document() {
    let site = Site::begin().await;
    site.host.status.lock().unwrap()["gpus"] = json!({
        "driver": "580.95.05", "reason": null, "devices": [], "offered": { "nvidia.com/gpu": 1 }, "differences": [],
        "asOf": "2026-11-20T08:00:00Z", "ageSeconds": 0,
    });
    let root = site.program("root", &Scope::ALL).await;
    until(async || root.get("/api/v1/gpus").await.is_success()).await;
    let mut checked = 0;
    for operation in operations().iter().filter(|operation| operation.method == "GET") {
        let is_no_json = operation.path.starts_with("/api/v1/audit") || operation.path.ends_with("/events");
        if operation.path.contains('{') || is_no_json {
            continue;
        }
        let reply = root.get(&operation.path).await;
        assert_eq!(reply.status, StatusCode::OK, "{}: {}", operation.path, reply.body);
        let schema = validator(operation.schema.as_deref().expect("an answer in JSON"));
        let errors: Vec<String> = schema.iter_errors(&reply.json()).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", operation.path);
        checked += 1;
    }
    assert!(checked >= 8, "{checked} answers were checked");
    let resources = root.get("/api/v1/components/postgres/resources").await.json();
    let errors: Vec<String> =
        validator("ComponentResources").iter_errors(&resources).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let refused = root.get("/api/v1/requests/none").await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert!(validator("Problem").is_valid(&refused.json()), "{}", refused.body);
}

#[tokio::test]
async fn viewers_read_document_and_reference() {
    let site = Site::begin().await;
    let program = site.program("vera", &[Scope::Read]).await;
    assert_eq!(&program.get("/api/v1/openapi.json").await.json(), document());
    let page = site.sign_in("vera").await.get("/api-reference").await;
    for operation in operations() {
        assert!(page.body.contains(&operation.summary), "{} is missing from the reference", operation.id);
    }
    assert!(page.body.contains("an API key also needs the scope <code>upgrade</code>"), "{}", page.body);
}

#[test]
fn docs_contain_current_document() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let stored: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap_or_default()).unwrap_or_default();
    assert!(stored == *document(), "docs/openapi.json differs: run `cargo xtask documents`");
}
