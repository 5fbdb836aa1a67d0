//! Folders with manifests: their kustomization, and the files of rendered objects.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::title;
use crate::yaml;

/// Names of a kustomization.
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Path of the kustomization in a folder.
pub(crate) fn kustomization(folder: &Path) -> Option<PathBuf> {
    NAMES.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// The file in a component's folder that contains a rendered object; the kustomization if it generates the object,
/// renames it, or takes it from elsewhere.
pub(crate) fn source(folder: &Path, object: &Value) -> PathBuf {
    let entries = folder.read_dir().into_iter().flatten().filter_map(Result::ok);
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(|path| is_yaml(path)).collect();
    files.sort();
    let stands_in = |path: &PathBuf| {
        let objects = fs_err::read_to_string(path).ok().and_then(|text| yaml::read(&text).ok()).unwrap_or_default();
        objects.iter().any(|other| title(other) == title(object) && other["apiVersion"] == object["apiVersion"])
    };
    files.into_iter().find(stands_in).or_else(|| kustomization(folder)).unwrap_or_else(|| folder.to_owned())
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}
