//! Documents as they are printed: each names what it is in `kind`, and its form in `schema` (docs/JSON.md).

use serde::Serialize;
use serde_json::json;

use crate::shown;

/// A document as it is printed.
#[derive(Serialize)]
struct Printed<'a, D> {
    kind: &'static str,
    schema: u32,
    #[serde(flatten)]
    document: &'a D,
}

/// A document in several lines, for standard output.
pub fn pretty<D: Serialize>(kind: &'static str, schema: u32, document: &D) -> String {
    plain(serde_json::to_string_pretty(&Printed { kind, schema, document }))
}

/// A document in one line, for standard error.
pub fn line<D: Serialize>(kind: &'static str, schema: u32, document: &D) -> String {
    plain(serde_json::to_string(&Printed { kind, schema, document }))
}

fn plain(text: serde_json::Result<String>) -> String {
    shown::json(&text.unwrap_or_else(|error| json!({ "error": error.to_string() }).to_string()))
}
