//! Parses Helm's output to objects, each with its template.

use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use serde_json::Value;

use super::hooks::HOOK;
use crate::error::{BuildError, Place, Result};
use crate::rendered::title;
use crate::yaml;

/// Prefix of Helm's comment before each document, followed by the template.
const SOURCE: &str = "# Source: ";

/// A rendered object with its source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourcedObject {
    /// Path of the template below the chart's name in messages.
    pub file: PathBuf,
    /// The object.
    pub object: Value,
}

/// Parses the output of Helm for a chart; `name` is its name in messages.
pub fn objects(name: &str, printed: &str) -> Result<Vec<SourcedObject>> {
    let mut found = Vec::new();
    for (file, text) in documents(name, printed) {
        let invalid = |what: String| BuildError::at(codes::CHART_REFUSED, Place::file(&file), what);
        let documents =
            yaml::read(&text).map_err(|error| invalid(format!("renders to YAML that cannot be read: {error}")))?;
        for object in documents {
            if !object.is_object() {
                return Err(invalid("renders to something that is not an object".to_owned()));
            }
            flatten(&file, object, &mut found)?;
        }
    }
    Ok(found)
}

/// Adds an object, or the items of a list, as Helm sends them to an API server.
fn flatten(file: &Path, object: Value, found: &mut Vec<SourcedObject>) -> Result<()> {
    let Some(kind) = listed_kind(&object).map(str::to_owned) else {
        found.push(SourcedObject { file: file.to_owned(), object });
        return Ok(());
    };
    let version = object["apiVersion"].clone();
    let items = object["items"].as_array().cloned().unwrap_or_default();
    for item in std::iter::once(&object).chain(&items) {
        if item.pointer("/metadata/annotations").is_some_and(|annotations| annotations.get(HOOK).is_some()) {
            let what = "a list has a hook, or is one: Helm sees no hooks in lists, so write the objects one by one";
            let place = Place { file: Some(file.to_owned()), line: None, field: Some(title(item)) };
            return Err(BuildError::at(codes::CHART_HOOK, place, what));
        }
    }
    for mut item in items {
        let Some(fields) = item.as_object_mut() else {
            let what = "renders to a list of something that is not an object";
            return Err(BuildError::at(codes::CHART_REFUSED, Place::file(file), what));
        };
        // Items of a typed list may omit kind and version.
        if !kind.is_empty() {
            fields.entry("kind").or_insert_with(|| kind.clone().into());
            fields.entry("apiVersion").or_insert_with(|| version.clone());
        }
        flatten(file, item, found)?;
    }
    Ok(())
}

/// Kind of a list's items, empty for a list of arbitrary objects; `None` if the object is not a list.
fn listed_kind(object: &Value) -> Option<&str> {
    let kind = object["kind"].as_str()?.strip_suffix("List")?;
    object["items"].is_array().then_some(kind)
}

/// Documents with their templates. Helm separates them with a line `---` and a comment.
fn documents(name: &str, printed: &str) -> Vec<(PathBuf, String)> {
    let mut found: Vec<(PathBuf, String)> = vec![(PathBuf::from(name), String::new())];
    let mut lines = printed.lines().peekable();
    while let Some(line) = lines.next() {
        let source = lines.peek().and_then(|next| next.strip_prefix(SOURCE));
        if let ("---", Some(source)) = (line, source) {
            // The first segment is the name of the chart itself.
            let below = source.split_once('/').map_or(source, |(_, below)| below);
            found.push((Path::new(name).join(below), String::new()));
        } else if let Some((_, text)) = found.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;

    use super::*;

    #[test]
    fn objects_parse_as_in_helm() {
        let printed = "---\n# Source: shop/crds/a.yaml\nkind: A\n---\nkind: B\n---\n# Source: \
            shop/charts/db/templates/c.yaml\n# nothing\n---\n# Source: shop/templates/d.yaml\n\
            kind: D\nmode: 0644\nkind: E\ntext: |\n  # Source: x\n  ---\n";
        let found = objects("charts/shop", printed).expect("objects");
        let found: Vec<_> = found.iter().map(|found| format!("{}: {}", found.file.display(), found.object)).collect();
        assert_eq!(
            found,
            [
                r#"charts/shop/crds/a.yaml: {"kind":"A"}"#,
                r#"charts/shop/crds/a.yaml: {"kind":"B"}"#,
                r##"charts/shop/templates/d.yaml: {"kind":"E","mode":420,"text":"# Source: x\n---\n"}"##,
            ]
        );
        for text in ["a: [", "- a\n", "just text\n"] {
            let printed = format!("---\n# Source: shop/templates/a.yaml\n{text}");
            let error = objects("shop", &printed).expect_err(text);
            assert_eq!(error.code(), codes::CHART_REFUSED);
            assert!(error.to_string().starts_with("shop/templates/a.yaml: renders to "), "{error}");
        }
    }

    #[test]
    fn lists_are_flattened() {
        let list = "---\n# Source: shop/templates/a.yaml\napiVersion: v1\nkind: List\nitems:\n- {kind: A}\n- \
            {apiVersion: v1, kind: ConfigMapList, items: [{metadata: {name: b}}]}\n- {kind: AllowList}\n---\n\
            {kind: List, items: []}\n";
        let found = objects("shop", list).expect("objects");
        let found: Vec<_> = found.iter().map(|found| found.object.to_string()).collect();
        let map = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"}}"#;
        assert_eq!(found, [r#"{"kind":"A"}"#, map, r#"{"kind":"AllowList"}"#]);
        let hook = "metadata: {name: a, annotations: {helm.sh/hook: post-install}}";
        for (list, code) in [
            (format!("{{kind: List, items: [{{kind: Job, {hook}}}]}}"), codes::CHART_HOOK),
            (format!("{{kind: List, items: [], {hook}}}"), codes::CHART_HOOK),
            ("{kind: List, items: [text]}".to_owned(), codes::CHART_REFUSED),
        ] {
            assert_eq!(objects("shop", &list).expect_err("refused").code(), code, "{list}");
        }
    }
}
