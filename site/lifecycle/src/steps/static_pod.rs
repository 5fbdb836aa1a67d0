//! A static pod of the control plane becomes that of another node pack. Its manifest is replaced as a whole, and the kubelet
//! replaces the pod; undo brings back the manifest that was there, byte by byte.

use std::path::PathBuf;
use std::time::Duration;

use landfall_error_codes::codes;
use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kubeadm_configuration::KubeadmConfiguration;
use super::kubeadm_run::{generated, taken};
use super::wait::{self, CONTROL_PLANE_LIMIT};
use crate::site::Site;
use landfall_cluster::ready::evaluate;
use landfall_cluster::{Cluster, ObjectName};
use landfall_engine::step::{Observed, Step, StepError};
use landfall_host::files;
use landfall_host::pack::PackId;

/// The static pods that kubeadm defines, in the order in which they change: what others need comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlPlanePart {
    /// The cluster's database.
    Etcd,
    /// The API server.
    ApiServer,
    /// The controller manager.
    ControllerManager,
    /// The scheduler.
    Scheduler,
}

impl ControlPlanePart {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Scheduler];

    /// Name of the pod, and of its manifest without `.yaml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
        }
    }

    /// Arguments after `kubeadm init phase`.
    fn phase(self) -> &'static [&'static str] {
        match self {
            Self::Etcd => &["etcd", "local"],
            Self::ApiServer => &["control-plane", "apiserver"],
            Self::ControllerManager => &["control-plane", "controller-manager"],
            Self::Scheduler => &["control-plane", "scheduler"],
        }
    }
}

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticPod {
    /// Which.
    pub part: ControlPlanePart,
    /// The node pack whose kubeadm defines it.
    pub pack: PackId,
    /// From what.
    pub configuration: KubeadmConfiguration,
}

impl StaticPod {
    fn file(&self) -> String {
        format!("{}.yaml", self.part.name())
    }

    fn path(&self, site: &Site) -> PathBuf {
        site.paths.static_pods().join(self.file())
    }

    fn wanted(&self, site: &Site) -> Result<String, StepError> {
        let mut files = generated(site, &self.pack, &self.configuration, self.part.phase())?;
        taken(&mut files, &self.file())
    }

    /// Replaces the manifest, and waits until its pod runs; durable on return.
    fn run(&self, site: &Site, manifest: &str) -> Result<u64, StepError> {
        let path = self.path(site);
        if files::read_text(&path)?.as_deref() != Some(manifest) {
            durable::write_file(&path, manifest.as_bytes(), 0o600)?;
        }
        let what = format!("{} runs as {} defines it", self.part.name(), path.display());
        wait::until(site, &what, CONTROL_PLANE_LIMIT, || self.lacks(site, manifest).err())
    }

    /// Fails unless the pod of this manifest runs and is ready.
    fn lacks(&self, site: &Site, manifest: &str) -> Result<(), StepError> {
        let lack = |what: String| StepError::new(codes::NODE_WAITS, what);
        let wanted: Value = serde_saphyr::from_str(manifest)
            .map_err(|error| lack(format!("{} is no manifest", self.file())).because(error))?;
        let cluster = Cluster::connect(&site.paths.admin_kubeconfig())?.with_patience(Duration::ZERO);
        let name = format!("{}-{}", self.part.name(), site.node.name);
        let pod = cluster.get(&ObjectName::new("v1", "Pod", "kube-system", &name))?;
        let pod = pod.ok_or_else(|| lack(format!("the API server has no pod {name} yet")))?;
        if !covers(&pod["spec"]["containers"], &wanted["spec"]["containers"]) {
            return Err(lack(format!("the pod {name} is as it was before")));
        }
        match evaluate(&pod).reason() {
            Some(reason) => Err(lack(format!("the pod {name}: {reason}"))),
            None => Ok(()),
        }
    }
}

/// Whether a live object has everything that is wanted; it may have defaults beside.
fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| is_empty(value) || live.get(key).is_some_and(|live| covers(live, value)))
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| covers(live, wanted))
        }
        (live, wanted) => live == wanted,
    }
}

/// The API server leaves out what is empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

impl Step<Site> for StaticPod {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        let wanted = self.wanted(site)?;
        Ok(match files::read_text(&self.path(site))? {
            None => Observed::Absent,
            Some(found) if found != wanted => Observed::Partial(format!("{} is as it was before", self.file())),
            Some(found) => match self.lacks(site, &found) {
                Ok(()) => Observed::Done,
                Err(error) => Observed::Partial(error.to_string()),
            },
        })
    }

    fn prepare(&self, site: &mut Site) -> Result<Value, StepError> {
        Ok(json!({ "manifest": files::read_text(&self.path(site))? }))
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let wanted = self.wanted(site)?;
        Ok(json!({ "seconds": self.run(site, &wanted)? }))
    }

    fn undo(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        match before["manifest"].as_str() {
            Some(manifest) => self.run(site, manifest).map(drop),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_pod_may_have_defaults_and_lacks_nothing_that_is_wanted() {
        let wanted = json!([{"name": "etcd", "image": "etcd:2", "command": ["etcd", "--x"], "resources": {}, "env": null}]);
        let live = json!([{
            "name": "etcd", "image": "etcd:2", "command": ["etcd", "--x"], "terminationMessagePolicy": "File",
        }]);
        assert!(covers(&live, &wanted));
        for (field, value) in [("image", json!("etcd:1")), ("command", json!(["etcd"])), ("command", json!(["etcd", "--y"]))] {
            let mut other = live.clone();
            other[0][field] = value;
            assert!(!covers(&other, &wanted), "{other}");
        }
        assert!(!covers(&json!([]), &wanted) && !covers(&Value::Null, &wanted));
    }
}
