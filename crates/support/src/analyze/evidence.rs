//! Content of a bundle in the form that rules read, and the places that they report.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::archive::Contents;

/// Maximum length of a quotation, in characters.
const QUOTED: usize = 300;

/// Maximum number of places that a rule collects in logs.
const MAX_LINES: usize = 1000;

/// Place in a support bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// File in the support bundle.
    pub file: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Text of the line, truncated if it is long.
    pub text: String,
}

/// Parsed documents of a bundle.
pub(super) struct BundleReading<'a> {
    pub(super) files: &'a BTreeMap<String, Vec<u8>>,
    pub(super) status: Value,
    pub(super) facts: Value,
    pub(super) proofs: Value,
    pub(super) pods: Vec<Value>,
    pub(super) claims: Vec<Value>,
    pub(super) collected_at: Option<jiff::Timestamp>,
}

impl<'a> BundleReading<'a> {
    pub(super) fn of(contents: &'a Contents) -> Self {
        let bytes = |name: &str| contents.files.get(name).map(Vec::as_slice).unwrap_or_default();
        let document = |name: &str| serde_json::from_slice(bytes(name)).unwrap_or_default();
        let lines = |name: &str| {
            let lines = bytes(name).split(|byte| *byte == b'\n');
            lines.map(|line| serde_json::from_slice(line).unwrap_or_default()).collect()
        };
        Self {
            files: &contents.files,
            status: document(STATUS),
            facts: document("facts.json"),
            proofs: document(PROOFS),
            pods: lines(PODS),
            claims: lines(CLAIMS),
            collected_at: contents.index.collected_at.parse().ok(),
        }
    }

    /// Creates evidence in the status, at a path of fields.
    pub(super) fn in_status(&self, fields: &[&str], text: impl Into<String>) -> Evidence {
        self.in_document(STATUS, fields, text)
    }

    /// Creates evidence in another document, at a path of fields.
    pub(super) fn in_document(&self, file: &str, fields: &[&str], text: impl Into<String>) -> Evidence {
        let bytes = self.files.get(file).map(Vec::as_slice).unwrap_or_default();
        let mut line = 1;
        let mut wanted = fields.iter().map(|field| format!("\"{field}\":"));
        let mut next = wanted.next();
        for (number, content) in String::from_utf8_lossy(bytes).lines().enumerate() {
            let Some(field) = &next else { break };
            if content.trim_start().starts_with(field.as_str()) {
                line = number + 1;
                next = wanted.next();
            }
        }
        Evidence { file: file.to_owned(), line, text: quote_shortened(&text.into()) }
    }

    /// Matching lines of files with this prefix and suffix.
    pub(super) fn lines(&self, prefix: &str, suffix: &str, is_about: impl Fn(&str) -> bool) -> Vec<Evidence> {
        let mut found = Vec::new();
        for (name, bytes) in self.files.iter().filter(|(name, _)| name.starts_with(prefix) && name.ends_with(suffix)) {
            for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
                let line = String::from_utf8_lossy(line);
                if is_about(&line) {
                    found.push(Evidence { file: name.clone(), line: number + 1, text: quote_shortened(&line) });
                }
                if found.len() >= MAX_LINES {
                    return found;
                }
            }
        }
        found
    }
}

/// File with the status of the site.
pub(super) const STATUS: &str = "status.json";

/// File with the results of the release's proofs.
pub(super) const PROOFS: &str = "proofs.json";

/// File with pods, one per line.
pub(super) const PODS: &str = "cluster/pods.jsonl";

/// File with claims, one per line.
pub(super) const CLAIMS: &str = "cluster/persistentvolumeclaims.jsonl";

/// Truncates a long text.
pub(super) fn quote_shortened(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The text at a JSON Pointer; empty if there is none.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The list at a JSON Pointer; empty if there is none.
pub(super) fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
