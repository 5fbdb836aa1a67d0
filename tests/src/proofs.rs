//! Proofs that what landed can be used, and that the proofs can fail.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::printer;
use crate::site::{Machine, Output};

/// Where `landfall` and `kubectl` find the cluster, inside a machine.
const ENVIRONMENT: &str =
    "export KUBECONFIG=/etc/kubernetes/admin.conf PATH=$PATH:$(echo /var/lib/landfall/node/*/bin);";

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
        let field = |value: &Value| value.as_str().map(str::to_owned).context("the report lacks a digest or path");
        Ok(Self { weights: field(&weights["blob"]["digest"])?, weights_path: field(&weights["path"])? })
    }
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
