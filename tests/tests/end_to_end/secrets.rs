//! Files generated on a site. They are never generated a second time, match the journal, and equal those in the
//! cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use landfall_engine::journal::StepStatus;
use landfall_site::pins::Replay;
use landfall_xtask::proofs::administer;
use landfall_xtask::site::Machine;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::journal;

/// Folder of the secrets that Landfall generates.
const SECRETS: &str = "/var/lib/landfall/secrets";

/// Folder of kubeadm's keys, and of kubeconfigs that contain keys.
const KUBERNETES: &str = "/etc/kubernetes";

/// Files that the step for certificates must at least leave.
const KEYS: [&str; 4] = ["pki/ca.key", "pki/etcd/ca.key", "pki/front-proxy-ca.key", "pki/sa.key"];

/// Files that the step for kubeconfigs must leave. The kubelet's is rewritten by a later step, and renews itself.
const KUBECONFIGS: [&str; 4] = ["admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf"];

/// SHA-256 of files, by path.
type Files = BTreeMap<String, String>;

/// Generated files in the journal, each with its digest if the step that wrote it recorded one.
type RecordedFiles = BTreeMap<String, Option<String>>;

/// The generated files of a site, and its journal's entries for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GeneratedFiles {
    files: Files,
    recorded: RecordedFiles,
}

impl GeneratedFiles {
    /// Reads them from the host. Fails unless every file that the journal records as done exists and matches.
    pub(crate) fn at(machine: &Machine) -> Result<Self> {
        let root = machine.first()?.proc("root");
        let mut files = Files::new();
        read_folder(&root, SECRETS, &|_| true, &mut files)?;
        read_folder(&root, KUBERNETES, &is_key, &mut files)?;
        let found = Self { files, recorded: recorded_files(&journal::read(machine)?)? };
        let problems = found.problems();
        ensure!(problems.is_empty(), "generated files differ from the journal:\n{}", problems.join("\n"));
        Ok(found)
    }

    /// Returns the number of files.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Returns the number of files with a digest in the journal.
    pub(crate) fn recorded_count(&self) -> usize {
        self.recorded.values().flatten().count()
    }

    /// Fails unless every earlier file exists unchanged.
    pub(crate) fn expect_since(&self, earlier: &Self) -> Result<()> {
        let changed = earlier.files.iter().filter(|(path, digest)| self.files.get(*path) != Some(digest));
        let changed: Vec<_> = changed.map(|(path, _)| path.as_str()).collect();
        ensure!(changed.is_empty(), "changed since the cut: {}", changed.join(", "));
        Ok(())
    }

    /// Fails unless the file is among them.
    pub(crate) fn expect(&self, path: &str) -> Result<()> {
        ensure!(self.files.contains_key(path), "{path} is not among the generated files: {:?}", self.files.keys());
        Ok(())
    }

    fn problems(&self) -> Vec<String> {
        let problem = |(path, digest): (&String, &Option<String>)| match (self.files.get(path), digest) {
            (None, _) => Some(format!("{path} is missing")),
            (Some(found), Some(recorded)) if found != recorded => {
                Some(format!("{path} has the digest {found}, but {recorded} was recorded"))
            }
            _ => None,
        };
        self.recorded.iter().filter_map(problem).collect()
    }
}

fn is_key(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "key")
        || KUBECONFIGS.iter().any(|name| path == format!("{KUBERNETES}/{name}"))
}

/// Adds the wanted files below a folder of the machine, if the folder exists.
fn read_folder(root: &Path, folder: &str, wanted: &dyn Fn(&str) -> bool, files: &mut Files) -> Result<()> {
    let entries = match root.join(folder.trim_start_matches('/')).read_dir() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| format!("cannot list {folder}"))?,
    };
    for entry in entries {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_folder(root, &path, wanted, files)?;
        } else if wanted(&path) && !path.ends_with(".landfall-temporary") {
            let content = std::fs::read(entry.path()).with_context(|| format!("cannot read {path}"))?;
            // kubeadm syncs nothing: after a power cut, a file that it has just written may be empty, and thus contain
            // no key.
            if content.is_empty() && path.starts_with(KUBERNETES) {
                continue;
            }
            files.insert(path, hex::encode(Sha256::digest(content)));
        }
    }
    Ok(())
}

