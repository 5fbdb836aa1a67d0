//! Validation of the output of `landfall --json` against the schemas in docs/schemas.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::workspace;

/// Reads a document that a command printed. Fails unless its kind has a schema and the document is valid.
pub fn read(text: &str) -> Result<Value> {
    let document: Value = serde_json::from_str(text).with_context(|| format!("landfall printed no JSON: {text}"))?;
    check(&document)?;
    Ok(document)
}

/// Fails unless a document is valid by the schema of its kind.
pub fn check(document: &Value) -> Result<()> {
    let kind = document["kind"].as_str().with_context(|| format!("a document does not say what it is: {document}"))?;
    ensure!(kind.chars().all(char::is_alphanumeric), "{kind} is not a kind of document");
    let file = workspace::root().join("docs/schemas").join(format!("{kind}.json"));
    let text = std::fs::read_to_string(&file).with_context(|| format!("{kind} has no schema"))?;
    let schema = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
    let validator = jsonschema::validator_for(&schema).with_context(|| format!("{} is no schema", file.display()))?;
    let problems: Vec<_> = validator.iter_errors(document).map(|error| error.to_string()).collect();
    if !problems.is_empty() {
        bail!("a document of the kind {kind} does not match its schema: {}\n{document:#}", problems.join("; "));
    }
    Ok(())
}

/// Reads the documents in a command's standard error. Fails unless each line is one.
pub fn lines(text: &str) -> Result<Vec<Value>> {
    text.lines().map(read).collect()
}

/// Reads the report of `landfall status`. Fails unless the exit code matches its verdict.
pub fn status(code: Option<i64>, text: &str) -> Result<Value> {
    let status = read(text)?;
    let expected = match status["verdict"].as_str() {
        Some("ready") => 0,
        Some("not-ready" | "absent") => 4,
        Some("unfinished") => 5,
        Some("stuck") => 6,
        other => bail!("status reports {other:?}: {status:#}"),
    };
    ensure!(code == Some(expected), "status ended with {code:?}, not with {expected}: {status:#}");
    ensure!((status["ready"] == true) == (expected == 0), "the exit code contradicts the report: {status:#}");
    Ok(status)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn mismatched_documents_are_found() {
        let progress = json!({ "kind": "progress", "schema": 1, "event": "phaseDone" });
        check(&progress).unwrap();
        let later = json!({ "kind": "progress", "schema": 2, "event": "phaseDone" });
        for (document, said) in [
            (later, "a document of the kind progress does not match its schema"),
            // It lacks everything.
            (json!({ "kind": "status", "schema": 1 }), "a document of the kind status does not match its schema"),
            (json!({ "kind": "../schemas/status", "schema": 1 }), "../schemas/status is not a kind of document"),
            (json!({ "schema": 1 }), "a document does not say what it is"),
        ] {
            let error = check(&document).unwrap_err().to_string();
            assert!(error.starts_with(said), "{said}: {error}");
        }
        assert_eq!(lines(&format!("{progress}\n{progress}\n")).unwrap().len(), 2);
        let error = lines(&format!("{progress}\nworking …\n")).unwrap_err();
        assert_eq!(error.to_string(), "landfall printed no JSON: working …");
    }
}
