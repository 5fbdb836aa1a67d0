//! Pages in JSON, as specified by PEP 691, with the versions and sizes of PEP 700 and the names of PEP 714.

use serde_json::{Value, json};

use super::{API_VERSION, address};
use crate::wheel::Wheel;

/// Returns the page with the name of each project.
pub fn projects(names: &[&str]) -> String {
    let projects: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    json!({ "meta": { "api-version": API_VERSION }, "projects": projects }).to_string()
}

/// Returns the page of a project.
pub fn project(name: &str, wheels: &[&Wheel]) -> String {
    let mut versions: Vec<&str> = wheels.iter().map(|wheel| wheel.version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    let files: Vec<Value> = wheels.iter().map(|wheel| file(wheel)).collect();
    json!({ "meta": { "api-version": API_VERSION }, "name": name, "versions": versions, "files": files }).to_string()
}

fn file(wheel: &Wheel) -> Value {
    let mut file = json!({
        "filename": wheel.file_name(),
        "url": address(wheel),
        "hashes": { "sha256": wheel.sha256.to_hex() },
        "size": wheel.size,
        // With the earlier name of this key, pip 22.3 to 23.1 fail.
        "core-metadata": { "sha256": wheel.metadata.to_hex() },
    });
    if let Some(python) = &wheel.requires_python {
        file["requires-python"] = json!(python);
    }
    file
}
