//! Plans the steps of the node if the node packs of the releases differ. The later pack is placed beside the earlier
//! one, then the control plane changes, then the programs that run pods. Components follow.

use landfall_documents::operation::Operation;
use landfall_error_codes::codes;
use landfall_release_document::NodeImage;
use schemars::JsonSchema;
use serde::Serialize;

use landfall_agent::settings::AgentSettings;
use landfall_engine::plan::{PlannedStep, StepId};
use landfall_engine::step::StepError;

use super::{EarlierRelease, UpgradeInputs, missing, supersede};
use crate::plan::install::{image_hosts, registry};
use crate::plan::site_steps::step;
use crate::steps::action::Action;
use crate::steps::again::RunAgain;
use crate::steps::agent::Agent;
use crate::steps::etcd_snapshot::{EtcdSnapshot, RemoveEtcdSnapshot};
use crate::steps::kubeadm_configuration::KubeadmConfiguration;
use crate::steps::kubeadm_objects::KubeadmObjects;
use crate::steps::kubeadm_phase::Phase;
use crate::steps::kubelet_configuration::KubeletConfiguration;
use crate::steps::node_files::NodeFiles;
use crate::steps::node_images::NodeImages;
use crate::steps::node_ready::NodeReady;
use crate::steps::runtime_configuration::RuntimeConfiguration;
use crate::steps::static_pods::StaticPods;
use landfall_site::content::{KubernetesSources, NodeParts};

/// Programs that save etcd's data and check the saved data.
const ETCD_TOOLS: [&str; 2] = ["etcdctl", "etcdutl"];

/// kubeadm's phases whose objects belong to a node pack.
const OBJECTS: [(Phase, &str); 2] =
    [(Phase::UploadConfiguration, "store the configuration in the cluster"), (Phase::Proxy, "replace kube-proxy")];

/// Changes of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeChange {
    /// Current version of Kubernetes, such as `v1.36.3`.
    pub kubernetes_before: String,
    /// New version of Kubernetes.
    pub kubernetes_after: String,
    /// Current references of changing images that the node runs without the registry.
    pub images_before: Vec<String>,
    /// New references of these images.
    pub images_after: Vec<String>,
    /// True if etcd and the API server are replaced; the cluster cannot be queried then. Pods continue to run.
    pub replaces_control_plane: bool,
}

/// Planned steps of the node and the changes that they make.
pub(super) struct NodeSteps {
    /// Snapshot of etcd before anything else. Undone last.
    pub(super) noted: Option<PlannedStep<Action>>,
    pub(super) steps: Vec<PlannedStep<Action>>,
    /// Replacement of the agent, if it follows the change of components.
    pub(super) agent: Option<PlannedStep<Action>>,
    pub(super) closing: Vec<PlannedStep<Action>>,
    pub(super) change: Option<NodeChange>,
}

/// Plans the steps. The agent is the release's `landfall`, so every upgrade replaces it.
pub(super) fn plan(inputs: &UpgradeInputs<'_>) -> Result<NodeSteps, StepError> {
    let (before, after) = (NodeParts::of(inputs.before.release)?, NodeParts::of(inputs.after.release)?);
    let node = Node { inputs, made: MadeNode::of(&inputs.before)?, before, after };
    node.refuse_unfit()?;
    let runtime = node.runtime_configuration();
    if node.is_same() {
        let agent = Some(node.agent("replace the agent"));
        let steps = runtime.into_iter().collect();
        return Ok(NodeSteps { noted: None, steps, agent, closing: Vec::new(), change: None });
    }
    let replaces_control_plane = node.replaces_control_plane()?;
    let mut steps = node.plan_files(replaces_control_plane);
    let runs_pods = runtime.into_iter().chain(node.kubelet(replaces_control_plane)?);
    let runs_pods = runs_pods.chain([node.agent("replace containerd, the kubelet and the agent")]);
    let serves = node.control_plane(replaces_control_plane)?.into_iter().chain(node.registry());
    // The kubelet may not be newer than the API server. A rollback begins with the programs that run pods: they may be
    // broken, and they replace the control plane.
    if inputs.operation == Operation::Rollback {
        steps.extend(runs_pods.chain(serves));
    } else {
        steps.extend(serves.chain(runs_pods));
    }
    steps.push(step("node-ready", "wait for the node", 15, ready(&node.after)));
    let noted = node.snapshot(replaces_control_plane);
    let title = "remove the snapshot of etcd";
    let closing =
        noted.iter().map(|_| step("remove-etcd-snapshot", title, 0, Action::RemoveEtcdSnapshot(RemoveEtcdSnapshot {})));
    let closing = closing.collect();
    let change = Some(node.change(replaces_control_plane));
    Ok(NodeSteps { noted, steps, agent: None, closing, change })
}

