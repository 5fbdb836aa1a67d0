//! Documents in their printed form: each states its kind in `kind`, and its form in `schema` (docs/JSON.md).

use serde::Serialize;
use serde_json::json;

use crate::shown;

/// A document in its printed form.
#[derive(Serialize)]
struct PrintedDocument<'a, D> {
    kind: &'static str,
    schema: u32,
    #[serde(flatten)]
    document: &'a D,
}

/// Returns a document in several lines, for standard output.
pub fn pretty<D: Serialize>(kind: &'static str, schema: u32, document: &D) -> String {
    plain(serde_json::to_string_pretty(&PrintedDocument { kind, schema, document }))
}

/// Returns a document in one line, for standard error.
pub fn line<D: Serialize>(kind: &'static str, schema: u32, document: &D) -> String {
    plain(serde_json::to_string(&PrintedDocument { kind, schema, document }))
}

fn plain(text: serde_json::Result<String>) -> String {
    shown::json(&text.unwrap_or_else(|error| json!({ "error": error.to_string() }).to_string()))
}
