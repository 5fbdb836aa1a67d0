//! Checks that every input of a kustomization is a local file. kubectl would fetch the current state of a remote base,
//! so the same release could render to other bytes tomorrow. Each file is read once for its digest, before kubectl
//! reads it.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Code, codes};
use serde_json::Value;

use super::kustomization::{Form, Kustomization, NamedValue, is_inflator, named_by, written_out};
use super::kustomize::parse;
use crate::definition::without_detours;
use crate::error::{BuildError, Place, Result};
use crate::rendered::kustomization;

/// Files that a folder's kustomization uses, with digests, including those of nested kustomizations. Paths are relative
/// to the folder, as kustomizations write them.
pub type Sources = BTreeMap<PathBuf, Sha256>;

/// Reads the files that a folder's kustomization uses. Returns an error for anything that is not a local file or
/// folder.
pub fn sources(folder: &Path) -> Result<Sources> {
    let mut walk = Walk { folder, seen: HashSet::new(), found: BTreeMap::new() };
    walk.visit(Path::new(""), None)?;
    Ok(walk.found)
}

/// A traversal of kustomizations. Paths are relative to `folder`.
struct Walk<'a> {
    folder: &'a Path,
    /// Visited kustomizations, each with the folder for which its objects configure kubectl.
    seen: HashSet<(PathBuf, Option<PathBuf>)>,
    found: Sources,
}

/// Context of a name.
struct NameContext<'a> {
    /// Folder to which it is relative.
    below: &'a Path,
    /// Path of the file, for messages.
    file: &'a Path,
    /// Folder for which the objects here configure kubectl.
    configures: Option<&'a Path>,
}

impl NameContext<'_> {
    fn refuse(&self, code: Code, field: &str, what: impl Into<String>) -> BuildError {
        let place = Place { file: Some(self.file.to_owned()), line: None, field: Some(field.to_owned()) };
        BuildError::at(code, place, what)
    }

    fn elsewhere(&self, field: &str, what: impl Into<String>) -> BuildError {
        self.refuse(codes::REMOTE_BASE, field, what)
    }
}

impl Walk<'_> {
    fn visit(&mut self, below: &Path, configures: Option<&Path>) -> Result<()> {
        let Some(file) = kustomization(&self.folder.join(below)) else { return Ok(()) };
        let real = file.canonicalize().unwrap_or_else(|_| file.clone());
        if !self.seen.insert((real, configures.map(Path::to_owned))) {
            return Ok(());
        }
        let text = self.read(&below.join(file.file_name().unwrap_or_default()))?;
        let kustomization = Kustomization::read(&file, &text)?;
        let at = NameContext { below, file: &file, configures };
        if let Some(field) = kustomization.fetches() {
            return Err(at.elsewhere(field, "charts are fetched while rendering"));
        }
        kustomization.names().iter().try_for_each(|named| self.take(&at, named))
    }

    /// Reads a named file. A missing one is left for kubectl to report.
    fn take(&mut self, at: &NameContext<'_>, named: &NamedValue) -> Result<()> {
        match named.form {
            Form::File => self.file(at, named, &named.text),
            Form::Keyed => {
                let name = named.text.split_once('=').map_or(named.text.as_str(), |(_, file)| file);
                self.file(at, named, name)
            }
            Form::Resource => self.file_or_folder(at, named, at.configures),
            Form::Patch if written_out(&named.text).is_some() => Ok(()),
            Form::Patch => self.file_or_folder(at, named, None),
            Form::Configuration => match written_out(&named.text) {
                Some(objects) => objects.iter().try_for_each(|object| self.configure(at, &named.field, object)),
                None => self.file_or_folder(at, named, Some(at.below)),
            },
        }
    }

    fn file(&mut self, at: &NameContext<'_>, named: &NamedValue, name: &str) -> Result<()> {
        if name.contains("://") {
            return Err(at.elsewhere(&named.field, format!("`{name}` is not a file here")));
        }
        let path = at.below.join(name);
        if self.folder.join(&path).is_file() { self.add(&path).map(drop) } else { Ok(()) }
    }

    /// Reads a file, or a folder with a kustomization, whose objects may configure kubectl for another folder.
    fn file_or_folder(&mut self, at: &NameContext<'_>, named: &NamedValue, configures: Option<&Path>) -> Result<()> {
        if named.text.contains('\n') {
            return Err(at.refuse(
                codes::MANIFEST_INVALID,
                &named.field,
                "is neither the name of a file nor YAML objects",
            ));
        }
        let path = at.below.join(&named.text);
        let here = self.folder.join(&path);
        if here.is_dir() {
            return self.visit(&path, configures);
        }
        if !here.is_file() {
            let what = || format!("`{}` is not a file or folder here", named.text);
            return if is_elsewhere(&named.text) { Err(at.elsewhere(&named.field, what())) } else { Ok(()) };
        }
        let Some(below) = configures else { return self.add(&path).map(drop) };
        let text = self.read(&path)?;
        let refused = |error: String| BuildError::at(codes::MANIFEST_INVALID, Place::file(&here), error);
        let at = NameContext { below, file: &here, configures: None };
        let kind = |object: &Value| object.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        parse(&text).map_err(refused)?.iter().try_for_each(|object| self.configure(&at, &kind(object), object))
    }

    /// Reads the files that a configuration object of kubectl names.
    fn configure(&mut self, at: &NameContext<'_>, place: &str, object: &Value) -> Result<()> {
        if is_inflator(object) {
            return Err(at.elsewhere(&format!("{place}.kind"), "charts are fetched while rendering"));
        }
        named_by(place, object).iter().try_for_each(|named| self.take(at, named))
    }

    /// Reads a file as text.
    fn read(&mut self, path: &Path) -> Result<String> {
        let place = Place::file(&self.folder.join(path));
        let not_text = |error| BuildError::at(codes::MANIFEST_INVALID, place, "is not UTF-8").because(error);
        String::from_utf8(self.add(path)?).map_err(not_text)
    }

    /// Reads a file and records its digest.
    fn add(&mut self, path: &Path) -> Result<Vec<u8>> {
        let here = self.folder.join(path);
        let bytes = fs_err::read(&here).map_err(|error| {
            BuildError::at(codes::MANIFEST_INVALID, Place::file(&here), "cannot be read").because(error)
        })?;
        self.found.insert(without_detours(&self.relative(path)), Sha256::of(&bytes));
        Ok(bytes)
    }

    /// Relative form of a path. kubectl refuses absolute paths outside of the kustomization's folder; for a base
    /// elsewhere, only the file name is kept.
    fn relative(&self, path: &Path) -> PathBuf {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let inside = || real(path).strip_prefix(real(self.folder)).map(Path::to_owned).ok();
        let name = || path.file_name().unwrap_or_default().into();
        if path.is_absolute() {
            inside().unwrap_or_else(name)
        } else {
            path.strip_prefix(".").unwrap_or(path).to_owned()
        }
    }
}

