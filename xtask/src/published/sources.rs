//! Charts and kustomizations from their projects' repositories, which are bare Git clones in one folder.

#![expect(clippy::disallowed_methods, reason = "files of an experiment, removed with it")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Maximum depth at which charts of charts are searched for.
const DEPTH: usize = 5;

/// The repositories of this machine: bare, in `OWNER+NAME/repo`.
pub struct Sources {
    folder: PathBuf,
    /// Charts of all repositories by name.
    charts: BTreeMap<String, Vec<(String, String)>>,
}

/// A chart or kustomization extracted from a repository.
pub struct ExtractedSource {
    /// Folder of the chart or kustomization.
    pub folder: PathBuf,
    /// Name and version of the chart; None for a kustomization.
    pub chart: Option<(String, String)>,
    /// Charts that it needs and that no repository here has.
    pub missing: Vec<String>,
}

impl Sources {
    /// Reads every repository.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut charts: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let mut names: Vec<_> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        for repository in names.iter().filter(|name| folder.join(name).join("repo").is_dir()) {
            // A line is `HEAD:FOLDER/Chart.yaml:name: NAME`. A repository without a chart has none.
            let arguments = ["grep", "-E", "^name: ", "HEAD", "--", "*Chart.yaml"];
            let found = git(&folder.join(repository), &arguments).unwrap_or_default();
            for line in String::from_utf8_lossy(&found).lines() {
                let of_line = line.strip_prefix("HEAD:").and_then(|line| line.split_once("Chart.yaml:name: "));
                let Some((path, name)) = of_line else { continue };
                let path = if path.is_empty() { "." } else { path.trim_end_matches('/') };
                let name = name.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
                charts.entry(name.to_owned()).or_default().push((repository.clone(), path.to_owned()));
            }
        }
        Ok(Self { folder: folder.to_owned(), charts })
    }

    /// Returns the commit of a repository's files.
    pub fn commit(&self, repository: &str) -> Result<String> {
        let commit = git(&self.folder.join(repository), &["log", "-1", "--format=%h of %cs"])?;
        Ok(String::from_utf8_lossy(&commit).trim().to_owned())
    }

    /// Returns true if a repository exists here.
    pub fn has(&self, repository: &str) -> bool {
        self.folder.join(repository).join("repo").is_dir()
    }

    /// Extracts a chart with its dependencies. For a kustomization, extracts the whole repository, because it may name
    /// any folder.
    pub fn take(&self, repository: &str, path: &str, into: &Path) -> Result<ExtractedSource> {
        let mut names = [path, repository].into_iter().flat_map(|text| text.rsplit(['/', '+']));
        let plain = |name: &&str| !["default", "deployment", "helm", "."].contains(name);
        let folder = into.join(names.find(plain).unwrap_or("chart").to_lowercase());
        self.extract(repository, path, &folder)?;
        self.follow_links(repository, path, &folder)?;
        if !folder.join("Chart.yaml").exists() {
            std::fs::remove_dir_all(&folder)?;
            let whole = into.join("repository");
            self.extract(repository, ".", &whole)?;
            without_digests(&whole)?;
            return Ok(ExtractedSource { folder: whole.join(path), chart: None, missing: Vec::new() });
        }
        let mut missing = BTreeSet::new();
        self.complete(&folder, (repository, path), &mut missing, 0)?;
        without_digests(&folder)?;
        let chart = yaml(&folder.join("Chart.yaml"))?;
        let text = |field: &str| match &chart[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let chart = Some((text("name"), text("version")));
        Ok(ExtractedSource { folder, chart, missing: missing.into_iter().collect() })
    }

    fn extract(&self, repository: &str, path: &str, into: &Path) -> Result<()> {
        std::fs::create_dir_all(into)?;
        let tree = if path == "." { "HEAD".to_owned() } else { format!("HEAD:{path}") };
        let archive = git(&self.folder.join(repository), &["archive", "--format=tar", &tree])?;
        tar::Archive::new(archive.as_slice()).unpack(into).context("cannot unpack")
    }

    /// Replaces links in a chart's folder by their targets, as in the archive that `helm package` writes.
    fn follow_links(&self, repository: &str, path: &str, folder: &Path) -> Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?.path();
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if entry.is_symlink() {
                let target = std::fs::read_link(&entry)?;
                let target = join_path(path, &target.to_string_lossy());
                let object = format!("HEAD:{target}");
                let bare = self.folder.join(repository);
                let Ok(kind) = git(&bare, &["cat-file", "-t", &object]) else { continue };
                std::fs::remove_file(&entry)?;
                if kind == b"tree\n" {
                    self.extract(repository, &target, &entry)?;
                    self.follow_links(repository, &target, &entry)?;
                } else {
                    std::fs::write(&entry, git(&bare, &["cat-file", "blob", &object])?)?;
                }
            } else if entry.is_dir() {
                self.follow_links(repository, &join_path(path, &name), &entry)?;
            }
        }
        Ok(())
    }

    /// Adds the charts that a chart needs, from any repository that has a chart of that name. If they differ from
    /// `Chart.lock`, that file is removed.
    fn complete(&self, folder: &Path, at: (&str, &str), missing: &mut BTreeSet<String>, depth: usize) -> Result<()> {
        let chart = yaml(&folder.join("Chart.yaml"))?;
        let below = folder.join("charts");
        let is_here = |name: &str| {
            let entries = std::fs::read_dir(&below).into_iter().flatten().flatten();
            entries.into_iter().any(|entry| is_chart_file(&entry.file_name().to_string_lossy(), name))
        };
        for needed in chart["dependencies"].as_array().into_iter().flatten() {
            let name = needed["name"].as_str().unwrap_or_default();
            if is_here(name) || depth == DEPTH {
                continue;
            }
            let repository = needed["repository"].as_str().unwrap_or_default();
            let beside = repository.strip_prefix("file://").map(|path| (at.0.to_owned(), join_path(at.1, path)));
            let Some((repository, path)) = beside.or_else(|| self.find(name, at.0, repository)) else {
                if is_off(&yaml(&folder.join("values.yaml"))?, &needed["condition"]) {
                    without_dependency(&folder.join("Chart.yaml"), name)?;
                } else {
                    missing.insert(format!("{name} of {repository}"));
                }
                continue;
            };
            self.extract(&repository, &path, &below.join(name))?;
            self.follow_links(&repository, &path, &below.join(name))?;
            self.complete(&below.join(name), (&repository, &path), missing, depth + 1)?;
            let lock = folder.join("Chart.lock");
            if lock.exists() {
                std::fs::remove_file(lock)?;
            }
        }
        Ok(())
    }

    /// Finds a chart by its name: from the owner named by the chart repository, else from the same repository, else
    /// from any.
    fn find(&self, name: &str, own: &str, repository: &str) -> Option<(String, String)> {
        let found = self.charts.get(name)?;
        let is_named = |(other, _): &&(String, String)| {
            let owner = other.split('+').next().unwrap_or_default().to_lowercase();
            repository.to_lowercase().contains(&owner) || (repository.is_empty() && other == own)
        };
        found.iter().find(is_named).or_else(|| found.iter().find(|(other, _)| other == own)).or(found.first()).cloned()
    }
}