/// Recorded actions for the site's node.
struct MadeNode<'a> {
    runtime: &'a RuntimeConfiguration,
    kubeadm: &'a KubeadmConfiguration,
    agent: &'a Agent,
}

impl<'a> MadeNode<'a> {
    fn of(installed: &EarlierRelease<'a>) -> Result<Self, StepError> {
        let made = |id: &str| installed.made.get(&StepId(id.to_owned())).ok_or_else(|| missing(id));
        let Action::RuntimeConfiguration(runtime) = made("runtime-configuration")? else {
            return Err(missing("runtime-configuration"));
        };
        let Action::KubeadmConfiguration(kubeadm) = made("kubeadm-configuration")? else {
            return Err(missing("kubeadm-configuration"));
        };
        let Action::Agent(agent) = made("agent")? else { return Err(missing("agent")) };
        Ok(Self { runtime, kubeadm, agent })
    }
}

struct Node<'a> {
    inputs: &'a UpgradeInputs<'a>,
    made: MadeNode<'a>,
    before: NodeParts<'a>,
    after: NodeParts<'a>,
}

fn ready(parts: &NodeParts<'_>) -> Action {
    Action::NodeReady(NodeReady { kubernetes: parts.kubernetes.clone() })
}

fn objects(parts: &NodeParts<'_>, configuration: &KubeadmConfiguration, phase: Phase) -> Action {
    let (pack, configuration) = (parts.id.clone(), configuration.clone());
    Action::KubeadmObjects(KubeadmObjects { pack, configuration, phase })
}

/// Plans a step that does nothing going forward. On undo, it re-runs an action of the earlier release.
fn again(id: impl Into<String>, title: &str, before: Action) -> PlannedStep<Action> {
    step(id, title, 0, Action::Again(RunAgain { before: Box::new(before) }))
}

/// Returns the first two numbers of a version such as `v1.36.3` or `3.7.3-0`.
fn minor(version: &str) -> Option<(&str, &str)> {
    let mut numbers = version.trim_start_matches('v').split('.');
    Some((numbers.next()?, numbers.next()?))
}

