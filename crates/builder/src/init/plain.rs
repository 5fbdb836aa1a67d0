//! Converts plain manifests to a kustomization: copies the files, without objects that Landfall creates itself.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use landfall_media::durable;
use serde_json::Value;

use super::sources::refuse;
use crate::error::Result;
use crate::render::parse;
use crate::secret_entry::has_values;
pub use crate::yaml::quote_scalar;

/// Maximum size of a file of manifests, in bytes.
const FILE_BYTES: u64 = 16 << 20;

/// Copies YAML files of a folder and its subfolders, and writes a kustomization next to them.
///
/// Returns the objects that were left out: Namespaces, and Secrets with values, which would travel unencrypted.
pub fn copy(from: &Path, files: &[PathBuf], to: &Path) -> Result<Vec<Value>> {
    durable::create_folder(to)?;
    let (mut left_out, mut names) = (Vec::new(), Vec::new());
    for path in files {
        let failed = |error| refuse(path, "cannot be read").because(error);
        if fs_err::metadata(path).map_err(failed)?.len() > FILE_BYTES {
            return Err(refuse(path, "is too large for manifests"));
        }
        let text = fs_err::read_to_string(path).map_err(failed)?;
        let mut kept = Vec::new();
        for document in documents(&text) {
            let objects = parse(document).map_err(|error| refuse(path, &format!("is not valid YAML: {error}")))?;
            if let Some(other) = objects.iter().find(|object| !object.is_null() && !is_object(object)) {
                return Err(refuse(path, &foreign(other)).hint(ELSEWHERE));
            }
            let is_mixed = objects.len() > 1 || objects.iter().any(|object| object["items"].is_array());
            if is_mixed && objects.iter().flat_map(with_items).any(is_left_out) {
                let what = "has a Namespace, or a Secret with values, among other objects: write `---` alone on a line \
                    between them, and no List around them";
                return Err(refuse(path, what));
            }
            match objects.first() {
                Some(object) if is_left_out(object) => left_out.extend(objects),
                Some(_) => kept.push(document),
                None => {}
            }
        }
        if !kept.is_empty() {
            let name = path.strip_prefix(from).unwrap_or(path).to_string_lossy().into_owned();
            let copied = to.join(&name);
            durable::create_folder(copied.parent().unwrap_or(to))?;
            durable::write_file(&copied, kept.join("---\n").as_bytes(), 0o644)?;
            names.push(name);
        }
    }
    let resources: Vec<String> = names.iter().map(|name| format!("  - {}\n", quote_scalar(name))).collect();
    let resources = resources.concat();
    let text = format!("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n{resources}");
    let text = if names.is_empty() { text.replace("resources:\n", "resources: []\n") } else { text };
    durable::write_file(&to.join("kustomization.yaml"), text.as_bytes(), 0o644)?;
    Ok(left_out)
}

/// Hint for a file of another program.
const ELSEWHERE: &str = "Move the file out of the folder, or name folders that have nothing but manifests. For a \
    Compose file, `kompose convert` writes manifests.";

/// Returns true if a document is a Kubernetes object.
fn is_object(document: &Value) -> bool {
    ["apiVersion", "kind"].iter().all(|field| document[*field].is_string())
}

/// Reason why a document is not a manifest, with its fields, escaped for a terminal because they come from outside.
fn foreign(document: &Value) -> String {
    let fields: Vec<_> =
        document.as_object().map(|fields| fields.keys().take(3).cloned().collect()).unwrap_or_default();
    let has = if fields.is_empty() {
        "no fields".to_owned()
    } else {
        format!("the fields {}", fields.join(", ").escape_default())
    };
    format!("is not a Kubernetes manifest: a document of it has {has}, where `apiVersion` and `kind` are expected")
}

/// Documents of a file as written, with their comments.
fn documents(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let (mut from, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" {
            documents.push(&text[from..at]);
            from = at + line.len();
        }
        at += line.len();
    }
    documents.push(&text[from..]);
    documents.retain(|document| !document.trim().is_empty());
    documents
}

/// An object, followed by its items if it is a list.
fn with_items(object: &Value) -> impl Iterator<Item = &Value> {
    std::iter::once(object).chain(object["items"].as_array().into_iter().flatten())
}

/// Returns true if Landfall creates an object itself.
pub fn is_left_out(object: &Value) -> bool {
    object["kind"] == "Namespace" || (object["kind"] == "Secret" && has_values(object))
}

/// Writes a kustomization over another one that removes some of its objects.
pub fn overlay(base: &str, left_out: &[Value], to: &Path) -> Result<()> {
    durable::create_folder(to)?;
    let mut text = format!(
        "# What Landfall makes itself is left out: namespaces, and Secrets, whose values would travel in the clear.\n\
         apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n  - {}\npatches:\n",
        quote_scalar(base)
    );
    for object in left_out {
        let field = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let namespace = field("/metadata/namespace");
        let namespace =
            if namespace.is_empty() { String::new() } else { format!(", namespace: {}", quote_scalar(&namespace)) };
        let name = quote_scalar(&field("/metadata/name"));
        let _infallible = write!(
            text,
            "  - patch: |\n      $patch: delete\n      apiVersion: v1\n      kind: {}\n      metadata: \
             {{name: {name}{namespace}}}\n",
            field("/kind")
        );
    }
    durable::write_file(&to.join("kustomization.yaml"), text.as_bytes(), 0o644)?;
    Ok(())
}
