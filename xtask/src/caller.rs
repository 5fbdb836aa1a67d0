//! A program at a site that calls every component continuously, like a client in the cluster. A component's downtime is
//! the time for which it does not respond.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::proofs::administer;
use crate::site::{Machine, wait_until};
use crate::writer::{longest_pause, parse_log_line};

/// Components with a Service, each with its DNS name in the cluster and a port.
const CALLED: [(&str, &str, u16); 7] = [
    ("assistant", "assistant.assistant", 80),
    ("bulletin", "bulletin.bulletin", 80),
    ("console", "console.landfall-console", 443),
    ("dns", "kube-dns.kube-system", 53),
    ("packages", "packages.packages", 80),
    ("postgres", "postgres.postgres", 5432),
    ("valkey", "valkey.valkey", 6379),
];

/// Program that connects to each component twice a second, and prints its name after a response. A one-line write is
/// never interleaved with another.
const PROGRAM: &str = "\
import os, socket, sys, threading, time

def call(component, host, port):
    while True:
        try:
            socket.create_connection((host, port), 1).close()
            os.write(1, component.encode() + b'\\n')
        except OSError:
            pass
        time.sleep(0.5)

for called in sys.argv[1:]:
    component, host, port = called.split(':')
    threading.Thread(target=call, args=(component, host, int(port))).start()
";

/// Command that prints the logs of all its runs, in the container runtime's format: time, stream, tag, text.
const LOGS: &str = "cat /var/log/pods/landfall-caller_caller_*/caller/*.log";

/// Command that prints the image of a component that has Python.
const IMAGE: &str = "kubectl --namespace assistant get pods --selector app.kubernetes.io/name=assistant \
    --output jsonpath='{.items[0].spec.containers[0].image}'";

/// Time limit until the API server accepts the pod.
const START_LIMIT: Duration = Duration::from_mins(1);

/// Time limit until all components respond again: see [`crate::writer`].
const NEXT_LIMIT: Duration = Duration::from_mins(2);

/// Recorded responses.
#[derive(Debug)]
pub struct Answers {
    /// Times of each component's responses, oldest first.
    times: BTreeMap<String, Vec<Timestamp>>,
}

/// Returns the names of the components that are called, in order.
pub fn called_components() -> impl Iterator<Item = &'static str> {
    CALLED.into_iter().map(|(component, ..)| component)
}

/// Starts the caller as a pod in its own namespace, which no policy bars from a component. The assistant's namespace
/// may call only the package index.
pub fn start(machine: &Machine) -> Result<()> {
    let image = administer(machine, IMAGE)?.stdout;
    let objects = json!({ "apiVersion": "v1", "kind": "List", "items": [namespace(), pod(image.trim())] });
    machine.write_file("/root/caller.json", objects.to_string(), 0o600)?;
    // The pod needs the ServiceAccount that Kubernetes creates shortly after the namespace.
    wait_until("a pod in a new namespace", START_LIMIT, || {
        let applied = administer(machine, "kubectl apply --filename /root/caller.json")?;
        std::thread::sleep(Duration::from_secs(1));
        Ok(applied.status.success().then_some(()))
    })?;
    let line = "rm /root/caller.json && \
                kubectl --namespace landfall-caller wait --for=condition=Ready pod/caller --timeout=2m";
    let started = administer(machine, line)?;
    ensure!(started.status.success(), "the caller does not start: {}{}", started.stdout, started.stderr);
    Ok(())
}

/// Returns a namespace with the labels by which components that deny by default admit it.
fn namespace() -> Value {
    let labels = json!({ "landfall.dev/uses-postgres": "true", "landfall.dev/uses-valkey": "true" });
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "landfall-caller", "labels": labels } })
}

fn pod(image: &str) -> Value {
    // An absolute name costs only one DNS query.
    let called =
        CALLED.iter().map(|(component, service, port)| format!("{component}:{service}.svc.cluster.local.:{port}"));
    let command: Vec<String> = ["python3", "-c", PROGRAM].map(str::to_owned).into_iter().chain(called).collect();
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "caller", "namespace": "landfall-caller"},
        "spec": {
            "automountServiceAccountToken": false, "enableServiceLinks": false, "terminationGracePeriodSeconds": 1,
            "dnsConfig": {"options": [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "1"}]},
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "caller", "image": image, "imagePullPolicy": "IfNotPresent", "command": command,
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
                "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]}},
            }],
        },
    })
}

/// Returns the responses so far.
pub fn answers(machine: &Machine) -> Result<Answers> {
    Ok(Answers::of(&machine.run(LOGS)?.stdout))
}

/// Like [`answers`], but first waits until each of these components that is called has responded again.
pub fn next_answers(machine: &Machine, components: &BTreeSet<String>) -> Result<Answers> {
    let now = Timestamp::now();
    let awaited: Vec<&str> = called_components().filter(|component| components.contains(*component)).collect();
    wait_until(&format!("an answer of each of {awaited:?}"), NEXT_LIMIT, || {
        std::thread::sleep(Duration::from_millis(500));
        let answers = answers(machine)?;
        Ok(awaited.iter().all(|component| answers.last(component) > Some(now)).then_some(answers))
    })
}

impl Answers {
    fn of(logs: &str) -> Self {
        let mut times: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
        for (time, component) in logs.lines().filter_map(parse_log_line) {
            times.entry(component.to_owned()).or_default().push(time);
        }
        for answers in times.values_mut() {
            answers.sort_unstable();
        }
        Self { times }
    }

    fn last(&self, component: &str) -> Option<Timestamp> {
        self.times.get(component)?.last().copied()
    }

    /// Returns the longest time without a response of a component since `from`, in seconds.
    pub fn longest_pause(&self, component: &str, from: Timestamp) -> f64 {
        longest_pause(self.times.get(component).into_iter().flatten().copied(), from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_grouped_by_component() {
        let line = |second: u8, component: &str| format!("2026-11-22T02:00:{second:02}Z stdout F {component}\n");
        let logs = [line(1, "dns"), line(2, "postgres"), line(3, "dns"), line(9, "dns"), "2026-11-22T02:0".to_owned()];
        let answers = Answers::of(&logs.concat());
        let at = |second: u8| format!("2026-11-22T02:00:{second:02}Z").parse::<Timestamp>().unwrap();
        assert_eq!(
            (answers.last("dns"), answers.last("postgres"), answers.last("valkey")),
            (Some(at(9)), Some(at(2)), None)
        );
        assert!((answers.longest_pause("dns", at(2)) - 6.0).abs() < 1e-9);
        assert!(answers.longest_pause("valkey", at(2)).abs() < 1e-9);
    }
}
