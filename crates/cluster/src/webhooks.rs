//! Admission webhooks: while the pods behind one are stopped, the API server refuses every request that it would judge,
//! unless the webhook's failures are ignored.

use http::Method;
use serde_json::{Map, Value, json};

use super::connection::Call;
use super::labels::FIELD_MANAGER;
use super::{Cluster, ClusterError, ObjectName};

/// API version of webhook configurations.
const VERSION: &str = "admissionregistration.k8s.io/v1";
const KINDS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Number of attempts at a patch that loses races against other writers.
const TRIES: u32 = 10;

/// Annotation of a suspended configuration: an object with the original policy of each webhook, by its name.
const SUSPENDED: &str = "landfall.dev/suspended-policies";

impl Cluster {
    /// Returns the configurations with a webhook that pods of these workloads serve, and whose failure refuses
    /// requests.
    pub fn webhooks_of(&self, workloads: &[ObjectName]) -> Result<Vec<ObjectName>, ClusterError> {
        let mut found = Vec::new();
        if workloads.is_empty() {
            return Ok(found);
        }
        for kind in KINDS {
            for live in self.list(&self.resource(VERSION, kind)?, None, "")? {
                if self.is_answered_by(&live, workloads)? {
                    let name = live["metadata"]["name"].as_str().unwrap_or_default();
                    found.push(ObjectName::new(VERSION, kind, "", name));
                }
            }
        }
        Ok(found)
    }

