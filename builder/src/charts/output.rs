//! What Helm renders, as objects, each with the template that it comes from.

use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use serde_json::Value;

use crate::error::{BuildError, Place, Result};

/// What Helm writes before each document: the template.
const SOURCE: &str = "# Source: ";

/// A rendered object and where it is from.
#[derive(Debug, Clone, PartialEq)]
pub struct Sourced {
    /// The template, below what messages call the chart.
    pub file: PathBuf,
    /// The object.
    pub object: Value,
}

/// The objects of what Helm printed for a chart that messages call by `name`.
pub fn objects(name: &str, printed: &str) -> Result<Vec<Sourced>> {
    let mut found = Vec::new();
    for (file, text) in documents(name, printed) {
        let invalid = |what: String| BuildError::at(codes::CHART_REFUSED, Place::file(&file), what);
        let options = serde_saphyr::options! {
            // As Helm itself reads YAML.
            legacy_octal_numbers: true,
            duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        };
        let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(&text, options)
            .map_err(|error| invalid(format!("renders to no YAML: {}", error.without_snippet())))?;
        for object in documents.into_iter().filter(|document| !document.is_null()) {
            if !object.is_object() {
                return Err(invalid("renders to something that is no object".to_owned()));
            }
            found.push(Sourced { file: file.clone(), object });
        }
    }
    Ok(found)
}

/// Each document with its template. Helm separates them by a line `---` and a comment.
fn documents(name: &str, printed: &str) -> Vec<(PathBuf, String)> {
    let mut found: Vec<(PathBuf, String)> = vec![(PathBuf::from(name), String::new())];
    let mut lines = printed.lines().peekable();
    while let Some(line) = lines.next() {
        let source = lines.peek().and_then(|next| next.strip_prefix(SOURCE));
        if let ("---", Some(source)) = (line, source) {
            // The first segment is the chart's own name.
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
    use landfall_error_codes::Coded as _;

    use super::*;

    #[test]
    fn objects_are_read_as_helm_reads_them() {
        let printed = "---\n# Source: shop/crds/a.yaml\nkind: A\n---\nkind: B\n---\n# Source: shop/charts/db/templates/c.yaml\n# nothing\n---\n# Source: shop/templates/d.yaml\nkind: D\nmode: 0644\nkind: E\ntext: |\n  # Source: x\n  ---\n";
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
}
