//! Strict parser of `site.yaml`: unknown keys are refused with the nearest known key, and all problems are reported.

use std::collections::BTreeSet;
use std::path::Path;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use landfall_error_codes::codes;
use landfall_host::paths::SitePaths;
use landfall_suggestion::nearest;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{ConfigurationError, NetworkSettings, NodeSettings, Problem, SiteConfiguration, secrets};
use crate::node_name::{LONGEST_NODE_NAME, is_node_name};

/// Keys of the fixed part, with the keys of each section; empty for a key that is not a mapping.
const FIXED: &[(&str, &[&str])] = &[
    ("node", &["name", "address"]),
    ("network", &["podRanges", "serviceRanges"]),
    ("backups", &["time", "keep", "pointInTimeDays", "copies", "buckets"]),
    ("accept", &[]),
    ("secrets", &[]),
    ("values", &[]),
];

impl SiteConfiguration {
    /// Reads the file at `path` and checks it against the JSON Schema that the bundle carries.
    pub fn read(path: &Path, schema: &[u8]) -> Result<Self, ConfigurationError> {
        let file = path.display().to_string();
        let text = fs_err::read_to_string(path).map_err(|error| {
            ConfigurationError::one(codes::SITE_FILE, &file, "", "it cannot be read").because(error)
        })?;
        Self::parse(&text, &file, schema)
    }

    /// Parses YAML text; `file` names it in errors. An empty file sets nothing.
    pub fn parse(text: &str, file: &str, schema: &[u8]) -> Result<Self, ConfigurationError> {
        let schema = read_schema(schema, file)?;
        let document = match serde_saphyr::from_str::<Option<Value>>(text) {
            Ok(document) => document.unwrap_or_else(|| json!({})),
            // A snippet of the file could contain a secret that a person wrote instead of its file.
            Err(error) => {
                let said = error.without_snippet().to_string();
                return Err(ConfigurationError::one(codes::SITE_SYNTAX, file, "", said));
            }
        };
        let Value::Object(document) = document else {
            return Err(ConfigurationError::one(
                codes::SITE_SYNTAX,
                file,
                "",
                "it must be a mapping of keys to values",
            ));
        };
        let unknown = unknown_keys(&document, &schema);
        if !unknown.is_empty() {
            return Err(ConfigurationError::new(codes::SITE_UNKNOWN_KEY, file, unknown));
        }
        let mut problems = violations(&document, &schema, file)?;
        let configuration = Self {
            node: section(&document, "node", &mut problems),
            network: section(&document, "network", &mut problems),
            backups: section(&document, "backups", &mut problems),
            accept: section(&document, "accept", &mut problems),
            secrets: secrets::sources(&document, &mut problems),
            values: section(&document, "values", &mut problems),
        };
        problems.extend(impossible(&configuration));
        if problems.is_empty() {
            Ok(configuration)
        } else {
            Err(ConfigurationError::new(codes::SITE_VALUE, file, problems))
        }
    }
}

fn read_schema(schema: &[u8], file: &str) -> Result<Value, ConfigurationError> {
    serde_json::from_slice(schema)
        .map_err(|error| ConfigurationError::one(codes::SITE_SCHEMA, file, "", "its schema is not JSON").because(error))
}

/// Returns the names of a release's values from its JSON Schema.
pub fn known_values(schema: &[u8], file: &str) -> Result<BTreeSet<String>, ConfigurationError> {
    let schema = read_schema(schema, file)?;
    Ok(values_of(&schema).into_iter().map(str::to_owned).collect())
}

