//! A component's namespace with its rules: Pod Security Standard, quota, and network policies that deny by default.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_release_document::PodSecurity;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::objects;
use super::objects::{DELETION_SECONDS, RequiredObject};
use crate::context::ComponentContext;
use landfall_cluster::{ObjectName, Owner, quota};
use landfall_engine::step::{ObservedState, Step, StepError};

/// Namespaces that Kubernetes creates. This step never creates, changes or deletes them.
const OF_KUBERNETES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// Name of the namespace.
    pub name: String,
    /// Its owner: the first component in it.
    pub owner: Owner,
    /// Pod Security Standard that is enforced.
    pub pod_security: PodSecurity,
    /// Kubernetes minor version of that standard, such as `v1.36`. It keeps an upgrade from changing what is allowed.
    pub pod_security_version: String,
    /// Hard limits of its quota, as Kubernetes quantities; empty means no quota.
    pub quota: BTreeMap<String, String>,
}

impl Namespace {
    /// Returns the number of objects that the step applies.
    pub(crate) fn object_count(&self) -> usize {
        self.required_objects().len()
    }

    /// Returns true if Kubernetes itself creates the namespace, which needs no such step.
    pub fn is_of_kubernetes(name: &str) -> bool {
        OF_KUBERNETES.contains(&name)
    }

    fn object_name(&self) -> ObjectName {
        ObjectName::new("v1", "Namespace", "", &self.name)
    }

    /// Returns all objects in the order in which they are applied: rules exist before any pod can start.
    fn required_objects(&self) -> Vec<RequiredObject> {
        let mut wanted = vec![RequiredObject::new(self.namespace()), self.default_account()];
        wanted.extend(quota(&self.name, &self.quota).into_iter().map(RequiredObject::new));
        wanted.extend(self.policies().into_iter().map(RequiredObject::new));
        for RequiredObject { object, .. } in &mut wanted {
            self.owner.mark(object);
        }
        wanted
    }

    fn namespace(&self) -> Value {
        let level = json!(self.pod_security);
        let mut labels = serde_json::Map::new();
        for mode in ["enforce", "warn", "audit"] {
            labels.insert(format!("pod-security.kubernetes.io/{mode}"), level.clone());
            labels.insert(format!("pod-security.kubernetes.io/{mode}-version"), json!(self.pod_security_version));
        }
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name, "labels": labels}})
    }

    /// Returns the default account of pods, without a token. A component that needs the API server declares its own
    /// account. Kubernetes creates this account with the namespace, so it is adopted.
    fn default_account(&self) -> RequiredObject {
        let mut account = self.namespaced_object("v1", "ServiceAccount", "default");
        account["automountServiceAccountToken"] = json!(false);
        RequiredObject { adopted: true, ..RequiredObject::new(account) }
    }

    /// Returns policies that deny all traffic except queries to the cluster's DNS. Components allow the rest.
    fn policies(&self) -> Vec<Value> {
        let mut deny = self.namespaced_object("networking.k8s.io/v1", "NetworkPolicy", "landfall-default-deny");
        deny["spec"] = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
        let mut names = self.namespaced_object("networking.k8s.io/v1", "NetworkPolicy", "landfall-allow-dns");
        names["spec"] = json!({
            "podSelector": {},
            "policyTypes": ["Egress"],
            "egress": [{
                "to": [{
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                }],
                "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
            }],
        });
        vec![deny, names]
    }

    fn namespaced_object(&self, api_version: &str, kind: &str, name: &str) -> Value {
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": self.name}})
    }
}

impl Step<ComponentContext> for Namespace {
    fn observe(&self, context: &mut ComponentContext) -> Result<ObservedState, StepError> {
        objects::observe(&context.cluster.connect()?, &self.required_objects())
    }

    fn prepare(&self, context: &mut ComponentContext) -> Result<Value, StepError> {
        Ok(json!({"existed": context.cluster.connect()?.get(&self.object_name())?.is_some()}))
    }

    fn act(&self, context: &mut ComponentContext, _before: &Value) -> Result<Value, StepError> {
        objects::apply(&context.cluster.connect()?, &self.required_objects())?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut ComponentContext, before: &Value) -> Result<(), StepError> {
        if before["existed"] == json!(false) && !context.undo.removing_cluster {
            context.cluster.connect()?.delete(&self.object_name(), Duration::from_secs(DELETION_SECONDS))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(quota: &[(&str, &str)]) -> Namespace {
        Namespace {
            name: "postgres".to_owned(),
            owner: Owner { release: "starter".to_owned(), component: "postgres".to_owned() },
            pod_security: PodSecurity::Restricted,
            pod_security_version: "v1.36".to_owned(),
            quota: quota.iter().map(|(name, amount)| ((*name).to_owned(), (*amount).to_owned())).collect(),
        }
    }

    fn kinds(step: &Namespace) -> Vec<String> {
        step.required_objects().iter().map(|wanted| ObjectName::of(&wanted.object).unwrap().to_string()).collect()
    }

    #[test]
    fn namespace_pins_security_standard() {
        let step = step(&[]);
        assert_eq!(
            kinds(&step),
            [
                "Namespace postgres",
                "ServiceAccount postgres/default",
                "networking.k8s.io/NetworkPolicy postgres/landfall-default-deny",
                "networking.k8s.io/NetworkPolicy postgres/landfall-allow-dns",
            ]
        );
        let labels = step.required_objects()[0].object["metadata"]["labels"].clone();
        for mode in ["enforce", "warn", "audit"] {
            assert_eq!(labels[format!("pod-security.kubernetes.io/{mode}")], "restricted");
            assert_eq!(labels[format!("pod-security.kubernetes.io/{mode}-version")], "v1.36");
        }
        assert_eq!(labels["app.kubernetes.io/managed-by"], "landfall");
    }

    #[test]
    fn quota_adds_default_requests() {
        let step = step(&[("requests.cpu", "1"), ("limits.memory", "2Gi"), ("persistentvolumeclaims", "3")]);
        let range = step
            .required_objects()
            .into_iter()
            .map(|wanted| wanted.object)
            .find(|object| object["kind"] == "LimitRange")
            .unwrap();
        assert_eq!(
            range["spec"]["limits"],
            json!([{"type": "Container", "defaultRequest": {"cpu": "50m"}, "default": {"memory": "512Mi"}}])
        );
        let counts_only = super::tests::step(&[("pods", "10")]);
        assert!(!kinds(&counts_only).iter().any(|name| name.contains("LimitRange")));
    }
}