    fn is_answered_by(&self, configuration: &Value, workloads: &[ObjectName]) -> Result<bool, ClusterError> {
        for (namespace, service) in services_that_refuse(configuration) {
            let service = self.get(&ObjectName::new("v1", "Service", namespace, service))?.unwrap_or_default();
            for workload in workloads.iter().filter(|workload| workload.namespace.as_deref() == Some(namespace)) {
                let live = self.get(workload)?.unwrap_or_default();
                if selects(&service["spec"]["selector"], &live["spec"]["template"]["metadata"]["labels"]) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Returns true if a configuration is suspended; `None` if it does not exist.
    pub fn is_webhook_suspended(&self, configuration: &ObjectName) -> Result<Option<bool>, ClusterError> {
        Ok(self.get(configuration)?.map(|live| live["metadata"]["annotations"][SUSPENDED].is_string()))
    }

    /// Makes the API server ignore failures of a configuration's webhooks until it is resumed. A missing or suspended
    /// configuration is not changed. The API server has written the change to etcd.
    pub fn suspend_webhook(&self, configuration: &ObjectName) -> Result<(), ClusterError> {
        self.patch_webhook(configuration, "suspend", suspension)
    }

    /// Makes failures of the webhooks refuse requests again, as before. A missing configuration, or one that is not
    /// suspended, is not changed. The API server has written the change to etcd.
    pub fn resume_webhook(&self, configuration: &ObjectName) -> Result<(), ClusterError> {
        self.patch_webhook(configuration, "resume", resumption)
    }

    /// Patches a configuration. Other writers exist, such as one that renews certificates, so a patch of an older
    /// version is retried.
    fn patch_webhook(
        &self,
        configuration: &ObjectName,
        verb: &'static str,
        patch: impl Fn(&Value) -> Option<Value>,
    ) -> Result<(), ClusterError> {
        let mut left = TRIES;
        loop {
            left -= 1;
            let Some(patch) = self.get(configuration)?.as_ref().and_then(&patch) else { return Ok(()) };
            match self.patch_json(configuration, verb, &patch) {
                Err(ClusterError::Refused { status, .. }) if [409, 422].contains(&status.code) && left > 0 => {}
                patched => return patched,
            }
        }
    }

    fn patch_json(&self, object: &ObjectName, verb: &'static str, patch: &Value) -> Result<(), ClusterError> {
        let call = Call {
            method: Method::PATCH,
            path: format!("{}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict", self.path(object)?),
            content_type: "application/json-patch+json",
            body: patch.to_string().into_bytes(),
            verb,
            what: object,
        };
        self.call(&call).map(drop)
    }
}

/// Returns the Services, with their namespaces, behind webhooks whose failure refuses requests, which is the default.
fn services_that_refuse(configuration: &Value) -> Vec<(&str, &str)> {
    let webhooks = configuration["webhooks"].as_array().into_iter().flatten();
    let refusing = webhooks.filter(|webhook| webhook["failurePolicy"] != "Ignore");
    let services = refusing.filter_map(|webhook| {
        let service = &webhook["clientConfig"]["service"];
        Some((service["namespace"].as_str()?, service["name"].as_str()?))
    });
    services.collect()
}

/// Returns true if a Service with this selector sends requests to pods with these labels. A Service without a selector
/// has its own endpoints.
fn selects(selector: &Value, labels: &Value) -> bool {
    selector.as_object().is_some_and(|selector| {
        !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    })
}

/// Returns the patch that suspends a configuration; `None` if there is nothing to suspend.
fn suspension(live: &Value) -> Option<Value> {
    if live["metadata"]["annotations"][SUSPENDED].is_string() {
        return None;
    }
    let (mut former, mut patch) = (Map::new(), version_test(live));
    for (index, webhook) in live["webhooks"].as_array()?.iter().enumerate() {
        if webhook["failurePolicy"] != "Ignore" {
            former.insert(webhook["name"].as_str()?.to_owned(), webhook["failurePolicy"].clone());
            patch.push(set(&format!("/webhooks/{index}/failurePolicy"), &json!("Ignore")));
        }
    }
    if former.is_empty() {
        return None;
    }
    if !live["metadata"]["annotations"].is_object() {
        patch.push(set("/metadata/annotations", &json!({})));
    }
    patch.push(set(&annotation(), &json!(Value::Object(former).to_string())));
    Some(Value::Array(patch))
}

/// Returns the patch that resumes a configuration; `None` if it is not suspended. A webhook added since then keeps its
/// policy.
fn resumption(live: &Value) -> Option<Value> {
    let noted = live["metadata"]["annotations"][SUSPENDED].as_str()?;
    let former: Map<String, Value> = serde_json::from_str(noted).unwrap_or_default();
    let mut patch = version_test(live);
    for (index, webhook) in live["webhooks"].as_array().into_iter().flatten().enumerate() {
        if let Some(policy) = webhook["name"].as_str().and_then(|name| former.get(name)) {
            patch.push(set(&format!("/webhooks/{index}/failurePolicy"), policy));
        }
    }
    patch.push(json!({"op": "remove", "path": annotation()}));
    Some(Value::Array(patch))
}

/// Returns a test that makes the patch fail if the object has changed since it was read, because list indices are those
/// of that version.
fn version_test(live: &Value) -> Vec<Value> {
    vec![json!({"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]})]
}

fn set(path: &str, value: &Value) -> Value {
    json!({"op": "add", "path": path, "value": value})
}

fn annotation() -> String {
    format!("/metadata/annotations/{}", SUSPENDED.replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(name: &str, policy: &str) -> Value {
        let service = json!({"namespace": "shop", "name": "api"});
        json!({"name": name, "failurePolicy": policy, "clientConfig": {"service": service}})
    }

    fn configuration() -> Value {
        json!({"metadata": {"name": "api", "resourceVersion": "7"}, "webhooks": [
            webhook("a.shop", "Fail"), webhook("b.shop", "Ignore"),
            {"name": "c.shop", "failurePolicy": "Fail", "clientConfig": {"url": "https://192.0.2.7"}},
        ]})
    }

    /// Applies a patch of additions and removals to an object.
    fn apply_patch(live: &Value, patch: &Value) -> Value {
        let mut made = live.clone();
        for change in patch.as_array().unwrap() {
            let pointer = change["path"].as_str().unwrap();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let object = made.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            let key = key.replace("~1", "/");
            match change["op"].as_str().unwrap() {
                "test" => assert_eq!(object[&key], change["value"]),
                "add" => drop(object.insert(key, change["value"].clone())),
                _ => drop(object.remove(&key).unwrap()),
            }
        }
        made
    }

    #[test]
    fn suspended_webhooks_return_unchanged() {
        let live = configuration();
        assert_eq!(services_that_refuse(&live), [("shop", "api")]);
        let suspended = apply_patch(&live, &suspension(&live).unwrap());
        assert!(services_that_refuse(&suspended).is_empty());
        assert!(suspension(&suspended).is_none(), "it is suspended once");
        assert!(resumption(&live).is_none());
        let mut resumed = apply_patch(&suspended, &resumption(&suspended).unwrap());
        assert_eq!(resumed["metadata"]["annotations"], json!({}));
        resumed["metadata"].as_object_mut().unwrap().remove("annotations");
        assert_eq!(resumed, live);
    }

    #[test]
    fn concurrently_changed_webhooks_keep_policies() {
        let mut live = apply_patch(&configuration(), &suspension(&configuration()).unwrap());
        live["webhooks"] = json!([webhook("new.shop", "Fail"), webhook("a.shop", "Ignore")]);
        let resumed = apply_patch(&live, &resumption(&live).unwrap());
        assert_eq!(resumed["webhooks"], json!([webhook("new.shop", "Fail"), webhook("a.shop", "Fail")]));
    }

    #[test]
    fn ignoring_webhooks_are_not_suspended() {
        let mut live = configuration();
        live["webhooks"] = json!([webhook("b.shop", "Ignore")]);
        assert!(suspension(&live).is_none() && services_that_refuse(&live).is_empty());
    }

    #[test]
    fn service_selects_by_all_labels() {
        let labels = json!({"app": "api", "tier": "web"});
        assert!(selects(&json!({"app": "api"}), &labels));
        assert!(!selects(&json!({"app": "api", "tier": "db"}), &labels));
        assert!(!selects(&json!({}), &labels) && !selects(&Value::Null, &labels));
    }
}