impl Node<'_> {
    fn is_same(&self) -> bool {
        self.before.id == self.after.id && self.before.images() == self.after.images()
    }

    /// Fails unless both releases have the same minor versions: only such a change can be undone on the same data.
    fn refuse_unfit(&self) -> Result<(), StepError> {
        let unfit = |what: String| Err(StepError::new(codes::UPGRADE_NODE, what));
        let (before, after) = (self.before.sources()?, self.after.sources()?);
        let versions =
            [("Kubernetes", &before.kubernetes, &after.kubernetes), ("etcd", &before.etcd_tag, &after.etcd_tag)];
        for (part, from, to) in versions {
            if minor(from) != minor(to) {
                return unfit(format!("{part} cannot change from {from} to {to}: only the last number may differ"));
            }
        }
        if let Some(reference) = self.after.changed_references(&self.before).first() {
            return unfit(format!("{reference} is another image in the new release, under the same name"));
        }
        Ok(())
    }

    fn configuration(&self) -> Result<KubeadmConfiguration, StepError> {
        let KubernetesSources { kubernetes, image_repository, etcd_repository, etcd_tag } = self.after.sources()?;
        let known = self.made.kubeadm.clone();
        Ok(KubeadmConfiguration { kubernetes, image_repository, etcd_repository, etcd_tag, ..known })
    }

    fn replaces_control_plane(&self) -> Result<bool, StepError> {
        Ok(self.before.sources()? != self.after.sources()?)
    }

    /// Plans a snapshot of etcd's data before an upgrade replaces etcd, if the installed node pack has the programs. A
    /// rollback omits it, because unreadable data may be its reason.
    fn snapshot(&self, replaces_control_plane: bool) -> Option<PlannedStep<Action>> {
        let is_possible = ETCD_TOOLS.iter().all(|program| self.before.has_program(program));
        let is_wanted = replaces_control_plane && self.inputs.operation == Operation::Upgrade && is_possible;
        let snapshot = EtcdSnapshot { pack: self.before.id.clone() };
        is_wanted.then(|| step("etcd-snapshot", "save etcd's data", 2, Action::EtcdSnapshot(snapshot)))
    }

    /// Plans the files of the later node pack beside the running ones, and the last actions of an undo.
    fn plan_files(&self, replaces_control_plane: bool) -> Vec<PlannedStep<Action>> {
        let mut steps = Vec::new();
        if self.inputs.node_ready {
            steps.push(again("node-ready-again", "note that the node was ready", ready(&self.before)));
        }
        if self.before.id != self.after.id {
            let files = NodeFiles { pack: self.after.id.clone(), files: self.after.files.clone() };
            steps.push(step("node-files", "place the node's programs", 1, Action::NodeFiles(files)));
        }
        let images = NodeImages::of_pack(&self.after);
        if self.before.images() != images.images {
            steps.push(step("node-images", "import the control plane's images", 8, Action::NodeImages(images)));
        }
        if replaces_control_plane {
            // kubeadm contacts the API server, so the undo restores that first.
            steps.extend(OBJECTS.map(|(phase, _)| {
                let before = objects(&self.before, self.made.kubeadm, phase);
                again(format!("objects-again/{}", phase.id()), "note the objects of kubeadm", before)
            }));
        }
        steps
    }

    /// Plans the change of etcd, the API server, their clients and kubeadm's objects.
    fn control_plane(&self, is_replaced: bool) -> Result<Vec<PlannedStep<Action>>, StepError> {
        if !is_replaced {
            return Ok(Vec::new());
        }
        let (pack, configuration) = (&self.after.id, self.configuration()?);
        let known = Action::KubeadmConfiguration(self.made.kubeadm.clone());
        let kubeadm = Action::KubeadmConfiguration(configuration.clone());
        let pods = StaticPods { pack: pack.clone(), configuration: configuration.clone() };
        let mut steps = vec![
            supersede(step("kubeadm-configuration", "configure the cluster", 0, kubeadm), &known),
            step("control-plane", "replace etcd and the control plane", 40, Action::StaticPods(pods)),
        ];
        steps.extend(OBJECTS.map(|(phase, title)| {
            step(format!("objects/{}", phase.id()), title, 5, objects(&self.after, &configuration, phase))
        }));
        Ok(steps)
    }

    fn kubelet(&self, is_replaced: bool) -> Result<Option<PlannedStep<Action>>, StepError> {
        let kubelet = KubeletConfiguration { pack: self.after.id.clone(), configuration: self.configuration()? };
        let planned = step("kubelet-configuration", "configure the kubelet", 2, Action::KubeletConfiguration(kubelet));
        Ok(is_replaced.then_some(planned))
    }

    fn registry(&self) -> Option<PlannedStep<Action>> {
        let (known, later) = (registry(&self.before), registry(&self.after));
        let planned = step("registry", "replace the registry", 8, Action::Registry(later.clone()));
        (known != later).then(|| supersede(planned, &Action::Registry(known)))
    }

    /// Plans containerd's configuration if it changes: mirrors of upstream hosts, programs, the sandbox image, GPUs for
    /// containers, or the separate network of drills.
    fn runtime_configuration(&self) -> Option<PlannedStep<Action>> {
        let later = RuntimeConfiguration {
            pack: self.after.id.clone(),
            pause: self.after.reference(NodeImage::Pause).to_owned(),
            gpus: self.after.has_gpu_tools(),
            drill_network: true,
            hosts: image_hosts(self.inputs.after.release),
            ..self.made.runtime.clone()
        };
        let planned =
            step("runtime-configuration", "configure containerd", 1, Action::RuntimeConfiguration(later.clone()));
        (*self.made.runtime != later)
            .then(|| supersede(planned, &Action::RuntimeConfiguration(self.made.runtime.clone())))
    }

    fn agent(&self, title: &str) -> PlannedStep<Action> {
        let settings = AgentSettings { pack: self.after.id.clone(), ..self.made.agent.settings.clone() };
        let planned = step("agent", title, 5, Action::Agent(Agent { settings }));
        supersede(planned, &Action::Agent(self.made.agent.clone()))
    }

    fn change(&self, replaces_control_plane: bool) -> NodeChange {
        let references = |one: &NodeParts<'_>, other: &NodeParts<'_>| {
            let other = other.images();
            let changed = one.images().into_iter().filter(|image| !other.contains(image));
            changed.map(|image| image.reference).collect()
        };
        NodeChange {
            kubernetes_before: self.before.kubernetes.clone(),
            kubernetes_after: self.after.kubernetes.clone(),
            images_before: references(&self.before, &self.after),
            images_after: references(&self.after, &self.before),
            replaces_control_plane,
        }
    }
}
