//! Canaries in the cluster. A canary is one pod of a workload's new form, with copies of the objects that it reads and
//! that the cluster lacks in that form. The objects that running pods read stay unchanged.
//!
//! The pod has the labels of the workload's pods, so that network policies and Services treat it alike. A readiness
//! gate, however, keeps requests of Services away until it is proved. No controller owns it, so none replaces it
//! silently.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::connection::Call;
use super::drill::references;
use super::{Cluster, ClusterError, ObjectName};

/// Label of every object of a canary, with the name of its component.
pub const CANARY_LABEL: &str = "landfall.dev/canary";

/// Condition that a canary's pod needs before Services send requests to it.
pub const PROVED_CONDITION: &str = "landfall.dev/proved";

/// Suffix of the names of a canary's objects.
const SUFFIX: &str = "-canary";

/// Longest part of another object's name in the name of a canary's object, in bytes: names have up to 253.
const NAME_BYTES: usize = 240;

/// Kinds of objects that a canary may have, in the order of removal: the pod first, because it uses the others.
const KINDS: &[(&str, &str)] = &[
    ("v1", "Pod"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("v1", "ServiceAccount"),
    ("v1", "ConfigMap"),
];

/// Fields of a pod that name a `ConfigMap`.
const CONFIG_MAPS: [&str; 3] = ["configMap", "configMapRef", "configMapKeyRef"];

/// Polling interval.
const INTERVAL: Duration = Duration::from_millis(300);

/// Sources of a canary.
#[derive(Debug, Clone, Copy)]
pub struct CanaryForm<'a> {
    /// Name of the component.
    pub component: &'a str,
    /// The workload.
    pub workload: &'a ObjectName,
    /// The component's objects in their new form.
    pub objects: &'a [Value],
}

impl CanaryForm<'_> {
    /// Returns the name of the pod.
    pub fn pod(&self) -> ObjectName {
        let namespace = self.workload.namespace.as_deref().unwrap_or_default();
        ObjectName::new("v1", "Pod", namespace, &name_of(&self.workload.name))
    }

    /// Returns the objects of the canary, the pod last; `None` if the component has no such workload. `differs` returns
    /// true if the cluster lacks an object or has it in another form; the canary then gets its own copy. Pure except
    /// for that call.
    pub fn objects(
        &self,
        mut differs: impl FnMut(&Value) -> Result<bool, ClusterError>,
    ) -> Result<Option<Vec<Value>>, ClusterError> {
        let Some(template) =
            self.find(&self.workload.kind, &self.workload.name).map(|found| &found["spec"]["template"])
        else {
            return Ok(None);
        };
        let mut pod = self.pod_of(template);
        let mut copies = Vec::new();
        for reference in references(template).iter().filter(|reference| reference.kind == "ConfigMap") {
            let Some(original) = self.find("ConfigMap", &reference.name) else { continue };
            if differs(original)? {
                rename_config_map(&mut pod["spec"], &reference.name);
                copies.push(self.copy(original));
            }
        }
        let account = pod["spec"]["serviceAccountName"].as_str().map(str::to_owned);
        if let Some(account) = account.filter(|account| self.find("ServiceAccount", account).is_some()) {
            let rights = self.rights_of(&account);
            let mut is_changed = false;
            for object in &rights {
                is_changed = is_changed || differs(object)?;
            }
            if is_changed {
                copies.extend(rights.into_iter().map(|object| self.with_rights(object, &account)));
                pod["spec"]["serviceAccountName"] = json!(name_of(&account));
                if let Value::Object(spec) = &mut pod["spec"] {
                    // Deprecated name of the same field.
                    spec.remove("serviceAccount");
                }
            }
        }
        copies.push(pod);
        Ok(Some(copies))
    }

    fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
    }

    fn pod_of(&self, template: &Value) -> Value {
        let name = self.pod();
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name.name, "namespace": name.namespace, "labels": template["metadata"]["labels"]},
            "spec": template["spec"],
        });
        if template["metadata"]["annotations"].is_object() {
            pod["metadata"]["annotations"] = template["metadata"]["annotations"].clone();
        }
        pod["metadata"]["labels"][CANARY_LABEL] = json!(self.component);
        let mut gates = template["spec"]["readinessGates"].as_array().cloned().unwrap_or_default();
        gates.push(json!({"conditionType": PROVED_CONDITION}));
        pod["spec"]["readinessGates"] = Value::Array(gates);
        pod
    }

    /// Copies an object under its canary name, keeping only its content.
    fn copy(&self, original: &Value) -> Value {
        let mut copy = original.clone();
        let metadata = &original["metadata"];
        let name = name_of(metadata["name"].as_str().unwrap_or_default());
        copy["metadata"] = json!({"name": name, "labels": {CANARY_LABEL: self.component}});
        if let Some(namespace) = metadata["namespace"].as_str() {
            copy["metadata"]["namespace"] = json!(namespace);
        }
        copy
    }

    /// Returns a service account, the component's bindings that name it, and the component's roles that these name.
    fn rights_of(&self, account: &str) -> Vec<&Value> {
        let is_binding = |object: &&Value| object["kind"] == "RoleBinding" || object["kind"] == "ClusterRoleBinding";
        let binds = |object: &&Value| list(&object["subjects"]).iter().any(|subject| self.is_account(subject, account));
        let bindings: Vec<&Value> = self.objects.iter().filter(is_binding).filter(binds).collect();
        let mut found: Vec<&Value> = self.find("ServiceAccount", account).into_iter().collect();
        for binding in &bindings {
            let role = self.role_of(binding).filter(|role| !found.contains(role));
            found.extend(role);
        }
        found.extend(bindings);
        found
    }

    fn is_account(&self, subject: &Value, account: &str) -> bool {
        let namespace = subject["namespace"].as_str();
        subject["kind"] == "ServiceAccount"
            && subject["name"] == account
            && namespace.is_none_or(|namespace| self.workload.namespace.as_deref() == Some(namespace))
    }

    fn role_of(&self, binding: &Value) -> Option<&Value> {
        self.find(binding["roleRef"]["kind"].as_str()?, binding["roleRef"]["name"].as_str()?)
    }

    /// Copies a service account, role or binding; the copy of a binding is only for the canary's account.
    fn with_rights(&self, original: &Value, account: &str) -> Value {
        let mut copy = self.copy(original);
        if original["roleRef"].is_object() {
            let mut subjects: Vec<Value> = list(&original["subjects"]).to_vec();
            subjects.retain(|subject| self.is_account(subject, account));
            for subject in &mut subjects {
                subject["name"] = json!(name_of(account));
            }
            copy["subjects"] = Value::Array(subjects);
            if let Some(role) = self.role_of(original) {
                copy["roleRef"]["name"] = json!(name_of(role["metadata"]["name"].as_str().unwrap_or_default()));
            }
        }
        copy
    }
}

