//! Proofs that what landed can be used, and that the proofs can fail.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::site::{Machine, Output, wait_until};
use crate::{documents, printer};

/// Where `landfall` and `kubectl` find the cluster, inside a machine.
const ENVIRONMENT: &str =
    "export KUBECONFIG=/etc/kubernetes/admin.conf PATH=$PATH:$(echo /var/lib/landfall/node/*/bin);";

/// How long a site may take to be ready after whatever was done to it.
const READY_LIMIT: Duration = Duration::from_mins(2);

/// Runs a line of bash inside with `kubectl` and the administrator's configuration at hand.
pub fn administer(machine: &Machine, line: &str) -> Result<Output> {
    machine.try_run(&format!("{ENVIRONMENT} {line}"))
}

/// Runs a shell script in a pod.
pub fn in_pod(machine: &Machine, namespace: &str, pod: &str, script: &str) -> Result<Output> {
    let script = script.replace('\'', r"'\''");
    administer(machine, &format!("kubectl --namespace {namespace} exec {pod} -- sh -euc '{script}'"))
}

fn must(output: Output, what: &str) -> Result<String> {
    ensure!(output.status.success(), "{what} failed ({}): {}{}", output.status, output.stdout, output.stderr);
    Ok(output.stdout)
}

/// What the release says of itself, from which the proofs take what to expect.
pub struct Expected {
    /// Names of the components, in order.
    pub components: Vec<String>,
    /// `sha256:…` of the weights.
    pub weights: String,
    /// Name of the file with the weights.
    pub weights_path: String,
}

impl Expected {
    /// Reads it from the report of `landfall inspect --json`.
    pub fn from_inspection(inspection: &Value) -> Result<Self> {
        let artifacts = inspection["release"]["artifacts"].as_array().context("the bundle names no artifacts")?;
        let model = artifacts.iter().find(|artifact| artifact["kind"] == "model").context("the bundle has no model")?;
        let files = model["files"].as_array().context("the model has no files")?;
        let is_weights = |file: &&Value| file["path"].as_str().is_some_and(|path| path.ends_with(".safetensors"));
        let weights = files.iter().find(is_weights).context("the model has no weights")?;
        let field =
            |value: &Value| value.as_str().map(str::to_owned).context("the report lacks a name, digest or path");
        let components = inspection["release"]["components"].as_array().context("the bundle names no components")?;
        let mut components = components.iter().map(|one| field(&one["name"])).collect::<Result<Vec<_>>>()?;
        components.sort();
        Ok(Self { components, weights: field(&weights["blob"]["digest"])?, weights_path: field(&weights["path"])? })
    }
}

/// Fails unless the report of `landfall status --json` says that the site is ready, and lists every component, node and
/// registry as ready.
pub fn expect_ready(status: &Value, expected: &Expected) -> Result<()> {
    ensure!(status["state"] == "installed" && status["ready"] == true, "not ready: {status:#}");
    let components = status["components"].as_array().context("status lists no components")?;
    let mut names: Vec<&str> = components.iter().filter_map(|component| component["component"].as_str()).collect();
    names.sort_unstable();
    ensure!(names == expected.components, "status lists {names:?}, the release has {:?}", expected.components);
    for component in components {
        ensure!(component["ready"] == component["total"] && component["total"] != 0, "not ready: {component}");
    }
    let nodes = status["nodes"].as_array().context("status lists no nodes")?;
    ensure!(!nodes.is_empty() && nodes.iter().all(|node| node["ready"] == true), "no node is ready: {status:#}");
    ensure!(status["registry"]["ready"] == true, "the registry is not ready: {status:#}");
    Ok(())
}

/// Waits until a machine's status says that all of a release is ready.
pub fn wait_ready(machine: &Machine, expected: &Expected) -> Result<()> {
    let mut last = Value::Null;
    let ready = wait_until("a status that says ready", READY_LIMIT, || {
        let output = machine.try_run("/media/stick/landfall status --json")?;
        last = documents::status(output.status.code().map(i64::from), &output.stdout).context(output.stderr)?;
        Ok((last["ready"] == true).then_some(()))
    });
    ready.with_context(|| format!("{last:#}"))?;
    expect_ready(&last, expected)
}

/// Uses everything that landed; then shows that a wrong digest and a wrong hash are found.
pub fn prove(machine: &Machine, expected: &Expected) -> Result<()> {
    vector(machine)?;
    printer::note("proved: a vector written to PostgreSQL is found again as the nearest");
    key(machine)?;
    printer::note("proved: a key written to Valkey is read back");
    weights(machine, expected)?;
    printer::note("proved: a pod reads the model's weights and they have the bundle's digest");
    wheel(machine)?;
    printer::note("proved: a pod installs wheels with --no-index --require-hashes");
    read_only(machine, expected)?;
    printer::note("proved: the pod can change neither weights nor wheels");
    wrong_digest(machine, expected)?;
    wrong_hash(machine)?;
    printer::note("proved: a wrong digest and a wrong hash are refused");
    Ok(())
}

