//! `kubectl kustomize` as a program of its own, on the vendor's machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{bases, title};
use crate::definition::Definition;
use crate::digests::Digests;
use crate::error::{BuildError, Place, Result};
use crate::lock::{Lock, RendererFields};

const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What a kubectl is: the same program renders the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Renderer {
    /// What it says its version is, such as `v1.36.3`, for people.
    pub version: String,
    /// SHA-256 of the program.
    #[schemars(with = "String")]
    pub digest: Sha256,
}

/// A kubectl that renders.
#[derive(Debug, Clone)]
pub struct Kubectl {
    path: PathBuf,
}

/// Finds kubectl: a path is taken as it is, a bare name is looked up in the folders of PATH. Where there is none, the
/// error says which one the lock records.
pub fn find(kubectl: &Path, lock: &Lock) -> Result<Kubectl> {
    let missing = |what| {
        let wanted = match lock.document.renderer.as_ref().and_then(RendererFields::known) {
            Some((version, digest)) => format!("Install kubectl {version}, {digest}, which the lock records"),
            None => "Install the kubectl that renders this release from now on: `landfall lock` records it".to_owned(),
        };
        let hint = format!("{wanted}, or name its path with --kubectl.");
        BuildError::at(codes::TOOL_MISSING, Place::file(kubectl), what).hint(hint)
    };
    if kubectl.components().count() > 1 {
        return if kubectl.is_file() {
            Ok(Kubectl { path: kubectl.to_owned() })
        } else {
            Err(missing("there is no such file; kubectl renders the manifests"))
        };
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .map(|folder| folder.join(kubectl))
        .find(|path| path.is_file())
        .map(|path| Kubectl { path })
        .ok_or_else(|| missing("no folder of PATH has it; kubectl renders the manifests"))
}

impl Kubectl {
    /// Its version and digest.
    pub fn identity(&self, digests: &Digests) -> Result<Renderer> {
        let digest = self.digest(digests)?;
        let arguments = ["version", "--client", "--output", "json"];
        let output = Command::new(&self.path).args(arguments).output().map_err(|error| self.unusable(error))?;
        let said: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        let version = said.as_ref().and_then(|said| said.pointer("/clientVersion/gitVersion")?.as_str());
        let usable = |byte: u8| byte.is_ascii_alphanumeric() || b".+-".contains(&byte);
        match version.filter(|version| !version.is_empty() && version.bytes().all(usable)) {
            Some(version) => Ok(Renderer { version: version.to_owned(), digest }),
            None => Err(BuildError::at(
                codes::TOOL_MISSING,
                Place::file(&self.path),
                "reports no version: is it a kubectl?",
            )),
        }
    }

    /// Refuses another program than the lock records. [`Lock::check_resolved`] refuses a lock that records none.
    pub fn check(&self, lock: &Lock, digests: &Digests) -> Result<()> {
        let Some(fields) = &lock.document.renderer else { return Ok(()) };
        let Some((version, digest)) = fields.known() else { return Ok(()) };
        let found = self.digest(digests)?;
        if found == digest {
            return Ok(());
        }
        let place = Place::field(&lock.path, fields.digest.referenced.line(), "renderer.digest");
        let what = format!("{} is {found} where the lock records {version}, {digest}", self.path.display());
        Err(BuildError::at(codes::RENDERER_UNPINNED, place, what))
    }

    fn digest(&self, digests: &Digests) -> Result<Sha256> {
        digests.program(&self.path).map(|program| program.digest).map_err(|error| self.unusable(error))
    }

    fn unusable(&self, error: std::io::Error) -> BuildError {
        BuildError::at(codes::TOOL_MISSING, Place::file(&self.path), "does not run").because(error)
    }

    /// Renders a component's folder to its objects.
    pub(super) fn render(&self, definition: &Definition, index: usize, folder: &Path) -> Result<Vec<Value>> {
        let Some(kustomization) = kustomization(folder) else {
            let manifests = &definition.release.components[index].manifests;
            let place = definition.place(manifests, format!("components[{index}].manifests"));
            let what = format!("the folder {} has no kustomization.yaml", folder.display());
            return Err(BuildError::at(codes::MANIFEST_INVALID, place, what));
        };
        let failed = |what: String| BuildError::at(codes::MANIFEST_INVALID, Place::file(&kustomization), what);
        bases::check(folder)?;
        let output = Command::new(&self.path)
            .args([OsStr::new("kustomize"), folder.as_os_str()])
            .output()
            .map_err(|error| self.unusable(error))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(failed(format!("kubectl kustomize refuses it: {}", said.trim().trim_start_matches("error: "))));
        }
        let text = String::from_utf8(output.stdout).map_err(|error| failed("is not UTF-8".into()).because(error))?;
        parse(&text).map_err(|error| failed(format!("cannot be read after rendering: {error}")))
    }
}

pub(super) fn kustomization(folder: &Path) -> Option<PathBuf> {
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

/// The objects of rendered YAML.
pub(super) fn parse(text: &str) -> Result<Vec<Value>, String> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| error.without_snippet().to_string())?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}
