//! Throw-away namespaces of drills.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{DRILL, RESTORE, RUNTIME_CLASS, TEMPORARY_LABEL};
use crate::labels::{MANAGED_BY, MANAGED_BY_LABEL, manager_of};
use crate::{COMPONENT_LABEL, Cluster, ClusterError, ObjectName, Owner, RELEASE_LABEL, quota};

/// Polling interval.
const INTERVAL: Duration = Duration::from_millis(200);

/// Namespace of one drill.
#[derive(Debug, Clone, Copy)]
pub struct DrillNamespace<'a> {
    /// Name, unique among namespaces.
    pub name: &'a str,
    /// Owner of the restored data.
    pub owner: &'a Owner,
    /// Enforced Pod Security Standard, such as `restricted`: the component's own.
    pub pod_security: &'a str,
    /// Kubernetes minor version of that standard, such as `v1.36`.
    pub pod_security_version: &'a str,
    /// Hard limits of its quota, as Kubernetes quantities; empty means no quota.
    pub quota: &'a BTreeMap<String, String>,
    /// True if nodes have the runtime of drills.
    pub has_runtime: bool,
}

impl DrillNamespace<'_> {
    /// Returns its objects in the order of their creation. They are the namespace, its default account without a token,
    /// its quota, a policy that forbids all traffic, and the runtime class. The pods of that class reach only their
    /// node. The cluster's network decides whether policies are enforced; that of the node pack enforces none.
    pub fn objects(&self) -> Vec<Value> {
        let mut objects = vec![self.namespace(), self.account()];
        objects.extend(quota(self.name, self.quota));
        objects.push(self.policy());
        objects.extend(self.has_runtime.then(runtime_class));
        for object in &mut objects {
            self.owner.mark(object);
        }
        objects
    }

    fn namespace(&self) -> Value {
        let mut namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}});
        let labels = [
            ("pod-security.kubernetes.io/enforce", self.pod_security),
            ("pod-security.kubernetes.io/enforce-version", self.pod_security_version),
            (TEMPORARY_LABEL, DRILL),
        ];
        for (label, value) in labels {
            namespace["metadata"]["labels"][label] = json!(value);
        }
        namespace
    }

    /// Returns the default account. Kubernetes also creates it, but only some time after the namespace, and pods cannot
    /// be created before.
    fn account(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": self.name},
            "automountServiceAccountToken": false,
        })
    }

    fn policy(&self) -> Value {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "landfall-deny-all", "namespace": self.name},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        })
    }
}

/// Namespace of a drill that was not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftoverDrill {
    /// The namespace.
    pub namespace: String,
    /// Owner of the data in it.
    pub owner: Owner,
}

impl Cluster {
    /// Creates or completes the namespace of a drill, and waits until pods can be created in it. An existing namespace
    /// of that name that is not a drill's is [`ClusterError::Foreign`], and is not changed.
    pub fn make_drill(&self, drill: &DrillNamespace<'_>, limit: Duration) -> Result<(), ClusterError> {
        let name = namespace(drill.name);
        if let Some(live) = self.get(&name)? {
            check_is_drill(&name, &live)?;
        }
        for object in drill.objects() {
            if object["kind"] == "ServiceAccount" {
                self.adopt(&object)?
            } else {
                self.apply(&object)?
            };
        }
        drill.objects().iter().try_for_each(|object| self.wait_for_usage(&ObjectName::of(object)?, limit))
    }

    /// Waits until the usage of a quota is known; until then, the API server refuses pods. Returns immediately for
    /// other objects.
    fn wait_for_usage(&self, object: &ObjectName, limit: Duration) -> Result<(), ClusterError> {
        let begun = Instant::now();
        while object.kind == "ResourceQuota" && !self.get(object)?.is_some_and(|live| is_counted(&live)) {
            if begun.elapsed() > limit {
                return Err(ClusterError::NotReady {
                    what: object.to_string(),
                    seconds: begun.elapsed().as_secs(),
                    reasons: "its controller has not counted what is used yet".to_owned(),
                });
            }
            std::thread::sleep(INTERVAL);
        }
        Ok(())
    }

    /// Deletes the runtime class of drills, then the namespace of a drill with everything in it, and waits until they
    /// are gone. A missing namespace is not an error; one that is not a drill's is [`ClusterError::Foreign`], and is
    /// not changed.
    pub fn delete_drill(&self, name: &str, limit: Duration) -> Result<(), ClusterError> {
        let name = namespace(name);
        let live = self.get(&name)?;
        live.as_ref().map_or(Ok(()), |live| check_is_drill(&name, live))?;
        self.delete(&ObjectName::of(&runtime_class())?, limit)?;
        self.delete(&name, limit).map(drop)
    }

