//! Reading of objects, lists of objects, and container logs.

use http::Method;
use serde_json::Value;

use super::connection::{Call, parse};
use super::retry::Failure;
use super::{Cluster, ClusterError, ObjectName, Resource};

/// Objects per page of a list.
const PAGE: &str = "500";

impl Cluster {
    /// Reads an object; `None` if it, or its kind, does not exist.
    pub fn get(&self, object: &ObjectName) -> Result<Option<Value>, ClusterError> {
        let path = match self.path(object) {
            Err(ClusterError::UnknownKind { .. }) => return Ok(None),
            path => path?,
        };
        let call = Call { method: Method::GET, path, content_type: "", body: Vec::new(), verb: "read", what: object };
        match self.attempt(&call) {
            Ok(text) => parse(&call, &text).map(Some),
            Err(given_up) => match given_up.failure {
                Failure::Status(status) if status.code == 404 => Ok(None),
                _ => Err(self.error(&call, given_up)),
            },
        }
    }

    /// Lists the objects of a kind, in one namespace or in all, that match a label selector (empty for all).
    pub fn list(&self, kind: &Resource, namespace: Option<&str>, labels: &str) -> Result<Vec<Value>, ClusterError> {
        let what = format!("{} objects in {}", kind.kind, namespace.unwrap_or("the whole cluster"));
        let mut objects = Vec::new();
        let mut next = String::new();
        loop {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("limit", PAGE);
            for (key, value) in [("labelSelector", labels), ("continue", next.as_str())] {
                if !value.is_empty() {
                    query.append_pair(key, value);
                }
            }
            let path = format!("{}?{}", kind.collection(namespace), query.finish());
            let mut page = self.call_json(&Call {
                method: Method::GET,
                path,
                content_type: "",
                body: Vec::new(),
                verb: "list",
                what: &what,
            })?;
            if let Value::Array(items) = page["items"].take() {
                objects.extend(items.into_iter().map(|item| with_kind(item, kind)));
            }
            page["metadata"]["continue"].as_str().unwrap_or_default().clone_into(&mut next);
            if next.is_empty() {
                return Ok(objects);
            }
        }
    }

    /// Reads the summary of measurements that a node's kubelet made of its pods.
    pub fn node_statistics(&self, node: &str) -> Result<Value, ClusterError> {
        let what = format!("what the node {node} has measured");
        let path = format!("/api/v1/nodes/{node}/proxy/stats/summary");
        self.call_json(&Call {
            method: Method::GET,
            path,
            content_type: "",
            body: Vec::new(),
            verb: "read",
            what: &what,
        })
    }

    /// Returns the last lines of a container's log, or of its previous run if it restarts repeatedly. Empty if there is
    /// none: a log only explains, so a missing one is not an error.
    pub(super) fn last_log_lines(&self, pod: &ObjectName, container: &str, previous: bool, lines: u32) -> String {
        let Ok(path) = self.path(pod) else { return String::new() };
        let path = format!("{path}/log?container={container}&tailLines={lines}&previous={previous}");
        let call =
            Call { method: Method::GET, path, content_type: "", body: Vec::new(), verb: "read the log of", what: pod };
        self.call(&call).unwrap_or_default()
    }
}

/// Adds API version and kind, which items of a list lack.
fn with_kind(mut item: Value, kind: &Resource) -> Value {
    if let Value::Object(fields) = &mut item {
        fields.insert("apiVersion".to_owned(), Value::String(kind.api_version.clone()));
        fields.insert("kind".to_owned(), Value::String(kind.kind.clone()));
    }
    item
}
