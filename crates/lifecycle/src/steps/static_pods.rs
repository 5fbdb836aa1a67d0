//! Replaces the static pods of the control plane by those of another node pack. Each manifest is replaced as a whole,
//! and the kubelet replaces the pod. Undo restores the earlier manifests byte by byte.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use landfall_error_codes::codes;
use landfall_media::durable;
use landfall_media::progress::Event;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kubeadm_configuration::KubeadmConfiguration;
use super::kubeadm_run::{generate_files, take_file};
use super::wait;
use crate::context::NodeContext;
use landfall_cluster::ready::evaluate;
use landfall_cluster::{Cluster, ObjectName};
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::files;
use landfall_host::pack::PackId;
use landfall_site::place::CONTROL_PLANE_LIMIT;

/// Time limit of a connection to a program of this node.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// Time for which the API server may be silent before undo begins with the control plane.
const RESCUE_AFTER: Duration = Duration::from_mins(1);

/// A static pod that kubeadm defines. The variants are in the order of their start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ControlPlanePart {
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
    /// All parts, in order.
    const ALL: [Self; 4] = [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Scheduler];

    /// Returns the name of the pod, which is its manifest's name without `.yaml`.
    fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
        }
    }

    /// Returns the arguments after `kubeadm init phase`.
    fn phase(self) -> &'static [&'static str] {
        match self {
            Self::Etcd => &["etcd", "local"],
            Self::ApiServer => &["control-plane", "apiserver"],
            Self::ControllerManager => &["control-plane", "controller-manager"],
            Self::Scheduler => &["control-plane", "scheduler"],
        }
    }

    /// Returns the port on which it answers its own node.
    fn port(self) -> u16 {
        match self {
            Self::Etcd => 2379,
            Self::ApiServer => 6443,
            Self::ControllerManager => 10257,
            Self::Scheduler => 10259,
        }
    }

    fn file(self) -> String {
        format!("{}.yaml", self.name())
    }

    fn path(self, context: &NodeContext) -> PathBuf {
        context.host.paths.static_pods().join(self.file())
    }

    fn listens(self) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port()));
        TcpStream::connect_timeout(&address, CONNECT_LIMIT).is_ok()
    }

    /// Removes the manifest and waits until the part no longer listens. The pod stays away without one.
    fn stop(self, context: &NodeContext) -> Result<(), StepError> {
        durable::remove_file(&self.path(context))?;
        let lacks = || {
            let still = || StepError::new(codes::NODE_WAITS, format!("{} still listens", self.name()));
            self.listens().then(still)
        };
        wait::until(&*context.progress, &format!("{} has ended", self.name()), CONTROL_PLANE_LIMIT, lacks).map(drop)
    }

    /// Writes the manifest and waits until the part listens. Durable on return.
    fn start(self, context: &NodeContext, manifest: &str) -> Result<(), StepError> {
        write(context, self, manifest)?;
        let lacks = || {
            let not_yet = || StepError::new(codes::NODE_WAITS, format!("{} does not listen yet", self.name()));
            (!self.listens()).then(not_yet)
        };
        wait::until(&*context.progress, &format!("{} listens", self.name()), CONTROL_PLANE_LIMIT, lacks).map(drop)
    }
}

fn write(context: &NodeContext, part: ControlPlanePart, manifest: &str) -> Result<(), StepError> {
    let path = part.path(context);
    if files::read_text(&path)?.as_deref() != Some(manifest) {
        durable::write_file(&path, manifest.as_bytes(), 0o600)?;
    }
    Ok(())
}

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticPods {
    /// The node pack whose kubeadm defines them.
    pub pack: PackId,
    /// Configuration from which they are defined.
    pub configuration: KubeadmConfiguration,
}

/// Manifests by the name of their pod. A pod without a manifest is left out.
type Manifests = BTreeMap<String, String>;

impl StaticPods {
    fn required_manifests(&self, context: &NodeContext) -> Result<Manifests, StepError> {
        let mut manifests = Manifests::new();
        for part in ControlPlanePart::ALL {
            let mut files = generate_files(context, &self.pack, &self.configuration, part.phase())?;
            manifests.insert(part.name().to_owned(), take_file(&mut files, &part.file())?);
        }
        Ok(manifests)
    }

    fn read_manifests(context: &NodeContext) -> Result<Manifests, StepError> {
        let mut manifests = Manifests::new();
        for part in ControlPlanePart::ALL {
            if let Some(text) = files::read_text(&part.path(context))? {
                manifests.insert(part.name().to_owned(), text);
            }
        }
        Ok(manifests)
    }