/// Returns the journal's entries for generated files, from all steps that are done.
fn recorded_files(replay: &Replay) -> Result<RecordedFiles> {
    let pins = replay.state.pins.as_ref().context("the journal pins nothing")?;
    let mut recorded = RecordedFiles::new();
    let steps = pins.steps.iter().zip(&replay.state.steps);
    for (id, state) in steps.filter(|(_, state)| state.status == StepStatus::Done) {
        recorded.extend(recorded_of(&id.to_string(), &state.output)?);
    }
    Ok(recorded)
}

/// Returns the files that a done step has generated. A step whose Done was written by a resume recorded no digests.
fn recorded_of(step: &str, output: &Value) -> Result<RecordedFiles> {
    let digest = |value: &Value| value.as_str().map(|text| text.trim_start_matches("sha256:").to_owned());
    let unknown = |paths: Vec<String>| paths.into_iter().map(|path| (path, None)).collect();
    Ok(match (step, output) {
        ("cluster-secrets", Value::Null) => {
            unknown(["encryption.yaml", "bootstrap-token"].map(|name| format!("{SECRETS}/{name}")).to_vec())
        }
        ("cluster-secrets", Value::Object(files)) => {
            files.iter().map(|(path, value)| (path.clone(), digest(value))).collect()
        }
        ("kubeadm/certs", _) => unknown(KEYS.map(|name| format!("{KUBERNETES}/{name}")).to_vec()),
        ("kubeadm/kubeconfig", _) => unknown(KUBECONFIGS.map(|name| format!("{KUBERNETES}/{name}")).to_vec()),
        (step, output) => match secret_of(step) {
            None => RecordedFiles::new(),
            Some(_) if !output.is_null() => {
                let path = output["file"].as_str().with_context(|| format!("{step} recorded no file"))?;
                RecordedFiles::from([(path.to_owned(), digest(&output["sha256"]))])
            }
            Some((namespace, name)) => unknown(vec![format!("{SECRETS}/{namespace}/{name}.json")]),
        },
    })
}

/// Returns namespace and name of the Secret that a step generates, from the step's ID.
fn secret_of(step: &str) -> Option<(&str, &str)> {
    step.strip_prefix("secret/")?.split_once('/')
}

/// Returns the differences between the cluster's Secrets and their source files, one per line. The files of a removed
/// component are kept without its Secrets. Fails if there are no files of Secrets.
pub(crate) fn unlike_files(machine: &Machine) -> Result<BTreeSet<String>> {
    let listed = machine.run(&format!("cd {SECRETS} && ls -d */*.json"))?.stdout;
    let (mut unlike, mut compared) = (BTreeSet::new(), 0);
    for path in listed.lines() {
        let (namespace, name) = path.split_once('/').context("a file without a folder")?;
        let name = name.trim_end_matches(".json");
        let file = machine.read_file(&format!("{SECRETS}/{path}"))?;
        let values = serde_json::from_slice::<Value>(&file).context("a secret's file is no JSON")?["values"].clone();
        let values: BTreeMap<String, String> =
            serde_json::from_value(values).context("a secret's file lacks values")?;
        ensure!(!values.is_empty(), "the file of the Secret {namespace}/{name} has no values");
        let held = in_cluster(machine, namespace, name)?;
        // The comparison of objects detects a missing Secret.
        if !held.is_empty() {
            compared += 1;
            unlike.extend(difference(&format!("{namespace}/{name}"), &values, &held));
        }
    }
    ensure!(compared > 0, "the cluster has none of these Secrets: {listed}");
    let token = String::from_utf8(machine.read_file(&format!("{SECRETS}/bootstrap-token"))?)?;
    let (id, secret) = token.trim().split_once('.').context("the bootstrap token has no dot")?;
    let values = [("token-id", id), ("token-secret", secret)].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut held = in_cluster(machine, "kube-system", &format!("bootstrap-token-{id}"))?;
    held.retain(|key, _| key.starts_with("token-"));
    unlike.extend(difference("kube-system/bootstrap-token", &BTreeMap::from(values), &held));
    Ok(unlike)
}

