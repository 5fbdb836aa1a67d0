//! Status of components for `landfall status`: how many of their objects are ready, and why the rest are not.

use std::collections::BTreeMap;

use landfall_documents::status::ComponentStatus;
use serde::Serialize;
use serde_json::Value;

use super::ready::{Readiness, explain_pod, explain_workload, has_readiness};
use super::{Cluster, ClusterError, Inventory, ObjectName, ready, selector};

/// Status of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStatus {
    /// The object.
    pub object: ObjectName,
    /// Readiness of the object.
    pub readiness: Readiness,
    /// The live object, which is used to find its pods.
    #[serde(skip)]
    live: Option<Value>,
}

impl Cluster {
    /// Returns the status of one object. An object that does not exist is not ready.
    pub fn object_status(&self, object: &ObjectName) -> Result<ObjectStatus, ClusterError> {
        let live = self.get(object)?;
        let readiness = match &live {
            None => Readiness::InProgress("it does not exist".to_owned()),
            Some(live) if object.kind == "PersistentVolumeClaim" => {
                ready::evaluate_claim(live, self.class_of(live)?.as_ref())
            }
            Some(live) => ready::evaluate(live),
        };
        Ok(ObjectStatus { object: object.clone(), readiness, live })
    }

    /// Returns the status of every component of the cluster, by namespace and name.
    pub fn components(&self) -> Result<Vec<ComponentStatus>, ClusterError> {
        let mut components = Vec::new();
        for inventory in Inventory::all(self)? {
            components.push(self.component_status(&inventory)?);
        }
        Ok(components)
    }

    /// Returns the status of a component, by its inventory.
    pub fn component_status(&self, inventory: &Inventory) -> Result<ComponentStatus, ClusterError> {
        let (mut ready, mut total, mut reasons) = (0, 0, Vec::new());
        for object in &inventory.objects {
            let status = self.object_status(object)?;
            let Some(reason) = status.readiness.reason() else {
                (ready, total) =
                    (ready + usize::from(has_readiness(object)), total + usize::from(has_readiness(object)));
                continue;
            };
            total += 1;
            reasons.push(format!("{object}: {reason}"));
            reasons.extend(self.explain(&status));
        }
        Ok(ComponentStatus {
            component: inventory.owner.component.clone(),
            namespace: inventory.namespace.clone(),
            release: inventory.owner.release.clone(),
            ready,
            total,
            reasons,
        })
    }

    /// Explains why a pod is not ready, with the end of its log; `None` if it is ready, or nothing is known. Unreadable
    /// parts are left out.
    pub fn why_not_ready(&self, pod: &Value) -> Option<String> {
        let namespace = pod["metadata"]["namespace"].as_str();
        let events = self.resource("v1", "Event").and_then(|kind| self.list(&kind, namespace, "")).unwrap_or_default();
        self.explain_one(pod, &events)
    }

    /// Returns the names of a component's pods: its objects that are pods, pods that they select, and pods of their
    /// jobs.
    pub fn pods_of_component(&self, inventory: &Inventory) -> Result<Vec<ObjectName>, ClusterError> {
        let pods = self.found_pods(inventory)?;
        Ok(pods.keys().map(|(namespace, name)| ObjectName::new("v1", "Pod", namespace, name)).collect())
    }

    /// Like [`Self::pods_of_component`], but returns the live pods.
    pub fn live_pods_of_component(&self, inventory: &Inventory) -> Result<Vec<Value>, ClusterError> {
        Ok(self.found_pods(inventory)?.into_values().collect())
    }

    /// Finds the pods of a component, by namespace and name.
    fn found_pods(&self, inventory: &Inventory) -> Result<BTreeMap<(String, String), Value>, ClusterError> {
        let mut found = BTreeMap::new();
        for object in &inventory.objects {
            let (Some(namespace), Some(live)) = (&object.namespace, self.get(object)?) else { continue };
            for pod in self.pods_of(&live, namespace)? {
                let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                found.insert((namespace.clone(), name), pod);
            }
        }
        Ok(found)
    }

    /// Explains why an object's pods are not ready or missing. Explanations are optional: unreadable parts are left
    /// out.
    pub(super) fn explain(&self, status: &ObjectStatus) -> Vec<String> {
        let Some(live) = &status.live else { return Vec::new() };
        let Some(namespace) = &status.object.namespace else { return Vec::new() };
        let events =
            self.resource("v1", "Event").and_then(|kind| self.list(&kind, Some(namespace), "")).unwrap_or_default();
        let pods = self.pods_of(live, namespace).unwrap_or_default();
        let mut lines: Vec<String> = pods.iter().filter_map(|pod| self.explain_one(pod, &events)).collect();
        if pods.is_empty() {
            lines.extend(explain_workload(&status.object.name, &events));
        }
        lines
    }

    fn explain_one(&self, pod: &Value, events: &[Value]) -> Option<String> {
        let reason = ready::PodReason::of(pod)?;
        let log = match (reason.log_wanted(), ObjectName::of(pod)) {
            (Some((container, previous)), Ok(name)) => {
                self.last_log_lines(&name, container, previous, ready::QUOTED_LINES)
            }
            _ => String::new(),
        };
        explain_pod(pod, events, &log)
    }

    /// Returns the pods that a workload selects; for a pod, itself.
    fn pods_of(&self, live: &Value, namespace: &str) -> Result<Vec<Value>, ClusterError> {
        match live["kind"].as_str() {
            Some("Pod") => return Ok(vec![live.clone()]),
            Some("CronJob") => return self.pods_of_jobs(live, namespace),
            _ => {}
        }
        let selector = selector(&live["spec"]["selector"]);
        if selector.is_empty() {
            return Ok(Vec::new());
        }
        self.list(&self.resource("v1", "Pod")?, Some(namespace), &selector)
    }

    /// Returns the pods of all jobs that a `CronJob` has created and still keeps.
    fn pods_of_jobs(&self, live: &Value, namespace: &str) -> Result<Vec<Value>, ClusterError> {
        let jobs = self.list(&self.resource("batch/v1", "Job")?, Some(namespace), "")?;
        let mut pods = Vec::new();
        for job in jobs.iter().filter(|job| is_owned_by(job, live)) {
            pods.extend(self.pods_of(job, namespace)?);
        }
        Ok(pods)
    }

    fn class_of(&self, claim: &Value) -> Result<Option<Value>, ClusterError> {
        match claim.pointer("/spec/storageClassName").and_then(Value::as_str).filter(|class| !class.is_empty()) {
            Some(class) => self.get(&ObjectName::new("storage.k8s.io/v1", "StorageClass", "", class)),
            None => Ok(None),
        }
    }
}

/// Returns true if an object names another one as an owner.
pub(super) fn is_owned_by(object: &Value, owner: &Value) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    owners.into_iter().any(|found| found["uid"].is_string() && found["uid"] == owner["metadata"]["uid"])
}
