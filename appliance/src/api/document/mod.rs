//! OpenAPI 3.1 document of the API. Paths come from the routes, rights from the one table, and forms from the types and
//! from the host's own JSON Schemas.

mod operation;
mod schemas;

use std::sync::LazyLock;

use axum::http::Method;
use serde_json::{Map, Value, json};

use crate::access::{Need, RULES, Rule, SESSION};

pub use operation::{Operation, operations};

/// Prefix of the API's paths.
const PREFIX: &str = "/api/v1/";

/// Introduction for a reader who has only this document.
const ABOUT: &str = "What a site reports, and what people with rights may ask of it. Send `Authorization: Bearer KEY` \
    with an API key of the console. Errors are problem documents (RFC 9457) with codes of Landfall's registry. Every \
    response has an `x-request-id`.";

/// Groups of operations, in the order of the reference.
const TAGS: [(&str, &str); 6] = [
    ("site", "What the site is and does"),
    ("backups", "Backups and points in time"),
    ("changes", "Media, plans, approvals and the open change"),
    ("people", "Users, sessions and API keys"),
    ("audit", "Who did what"),
    ("support", "What the vendor needs when something is wrong"),
];

static DOCUMENT: LazyLock<Value> = LazyLock::new(assemble);

/// Returns the document, which is constant within a version.
pub fn document() -> &'static Value {
    &DOCUMENT
}

fn assemble() -> Value {
    let routes = serde_json::to_value(super::documented_routes().into_openapi()).unwrap_or_default();
    let mut paths = routes["paths"].as_object().cloned().unwrap_or_default();
    for rule in RULES.iter().filter(|rule| rule.path.starts_with(PREFIX)) {
        if let Some(operation) = paths.get_mut(rule.path).and_then(|path| path.get_mut(verb(rule.method))) {
            add_rights(operation, rule);
            require_body(operation);
        }
    }
    let tags = TAGS.map(|(name, description)| json!({ "name": name, "description": description }));
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Landfall console", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT },
        "servers": [{ "url": "/", "description": "The console that this document came from" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "An API key; it permits its scopes." },
                "session": { "type": "apiKey", "in": "cookie", "name": SESSION,
                    "description": "A signed-in browser. What changes something also needs the token of its page in \
                        `x-csrf-token`." },
            },
            "schemas": schemas::schemas(),
        },
    })
}

/// Returns the method's name in a path object.
fn verb(method: &Method) -> String {
    method.as_str().to_lowercase()
}

/// Describes the required rights in words and as `security`.
fn add_rights(operation: &mut Value, rule: &Rule) {
    let session = json!({ "session": [] });
    let (needs, security) = match rule.need {
        Need::Api(least, scope) => (
            format!("Needs the role {least}; an API key also needs the scope `{}`.", scope.text()),
            json!([{ "key": [scope.text()] }, session]),
        ),
        Need::ApiSession(least) => (format!("Needs a signed-in {least}; API keys cannot do this."), json!([session])),
        Need::Open | Need::Form | Need::Page(_) => return,
    };
    let Some(operation) = operation.as_object_mut() else { return };
    let description = text(operation, "description");
    let description = if description.is_empty() { needs } else { format!("{description}\n\n{needs}") };
    operation.insert("description".to_owned(), description.into());
    operation.insert("security".to_owned(), security);
}

/// Marks the body as required: every operation with a body needs it.
fn require_body(operation: &mut Value) {
    if let Some(body) = operation.get_mut("requestBody").and_then(Value::as_object_mut) {
        body.insert("required".to_owned(), true.into());
    }
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
