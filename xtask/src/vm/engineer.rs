//! Actions of a field engineer at a virtual machine: typing `landfall`, reading its output, using the installed
//! software.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::agent::Output;
use super::image::STICK;
use super::machine::Machine;
use crate::proofs::PSQL;
use crate::{documents, printer};

/// Time limit of an install on a dedicated machine.
const INSTALL_LIMIT: Duration = Duration::from_mins(30);

/// Error codes of a control plane and of a component that were not ready in time, and the maximum number of resumes
/// after them.
const NOT_READY_IN_TIME: [&str; 2] = ["LF4104", "LF4208"];
const RESUMES: usize = 3;

/// Time limit for a site to become ready on its own after a boot, on a dedicated machine.
pub const READY_LIMIT: Duration = Duration::from_mins(10);

/// Time limit of all proofs of the release, on a dedicated machine.
const PROVE_LIMIT: Duration = Duration::from_mins(5);

/// Environment in which `kubectl` finds the cluster.
const ENVIRONMENT: &str = "export KUBECONFIG=/etc/kubernetes/admin.conf PATH=$PATH:/var/lib/landfall/node/current;";

/// Installs from the mounted stick. Returns the number of resumes that were needed because the control plane or a
/// component was not ready in time. On a machine that is not emulated, any resume is a defect.
pub fn install(machine: &mut Machine, fingerprint: &str) -> Result<usize> {
    let limit = machine.patience(INSTALL_LIMIT);
    let line = format!("{STICK}/landfall --json install {STICK} --trust {fingerprint}");
    let mut output = machine.within(&line, limit)?;
    for resumes in 0..RESUMES {
        if output.is_success() {
            return Ok(resumes);
        }
        let failure = failure(&output)?;
        let is_slow = NOT_READY_IN_TIME.iter().any(|code| failure["code"] == *code);
        ensure!(is_slow, "landfall install ended with {:?}: {failure}", output.code);
        printer::note(format!("on a machine this slow, the install is resumed: {}", failure["causes"]));
        output = machine.within("landfall --json resume", limit)?;
    }
    ensure!(output.is_success(), "landfall resume ended with {:?}: {}", output.code, failure(&output)?);
    Ok(RESUMES)
}

/// Returns the plan of an install, or its blockers.
pub fn dry_run(machine: &mut Machine, fingerprint: &str) -> Result<Output> {
    machine.try_run(&format!("{STICK}/landfall --json install {STICK} --trust {fingerprint} --dry-run"))
}