/// Returns true if values disable a dependency of a chart through its condition.
fn is_off(values: &Value, condition: &Value) -> bool {
    let mut paths = condition.as_str().unwrap_or_default().split(',').filter(|path| !path.is_empty());
    paths.any(|path| values.pointer(&format!("/{}", path.trim().replace('.', "/"))) == Some(&Value::Bool(false)))
}

/// Removes a dependency of a chart.
fn without_dependency(file: &Path, name: &str) -> Result<()> {
    let mut chart = yaml(file)?;
    if let Some(needed) = chart["dependencies"].as_array_mut() {
        needed.retain(|other| other["name"] != name);
    }
    let lock = file.with_file_name("Chart.lock");
    if lock.exists() {
        std::fs::remove_file(lock)?;
    }
    // JSON is also valid YAML.
    std::fs::write(file, serde_json::to_vec(&chart)?).context("cannot write a chart")
}

/// Returns true if a folder or archive in `charts` belongs to this chart: `NAME` or `NAME-VERSION.tgz`.
fn is_chart_file(file: &str, name: &str) -> bool {
    let rest = file.strip_prefix(name).map(|rest| rest.trim_start_matches(['-', 'v']));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// Removes digests of images, because the registry here serves content that does not match them.
fn without_digests(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            without_digests(&path)?;
        } else if path.extension().is_some_and(|end| ["yaml", "yml", "tpl"].iter().any(|known| end == *known))
            && let Ok(text) = std::fs::read_to_string(&path)
            && text.contains("sha256:")
        {
            let kept: String = text.split_inclusive('\n').map(without_digest).collect();
            std::fs::write(&path, kept)?;
        }
    }
    Ok(())
}

/// Returns a line without digests of images.
fn without_digest(line: &str) -> String {
    let is_digest = |text: &str| text.len() >= 64 && text.bytes().take(64).all(|byte| byte.is_ascii_hexdigit());
    let mut parts = line.split("sha256:");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if is_digest(part) && kept.ends_with('@') {
            kept.pop();
            kept += &part[64..];
        } else if is_digest(part) && kept.trim_end_matches(['"', '\'']).ends_with("igest: ") {
            let quote = kept.len() - kept.trim_end_matches(['"', '\'']).len();
            kept += if quote == 0 { "\"\"" } else { "" };
            kept += &part[64..];
        } else {
            kept += "sha256:";
            kept += part;
        }
    }
    kept
}

fn yaml(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
}

/// Returns a path relative to a folder of a repository, without `..`.
fn join_path(folder: &str, path: &str) -> String {
    let mut found: Vec<String> = Vec::new();
    for part in Path::new(folder).join(path).components() {
        match part {
            Component::ParentDir => drop(found.pop()),
            Component::Normal(name) => found.push(name.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    found.join("/")
}

fn git(repository: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let mut command = Command::new("git");
    command.arg("--git-dir").arg(repository.join("repo")).args(arguments).stderr(Stdio::null());
    let output = command.output().context("cannot run git")?;
    if !output.status.success() {
        bail!("git {} fails in {}", arguments.join(" "), repository.display());
    }
    ensure!(!output.stdout.is_empty(), "git {} finds nothing in {}", arguments.join(" "), repository.display());
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_image_digests_are_removed() {
        let digest = "0123456789abcdef".repeat(4);
        for (line, kept) in [
            (format!("image: a/b:1@sha256:{digest}\n"), "image: a/b:1\n"),
            (format!("  digest: sha256:{digest}\n"), "  digest: \"\"\n"),
            (format!("  digest: \"sha256:{digest}\"\n"), "  digest: \"\"\n"),
            ("  note: sha256: none\n".to_owned(), "  note: sha256: none\n"),
        ] {
            assert_eq!(without_digest(&line), kept);
        }
        assert!(is_chart_file("db-v2.1.0.tgz", "db") && !is_chart_file("db-exporter", "db"));
        assert_eq!(join_path("charts/a", "../b"), "charts/b");
    }
}