fn vector(machine: &Machine) -> Result<()> {
    let script = r#"export PGPASSWORD=$(cat /run/secrets/postgres/password)
psql -h 127.0.0.1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -v ON_ERROR_STOP=1 -qtA <<'SQL'
CREATE TABLE IF NOT EXISTS landfall_proof (id int PRIMARY KEY, place vector(3));
INSERT INTO landfall_proof VALUES (1, '[1,2,3]'), (2, '[9,9,9]') ON CONFLICT DO NOTHING;
SELECT id FROM landfall_proof ORDER BY place <-> '[1,2,4]' LIMIT 1;
SQL"#;
    let answer = must(in_pod(machine, "postgres", "postgres-0", script)?, "the vector proof")?;
    ensure!(answer.trim() == "1", "the nearest vector is {answer:?}, not 1");
    Ok(())
}

fn key(machine: &Machine) -> Result<()> {
    let script = "export REDISCLI_AUTH=$(cat /run/secrets/valkey/password)
valkey-cli -h 127.0.0.1 set landfall-proof landed > /dev/null
valkey-cli -h 127.0.0.1 get landfall-proof";
    let answer = must(in_pod(machine, "valkey", "valkey-0", script)?, "the key proof")?;
    ensure!(answer.trim() == "landed", "Valkey answers {answer:?}");
    Ok(())
}

/// Checks the digest of the weights as the pod sees them, through the same program for good and bad.
fn check_weights(machine: &Machine, digest: &str, path: &str) -> Result<Output> {
    let hex = digest.trim_start_matches("sha256:");
    let script = format!("echo '{hex}  /models/minilm/{path}' | sha256sum --check --strict -");
    in_pod(machine, "assistant", "deployment/assistant", &script)
}

fn weights(machine: &Machine, expected: &Expected) -> Result<()> {
    must(check_weights(machine, &expected.weights, &expected.weights_path)?, "the weights proof").map(drop)
}

/// The files are hard links into the registry's storage: one byte written to them would spoil the signed blob. Made,
/// changed and removed they must not be, and because of the mount, whatever user a pod runs as.
fn read_only(machine: &Machine, expected: &Expected) -> Result<()> {
    let weights = format!("/models/minilm/{}", expected.weights_path);
    let attempts: [String; 6] = [
        "touch /models/minilm/planted".to_owned(),
        "touch /wheels/planted".to_owned(),
        format!(": > {weights}"),
        ": > /wheels/requirements.txt".to_owned(),
        format!("rm -f {weights}"),
        format!("chmod 0666 {weights}"),
    ];
    let script =
        attempts.each_ref().map(|attempt| format!("({attempt}) 2>&1 && echo 'was possible: {attempt}'")).join("\n");
    let said = must(in_pod(machine, "assistant", "deployment/assistant", &format!("{script}\ntrue"))?, "the attempts")?;
    let refused = said.lines().filter(|line| line.ends_with("Read-only file system")).count();
    ensure!(
        refused == attempts.len() && said.lines().count() == refused,
        "a pod tried to write, and this came of it:\n{said}"
    );
    must(
        check_weights(machine, &expected.weights, &expected.weights_path)?,
        "the weights after attempts to change them",
    )
    .map(drop)
}

fn wrong_digest(machine: &Machine, expected: &Expected) -> Result<()> {
    let hex = expected.weights.trim_start_matches("sha256:");
    let first = if hex.starts_with('0') { "1" } else { "0" };
    let wrong = format!("{first}{}", &hex[1..]);
    let output = check_weights(machine, &wrong, &expected.weights_path)?;
    ensure!(
        !output.status.success() && output.stdout.contains("FAILED"),
        "a wrong digest was accepted: {}",
        output.stdout
    );
    Ok(())
}

/// Installs the bundle's wheels from its own requirements, after an edit of them.
fn install_wheels(machine: &Machine, edit: &str) -> Result<Output> {
    let script = format!(
        "rm -rf /tmp/proof && mkdir /tmp/proof && sed '{edit}' /wheels/requirements.txt > /tmp/proof/requirements.txt
python3 -m pip install --quiet --no-index --require-hashes --no-cache-dir --find-links /wheels \
--target /tmp/proof/site --requirement /tmp/proof/requirements.txt
PYTHONPATH=/tmp/proof/site python3 -c 'import numpy; print(int(numpy.arange(4).sum()))'"
    );
    in_pod(machine, "assistant", "deployment/assistant", &script)
}

fn wheel(machine: &Machine) -> Result<()> {
    let answer = must(install_wheels(machine, "")?, "the wheel proof")?;
    ensure!(answer.trim() == "6", "the installed wheel computes {answer:?}");
    Ok(())
}

fn wrong_hash(machine: &Machine) -> Result<()> {
    let output = install_wheels(machine, r"s/--hash=sha256:[0-9a-f]\{8\}/--hash=sha256:00000000/")?;
    let said = format!("{}{}", output.stdout, output.stderr);
    ensure!(!output.status.success() && said.contains("HASH"), "wheels with a wrong hash were accepted: {said}");
    Ok(())
}