/// Returns true for an entry that kubectl would fetch: a URL, or a repository with its host.
fn is_elsewhere(entry: &str) -> bool {
    let first = entry.split('/').next().unwrap_or_default();
    let names_host = entry.contains('/') && !first.starts_with('.') && first.contains('.');
    entry.contains("://") || entry.contains("::") || entry.contains('@') || entry.contains("?ref=") || names_host
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;
    use landfall_media::durable;

    use super::*;

    fn check_files(files: &[(&str, &str)]) -> Result<()> {
        used_files(files).map(drop)
    }

    /// Files that the kustomization in `a` uses.
    fn used_files(files: &[(&str, &str)]) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().expect("folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            durable::create_folder(path.parent().expect("folder")).expect("folder");
            durable::write_file(&path, text.as_bytes(), 0o644).expect("file");
        }
        let sources = sources(&folder.path().join("a"))?;
        for (path, digest) in &sources {
            let bytes = fs_err::read(folder.path().join("a").join(path)).expect("file");
            assert_eq!(Sha256::of(&bytes), *digest, "{}", path.display());
        }
        Ok(sources.into_keys().map(|path| path.display().to_string()).collect())
    }

    #[test]
    fn remote_bases_are_refused() {
        for entry in [
            "https://github.com/a/b//config?ref=v1",
            "https://raw.example/crds.yaml",
            "github.com/a/b//config",
            "git@github.com:a/b.git",
            "git::https://a.example/b",
            "ssh://git@a.example/b",
        ] {
            let base = format!("resources: ['{entry}']\n");
            let refused = check_files(&[("a/kustomization.yaml", &base)]).expect_err(entry);
            assert_eq!(refused.code(), codes::REMOTE_BASE, "{refused}");
            let through = [("a/kustomization.yaml", "resources: [../b]\n"), ("b/kustomization.yaml", base.as_str())];
            assert!(check_files(&through).expect_err(entry).to_string().contains("b/kustomization.yaml: resources[0]"));
        }
        for text in [
            "helmCharts: [{name: x}]\n",
            "patches: [{path: 'https://a.example/p.yaml', target: {kind: Pod}}]\n",
            "configMapGenerator: [{name: a, files: ['b=https://a.example/b']}]\n",
            "secretGenerator: [{name: a, envs: ['http://a.example/b']}]\n",
            "openapi: {path: 'https://a.example/schema.json'}\n",
            "replacements: [{path: 'https://a.example/r.yaml'}]\n",
        ] {
            let refused = check_files(&[("a/kustomization.yaml", text)]).expect_err(text);
            assert_eq!(refused.code(), codes::REMOTE_BASE, "{refused}");
        }
        let local = [
            (
                "a/kustomization.yaml",
                "resources: [../b, x.yaml]\ntransformers: [\"kind: X\\na: https://x\\n\"]\n\
                 configMapGenerator: [{name: a, files: [x.yaml, y=x.yaml, z=missing], literals: ['u=https://x']}]\n",
            ),
            ("a/x.yaml", ""),
            ("b/kustomization.yaml", "resources: [../a]\n"),
        ];
        let expected = ["../b/kustomization.yaml", "kustomization.yaml", "x.yaml"];
        assert_eq!(used_files(&local).expect("local"), expected);
    }

    #[test]
    fn kustomization_sources_are_found() {
        let files = [
            (
                "a/kustomization.yaml",
                "resources: [one.yaml]\nbases: [../b]\ncomponents: [../c]\ncrds: [crd.yaml]\n\
                 configurations: [names.yaml]\n\
                 patches: [{path: ./p1.yaml}, {patch: '- op: x', target: {kind: Pod}}]\n\
                 patchesJson6902: [{path: p2.yaml}]\n\
                 patchesStrategicMerge: [p3.yaml, '{kind: Pod, path: no.yaml}']\nreplacements: [{path: r.yaml}]\n\
                 openapi: {path: schema.json}\n\
                 configMapGenerator: [{name: a, files: [f1.txt, key=f2.txt], envs: [e1.env], env: e2.env}]\n\
                 secretGenerator: [{name: b, type: Opaque, files: [f3.txt], envs: [e3.env]}]\n\
                 generators: [generator.yaml, ../d]\n\
                 transformers: ['{apiVersion: builtin, kind: PatchTransformer, path: p4.yaml}']\n\
                 validators: [\"kind: List\\nitems:\\n- \
                 {kind: PatchStrategicMergeTransformer, Paths: [p5.yaml]}\\n\"]\n",
            ),
            (
                "a/generator.yaml",
                "kind: ConfigMapGenerator\nfiles: [f4.txt]\n---\nkind: SecretGenerator\nenvs: [e4.env]\n",
            ),
            ("b/kustomization.yml", "configMapGenerator: [{name: a, files: [f.txt]}]\n"),
            ("b/f.txt", "of the base"),
            ("c/Kustomization", "kind: Component\npatches: [{path: p.yaml}]\n"),
            ("c/p.yaml", "{}"),
            // A folder of configuration objects: paths in them are relative to the folder that lists it.
            ("d/kustomization.yaml", "resources: [replace.yaml]\n"),
            ("d/replace.yaml", "kind: ReplacementTransformer\nreplacements: [{path: r2.yaml}]\n"),
            ("d/r2.yaml", "another file"),
            // Nothing names these files.
            ("a/no.yaml", ""),
            ("a/key=f2.txt", ""),
        ];
        let named = [
            "crd.yaml",
            "e1.env",
            "e2.env",
            "e3.env",
            "e4.env",
            "f1.txt",
            "f2.txt",
            "f3.txt",
            "f4.txt",
            "names.yaml",
            "one.yaml",
            "p1.yaml",
            "p2.yaml",
            "p3.yaml",
            "p4.yaml",
            "p5.yaml",
            "r.yaml",
            "r2.yaml",
            "schema.json",
        ];
        let plain: Vec<_> = named.iter().map(|name| (format!("a/{name}"), format!("text of {name}"))).collect();
        let all: Vec<_> =
            files.into_iter().chain(plain.iter().map(|(name, text)| (name.as_str(), text.as_str()))).collect();
        let kustomizations = [
            "../b/f.txt",
            "../b/kustomization.yml",
            "../c/Kustomization",
            "../c/p.yaml",
            "../d/kustomization.yaml",
            "../d/replace.yaml",
            "generator.yaml",
            "kustomization.yaml",
        ];
        let mut expected: Vec<_> = named.into_iter().chain(kustomizations).collect();
        expected.sort_unstable();
        let mut found = used_files(&all).expect("local");
        found.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn unknown_kustomization_fields_are_refused() {
        // kubectl accepts `Resources` for `resources`.
        for text in ["Resources: ['https://a.example/b']\n", "later: [x.yaml]\n"] {
            let refused = check_files(&[("a/kustomization.yaml", text)]).expect_err(text);
            assert_eq!(refused.code(), codes::MANIFEST_INVALID, "{refused}");
            assert!(refused.to_string().contains("unknown field"), "{refused}");
        }
        for object in
            ["{kind: HelmChartInflationGenerator, name: x}", "{kind: PatchTransformer, path: 'https://a.example/p'}"]
        {
            let written_out = format!("generators: [\"{object}\"]\n");
            let refused = check_files(&[("a/kustomization.yaml", &written_out)]).expect_err(object);
            assert_eq!(refused.code(), codes::REMOTE_BASE, "{refused}");
            let files = [("a/kustomization.yaml", "generators: [one.yaml]\n"), ("a/one.yaml", object)];
            assert!(check_files(&files).expect_err(object).to_string().contains("a/one.yaml"));
        }
    }

    #[test]
    fn absolute_path_becomes_relative() {
        let folder = tempfile::tempdir().expect("folder");
        durable::write_file(&folder.path().join("x.yaml"), b"", 0o644).expect("file");
        let text = format!("resources: ['{}']\n", folder.path().join("x.yaml").display());
        durable::write_file(&folder.path().join("kustomization.yaml"), text.as_bytes(), 0o644).expect("file");
        let found = sources(folder.path()).expect("local");
        assert_eq!(found.keys().collect::<Vec<_>>(), [Path::new("kustomization.yaml"), Path::new("x.yaml")]);
    }
}