fn values_of(schema: &Value) -> Vec<&str> {
    let known = schema.pointer("/properties/values/properties").and_then(Value::as_object);
    known.map(|known| known.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// Returns unknown keys, each with the nearest known key.
fn unknown_keys(document: &Map<String, Value>, schema: &Value) -> Vec<Problem> {
    let fixed: Vec<&str> = FIXED.iter().map(|(key, _)| *key).collect();
    let mut problems = unknown_in(document, "", &fixed);
    for (key, known) in FIXED.iter().filter(|(_, known)| !known.is_empty()) {
        if let Some(section) = document.get(*key).and_then(Value::as_object) {
            problems.extend(unknown_in(section, key, known));
        }
    }
    if let Some(values) = document.get("values").and_then(Value::as_object) {
        problems.extend(unknown_in(values, "values", &values_of(schema)));
    }
    problems
}

fn unknown_in(section: &Map<String, Value>, path: &str, known: &[&str]) -> Vec<Problem> {
    let unknown = section.keys().filter(|key| !known.contains(&key.as_str()));
    unknown
        .map(|key| Problem {
            path: if path.is_empty() { key.clone() } else { format!("{path}.{key}") },
            message: match nearest(key, known.iter().copied()) {
                Some(near) => format!("the key is not known; did you mean `{near}`?"),
                None if known.is_empty() => "the key is not known: the release has none".to_owned(),
                None => format!("the key is not known; known are {}", known.join(", ")),
            },
        })
        .collect()
}

/// Returns the violations of the bundle's schema by the values. Landfall defines the fixed part, which is the same in
/// every release.
fn violations(document: &Map<String, Value>, schema: &Value, file: &str) -> Result<Vec<Problem>, ConfigurationError> {
    let validator = jsonschema::validator_for(schema).map_err(|error| {
        ConfigurationError::one(codes::SITE_SCHEMA, file, "", "its schema is not a JSON Schema")
            .because(error.to_string())
    })?;
    let checked = json!({
        "values": document.get("values").filter(|values| !values.is_null()).cloned().unwrap_or_else(|| json!({})),
    });
    let violations = validator.iter_errors(&checked);
    Ok(violations
        .map(|error| Problem { path: dotted_path(error.instance_path().as_str()), message: message(&error) })
        .collect())
}

/// Describes the problem of a value. For a wrong type, shows the correct notation.
fn message(error: &ValidationError<'_>) -> String {
    let ValidationErrorKind::Type { kind: TypeKind::Single(wanted) } = error.kind() else { return error.to_string() };
    match (wanted, &**error.instance()) {
        (JsonType::String, value @ (Value::Number(_) | Value::Bool(_))) => {
            format!("{value} is not text: write \"{value}\", with the quotation marks")
        }
        (JsonType::Integer | JsonType::Number, Value::String(text)) if text.parse::<f64>().is_ok() => {
            format!("\"{text}\" is text: write {text}, without quotation marks")
        }
        (JsonType::Boolean, Value::String(text)) if ["true", "false"].contains(&text.as_str()) => {
            format!("\"{text}\" is text: write {text}, without quotation marks")
        }
        _ => error.to_string(),
    }
}

/// Converts a JSON Pointer to keys joined by dots.
fn dotted_path(pointer: &str) -> String {
    let keys: Vec<String> = pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
    keys.join(".")
}

/// Parses one section; a missing or empty section is the default.
fn section<T: DeserializeOwned + Default>(document: &Map<String, Value>, key: &str, problems: &mut Vec<Problem>) -> T {
    let Some(value) = document.get(key).filter(|value| !value.is_null()) else { return T::default() };
    serde_json::from_value(value.clone()).unwrap_or_else(|error| {
        problems.push(Problem { path: key.to_owned(), message: error.to_string() });
        T::default()
    })
}

/// Checks rules that types cannot express.
fn impossible(configuration: &SiteConfiguration) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut problem = |path: &str, message: String| problems.push(Problem { path: path.to_owned(), message });
    let SiteConfiguration { node: NodeSettings { name, address }, network, backups, .. } = configuration;
    for (path, message) in backups.problems(&SitePaths::default().data()) {
        problem(path, message);
    }
    if let Some(name) = name.as_ref().filter(|name| !is_node_name(name)) {
        problem(
            "node.name",
            format!(
                "`{name}` is not a DNS name of at most {LONGEST_NODE_NAME} lower-case letters, digits, dots and hyphens"
            ),
        );
    }
    if let Some(address) =
        address.filter(|address| address.is_unspecified() || address.is_loopback() || address.is_multicast())
    {
        problem("node.address", format!("{address} is not an address that other machines could reach"));
    }
    let NetworkSettings { pod_ranges, service_ranges } = network;
    for pods in pod_ranges {
        for services in service_ranges.iter().filter(|services| services.overlaps(pods)) {
            problem("network", format!("the range of services {services} overlaps the range of pods {pods}"));
        }
    }
    for (range, path) in pod_ranges
        .iter()
        .map(|range| (range, "network.podRanges"))
        .chain(service_ranges.iter().map(|range| (range, "network.serviceRanges")))
    {
        if let Some(address) = address.filter(|address| range.contains(*address)) {
            problem(path, format!("{range} contains the node's own address {address}"));
        }
    }
    problems
}
