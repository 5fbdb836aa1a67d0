//! An attempt to build a bundle from one chart by following all error messages.
#![expect(clippy::disallowed_methods, reason = "files of an experiment, removed with it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::compare::{Chart, Comparison};
use super::edits::Draft;
use super::{PublishedChart, Sources, TinyRegistry};
use crate::vendor::KEY_PASSWORD;
use crate::workspace;

/// Number of edits after which a user would give up.
const PATIENCE: usize = 30;

/// Lock with the node pack to use, relative to the project's root.
const LOCK: &str = "tests/images/assembled.lock";

/// Programs and folder that every attempt uses.
pub struct Bench {
    landfall: PathBuf,
    kubectl: PathBuf,
    helm: PathBuf,
    folder: PathBuf,
}

/// Result of an attempt.
#[derive(Debug)]
pub struct Attempt {
    /// Name of the chart, or folder of the kustomization.
    pub name: String,
    /// Version of the chart; None for a kustomization.
    pub version: Option<String>,
    /// Edits, in the order in which messages asked for them.
    pub edits: Vec<String>,
    /// Outcome of the attempt.
    pub outcome: AttemptOutcome,
    /// Comparison of the built objects with the output of `helm template`; None if nothing was built, or for a
    /// kustomization.
    pub compared: Option<Comparison>,
}

/// Outcome of an attempt.
#[derive(Debug)]
pub enum AttemptOutcome {
    /// A bundle was built.
    Built,
    /// The message would make a user give up, or asks for values that are unknown here.
    Refused(String),
    /// The chart is not available here, so nothing was attempted.
    Unavailable(String),
}

