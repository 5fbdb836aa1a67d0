//! A site without defaults: its `site.yaml` takes effect everywhere, and a wrong one changes nothing. A successful
//! install is then uninstalled without interruption, on a machine that was never off.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_xtask::proofs;
use landfall_xtask::site::{Machine, wait_until};
use serde_json::Value;

use super::engineer::{Engineer, STICK};
use super::fixture::{connected_machine_with_stick, fixture};
use super::install::expect_each_byte_once;
use super::memory;

/// Path of the configuration on the machine.
const FILE: &str = "/root/site.yaml";

/// Time limit for a pod to get an address after the site is ready.
const ADDRESS_LIMIT: Duration = Duration::from_mins(2);

/// Every setting of a site, none at its default.
const SITE: &str = "\
node: {name: edge-7, address: 10.99.0.11}
network: {podRanges: [10.32.0.0/16], serviceRanges: [172.20.0.0/16]}
values:
  postgres.storage: 3Gi
  postgres.memory: 768Mi
  valkey.storage: 512Mi
  valkey.maxmemory: 64mb
";

#[test]
#[ignore = "needs cargo xtask test"]
fn site_configuration_takes_effect() -> Result<()> {
    let (_site, machine) = connected_machine_with_stick("e2e-site")?;
    let engineer = Engineer::at(&machine);
    wrong_configurations_change_nothing(engineer)?;

    machine.write_file(FILE, SITE, 0o644)?;
    let trust = &fixture()?.fingerprint;
    let (report, peak_memory_bytes) = memory::peak_of(&machine, "install", || {
        engineer.landfall(&["install", STICK, "--trust", trust, "--site", FILE])?.report("install --site")
    })?;
    expect_each_byte_once(&report, peak_memory_bytes)?;
    let status = engineer.wait_ready("an install with a site configuration")?;
    proofs::expect_ready(&status, &fixture()?.expected)?;
    expect_node_and_ranges(&machine, &report)?;
    expect_values(&machine)?;
    expect_no_foreign_name(&machine)?;

    // The site is named after its node, not after the host.
    engineer.uninstall(&["--delete-data", "--confirm", "edge-7"])?;
    machine.run(&format!("rm {FILE}"))?;
    engineer.expect_unchanged("after an install and an uninstall", &["/var/log/landfall"])?;
    ensure!(engineer.status()?["state"] == "absent", "status still sees something");
    Ok(())
}

/// Checks configurations with one fault each: the text, its code, and a part of the message.
fn wrong_configurations_change_nothing(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let wrong = [
        (SITE.replace("valkey.maxmemory", "valkey.maxmemry"), "LF3103", "did you mean `valkey.maxmemory`?"),
        (SITE.replace("network:", "networks:"), "LF3103", "did you mean `network`?"),
        (SITE.replace("3Gi", "plenty"), "LF3104", "values.postgres.storage"),
        (format!("{SITE}  cluster.dns.address: 172.20.0.99\n"), "LF3103", "cluster.dns.address"),
    ];
    for (text, code, names) in wrong {
        machine.write_file(FILE, &text, 0o644)?;
        let said = engineer.landfall(&["install", STICK, "--trust", &fixture()?.fingerprint, "--site", FILE])?;
        let failure = said.expect_refusal("install --site", code, 2)?.to_string();
        ensure!(failure.contains(names), "{names} is not named: {failure}");
    }
    machine.run(&format!("rm {FILE}"))?;
    engineer.expect_unchanged("after wrong site configurations", &[])
}

/// Returns an object of the cluster, or a list of objects.
fn get(machine: &Machine, what: &str) -> Result<Value> {
    let output = proofs::administer(machine, &format!("kubectl get --output json {what}"))?;
    ensure!(output.status.success(), "cannot get {what}: {}", output.stderr);
    serde_json::from_str(&output.stdout).with_context(|| format!("kubectl printed no JSON of {what}"))
}

/// Fails unless an object has this value at this place.
fn expect(machine: &Machine, what: &str, pointer: &str, wanted: &Value) -> Result<()> {
    let object = get(machine, what)?;
    ensure!(
        object.pointer(pointer) == Some(wanted),
        "{what}: {pointer} is {:?}, not {wanted}",
        object.pointer(pointer)
    );
    Ok(())
}

