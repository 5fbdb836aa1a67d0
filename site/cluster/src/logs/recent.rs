//! What a component's containers logged last.

use std::collections::BTreeMap;

use serde_json::Value;

use super::LogSource;
use crate::{Cluster, ClusterError, Inventory};

impl Cluster {
    /// The last lines of each container of a component's pods. A container without a log is left out.
    pub fn recent_logs(&self, inventory: &Inventory, lines: u32) -> Result<BTreeMap<LogSource, String>, ClusterError> {
        let mut logs = BTreeMap::new();
        for pod in self.pods_of_component(inventory)? {
            let Some(object) = self.get(&pod)? else { continue };
            let containers = object.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten();
            for container in containers.filter_map(|container| container["name"].as_str()) {
                let text = self.last_log_lines(&pod, container, false, lines);
                if !text.is_empty() {
                    logs.insert(source(&pod, container), text);
                }
            }
        }
        Ok(logs)
    }
}

fn source(pod: &crate::ObjectName, container: &str) -> LogSource {
    LogSource {
        namespace: pod.namespace.clone().unwrap_or_default(),
        pod: pod.name.clone(),
        container: container.to_owned(),
    }
}