/// Returns preflight's findings that did not pass: the name of each, with its fix and its commands.
pub fn preflight(machine: &mut Machine, fingerprint: &str) -> Result<Vec<(String, String)>> {
    let output = machine.try_run(&format!("{STICK}/landfall --json preflight {STICK} --trust {fingerprint}"))?;
    let report = documents(&output).into_iter().find(|document| document["findings"].is_array());
    let report = report.with_context(|| format!("preflight has no report ({:?}): {}", output.code, output.text()))?;
    let open = report["findings"].as_array().into_iter().flatten().filter(|finding| finding["severity"] != "passed");
    Ok(open
        .map(|finding| {
            let commands = finding["commands"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let advice: Vec<&str> = finding["fix"].as_str().into_iter().chain(commands).collect();
            (finding["name"].as_str().unwrap_or_default().to_owned(), advice.join(" "))
        })
        .collect())
}

/// Returns the documents that a command printed, on either output.
pub fn documents(output: &Output) -> Vec<Value> {
    let of = |text: &str| -> Vec<Value> {
        let begins = text.match_indices('{').filter(|(at, _)| *at == 0 || text.as_bytes()[at - 1] == b'\n');
        let parsed = begins.map(|(at, _)| serde_json::Deserializer::from_str(&text[at..]).into_iter().next());
        parsed.flatten().flatten().collect()
    };
    let mut documents = of(&output.stdout);
    documents.extend(of(&output.stderr));
    documents
}

/// Returns the error that a command reported.
pub fn failure(output: &Output) -> Result<Value> {
    let found = documents(output).into_iter().rev().find(|document| document["code"].is_string());
    found.with_context(|| format!("no error was reported ({:?}): {}", output.code, output.text()))
}

/// Command whose output [`status_of`] reads.
pub const STATUS: &str = "landfall --json status";

/// Returns the current status.
pub fn status(machine: &mut Machine) -> Result<Value> {
    status_of(&machine.try_run(STATUS)?)
}

/// Reads the status in a command's output. Fails unless the exit code matches the status.
pub fn status_of(output: &Output) -> Result<Value> {
    documents::status(output.code, &output.stdout).with_context(|| output.text())
}

/// Waits until the status says ready. Returns the time that took.
pub fn wait_ready(machine: &mut Machine) -> Result<Duration> {
    let begun = Instant::now();
    let limit = machine.patience(READY_LIMIT);
    loop {
        let status = status(machine);
        if status.as_ref().is_ok_and(|status| status["ready"] == true) {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > limit {
            bail!("not ready after {} s: {:#}", limit.as_secs(), status?);
        }
        // On a slow machine, each poll costs as much as the work that it waits for.
        std::thread::sleep(machine.patience(Duration::from_secs(2)));
    }
}

/// Runs a line of bash with `kubectl` available. Fails if the line fails.
pub fn administer(machine: &mut Machine, line: &str) -> Result<String> {
    machine.run(&format!("{ENVIRONMENT} {line}"))
}

/// Returns restarted containers with the number of restarts, which may explain a slow boot.
pub fn restarts(machine: &mut Machine) -> Result<String> {
    let columns = "NAME:.metadata.name,RESTARTS:.status.containerStatuses[*].restartCount";
    let listed = administer(
        machine,
        &format!("kubectl get pods --all-namespaces --no-headers --output custom-columns={columns}"),
    )?;
    let restarted = listed.lines().filter_map(|line| line.split_once(' ')).filter(|(_, counts)| counts.trim() != "0");
    let texts: Vec<String> = restarted.map(|(name, counts)| format!("{name} {}", counts.trim())).collect();
    Ok(if texts.is_empty() {
        "no container was restarted".to_owned()
    } else {
        format!("restarts: {}", texts.join(", "))
    })
}

/// A service that pods and the host can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `namespace/name`.
    pub name: String,
    /// IP address of the service.
    pub address: String,
    /// TCP port of the service.
    pub port: u64,
}

/// Returns every service that has an address and a TCP port.
pub fn services(machine: &mut Machine) -> Result<Vec<Service>> {
    let listed = administer(machine, "kubectl get services --all-namespaces --output json")?;
    let listed: Value = serde_json::from_str(&listed).context("kubectl printed no JSON")?;
    let services: Vec<Service> = listed["items"].as_array().into_iter().flatten().filter_map(service).collect();
    ensure!(services.len() > 1, "the cluster has too few services: {services:?}");
    Ok(services)
}

fn service(item: &Value) -> Option<Service> {
    let address = item["spec"]["clusterIP"].as_str().filter(|address| *address != "None")?;
    let is_tcp = |port: &&Value| port["protocol"].as_str().unwrap_or("TCP") == "TCP";
    let port = item["spec"]["ports"].as_array()?.iter().find(is_tcp)?["port"].as_u64()?;
    let name = format!("{}/{}", item["metadata"]["namespace"].as_str()?, item["metadata"]["name"].as_str()?);
    Some(Service { name, address: address.to_owned(), port })
}

/// Returns the services that do not accept a connection from the host within three seconds.
pub fn silent(machine: &mut Machine, services: &[Service]) -> Result<Vec<String>> {
    let tries: Vec<String> = services
        .iter()
        .map(|Service { name, address, port }| {
            format!("(timeout 3 bash -c 'echo > /dev/tcp/{address}/{port}' 2> /dev/null || echo {name}) &")
        })
        .collect();
    let output = machine.run(&format!("{} wait", tries.join(" ")))?;
    Ok(output.lines().map(str::to_owned).collect())
}

/// Proofs that use every component but compute little. On an emulated machine, installing wheels takes minutes.
const LIGHT_PROOFS: &str = "vector key names service index";

/// Uses the installed release: runs all of its proofs, and connects to every service.
pub fn prove(machine: &mut Machine) -> Result<()> {
    prove_all_of(machine, "")
}

/// Like [`prove`], with only those proofs that compute little.
pub fn prove_lightly(machine: &mut Machine) -> Result<()> {
    prove_all_of(machine, LIGHT_PROOFS)
}

fn prove_all_of(machine: &mut Machine, names: &str) -> Result<()> {
    let limit = machine.patience(PROVE_LIMIT);
    let output = machine.within(&format!("landfall --json prove {names}"), limit)?;
    ensure!(output.is_success(), "landfall prove ended with {:?}:\n{}", output.code, output.text());
    let services = services(machine)?;
    let silent = silent(machine, &services)?;
    ensure!(silent.is_empty(), "these services do not answer: {}", silent.join(", "));
    Ok(())
}

/// Runs an SQL statement in the database's pod and returns its output.
pub fn in_database(machine: &mut Machine, statement: &str) -> Result<String> {
    administer(machine, &format!("kubectl --namespace postgres exec postgres-0 -- sh -euc '{PSQL} -c \"{statement}\"'"))
}

/// Returns the ID of the database's container.
pub fn database_container(machine: &mut Machine) -> Result<String> {
    let path = "jsonpath={.status.containerStatuses[0].containerID}";
    let named = administer(machine, &format!("kubectl --namespace postgres get pod postgres-0 --output '{path}'"))?;
    let id = named.trim().strip_prefix("containerd://").with_context(|| format!("no container is named {named:?}"))?;
    Ok(id.to_owned())
}

/// Runs an SQL statement in that container without the API server, which accepts no certificate under a wrong clock.
/// Returns the output.
pub fn in_database_container(machine: &mut Machine, container: &str, statement: &str) -> Result<String> {
    let runtime = "ctr --address /run/landfall/containerd/containerd.sock --namespace k8s.io";
    let program = format!("sh -euc '{PSQL} -c \"{statement}\"'");
    administer(machine, &format!("{runtime} tasks exec --exec-id landfall-test {container} {program}"))
}

/// Returns a line of bash that sends the statements of another line to the database, one after another, each committed
/// before the next one.
pub fn into_database(statements: &str) -> String {
    format!("{ENVIRONMENT} {statements} | kubectl --namespace postgres exec -i postgres-0 -- sh -euc '{PSQL}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_found_on_either_output() {
        let blocked = "{\"code\": \"LF3020\", \"blockers\": []}";
        for (stdout, stderr) in [
            (String::new(), format!("{{\"event\": \"phase\"}}\nnot JSON {{\n{blocked}\n")),
            ("{\n  \"code\": \"LF3020\"\n}\n".to_owned(), "progress\n".to_owned()),
        ] {
            let output = Output { code: Some(4), stdout, stderr };
            assert_eq!(failure(&output).unwrap()["code"], "LF3020");
        }
        let silent = Output { code: Some(0), stdout: "{\"plan\": 1}".to_owned(), stderr: String::new() };
        let error = failure(&silent).unwrap_err().to_string();
        assert!(error.starts_with("no error was reported (Some(0))"), "{error}");
    }

    #[test]
    fn incomplete_service_is_ignored() {
        let item = |address: &str, protocol: &str| {
            serde_json::json!({
                "metadata": { "namespace": "kube-system", "name": "dns" },
                "spec": { "clusterIP": address, "ports": [{ "protocol": protocol, "port": 53 }] },
            })
        };
        assert_eq!(service(&item("10.96.0.10", "TCP")).unwrap().port, 53);
        assert_eq!((service(&item("None", "TCP")), service(&item("10.96.0.10", "UDP"))), (None, None));
    }
}