impl Bench {
    /// Creates a bench with a development key in a folder.
    pub fn new(folder: &Path, programs: [&Path; 3], registry: &TinyRegistry) -> Result<Self> {
        let [landfall, kubectl, helm] = programs.map(Path::to_owned);
        let bench = Self { landfall, kubectl, helm, folder: folder.to_owned() };
        let mirror = format!("mirrors:\n  - {{host: '*', endpoint: 'http://{}', plainHttp: true}}\n", registry.address);
        std::fs::write(bench.path("registries.yaml"), mirror)?;
        let keys = bench.path("keys").display().to_string();
        let error = bench.run(&["key", "new", "--development", "--output", &keys])?;
        ensure!(error.is_none(), "no key was made: {error:?}");
        Ok(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs `landfall`. Returns its error if it fails.
    fn run(&self, arguments: &[&str]) -> Result<Option<Value>> {
        let mut command = Command::new(&self.landfall);
        command.args(arguments).arg("--json").env("LANDFALL_KEY_PASSWORD", KEY_PASSWORD).stdin(Stdio::null());
        let output = command.output().context("cannot run landfall")?;
        if output.status.success() {
            return Ok(None);
        }
        let messages = String::from_utf8_lossy(&output.stderr);
        let lines = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let error = lines.into_iter().rfind(|line| line["code"].is_string());
        error.map(Some).with_context(|| format!("landfall {} prints no usable error: {messages}", arguments.join(" ")))
    }

    /// Runs all commands on a chart or a kustomization. Written files are removed afterwards.
    pub fn attempt(&self, published: &PublishedChart, sources: &Sources) -> Result<Attempt> {
        let PublishedChart { repository, path, .. } = published;
        let unavailable = |name: &str, version, why: String| {
            let (name, outcome) = (name.to_owned(), AttemptOutcome::Unavailable(why));
            Ok(Attempt { name, version, edits: Vec::new(), outcome, compared: None })
        };
        if !sources.has(repository) {
            return unavailable(path, None, "its repository is not here".to_owned());
        }
        let folder = tempfile::tempdir_in(&self.folder)?;
        let taken = sources.take(repository, path, folder.path())?;
        let (name, version) = taken.chart.map_or_else(|| (path.clone(), None), |(name, version)| (name, Some(version)));
        if !taken.missing.is_empty() {
            return unavailable(&name, version, format!("it needs {}", taken.missing.join(", ")));
        }
        let mut edits = Vec::new();
        let failed = self.build(published, &taken.folder, folder.path(), &mut edits)?;
        let compared = (failed.is_none() && version.is_some()).then(|| self.compare(&taken.folder, folder.path()));
        let place = folder.path().display().to_string();
        let outcome = failed.map_or(AttemptOutcome::Built, |error| {
            let said = |field: &str| error[field].as_str().unwrap_or_default().replace(&place, "");
            AttemptOutcome::Refused(format!("{}: {}", said("code"), said("what")))
        });
        Ok(Attempt { name, version, edits, outcome, compared: compared.transpose()? })
    }

    /// Compares the objects built from a chart with Helm's output.
    fn compare(&self, source: &Path, folder: &Path) -> Result<Comparison> {
        let release = folder.join("release");
        let name = component(&release)?;
        let chart = Chart { release: &release, bundle: &folder.join("out"), source, name: &name };
        chart.compare(&self.helm, &self.kubectl)
    }

    /// Builds a bundle from the sources. Returns the error at which it ends, if any.
    fn build(
        &self,
        of: &PublishedChart,
        source: &Path,
        folder: &Path,
        edits: &mut Vec<String>,
    ) -> Result<Option<Value>> {
        let text = |path: PathBuf| path.display().to_string();
        let [release, out, store] = ["release", "out", "store"].map(|name| text(folder.join(name)));
        let source = text(source.to_owned());
        let [registries, keys, key] = ["registries.yaml", "keys", "keys/cosign.key"].map(|name| text(self.path(name)));
        let [kubectl, helm] = [self.kubectl.clone(), self.helm.clone()].map(text);
        let lock = text(workspace::root().join(LOCK));
        let tools = ["--kubectl", &kubectl, "--helm", &helm];
        let begun = ["init", &source, "--output", &release, "--name", "try", "--no-console", "--lock", &lock];
        if let Some(error) = self.run(&[&begun[..], &tools[..]].concat())? {
            return Ok(Some(error));
        }
        let own_folder = folder.join("release/manifests").join(component(&folder.join("release"))?);
        let own_file = own_folder.join("component.yaml");
        let mut draft = Draft::new(std::fs::read_to_string(&own_file)?);
        let filled = draft.fill_in();
        if !filled.is_empty() {
            edits.push(format!("filled in: {}", filled.join(", ")));
        }
        let common = [&["--registries", &registries, "--store", &store][..], &tools[..]].concat();
        let signed = ["--key", &key, "--roots", &keys, "--output", &out];
        let mut has_values = of.values.is_empty();
        for _ in 0..PATIENCE {
            std::fs::write(&own_file, &draft.text)?;
            let mut error = self.run(&[&["lock", &release][..], &common[..]].concat())?;
            if error.is_none() {
                error = self.run(&[&["build", &release][..], &common[..], &signed[..]].concat())?;
            }
            let Some(error) = error else { return Ok(None) };
            if let Some(edit) = draft.follow(&error) {
                edits.push(edit);
            } else if std::mem::replace(&mut has_values, true) {
                return Ok(Some(error));
            } else {
                std::fs::write(own_folder.join("asked.yaml"), &of.values)?;
                draft.values("asked.yaml");
                edits.push(format!("values: {}", of.values));
            }
        }
        Ok(Some(serde_json::json!({ "code": "", "what": "no end of edits" })))
    }
}

/// Returns the name of the component that `init` made of the sources.
fn component(release: &Path) -> Result<String> {
    let text = std::fs::read_to_string(release.join("release.yaml"))?;
    let (_, made) = text.split_once("# Made of what was given").context("init made nothing")?;
    let name = made.lines().find_map(|line| line.strip_prefix("  - {name: ")?.split(',').next());
    name.map(str::to_owned).context("init made no component")
}