fn name_of(name: &str) -> String {
    let begin = name.char_indices().map(|(at, _)| at).nth(NAME_BYTES).map_or(name, |end| &name[..end]);
    format!("{begin}{SUFFIX}")
}

/// Makes every field of a pod that names this `ConfigMap` name its copy.
fn rename_config_map(value: &mut Value, name: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| rename_config_map(item, name)),
        Value::Object(fields) => {
            for (key, value) in fields {
                if CONFIG_MAPS.contains(&key.as_str()) && value["name"] == name {
                    value["name"] = json!(name_of(name));
                } else {
                    rename_config_map(value, name);
                }
            }
        }
        _ => {}
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Selection of canaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canaries<'a> {
    /// The canary of a component.
    Of(&'a str),
    /// All canaries.
    All,
}

impl Canaries<'_> {
    fn selector(self) -> String {
        match self {
            Self::Of(component) => format!("{CANARY_LABEL}={component}"),
            Self::All => CANARY_LABEL.to_owned(),
        }
    }
}

impl Cluster {
    /// Returns the existing objects of canaries, the pods first.
    pub fn canaries(&self, which: Canaries<'_>) -> Result<Vec<Value>, ClusterError> {
        let mut found = Vec::new();
        for (api_version, kind) in KINDS {
            found.extend(self.list(&self.resource(api_version, kind)?, None, &which.selector())?);
        }
        Ok(found)
    }

    /// Deletes all objects of canaries, waits until they are gone, and returns their number.
    pub fn remove_canaries(&self, which: Canaries<'_>, limit: Duration) -> Result<usize, ClusterError> {
        let found = self.canaries(which)?;
        for live in &found {
            let object = ObjectName::of(live)?;
            let uid = self.request_deletion(&object, live, "Background")?;
            self.wait_until_gone(&object, &uid, limit)?;
        }
        Ok(found.len())
    }

    /// Lets Services send requests to a canary's pod, once it is proved.
    pub fn let_canary_serve(&self, pod: &ObjectName) -> Result<(), ClusterError> {
        let condition = json!({"type": PROVED_CONDITION, "status": "True", "reason": "ProofsPassed"});
        let call = Call {
            method: Method::PATCH,
            path: format!("{}/status?fieldManager={}", self.path(pod)?, super::FIELD_MANAGER),
            content_type: "application/strategic-merge-patch+json",
            body: json!({"status": {"conditions": [condition]}}).to_string().into_bytes(),
            verb: "mark as proved",
            what: pod,
        };
        self.call(&call).map(drop)
    }

