//! Probe of an existing cluster: the facts of each node, printed by a pod. All its objects are in one namespace, which
//! is deleted in any case, even after an interrupt.

mod node;
mod report;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use landfall_cluster::probe::{PodState, ProbePod, pod_state};
use landfall_cluster::{Cluster, ClusterError, Right};
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::facts::Facts;
use landfall_media::progress::{Event, Progress};
use serde_json::Value;

use self::node::Node;
use super::Operations;
pub use report::{Absence, ProbeOutcome, ProbeReport, ProbedNode};

/// Time for which a request to the API server is repeated.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time for which a request for a log is repeated: an unreadable log does not become readable later.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

/// Maximum size of a pod's output: far above the facts of a host with many GPUs and addresses.
const LOG_BYTES: usize = 4 << 20;

/// Quoted size of a failed pod's log.
const QUOTED_BYTES: usize = 2 << 10;

/// Maximum number of concurrent pods.
const AT_ONCE: usize = 16;

/// Time between checks of the pods.
const INTERVAL: Duration = Duration::from_secs(1);

/// Additional lifetime of a pod beyond its probe. It ends even if this process is killed.
const GRACE: Duration = Duration::from_secs(30);

/// Time limit for the deletion of the namespace.
const DELETE_LIMIT: Duration = Duration::from_mins(2);

/// Parameters of a probe.
#[derive(Debug, Clone)]
pub struct ProbeRequest {
    /// The kubeconfig of the cluster.
    pub kubeconfig: PathBuf,
    /// An image with `landfall-facts` in its root.
    pub image: String,
    /// Time limit of each node.
    pub limit: Duration,
}

/// Receives the result of each node as soon as it is known.
pub type ProbeListener<'a> = dyn FnMut(&ProbedNode) -> Result<(), StepError> + 'a;

impl Operations {
    /// Collects the facts of each node of a cluster. A node without facts is not an error: the report gives a reason.
    /// Checks all rights before it creates anything.
    pub fn probe(&self, request: &ProbeRequest, listener: &mut ProbeListener<'_>) -> Result<ProbeReport, StepError> {
        let cluster = Cluster::connect(&request.kubeconfig)?.with_patience(PATIENCE);
        let namespace = format!("landfall-probe-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        check_rights(&cluster, &namespace, request)?;
        let nodes = cluster.list(&cluster.resource("v1", "Node")?, None, "")?;
        let is_interrupted = cluster.hold_interrupts().map_err(|error| {
            StepError::new(codes::BUG, "interrupts cannot be held until the namespace is deleted").because(error)
        })?;
        let note = format!("probing {} nodes with pods in the namespace {namespace}", nodes.len());
        self.progress.event(Event::Note(note));
        let mut probe = Probe {
            cluster: &cluster,
            namespace: &namespace,
            request,
            progress: &*self.progress,
            listener,
            is_interrupted,
            nodes: Vec::new(),
        };
        let probed = probe.run(&nodes);
        let mut nodes = probe.nodes;
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        let leftover = cluster.delete_probe(&namespace, DELETE_LIMIT).err();
        merge_errors(probed, leftover.as_ref(), &namespace).map(|leftover| ProbeReport {
            server: cluster.server().to_owned(),
            nodes,
            leftover,
        })
    }
}

/// Fails with all missing rights of the user.
fn check_rights(cluster: &Cluster, namespace: &str, request: &ProbeRequest) -> Result<(), StepError> {
    let everywhere = |verb, resource| Right { verb, resource, namespace: None };
    let inside = |verb, resource| Right { verb, resource, namespace: Some(namespace) };
    let needed = [
        everywhere("list", "nodes"),
        everywhere("create", "namespaces"),
        everywhere("get", "namespaces"),
        everywhere("delete", "namespaces"),
        inside("create", "pods"),
        inside("list", "pods"),
        inside("delete", "pods"),
        inside("get", "pods/log"),
    ];
    let missing = cluster.missing_rights(&needed)?;
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let what = format!("the user of {} may not {}", request.kubeconfig.display(), missing.join(", "));
    Err(StepError::new(codes::PROBE_NOT_PERMITTED, what))
}

/// Returns the leftovers in the cluster, or the error that ended the probe. If there are both, the error names both.
fn merge_errors(
    probed: Result<(), StepError>,
    leftover: Option<&ClusterError>,
    namespace: &str,
) -> Result<Option<Absence>, StepError> {
    let leftover = leftover.map(|error| format!("the namespace {namespace} is not deleted: {}", with_causes(error)));
    match (probed, leftover) {
        (Ok(()), leftover) => Ok(leftover.map(|reason| Absence::new(codes::PROBE_LEFTOVER, reason))),
        (Err(error), None) => Err(error),
        (Err(error), Some(leftover)) => Err(StepError::new(codes::PROBE_LEFTOVER, leftover).because(error)),
    }
}

/// A pod that was created.
struct CreatedPod {
    node: Node,
    begun: Instant,
}

/// A running probe.
struct Probe<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    request: &'a ProbeRequest,
    progress: &'a dyn Progress,
    listener: &'a mut (dyn FnMut(&ProbedNode) -> Result<(), StepError> + 'a),
    is_interrupted: Arc<AtomicBool>,
    nodes: Vec<ProbedNode>,
}