/// Returns the decoded values of a Secret; empty if there is no such Secret.
fn in_cluster(machine: &Machine, namespace: &str, name: &str) -> Result<BTreeMap<String, String>> {
    let template = r#"{{range $key, $value := .data}}{{$key}} {{$value | base64decode}}{{"\n"}}{{end}}"#;
    let line = format!(
        "kubectl --namespace {namespace} get secret {name} --ignore-not-found --output go-template='{template}'"
    );
    let output = administer(machine, &line)?;
    ensure!(output.status.success(), "cannot read the Secret {namespace}/{name}: {}", output.stderr);
    let pair = |line: &str| line.split_once(' ').map(|(key, value)| (key.to_owned(), value.to_owned()));
    output.stdout.lines().map(|line| pair(line).context("a Secret has a value of several lines")).collect()
}

/// Returns the differences by key, without values, which are never printed.
fn difference(secret: &str, file: &BTreeMap<String, String>, cluster: &BTreeMap<String, String>) -> Vec<String> {
    let keys: BTreeSet<_> = file.keys().chain(cluster.keys()).collect();
    let unlike = keys.into_iter().filter(|key| file.get(*key) != cluster.get(*key));
    unlike.map(|key| format!("Secret {secret}: {key} differs from the site's file")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample_files(files: &[(&str, &str)], recorded: RecordedFiles) -> GeneratedFiles {
        let files = files.iter().map(|(path, digest)| ((*path).to_owned(), (*digest).to_owned())).collect();
        GeneratedFiles { files, recorded }
    }

    #[test]
    fn recorded_files_must_exist_unchanged() {
        let path = format!("{SECRETS}/encryption.yaml");
        let recorded = recorded_of("cluster-secrets", &json!({ path.as_str(): "sha256:aa" })).unwrap();
        assert_eq!(sample_files(&[(&path, "aa")], recorded.clone()).problems(), Vec::<String>::new());
        assert_eq!(sample_files(&[(&path, "bb")], recorded.clone()).problems().len(), 1);
        assert_eq!(sample_files(&[], recorded).problems().len(), 1);
        assert_eq!(sample_files(&[], recorded_of("cluster-secrets", &Value::Null).unwrap()).problems().len(), 2);
        assert_eq!(sample_files(&[], recorded_of("kubeadm/certs", &Value::Null).unwrap()).problems().len(), KEYS.len());
        let output = json!({"file": "/a/b.json", "sha256": "cc"});
        assert_eq!(
            recorded_of("secret/a/b", &output).unwrap(),
            [("/a/b.json".to_owned(), Some("cc".to_owned()))].into()
        );
        assert_eq!(sample_files(&[], recorded_of("secret/a/b", &Value::Null).unwrap()).problems().len(), 1);
        let error = recorded_of("secret/a/b", &json!({})).unwrap_err().to_string();
        assert_eq!(error, "secret/a/b recorded no file");
    }

    #[test]
    fn regenerated_or_lost_file_is_found() {
        let before = sample_files(&[("/a", "1"), ("/b", "2")], RecordedFiles::new());
        assert!(
            sample_files(&[("/a", "1"), ("/b", "2"), ("/c", "3")], RecordedFiles::new()).expect_since(&before).is_ok()
        );
        for files in [&[("/a", "1"), ("/b", "0")][..], &[("/a", "1")]] {
            let error = sample_files(files, RecordedFiles::new()).expect_since(&before).unwrap_err().to_string();
            assert_eq!(error, "changed since the cut: /b");
        }
        before.expect("/a").unwrap();
        let error = before.expect("/c").unwrap_err().to_string();
        assert!(error.starts_with("/c is not among the generated files"), "{error}");
    }

    #[test]
    fn differing_cluster_secret_is_found() {
        let values = |value: &str| BTreeMap::from([("password".to_owned(), value.to_owned())]);
        assert_eq!(difference("a/b", &values("one"), &values("one")), Vec::<String>::new());
        assert_eq!(
            difference("a/b", &values("one"), &values("two")),
            ["Secret a/b: password differs from the site's file"]
        );
        assert_eq!(difference("a/b", &values("one"), &BTreeMap::new()).len(), 1);
    }
}
