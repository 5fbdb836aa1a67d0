//! Documents: output of commands with `--json`, under one convention (docs/JSON.md). Each has its name in `kind` and
//! its version in `schema`; names of fields are camelCase; docs/schemas has a JSON Schema for each.

use landfall_documents::failure::ErrorDocument;
use landfall_facts::printed;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure;

/// A JSON document that a command prints.
pub(crate) trait Document: Serialize + JsonSchema {
    /// Value of the field `kind`, and name of the schema.
    const KIND: &'static str;
    /// Version of the document. Fields may be added to a version; a change that could mislead a reader requires a new
    /// one.
    const SCHEMA: u32 = 1;
}

impl Document for ErrorDocument {
    const KIND: &'static str = failure::KIND;
    const SCHEMA: u32 = failure::SCHEMA;
}

/// The document in several lines, for standard output.
pub(crate) fn pretty<D: Document>(document: &D) -> String {
    printed::pretty(D::KIND, D::SCHEMA, document)
}

/// The document in one line, for standard error.
pub(crate) fn line<D: Document>(document: &D) -> String {
    printed::line(D::KIND, D::SCHEMA, document)
}

/// Kind of a document and its JSON Schema.
pub(crate) fn schema_of<D: Document>() -> (&'static str, Value) {
    let mut schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<D>();
    let object = schema.ensure_object();
    object.insert("title".to_owned(), json!(D::KIND));
    let fields = object.entry("properties").or_insert_with(|| json!({}));
    fields["kind"] = json!({ "const": D::KIND, "description": "What this document is." });
    fields["schema"] = json!({ "const": D::SCHEMA, "description": "Form of this document." });
    let required = object.entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        required.splice(0..0, ["kind", "schema"].map(Value::from));
    }
    (D::KIND, schema.to_value())
}