    /// Returns the namespaces of drills, by name. All of them are leftovers if no drill is running.
    pub fn leftover_drills(&self) -> Result<Vec<LeftoverDrill>, ClusterError> {
        let found = self.list(&self.resource("v1", "Namespace")?, None, &temporary(DRILL))?;
        Ok(found.iter().map(leftover).collect())
    }

    /// Returns the pods of restores in the namespaces of components. All of them are leftovers if no restore is
    /// running.
    pub fn leftover_pods(&self) -> Result<Vec<ObjectName>, ClusterError> {
        let found = self.list(&self.resource("v1", "Pod")?, None, &temporary(RESTORE))?;
        found.iter().map(ObjectName::of).collect()
    }
}

/// Returns true if the usage of every resource that a quota limits is known.
fn is_counted(quota: &Value) -> bool {
    let used = &quota["status"]["used"];
    quota["spec"]["hard"].as_object().into_iter().flatten().all(|(resource, _)| used.get(resource).is_some())
}

fn namespace(name: &str) -> ObjectName {
    ObjectName::new("v1", "Namespace", "", name)
}

/// Returns the runtime class, which is cluster-scoped; it is created and deleted with the namespace of a drill.
fn runtime_class() -> Value {
    json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
        "metadata": {"name": RUNTIME_CLASS, "labels": {TEMPORARY_LABEL: DRILL}}, "handler": RUNTIME_CLASS,
    })
}

/// Returns a selector for the objects that Landfall created for a purpose.
fn temporary(purpose: &str) -> String {
    format!("{MANAGED_BY_LABEL}={MANAGED_BY},{TEMPORARY_LABEL}={purpose}")
}

fn check_is_drill(name: &ObjectName, live: &Value) -> Result<(), ClusterError> {
    let labels = &live["metadata"]["labels"];
    if labels[MANAGED_BY_LABEL] == MANAGED_BY && labels[TEMPORARY_LABEL] == DRILL {
        return Ok(());
    }
    Err(ClusterError::Foreign { object: name.clone().into(), manager: manager_of(live) })
}

fn leftover(live: &Value) -> LeftoverDrill {
    let metadata = &live["metadata"];
    let label = |label: &str| metadata["labels"][label].as_str().unwrap_or_default().to_owned();
    LeftoverDrill {
        namespace: metadata["name"].as_str().unwrap_or_default().to_owned(),
        owner: Owner { release: label(RELEASE_LABEL), component: label(COMPONENT_LABEL) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner { release: "starter".to_owned(), component: "db".to_owned() }
    }

    fn objects(quota: &[(&str, &str)], has_runtime: bool) -> Vec<Value> {
        let quota = quota.iter().map(|(name, amount)| ((*name).to_owned(), (*amount).to_owned())).collect();
        DrillNamespace {
            name: "drill-db",
            owner: &owner(),
            pod_security: "restricted",
            pod_security_version: "v1.36",
            quota: &quota,
            has_runtime,
        }
        .objects()
    }

    #[test]
    fn drill_namespace_is_closed_and_labeled() {
        insta::assert_json_snapshot!(objects(&[("pods", "2"), ("limits.memory", "2Gi")], true));
        let kinds: Vec<Value> = objects(&[], false).iter().map(|object| object["kind"].clone()).collect();
        assert_eq!(kinds, ["Namespace", "ServiceAccount", "NetworkPolicy"]);
    }

    #[test]
    fn quota_is_counted_with_all_usages() {
        let mut quota = json!({"spec": {"hard": {"pods": "2", "limits.memory": "2Gi"}}});
        assert!(!is_counted(&quota));
        quota["status"] = json!({"hard": {"pods": "2", "limits.memory": "2Gi"}, "used": {"pods": "0"}});
        assert!(!is_counted(&quota));
        quota["status"]["used"]["limits.memory"] = json!("0");
        assert!(is_counted(&quota));
    }

    #[test]
    fn only_drill_namespaces_are_touched() {
        let name = namespace("drill-db");
        let drill = objects(&[], false).remove(0);
        assert!(check_is_drill(&name, &drill).is_ok());
        assert_eq!(leftover(&drill), LeftoverDrill { namespace: "drill-db".to_owned(), owner: owner() });
        let mut component = drill.clone();
        component["metadata"]["labels"][TEMPORARY_LABEL] = Value::Null;
        let refused = check_is_drill(&name, &component).unwrap_err();
        assert_eq!(refused.to_string(), "Namespace drill-db exists and belongs to Landfall's component db");
        let mut foreign = drill;
        foreign["metadata"]["labels"][MANAGED_BY_LABEL] = json!("Helm");
        let refused = check_is_drill(&name, &foreign).unwrap_err();
        assert_eq!(refused.to_string(), "Namespace drill-db exists and belongs to Helm");
    }
}
