//! An administrator's queries of a running site, through `landfall` only.

use anyhow::{Context, Result, ensure};
use landfall_xtask::site::{Machine, Output};

use super::engineer::Engineer;

/// Runs a line, and fails unless it exits with this code.
fn ends_with(machine: &Machine, line: &str, code: i32) -> Result<Output> {
    let output = machine.try_run(line)?;
    let said = format!("{}{}", output.stdout, output.stderr);
    ensure!(output.status.code() == Some(code), "`{line}` ended with {}: {said}", output.status);
    Ok(output)
}

/// Fails unless a ready site answers an administrator's queries.
pub(crate) fn expect_answers(engineer: Engineer<'_>) -> Result<()> {
    expect_kubectl(engineer.machine())?;
    expect_logs(engineer.machine())?;
    expect_looks_at_the_host(engineer)
}

/// Checks that kubectl takes over the process: arguments, exit code, signals.
fn expect_kubectl(machine: &Machine) -> Result<()> {
    let healthy = ends_with(machine, "landfall kubectl get --raw /healthz", 0)?.stdout;
    ensure!(healthy.trim() == "ok", "the API server says {healthy:?}");
    ends_with(machine, "landfall kubectl --namespace default get pod no-such-pod", 1)?;
    ends_with(machine, "landfall kubectl --namespace postgres exec postgres-0 -- sh -c 'exit 7'", 7)?;
    let watch =
        "landfall kubectl get pods --all-namespaces --watch > /dev/null & sleep 2; cat /proc/$!/comm; kill $!; wait $!";
    // kubectl catches the signal and exits with 1; a wrapper would have been killed by the signal.
    let ended = ends_with(machine, watch, 1)?;
    ensure!(ended.stdout.trim() == "kubectl", "what ran was {:?}", ended.stdout);
    Ok(())
}

fn expect_logs(machine: &Machine) -> Result<()> {
    let logged = ends_with(machine, "landfall logs postgres", 0)?.stdout;
    let is_of_the_pod = |line: &str| line.starts_with("[pod/postgres-0/");
    ensure!(!logged.is_empty() && logged.lines().all(is_of_the_pod), "the logs of postgres are {logged}");
    let followed = ends_with(machine, "timeout 10 landfall logs postgres --follow --since 1h", 124)?.stdout;
    ensure!(followed.lines().any(is_of_the_pod), "nothing was followed: {followed}");
    // A pod is replaced in the meantime: the new one is reported, and its lines follow.
    let replaced = "(sleep 5; landfall kubectl --namespace postgres delete pod postgres-0) > /dev/null & \
                    timeout 90 landfall logs postgres --follow --since 1s; wait";
    let followed = machine.try_run(replaced)?;
    let new = "pod postgres/postgres-0 has started";
    ensure!(followed.stderr.contains(new) && followed.stdout.lines().any(is_of_the_pod), "{followed:?}");
    ends_with(
        machine,
        "landfall kubectl --namespace postgres wait --for=condition=Ready pod/postgres-0 --timeout=180s",
        0,
    )?;
    let none = ends_with(machine, "landfall logs postgress", 2)?.stderr;
    ensure!(none.contains("LF4302") && none.contains("did you mean postgres?"), "{none}");
    Ok(())
}

fn expect_looks_at_the_host(engineer: Engineer<'_>) -> Result<()> {
    let status = engineer.status()?;
    let certificates = status["certificates"]["certificates"].as_array().context("status lists no certificates")?;
    let has_end = |file: &str| certificates.iter().any(|one| one["file"] == file && one["ends"].is_string());
    for file in ["/etc/kubernetes/pki/apiserver.crt", "/etc/kubernetes/pki/etcd/ca.crt", "/etc/kubernetes/admin.conf"] {
        ensure!(has_end(file), "status does not say when {file} ends: {status:#}");
    }
    ensure!(certificates.len() > 10, "status lists too few certificates: {status:#}");
    ensure!(status["certificates"]["daysLeft"].as_i64().is_some_and(|days| days > 300), "{status:#}");
    for part in ["certificates", "clock", "disk", "etcd"] {
        ensure!(status[part]["ready"] == true, "{part} is not ready: {status:#}");
    }
    ensure!(status["etcd"]["sizeBytes"].as_u64().is_some_and(|bytes| bytes > 0), "{status:#}");
    Ok(())
}
