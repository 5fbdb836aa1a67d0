//! Nodes of a cluster for a probe. Pure.

use landfall_cluster::ready::evaluate;
use landfall_error_codes::codes;
use serde_json::Value;

use super::report::ProbedNode;

/// A node on which a probe's pod can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    /// Reason why the cluster does not count it as ready, if any.
    pub(super) unready: Option<String>,
}

/// Parses a node; fails with the reason why no pod is created for it.
pub(super) fn node(live: &Value) -> Result<Node, ProbedNode> {
    let name = live["metadata"]["name"].as_str().unwrap_or_default();
    let absent = |reason: String| ProbedNode::absent(name, codes::PROBE_NOT_RUN, reason);
    if !is_name(name) {
        return Err(absent("its name is not one that Kubernetes allows for nodes".to_owned()));
    }
    match live["metadata"]["labels"]["kubernetes.io/os"].as_str() {
        None | Some("linux") => Ok(Node { name: name.to_owned(), unready: evaluate(live).reason().map(str::to_owned) }),
        Some(other) => Err(absent(format!("it runs {other}, and facts are of Linux"))),
    }
}

/// Returns true if a name is a DNS subdomain, which is also safe as a file name.
fn is_name(name: &str) -> bool {
    let is_edge = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    let is_inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.".contains(letter);
    name.len() <= 253 && is_edge(name.chars().next()) && is_edge(name.chars().next_back()) && name.chars().all(is_inner)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::report::ProbeOutcome;
    use super::*;

    fn live(name: &str, os: &str, ready: &str) -> Value {
        let condition = json!({"type": "Ready", "status": ready, "message": "Kubelet stopped posting node status."});
        json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/os": os}},
            "status": {"conditions": [condition]},
        })
    }

    #[test]
    fn node_readiness_is_read() {
        let ready = Node { name: "worker-1.corp".to_owned(), unready: None };
        assert_eq!(node(&live("worker-1.corp", "linux", "True")), Ok(ready));
        let silent = node(&live("worker-2", "linux", "Unknown")).unwrap();
        assert_eq!(silent.unready.as_deref(), Some("Kubelet stopped posting node status."));
    }

    #[test]
    fn unfit_nodes_get_no_pod() {
        let refused = |live: &Value| {
            let ProbeOutcome::Absent(absent) = node(live).unwrap_err().probed else { panic!("it has facts") };
            (absent.code.to_string(), absent.reason)
        };
        let windows = refused(&live("win", "windows", "True"));
        assert_eq!(windows, ("LF3077".to_owned(), "it runs windows, and facts are of Linux".to_owned()));
        for name in ["", "../../etc/passwd", "a/b", "UPPER", ".hidden", "a b", "end-", &"x".repeat(254)] {
            assert!(refused(&live(name, "linux", "True")).1.starts_with("its name"), "{name}");
        }
    }
}
