//! Every input of a kustomization must be a local file: kubectl would fetch a remote base as it is today, and the same
//! release could render to other bytes tomorrow.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use serde_json::Value;

use super::kustomize::kustomization;
use crate::definition::yaml;
use crate::error::{BuildError, Place, Result};

/// Fields whose entries name files or folders, or are written out in place.
const TAKEN: [&str; 9] = [
    "resources",
    "bases",
    "components",
    "crds",
    "configurations",
    "generators",
    "transformers",
    "validators",
    "patchesStrategicMerge",
];

/// Fields whose entries name a file under one of these keys.
const WITH_FILES: [(&str, &[&str]); 6] = [
    ("patches", &["path"]),
    ("patchesJson6902", &["path"]),
    ("replacements", &["path"]),
    ("openapi", &["path"]),
    ("configMapGenerator", &["files", "envs", "env"]),
    ("secretGenerator", &["files", "envs", "env"]),
];

/// Fields that have kubectl fetch something.
const FETCHING: [&str; 2] = ["helmCharts", "helmChartInflationGenerator"];

/// Refuses a folder whose kustomization, or one that it takes in, names anything that is no local file or folder.
pub fn check(folder: &Path) -> Result<()> {
    files(folder).map(drop)
}

/// The files that a folder's kustomization takes in, and those that each kustomization below it does: itself, and what it
/// names. Refuses what [`check`] refuses.
pub fn files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    visit(folder, &mut HashSet::new(), &mut files)?;
    Ok(files)
}

fn visit(folder: &Path, seen: &mut HashSet<PathBuf>, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    let Some(file) = kustomization(folder) else { return Ok(()) };
    if !seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())) {
        return Ok(());
    }
    files.insert(file.clone());
    let document: Value = yaml(&file, codes::MANIFEST_INVALID)?;
    let remote = |field: String, what: String| {
        let place = Place { file: Some(file.clone()), line: None, field: Some(field) };
        Err(BuildError::at(codes::REMOTE_BASE, place, what))
    };
    if let Some(field) = FETCHING.iter().find(|field| document.get(**field).is_some()) {
        return remote((*field).to_owned(), "charts are fetched while rendering".to_owned());
    }
    for (field, file_name) in with_files(&document) {
        if file_name.contains("://") {
            return remote(field, format!("`{file_name}` is not a file here"));
        }
        // A generator may give a file another name.
        let named = [Some(file_name), file_name.split_once('=').map(|(_, file)| file)].into_iter().flatten();
        files.extend(named.map(|name| folder.join(name)).find(|path| path.is_file()));
    }
    for (field, index, entry) in taken(&document) {
        let path = folder.join(entry);
        if path.is_dir() {
            visit(&path, seen, files)?;
        } else if path.is_file() {
            files.insert(path);
        } else if is_elsewhere(entry) {
            return remote(format!("{field}[{index}]"), format!("`{entry}` is not a file or folder here"));
        }
    }
    Ok(())
}

/// The entries that name something, each with its place. An entry of several lines is an object written out.
fn taken(document: &Value) -> impl Iterator<Item = (&'static str, usize, &str)> {
    TAKEN
        .into_iter()
        .flat_map(move |field| {
            let entries = document.get(field).and_then(Value::as_array).into_iter().flatten().enumerate();
            entries.filter_map(move |(index, entry)| Some((field, index, entry.as_str()?)))
        })
        .filter(|(_, _, entry)| !entry.contains('\n'))
}

/// The files that entries name, each with its place. A generator may give a file another name: `name=file`.
fn with_files(document: &Value) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    for (field, keys) in WITH_FILES {
        let entries = match document.get(field) {
            Some(Value::Array(entries)) => entries.iter().collect(),
            Some(entry) => vec![entry],
            None => Vec::new(),
        };
        for (index, entry) in entries.into_iter().enumerate() {
            for key in keys {
                let names = match entry.get(key) {
                    Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
                    Some(Value::String(name)) => vec![name.as_str()],
                    _ => Vec::new(),
                };
                found.extend(names.into_iter().map(|name| (format!("{field}[{index}].{key}"), name)));
            }
        }
    }
    found
}

/// What kubectl would fetch rather than miss: an address, or a repository by its host.
fn is_elsewhere(entry: &str) -> bool {
    let first = entry.split('/').next().unwrap_or_default();
    let names_host = entry.contains('/') && !first.starts_with('.') && first.contains('.');
    entry.contains("://") || entry.contains("::") || entry.contains('@') || entry.contains("?ref=") || names_host
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::Coded as _;
    use landfall_media::durable;

    use super::*;

    fn checked(files: &[(&str, &str)]) -> Result<()> {
        found(files).map(drop)
    }

    /// The files that the kustomization in `a` takes in.
    fn found(files: &[(&str, &str)]) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().expect("folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            durable::create_folder(path.parent().expect("folder")).expect("folder");
            durable::write_file(&path, text.as_bytes(), 0o644).expect("file");
        }
        check(&folder.path().join("a"))?;
        let found = super::files(&folder.path().join("a"))?.into_iter().map(|path| path.canonicalize().expect("file"));
        let root = folder.path().canonicalize().expect("folder");
        let mut found: Vec<_> =
            found.map(|path| path.strip_prefix(&root).expect("inside").display().to_string()).collect();
        found.sort();
        Ok(found)
    }

    #[test]
    fn what_is_stored_elsewhere_is_refused_even_through_a_base() {
        for entry in [
            "https://github.com/a/b//config?ref=v1",
            "https://raw.example/crds.yaml",
            "github.com/a/b//config",
            "git@github.com:a/b.git",
            "git::https://a.example/b",
            "ssh://git@a.example/b",
        ] {
            let base = format!("resources: ['{entry}']\n");
            let refused = checked(&[("a/kustomization.yaml", &base)]).expect_err(entry);
            assert_eq!(refused.code(), codes::REMOTE_BASE, "{refused}");
            let through = [("a/kustomization.yaml", "resources: [../b]\n"), ("b/kustomization.yaml", base.as_str())];
            assert!(checked(&through).expect_err(entry).to_string().contains("b/kustomization.yaml: resources[0]"));
        }
        assert!(checked(&[("a/kustomization.yaml", "helmCharts: [{name: x}]\n")]).is_err());
        for text in [
            "patches: [{path: 'https://a.example/p.yaml', target: {kind: Pod}}]\n",
            "configMapGenerator: [{name: a, files: ['b=https://a.example/b']}]\n",
            "secretGenerator: [{name: a, envs: ['http://a.example/b']}]\n",
            "openapi: {path: 'https://a.example/schema.json'}\n",
            "replacements: [{path: 'https://a.example/r.yaml'}]\n",
        ] {
            let refused = checked(&[("a/kustomization.yaml", text)]).expect_err(text);
            assert_eq!(refused.code(), codes::REMOTE_BASE, "{refused}");
        }
        let local = [
            (
                "a/kustomization.yaml",
                "resources: [../b, x.yaml]\ntransformers: [\"kind: X\\na: https://x\\n\"]\nconfigMapGenerator: [{name: a, files: [x.yaml, y=x.yaml, z=missing], literals: ['u=https://x']}]\n",
            ),
            ("a/x.yaml", ""),
            ("b/kustomization.yaml", "resources: [../a]\n"),
        ];
        let expected = ["a/kustomization.yaml", "a/x.yaml", "b/kustomization.yaml"];
        assert_eq!(found(&local).expect("local"), expected);
    }
}