impl Probe<'_> {
    fn run(&mut self, nodes: &[Value]) -> Result<(), StepError> {
        let mut waiting = VecDeque::<Node>::new();
        for live in nodes {
            match node::node(live) {
                Ok(node) => waiting.push_back(node),
                Err(absent) => self.finish(absent)?,
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        self.cluster.make_probe(self.namespace)?;
        let (mut running, mut made) = (BTreeMap::<String, CreatedPod>::new(), 0_usize);
        while !(waiting.is_empty() && running.is_empty()) {
            if self.is_interrupted.load(Ordering::Relaxed) {
                let unfinished = std::mem::take(&mut running).into_values().map(|running| running.node);
                let unfinished: Vec<Node> = unfinished.chain(waiting.drain(..)).collect();
                return self.interrupt(&unfinished);
            }
            while running.len() < AT_ONCE
                && let Some(node) = waiting.pop_front()
            {
                let name = format!("probe-{made}");
                made += 1;
                if self.start(&name, &node)? {
                    running.insert(name, CreatedPod { node, begun: Instant::now() });
                }
            }
            std::thread::sleep(INTERVAL);
            self.look(&mut running)?;
        }
        Ok(())
    }

    /// Creates the pod of a node; returns true if it exists. A refusal by the API server becomes the node's result, not
    /// an error.
    fn start(&mut self, name: &str, node: &Node) -> Result<bool, StepError> {
        let (namespace, request) = (self.namespace, self.request);
        let lifetime = request.limit.saturating_add(GRACE);
        let pod = ProbePod { namespace, name, node: &node.name, image: &request.image, lifetime };
        match self.cluster.make_probe_pod(&pod) {
            Ok(()) => Ok(true),
            Err(error @ ClusterError::Refused { .. }) => {
                self.finish(ProbedNode::absent(&node.name, codes::PROBE_NOT_RUN, error.to_string()))?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Finishes the nodes whose pods have ended or whose time is over.
    fn look(&mut self, running: &mut BTreeMap<String, CreatedPod>) -> Result<(), StepError> {
        let pods = self.cluster.probe_pods(self.namespace)?;
        let pods: BTreeMap<&str, &Value> =
            pods.iter().filter_map(|pod| Some((pod["metadata"]["name"].as_str()?, pod))).collect();
        for name in running.keys().cloned().collect::<Vec<_>>() {
            let Some(CreatedPod { node, begun }) = running.get(&name) else { continue };
            let is_late = begun.elapsed() >= self.request.limit;
            let state = pods.get(name.as_str()).map(|pod| pod_state(pod));
            if let Some(found) = self.node_result(&name, node, state, is_late) {
                running.remove(&name);
                self.finish(found)?;
                // The namespace's deletion also removes it, and the result matters more than a remaining pod.
                if let Err(error) = self.cluster.delete_probe_pod(self.namespace, &name) {
                    tracing::warn!(pod = name, %error, "the pod of a probe stays");
                }
            }
        }
        Ok(())
    }

    /// Returns the result of a node if its probe is over.
    fn node_result(&self, pod: &str, node: &Node, state: Option<PodState>, is_late: bool) -> Option<ProbedNode> {
        let absent = |code, reason: String| Some(ProbedNode::absent(&node.name, code, reason));
        match state {
            Some(PodState::Succeeded) => Some(self.read(pod, node)),
            Some(PodState::Failed(how)) => absent(codes::PROBE_NO_FACTS, format!("{how}{}", self.last_words(pod))),
            Some(PodState::NotRun(why)) => absent(codes::PROBE_NOT_RUN, why),
            Some(PodState::Waiting(why)) if is_late => absent(codes::PROBE_NOT_RUN, self.late(node, why)),
            Some(PodState::Waiting(_)) => None,
            None => absent(codes::PROBE_NOT_RUN, "its pod was deleted by other software".to_owned()),
        }
    }

    /// Returns the reason why a node took too long.
    fn late(&self, node: &Node, why: Option<String>) -> String {
        let unready = node.unready.as_ref().map(|reason| format!("the node is not ready: {reason}"));
        let why = why.or(unready).unwrap_or_else(|| "its kubelet has reported nothing about the pod".to_owned());
        format!("after {} s: {why}", self.request.limit.as_secs())
    }

    /// Reads the facts that a pod printed.
    fn read(&self, pod: &str, node: &Node) -> ProbedNode {
        let log = self.cluster.with_patience(LOG_PATIENCE).probe_log(self.namespace, pod, LOG_BYTES + 1);
        let log = log.map_err(|error| format!("its output cannot be read: {}", with_causes(&error)));
        match log.and_then(|log| parse(&log)) {
            Ok(facts) => ProbedNode { name: node.name.clone(), probed: ProbeOutcome::Facts(Box::new(facts)) },
            Err(reason) => ProbedNode::absent(&node.name, codes::PROBE_NO_FACTS, reason),
        }
    }

    /// Returns the beginning of a failed pod's output; empty if it cannot be read.
    fn last_words(&self, pod: &str) -> String {
        let log = self.cluster.with_patience(LOG_PATIENCE).probe_log(self.namespace, pod, QUOTED_BYTES);
        let log = log.unwrap_or_default();
        let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() { String::new() } else { format!("; it said: {}", lines.join(" | ")) }
    }

    /// Finishes the remaining nodes after a person interrupts the probe.
    fn interrupt(&mut self, unfinished: &[Node]) -> Result<(), StepError> {
        for node in unfinished {
            self.finish(ProbedNode::absent(&node.name, codes::PROBE_NOT_RUN, "the probe was interrupted"))?;
        }
        Ok(())
    }

    /// Passes a result to the listener and keeps it.
    fn finish(&mut self, node: ProbedNode) -> Result<(), StepError> {
        let text = match &node.probed {
            ProbeOutcome::Facts(_) => format!("{}: facts", node.name),
            ProbeOutcome::Absent(absent) => format!("{}: no facts [{}]: {}", node.name, absent.code, absent.reason),
        };
        self.progress.event(Event::Note(text));
        (self.listener)(&node)?;
        self.nodes.push(node);
        Ok(())
    }
}

/// Parses the facts in a pod's output.
fn parse(log: &str) -> Result<Facts, String> {
    if log.len() > LOG_BYTES {
        return Err(format!("it printed more than {} MiB", LOG_BYTES >> 20));
    }
    Facts::parse(log.as_bytes()).map_err(|unread| format!("what it printed {unread}"))
}

#[cfg(test)]
mod tests;
