//! The vendor's environment: a folder in which the guide is followed, with the vendor's programs, store and home folder
//! next to it.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_test_support::runnable::write_program;
use landfall_xtask::outcome::Outcome;
use landfall_xtask::vendor::KEY_PASSWORD;
use landfall_xtask::{builds, images, python_tools, workspace};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::proxy::Proxy;
use super::walk::{Step, steps};
use crate::end_to_end::fixture;

/// Name of the folder that is initially empty, and of the folder for `PATH` next to it.
const WORK: &str = "work";
const PROGRAMS: &str = "programs";

/// A part of the chart that the guide does not show: Jobs that Helm runs before and after everything else, two of them
/// one after another.
const HOOKS: &str = include_str!("hooks.yaml");

/// Name of the bundle's folder in the guide.
const STICK: &str = "stick";

/// The folder and its surroundings, which are removed with this value.
pub(super) struct Desk {
    around: TempDir,
    path: String,
}

impl Desk {
    /// Creates an empty one, on the disk of the tests.
    pub(super) fn new() -> Result<Self> {
        let folder = fixture::folder();
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let around = tempfile::tempdir_in(&folder).context("cannot create a folder for the guide")?;
        for name in [WORK, PROGRAMS] {
            std::fs::create_dir(around.path().join(name))?;
        }
        let path = format!("{}:{}", around.path().join(PROGRAMS).display(), std::env::var("PATH")?);
        Ok(Self { around, path })
    }

    /// Returns the parent of the folder in which the guide is followed.
    pub(super) fn around(&self) -> &Path {
        self.around.path()
    }

    fn sibling_path(&self, name: &str) -> PathBuf {
        self.around().join(name)
    }

    /// Returns the folder that becomes the stick.
    pub(super) fn stick(&self) -> PathBuf {
        self.sibling_path(WORK).join(STICK)
    }

    /// Fills the folder for `PATH`: Landfall's programs as installed by the vendor, kubectl, Helm, and a uv that uses
    /// the company's index through its proxy.
    pub(super) fn bring_programs(&self, kubectl: &Path, proxy: &Proxy) -> Result<()> {
        let folder = self.sibling_path(PROGRAMS);
        builds::copy_landfall(&folder)?;
        std::os::unix::fs::symlink(kubectl, folder.join("kubectl"))?;
        std::os::unix::fs::symlink(images::ensure_helm()?, folder.join("helm"))?;
        let (authority, kept) = (self.sibling_path("authority.pem"), self.sibling_path("uv"));
        let script = format!(
            "#!/bin/sh\nexport UV_DEFAULT_INDEX=https://packages.test/simple HTTPS_PROXY=http://127.0.0.1:{} \
             SSL_CERT_FILE='{}' UV_CACHE_DIR='{}' UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never\nexec '{}' \"$@\"\n",
            proxy.port,
            authority.display(),
            kept.display(),
            python_tools::uv_folder()?.join("uv").display(),
        );
        write_program(&folder.join("uv"), script);
        Ok(())
    }

    /// Returns a shell command for a line of the guide, in the folder.
    pub(super) fn shell(&self, line: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.arg("-euc").arg(with_assembled_parts(line)).current_dir(self.sibling_path(WORK));
        shell.env("PATH", &self.path).env("HOME", self.around()).env_remove("LANDFALL_LOG");
        shell.env("LANDFALL_KEY_PASSWORD", KEY_PASSWORD).env("LANDFALL_STORE", self.sibling_path("store"));
        shell.env("DOCKER_CONFIG", self.sibling_path("docker"));
        shell
    }

    /// Builds the next version into a folder next to the bundle.
    pub(super) fn build_next(&self) -> Result<()> {
        for (from, to) in NEXT {
            let replace =
                Step::Replace { from: from.to_owned(), to: to.to_owned(), path: "release/release.yaml".to_owned() };
            replace.take(&self.sibling_path(WORK), |line| self.shell(line))?;
        }
        let line = format!(
            "landfall build release --registries registries.yaml --key keys/cosign.key --roots keys --output \
             {STICK}/next"
        );
        Outcome::success(&mut self.shell(&line)).map(drop)
    }

    /// Follows the guide on the vendor's machine. Returns its commands for the site.
    pub(super) fn follow_the_guide(&self, proxy: &Proxy) -> Result<Vec<String>> {
        let folder = self.sibling_path(WORK);
        std::fs::write(folder.join("facts.json"), facts()?)?;
        let templates = folder.join("charts/hello/templates");
        std::fs::create_dir_all(&templates)?;
        std::fs::write(templates.join("hooks.yaml"), HOOKS)?;
        let steps = steps(&std::fs::read_to_string(workspace::root().join("docs/start/bundle.md"))?)?;
        ensure!(steps.iter().filter(|step| matches!(step, Step::Run(_))).count() >= 10, "{steps:?}");
        let mut for_the_site = Vec::new();
        for step in &steps {
            match step {
                Step::File { path, .. } if path == "registries.yaml" => {
                    std::fs::write(folder.join(path), registries(proxy))?;
                }
                Step::AtSite(command) => for_the_site.push(command.clone()),
                step => step.take(&folder, |line| self.shell(line))?,
            }
        }
        Ok(for_the_site)
    }
}

/// Replacements that turn the guide's release into its next version.
const NEXT: [(&str, &str); 2] =
    [("version: 0.1.0\n# Monotonic", "version: 0.2.0\n# Monotonic"), ("counter: 1\n", "counter: 2\n")];

/// Adds to a line of the guide what assembled parts need: their lock, and a key that may sign them.
fn with_assembled_parts(line: &str) -> String {
    if line.starts_with("landfall init ") {
        let lock = workspace::root().join("tests/images/assembled.lock");
        format!("{line} --lock '{}'", lock.display())
    } else if line.starts_with("landfall key new ") {
        format!("{line} --development")
    } else {
        line.to_owned()
    }
}

/// Returns the registries file for this test: everything is behind the proxy, under the names that the proxy knows.
fn registries(proxy: &Proxy) -> String {
    let port = proxy.port;
    format!(
        "mirrors:\n  - {{host: '*', endpoint: 'https://registry.test'}}\n  - \
         {{host: huggingface.co, endpoint: 'https://hub.test'}}\n  - \
         {{host: packages.example.com, endpoint: 'https://packages.test'}}\n\
         proxies: {{http: 'http://127.0.0.1:{port}', https: 'http://127.0.0.1:{port}'}}\n\
         authorities: [../authority.pem]\n"
    )
}

/// Returns the facts that a customer sends, with a clock later than the build.
fn facts() -> Result<String> {
    let sample = workspace::root().join("crates/rules/samples/small.json");
    let mut facts: Value = serde_json::from_slice(&std::fs::read(sample)?)?;
    (facts["kind"], facts["schema"]) = (json!("facts"), json!(4));
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    facts["collectedAt"] = json!(later.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    Ok(facts.to_string())
}
