//! Checks that an installed release is usable, and that its proofs can fail.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::site::{Machine, Output, wait_until};
use crate::{documents, printer};

/// Environment in which `landfall` and `kubectl` find the cluster on a machine.
const ENVIRONMENT: &str = "export KUBECONFIG=/etc/kubernetes/admin.conf PATH=$PATH:/var/lib/landfall/node/current;";

/// Time limit until a site is ready after any operation.
const READY_LIMIT: Duration = Duration::from_mins(2);

/// Runs a line of bash on the machine, with `kubectl` and the administrator's configuration.
pub fn administer(machine: &Machine, line: &str) -> Result<Output> {
    machine.try_run(&format!("{ENVIRONMENT} {line}"))
}

/// Like [`administer`], but returns stdout, and fails if the line fails.
pub fn admin_output(machine: &Machine, line: &str) -> Result<String> {
    let output = administer(machine, line)?;
    ensure!(output.status.success(), "{line}: {}{}", output.stdout, output.stderr);
    Ok(output.stdout)
}

/// Runs a shell script in a pod.
pub fn in_pod(machine: &Machine, namespace: &str, pod: &str, script: &str) -> Result<Output> {
    let script = script.replace('\'', r"'\''");
    administer(machine, &format!("kubectl --namespace {namespace} exec {pod} -- sh -euc '{script}'"))
}

/// Creates a pod in the namespace `default`, waits until it has succeeded, and deletes it. Returns its output.
pub fn run_pod(machine: &Machine, name: &str, spec: &Value) -> Result<String> {
    let pod =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec});
    admin_output(machine, &format!("kubectl create --filename - <<'OBJECT'\n{pod}\nOBJECT"))?;
    let ends = "--for=jsonpath='{.status.phase}'=Succeeded --timeout=120s";
    if let Err(error) = admin_output(machine, &format!("kubectl --namespace default wait {ends} pod/{name}")) {
        let described = admin_output(machine, &format!("kubectl --namespace default describe pod {name}"))?;
        let said = administer(machine, &format!("kubectl --namespace default logs {name}"))?.stdout;
        return Err(error.context(format!("the pod {name} failed:\n{described}\n{said}")));
    }
    let said = admin_output(machine, &format!("kubectl --namespace default logs {name}"))?;
    admin_output(machine, &format!("kubectl --namespace default delete pod {name}"))?;
    Ok(said)
}

/// Shell command of `psql` as the application's user, in the database's pod. Arguments are appended to it.
pub const PSQL: &str = "PGPASSWORD=$(cat /run/secrets/postgres/password) psql -h 127.0.0.1 -U \"$POSTGRES_USER\" \
    -d \"$POSTGRES_DB\" -v ON_ERROR_STOP=1 -qtA";

/// Runs `psql` in the database's pod with these arguments, which the shell parses.
pub fn psql(machine: &Machine, arguments: &str) -> Result<Output> {
    in_pod(machine, "postgres", "postgres-0", &format!("{PSQL} {arguments}"))
}

/// Runs one SQL statement in the database, and returns its output. Fails if the statement fails.
pub fn sql(machine: &Machine, statement: &str) -> Result<String> {
    let output = psql(machine, &format!("-c \"{statement}\""))?;
    ensure!(output.status.success(), "{statement} failed: {}{}", output.stdout, output.stderr);
    Ok(output.stdout.trim().to_owned())
}

/// A release's own data, from which the proofs take their expectations.
pub struct ExpectedRelease {
    /// Names of the components, in order.
    pub components: Vec<String>,
    /// `sha256:…` of the weights.
    pub weights: String,
    /// Name of the file with the weights.
    pub weights_path: String,
    /// Names of its declared proofs, in order.
    pub proofs: Vec<String>,
}

impl ExpectedRelease {
    /// Reads the data from the report of `landfall inspect --json`.
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
        let proofs = inspection["release"]["proofs"].as_array().context("the bundle declares no proofs")?;
        let proofs = proofs.iter().map(|one| field(&one["name"])).collect::<Result<Vec<_>>>()?;
        let weights_path = field(&weights["path"])?;
        Ok(Self { components, weights: field(&weights["blob"]["digest"])?, weights_path, proofs })
    }
}

/// Fails unless the report of `landfall status --json` says that the site is ready, and lists every component, node and
/// registry as ready.
pub fn expect_ready(status: &Value, expected: &ExpectedRelease) -> Result<()> {
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
pub fn wait_ready(machine: &Machine, expected: &ExpectedRelease) -> Result<()> {
    let mut last = Value::Null;
    let ready = wait_until("a status that says ready", READY_LIMIT, || {
        let output = machine.try_run("/media/stick/landfall status --json")?;
        last = documents::status(output.status.code().map(i64::from), &output.stdout).context(output.stderr)?;
        Ok((last["ready"] == true).then_some(()))
    });
    ready.with_context(|| format!("{last:#}"))?;
    expect_ready(&last, expected)
}

/// Runs every declared proof like an engineer, and then shows that a wrong digest is detected.
pub fn prove(machine: &Machine, expected: &ExpectedRelease) -> Result<()> {
    let output = machine.try_run("/usr/local/bin/landfall --json prove")?;
    let report: Value = serde_json::from_str(&output.stdout)
        .with_context(|| format!("landfall prove printed no JSON ({}): {}", output.status, output.stderr))?;
    ensure!(
        output.status.success() && report["passed"] == true,
        "landfall prove ended with {}: {report:#}",
        output.status
    );
    let proofs = report["proofs"].as_array().context("landfall prove lists no proofs")?;
    let names: Vec<&str> = proofs.iter().filter_map(|proof| proof["name"].as_str()).collect();
    ensure!(names == expected.proofs, "proved were {names:?}, the release declares {:?}", expected.proofs);
    for proof in proofs {
        printer::note(format!("proved: {} ({} s)", proof["shows"].as_str().unwrap_or_default(), proof["seconds"]));
    }
    find_wrong_digest(machine, expected)?;
    printer::note("proved: a wrong digest is found");
    Ok(())
}

/// Compares the weights in a pod with a digest, like the release's own proof.
fn check_weights(machine: &Machine, digest: &str, path: &str) -> Result<Output> {
    let hex = digest.trim_start_matches("sha256:");
    let script = format!("echo '{hex}  /models/minilm/{path}' | sha256sum --check --strict -");
    in_pod(machine, "assistant", "deployment/assistant", &script)
}

/// Fails unless the program of the weights' proof rejects a wrong digest.
fn find_wrong_digest(machine: &Machine, expected: &ExpectedRelease) -> Result<()> {
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