fn expect_node_and_ranges(machine: &Machine, report: &Value) -> Result<()> {
    ensure!(report["node"] == "edge-7" && report["address"] == "10.99.0.11", "{report:#}");
    expect(machine, "node edge-7", "/spec/podCIDRs", &serde_json::json!(["10.32.0.0/24"]))?;
    expect(machine, "service kubernetes", "/spec/clusterIP", &"172.20.0.1".into())?;
    expect(machine, "service --namespace kube-system kube-dns", "/spec/clusterIP", &"172.20.0.10".into())?;

    // A pod has no address when the cluster first lists it, and a static pod may get one late.
    let pods = wait_until("an address of each pod", ADDRESS_LIMIT, || {
        let pods = get(machine, "pods --all-namespaces")?["items"].as_array().cloned().context("no list of pods")?;
        Ok(pods.iter().all(|pod| pod["status"]["podIP"].is_string()).then_some(pods))
    })?;
    let (host, own): (Vec<_>, Vec<_>) = pods.iter().partition(|pod| pod["spec"]["hostNetwork"] == true);
    ensure!(!host.is_empty() && own.len() >= 5, "{} pods on the host's network, {} not", host.len(), own.len());
    for (pods, beginning) in [(host, "10.99.0.11"), (own, "10.32.0.")] {
        for pod in pods {
            let (name, address) = (&pod["metadata"]["name"], pod["status"]["podIP"].as_str().unwrap_or_default());
            ensure!(address.starts_with(beginning), "{name} is at {address}, not in {beginning}");
        }
    }
    // A name is resolved through the nameserver's address in the site's service range.
    let script = "grep '^nameserver 172.20.0.10$' /etc/resolv.conf > /dev/null
python3 -c 'import socket; print(socket.gethostbyname(\"assistant.assistant.svc.cluster.local\"))'";
    let found = proofs::in_pod(machine, "assistant", "deployment/assistant", script)?;
    ensure!(found.stdout.starts_with("172.20."), "a pod finds no service: {}{}", found.stdout, found.stderr);
    Ok(())
}

/// Fails if software requested a foreign name, which is how phoning home begins. A request by a pod must appear in the
/// recording.
fn expect_no_foreign_name(machine: &Machine) -> Result<()> {
    let asked = machine.switch().asked_names()?;
    ensure!(asked.is_empty(), "software asked for foreign names: {asked:?}");
    let ask = "timeout 5 python3 -c 'import socket; socket.gethostbyname(\"planted.example.\")'";
    proofs::in_pod(machine, "assistant", "deployment/assistant", ask)?;
    let asked = machine.switch().asked_names()?;
    ensure!(asked.contains(&"planted.example.".to_owned()), "a pod's query was not recorded, only {asked:?}");
    Ok(())
}

fn expect_values(machine: &Machine) -> Result<()> {
    for (namespace, name, size) in [("postgres", "postgres", "3Gi"), ("valkey", "valkey", "512Mi")] {
        let claims = get(machine, &format!("persistentvolumeclaims --namespace {namespace}"))?;
        let sizes: Vec<_> = claims["items"].as_array().into_iter().flatten().collect();
        let is_right = sizes.len() == 1
            && sizes[0]["spec"]["resources"]["requests"]["storage"] == size
            && sizes[0]["status"]["phase"] == "Bound";
        ensure!(is_right, "the volume of {name} is not {size}: {claims:#}");
    }
    expect(
        machine,
        "pod --namespace postgres postgres-0",
        "/spec/containers/0/resources/limits/memory",
        &"768Mi".into(),
    )?;
    let script = "export REDISCLI_AUTH=$(cat /run/secrets/valkey/password)
valkey-cli -h 127.0.0.1 config get maxmemory | tail -n 1";
    let said = proofs::in_pod(machine, "valkey", "valkey-0", script)?;
    ensure!(said.stdout.trim() == (64 << 20).to_string(), "Valkey's limit is {}{}", said.stdout, said.stderr);
    Ok(())
}