    /// Waits until a pod is gone or `test` accepts it. Returns its latest state, even if the limit has passed; `None`
    /// if the pod is gone.
    pub fn wait_for_pod(
        &self,
        pod: &ObjectName,
        limit: Duration,
        test: impl Fn(&Value) -> bool,
    ) -> Result<Option<Value>, ClusterError> {
        let begun = Instant::now();
        loop {
            let live = self.get(pod)?;
            if live.as_ref().is_none_or(&test) || begun.elapsed() > limit {
                return Ok(live);
            }
            std::thread::sleep(INTERVAL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> Vec<Value> {
        vec![
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "shop"}}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                "metadata": {"name": "reader", "namespace": "shop"}, "rules": [{"verbs": ["get"]}]}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": "web", "namespace": "shop"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
                "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "shop"},
                    {"kind": "ServiceAccount", "name": "other", "namespace": "shop"}]}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                "metadata": {"name": "web"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
                "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}]}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop",
                "labels": {"app": "web"}}, "data": {"a": "1"}}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "files", "namespace": "shop"},
                "data": {}}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"replicas": 2, "template": {
                "metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}},
                "spec": {
                    "serviceAccountName": "web", "serviceAccount": "web",
                    "readinessGates": [{"conditionType": "own"}],
                    "containers": [{"name": "web", "image": "web:2",
                        "envFrom": [{"configMapRef": {"name": "settings"}}],
                        "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a"}}}]}],
                    "volumes": [{"name": "f", "configMap": {"name": "files"}},
                        {"name": "p", "projected": {"sources": [{"configMap": {"name": "settings"}}]}}],
                },
            }}}),
        ]
    }

    fn form(objects: &[Value], differs: &[&str]) -> Vec<Value> {
        let workload = ObjectName::new("apps/v1", "Deployment", "shop", "web");
        let form = CanaryForm { component: "web", workload: &workload, objects };
        let is_other = |object: &Value| {
            let name = format!("{}/{}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
            Ok(differs.contains(&name.as_str()))
        };
        form.objects(is_other).unwrap().unwrap()
    }

    #[test]
    fn unchanged_objects_make_one_pod() {
        let objects = objects();
        let [pod] = <[Value; 1]>::try_from(form(&objects, &[])).unwrap();
        let expected = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web-canary", "namespace": "shop", "annotations": {"a": "b"},
                "labels": {"app": "web", "landfall.dev/canary": "web"}},
            "spec": {
                "serviceAccountName": "web", "serviceAccount": "web",
                "readinessGates": [{"conditionType": "own"}, {"conditionType": "landfall.dev/proved"}],
                "containers": objects[6]["spec"]["template"]["spec"]["containers"],
                "volumes": objects[6]["spec"]["template"]["spec"]["volumes"],
            },
        });
        assert_eq!(pod, expected);
    }

    #[test]
    fn canary_reads_copies_of_changed_objects() {
        let copies = form(&objects(), &["ConfigMap/settings", "Role/reader"]);
        let names: Vec<String> = copies
            .iter()
            .map(|object| {
                format!("{}/{}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
            })
            .collect();
        let expected = [
            "ConfigMap/settings-canary",
            "ServiceAccount/web-canary",
            "Role/reader-canary",
            "RoleBinding/web-canary",
            "ClusterRoleBinding/web-canary",
            "Pod/web-canary",
        ];
        assert_eq!(names, expected);
        assert!(copies.iter().all(|object| object["metadata"]["labels"][CANARY_LABEL] == "web"), "{copies:?}");
        assert_eq!(copies[0]["metadata"]["labels"]["app"], Value::Null, "labels of the original may select it");
        let account = json!([{"kind": "ServiceAccount", "name": "web-canary", "namespace": "shop"}]);
        assert_eq!((&copies[3]["subjects"], &copies[3]["roleRef"]["name"]), (&account, &json!("reader-canary")));
        assert_eq!((&copies[4]["subjects"], &copies[4]["roleRef"]["name"]), (&account, &json!("view")));
        let spec = &copies[5]["spec"];
        assert_eq!(spec["serviceAccountName"], "web-canary");
        assert_eq!(spec["serviceAccount"], Value::Null);
        assert_eq!(spec["containers"][0]["envFrom"][0]["configMapRef"]["name"], "settings-canary");
        assert_eq!(spec["containers"][0]["env"][0]["valueFrom"]["configMapKeyRef"]["name"], "settings-canary");
        assert_eq!(spec["volumes"][1]["projected"]["sources"][0]["configMap"]["name"], "settings-canary");
        assert_eq!(spec["volumes"][0]["configMap"]["name"], "files", "the cluster has it as it is");
    }

    #[test]
    fn missing_workload_has_no_canary() {
        let workload = ObjectName::new("apps/v1", "Deployment", "shop", "another");
        let objects = objects();
        let form = CanaryForm { component: "web", workload: &workload, objects: &objects };
        assert_eq!(form.objects(|_| Ok(true)).unwrap(), None);
        assert_eq!(name_of(&"a".repeat(253)).len(), 247);
    }
}
