//! Wheels of a package index on loopback.

use serde_json::json;

use landfall_test_support::hub_server::sha256;
use landfall_test_support::package_server::{PackageServer, Resource};

/// Serves a wheel as the only one of its project; returns its SHA-256 in hexadecimal.
pub fn put_wheel(server: &PackageServer, file_name: &str, wheel: Vec<u8>) -> String {
    let project = file_name.split('-').next().unwrap_or_default();
    let digest = sha256(&wheel);
    let page = json!({
        "meta": { "api-version": "1.1" }, "name": project,
        "files": [{
            "filename": file_name, "url": format!("../../files/{file_name}"), "hashes": { "sha256": digest },
            "size": wheel.len(),
        }],
    });
    server.put(&format!("/simple/{project}/"), Resource::Page("application/vnd.pypi.simple.v1+json", page.to_string()));
    server.put(&format!("/files/{file_name}"), Resource::File(wheel));
    digest
}
