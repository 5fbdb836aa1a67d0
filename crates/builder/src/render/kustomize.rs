//! Runs `kubectl kustomize` as a child process on the vendor's machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use landfall_models::POINTER_BYTES;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::bases::{self, Sources};
use crate::definition::Definition;
use crate::error::{BuildError, Place, Result};
use crate::pointers::pointer;
use crate::program::Program;
use crate::rendered::kustomization;
use crate::yaml;

/// Rendered objects of a kustomization, with its source files.
#[derive(Debug)]
pub(crate) struct RenderedFolder {
    /// The rendered objects.
    pub objects: Vec<Value>,
    /// The source files.
    pub sources: Sources,
}

/// Renders the folder of a component.
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
        refuse_pointers(folder, &sources)?;
        let said = without_log(&String::from_utf8_lossy(&output.stderr));
        return Err(failed(format!("kubectl kustomize refuses it: {}", said.trim().trim_start_matches("error: "))));
    }
    let text = String::from_utf8(output.stdout).map_err(|error| failed("is not UTF-8".into()).because(error))?;
    let objects = parse(&text).map_err(|error| failed(format!("cannot be read after rendering: {error}")))?;
    Ok(RenderedFolder { objects, sources })
}

/// Returns an error for files that are Git LFS pointers, which kubectl would report as broken YAML.
fn refuse_pointers(folder: &Path, sources: &Sources) -> Result<()> {
    let is_pointer = |file: &PathBuf| {
        let is_small = file.metadata().is_ok_and(|metadata| metadata.len() < POINTER_BYTES);
        is_small && fs_err::read(file).is_ok_and(|bytes| landfall_models::is_pointer(&bytes))
    };
    let mut files = sources.keys().map(|path| folder.join(path));
    files.find(is_pointer).map_or(Ok(()), |file| Err(pointer(Place::file(&file), "the file")))
}

/// Messages of kubectl without its log lines, such as `I1129 10:00:00.000000    1 file.go:1] text`.
fn without_log(said: &str) -> String {
    let is_log = |line: &&str| {
        let head = line.as_bytes().get(..6).unwrap_or_default();
        matches!(head, [b'I' | b'W' | b'E' | b'F', date @ .., b' '] if date.iter().all(u8::is_ascii_digit))
    };
    let lines: Vec<_> = said.lines().filter(|line| !is_log(line)).collect();
    // If there are only log lines, they are better than an empty message.
    if lines.is_empty() { said.to_owned() } else { lines.join("\n") }
}

/// Parses the objects in YAML, either rendered or as a vendor wrote them.
pub(crate) fn parse(text: &str) -> Result<Vec<Value>, String> {
    yaml::read(text)
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::Sha256;
    use landfall_error_codes::CodedError as _;

    use super::*;

    #[test]
    fn kubectl_log_lines_are_dropped() {
        let log = "W1129 10:00:00.000000   12 yaml.go:7] deprecated";
        assert_eq!(without_log(&format!("{log}\nerror: x is no object\n{log}")), "error: x is no object");
        assert_eq!(without_log("Error: W is unknown"), "Error: W is unknown");
        assert_eq!(without_log(log), log);
    }

    #[test]
    fn pointer_among_sources_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 5\n", "0".repeat(64));
        let write = |name: &str, text: &str| {
            landfall_media::durable::write_file(&folder.path().join(name), text.as_bytes(), 0o644).unwrap();
        };
        write("web.yaml", "kind: ConfigMap\n");
        write("weights.yaml", &text);
        let sources = |names: &[&str]| names.iter().map(|name| (PathBuf::from(name), Sha256::of(b""))).collect();
        refuse_pointers(folder.path(), &sources(&["web.yaml"])).unwrap();
        let refused = refuse_pointers(folder.path(), &sources(&["web.yaml", "weights.yaml"])).unwrap_err();
        assert_eq!(refused.code(), codes::PLACEHOLDER);
        assert!(refused.to_string().contains("weights.yaml"), "{refused}");
    }

    #[test]
    fn errors_in_copy_name_original() {
        let folder = tempfile::tempdir().unwrap();
        let (copy, original) = (folder.path().join("copy"), folder.path().join("original"));
        fs_err::create_dir(&original).unwrap();
        landfall_media::durable::write_file(&original.join("web.yaml"), b"", 0o644).unwrap();
        let of = |name: &str| {
            let file = copy.join(name);
            let what = format!("accumulating {}: no object", file.display());
            BuildError::at(codes::MANIFEST_INVALID, Place::file(&file), what).of_copy(&copy, &original).to_string()
        };
        for (name, place) in [("web.yaml", original.join("web.yaml")), ("kustomization.yaml", original.clone())] {
            let said = of(name);
            assert!(said.starts_with(&place.display().to_string()), "{said}");
            assert!(!said.contains(&copy.display().to_string()), "{said}");
        }
    }
}
