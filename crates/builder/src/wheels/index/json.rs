//! A page in JSON (PEP 691), with the sizes of PEP 700.

use std::collections::BTreeMap;

use landfall_packages::normalize_name;
use serde::Deserialize;
use serde_json::Value;

use super::sha256;
use super::{IndexFile, is_size};

#[derive(Deserialize)]
struct Page {
    meta: Meta,
    name: String,
    files: Vec<File>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "api-version")]
    api_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    #[serde(default)]
    requires_python: Option<String>,
    #[serde(default)]
    size: Option<u64>,
    /// True if it was yanked, or the reason as text.
    #[serde(default)]
    yanked: Value,
}

/// Files of a page. Returns an error text for an invalid one.
pub fn read(bytes: &[u8], project: &str) -> Result<Vec<IndexFile>, String> {
    let page: Page = serde_json::from_slice(bytes).map_err(|error| format!("is malformed: {error}"))?;
    let version = &page.meta.api_version;
    if version.split('.').next() != Some("1") {
        return Err(format!("is of the version {} of the protocol, not 1", version.escape_default()));
    }
    if normalize_name(&page.name) != project {
        return Err(format!("is that of the project `{}`", page.name.escape_default()));
    }
    page.files.into_iter().map(to_index_file).collect()
}

fn to_index_file(file: File) -> Result<IndexFile, String> {
    let File { filename, url, hashes, requires_python, size, yanked } = file;
    if size.is_some_and(|size| !is_size(size)) {
        return Err(format!("names {} bytes for `{}`", size.unwrap_or_default(), filename.escape_default()));
    }
    Ok(IndexFile {
        sha256: hashes.get("sha256").and_then(|digits| sha256(digits)),
        file_name: filename,
        address: url,
        size,
        requires_python,
        is_yanked: matches!(yanked, Value::Bool(true) | Value::String(_)),
    })
}
