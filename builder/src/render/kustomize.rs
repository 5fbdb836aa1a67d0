//! `kubectl kustomize` as a program of its own, on the vendor's machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::bases::{self, Sources};
use super::program::Program;
use super::title;
use crate::definition::Definition;
use crate::error::{BuildError, Place, Result};
use crate::yaml;

const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What a kustomization was rendered to, and from.
#[derive(Debug)]
pub(crate) struct RenderedFolder {
    /// The objects.
    pub objects: Vec<Value>,
    /// The files that were rendered.
    pub sources: Sources,
}

/// Renders a component's folder.
pub(super) fn render(
    kubectl: &Program,
    definition: &Definition,
    manifests: &Spanned<PathBuf>,
    index: usize,
) -> Result<RenderedFolder> {
    let folder = &definition.resolve(&manifests.value);
    let Some(kustomization) = kustomization(folder) else {
        let place = definition.place(manifests, format!("components[{index}].manifests"));
        let what = format!("the folder {} has no kustomization.yaml", folder.display());
        return Err(BuildError::at(codes::MANIFEST_INVALID, place, what));
    };
    render_folder(kubectl, folder, &kustomization)
}

/// Renders a folder with this kustomization.
pub(crate) fn render_folder(kubectl: &Program, folder: &Path, kustomization: &Path) -> Result<RenderedFolder> {
    let failed = |what: String| BuildError::at(codes::MANIFEST_INVALID, Place::file(kustomization), what);
    let sources = bases::sources(folder)?;
    let output = kubectl
        .command()
        .args([OsStr::new("kustomize"), folder.as_os_str()])
        .output()
        .map_err(|error| kubectl.unusable(error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("kubectl kustomize refuses it: {}", said.trim().trim_start_matches("error: "))));
    }
    let text = String::from_utf8(output.stdout).map_err(|error| failed("is not UTF-8".into()).because(error))?;
    let objects = parse(&text).map_err(|error| failed(format!("cannot be read after rendering: {error}")))?;
    Ok(RenderedFolder { objects, sources })
}

/// The kustomization of a folder.
pub(crate) fn kustomization(folder: &Path) -> Option<PathBuf> {
    NAMES.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// The file of a component's folder that holds a rendered object; the kustomization where it generates the object,
/// renames it, or takes it from elsewhere.
pub(super) fn source(folder: &Path, object: &Value) -> PathBuf {
    let entries = folder.read_dir().into_iter().flatten().filter_map(Result::ok);
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(|path| is_yaml(path)).collect();
    files.sort();
    let stands_in = |path: &PathBuf| {
        let objects = fs_err::read_to_string(path).ok().and_then(|text| parse(&text).ok()).unwrap_or_default();
        objects.iter().any(|other| title(other) == title(object) && other["apiVersion"] == object["apiVersion"])
    };
    files.into_iter().find(stands_in).or_else(|| kustomization(folder)).unwrap_or_else(|| folder.to_owned())
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// The objects of YAML, rendered or as a vendor wrote it.
pub(crate) fn parse(text: &str) -> Result<Vec<Value>, String> {
    yaml::read(text)
}