    /// Replaces the manifests and waits until their pods run. Durable on return.
    ///
    /// Before etcd changes, the API server stops, because it cannot serve without etcd. A kubelet whose requests time
    /// out after half a minute each would start the new etcd minutes later.
    fn run(context: &NodeContext, manifests: &Manifests) -> Result<u64, StepError> {
        let found = Self::read_manifests(context)?;
        let differs = |part: &ControlPlanePart| found.get(part.name()) != manifests.get(part.name());
        if differs(&ControlPlanePart::Etcd) {
            ControlPlanePart::ApiServer.stop(context)?;
            ControlPlanePart::Etcd.stop(context)?;
        }
        for part in ControlPlanePart::ALL {
            let Some(manifest) = manifests.get(part.name()) else { continue };
            if differs(&part) { part.start(context, manifest)? } else { write(context, part, manifest)? }
        }
        wait::until(
            &*context.progress,
            "the control plane runs as its manifests define it",
            CONTROL_PLANE_LIMIT,
            || Self::lacks(context, manifests).err(),
        )
    }

    /// Fails unless the pods of these manifests run and are ready.
    fn lacks(context: &NodeContext, manifests: &Manifests) -> Result<(), StepError> {
        let cluster = context.cluster.connect_impatiently()?;
        for (name, manifest) in manifests {
            pod_lacks(&cluster, &format!("{name}-{}", context.host.node.name), manifest)?;
        }
        Ok(())
    }
}

fn pod_lacks(cluster: &Cluster, name: &str, manifest: &str) -> Result<(), StepError> {
    let lack = |what: String| StepError::new(codes::NODE_WAITS, what);
    let wanted: Value = serde_saphyr::from_str(manifest)
        .map_err(|error| lack(format!("the pod {name} has a manifest that cannot be read")).because(error))?;
    let pod = cluster.get(&ObjectName::new("v1", "Pod", "kube-system", name))?;
    let pod = pod.ok_or_else(|| lack(format!("the API server has no pod {name} yet")))?;
    if !covers(&pod["spec"]["containers"], &wanted["spec"]["containers"]) {
        return Err(lack(format!("the pod {name} is as it was before")));
    }
    match evaluate(&pod).reason() {
        Some(reason) => Err(lack(format!("the pod {name}: {reason}"))),
        None => Ok(()),
    }
}

/// Returns true if a live object contains everything that is wanted. It may contain defaults as well.
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

/// Returns true for empty values, which the API server leaves out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

impl Step<NodeContext> for StaticPods {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        let (wanted, found) = (self.required_manifests(context)?, Self::read_manifests(context)?);
        if wanted != found {
            return Ok(ObservedState::Partial("the manifests are as they were before".to_owned()));
        }
        Ok(match Self::lacks(context, &found) {
            Ok(()) => ObservedState::Done,
            Err(error) => ObservedState::Partial(error.to_string()),
        })
    }

    fn prepare(&self, context: &mut NodeContext) -> Result<Value, StepError> {
        Ok(json!(Self::read_manifests(context)?))
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        let wanted = self.required_manifests(context)?;
        Ok(json!({ "seconds": Self::run(context, &wanted)? }))
    }

    /// Components are undone before the node and need the API server.
    fn rescue(&self, context: &mut NodeContext, before: &Value) -> Result<(), StepError> {
        let serves = || Cluster::connect(context.cluster.kubeconfig())?.wait_serving(RESCUE_AFTER);
        if serves().is_ok() {
            return Ok(());
        }
        context
            .progress
            .event(Event::Note("the API server does not answer: the control plane is restored first".to_owned()));
        self.undo(context, before)
    }

    fn undo(&self, context: &mut NodeContext, before: &Value) -> Result<(), StepError> {
        match serde_json::from_value::<Manifests>(before.clone()) {
            Ok(manifests) if !manifests.is_empty() => Self::run(context, &manifests).map(drop),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_pod_may_have_defaults() {
        let wanted =
            json!([{"name": "etcd", "image": "etcd:2", "command": ["etcd", "--x"], "resources": {}, "env": null}]);
        let live = json!([{
            "name": "etcd", "image": "etcd:2", "command": ["etcd", "--x"], "terminationMessagePolicy": "File",
        }]);
        assert!(covers(&live, &wanted));
        for (field, value) in
            [("image", json!("etcd:1")), ("command", json!(["etcd"])), ("command", json!(["etcd", "--y"]))]
        {
            let mut other = live.clone();
            other[0][field] = value;
            assert!(!covers(&other, &wanted), "{other}");
        }
        assert!(!covers(&json!([]), &wanted) && !covers(&Value::Null, &wanted));
    }
}
