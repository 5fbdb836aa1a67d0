//! The steps of the node, where the releases have different node packs: what the later one needs is placed beside the earlier
//! one, then the control plane changes, one static pod after the other, then what runs pods. Components come after it.

use landfall_error_codes::codes;
use landfall_release_document::NodeImage;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Installed, UpgradeInputs, missing, supersede};
use crate::plan::install::{image_hosts, registry, step};
use crate::plan::node_parts::{KubernetesSources, NodeParts};
use crate::steps::action::Action;
use crate::steps::agent::Agent;
use crate::steps::etcd_snapshot::{EtcdSnapshot, RemoveEtcdSnapshot};
use crate::steps::kubeadm_configuration::KubeadmConfiguration;
use crate::steps::kubeadm_objects::KubeadmObjects;
use crate::steps::kubeadm_phase::Phase;
use crate::steps::kubelet_configuration::KubeletConfiguration;
use crate::steps::node_files::NodeFiles;
use crate::steps::node_ready::{NodeReady, NodeReadyAgain};
use crate::steps::runtime_configuration::RuntimeConfiguration;
use crate::steps::static_pods::{ControlPlanePart, StaticPods};
use landfall_agent::settings::AgentSettings;
use landfall_engine::plan::{PlannedStep, StepId};
use landfall_engine::step::StepError;

/// The program that saves etcd's data.
const ETCDCTL: &str = "etcdctl";

/// The static pods that change together, in order.
const STATIC_PODS: [(&str, &str, [ControlPlanePart; 2]); 2] = [
    ("api-server", "replace etcd and the API server", [ControlPlanePart::Etcd, ControlPlanePart::ApiServer]),
    (
        "controllers",
        "replace the controller manager and the scheduler",
        [ControlPlanePart::ControllerManager, ControlPlanePart::Scheduler],
    ),
];

/// What changes of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeChange {
    /// Version of Kubernetes now, such as `v1.36.3`.
    pub kubernetes_before: String,
    /// The same afterwards.
    pub kubernetes_after: String,
    /// References of the images that it runs without the registry and that change, as they are now.
    pub images_before: Vec<String>,
    /// The same afterwards.
    pub images_after: Vec<String>,
    /// Whether etcd and the API server are replaced: for as long as that takes, the cluster cannot be asked. Pods go on.
    pub replaces_control_plane: bool,
}

/// Steps, and what they change.
pub(super) struct NodeSteps {
    pub(super) steps: Vec<PlannedStep<Action>>,
    /// The agent, where it is replaced once components have changed.
    pub(super) agent: Option<PlannedStep<Action>>,
    pub(super) closing: Vec<PlannedStep<Action>>,
    pub(super) change: Option<NodeChange>,
}

/// Plans them. The agent is the `landfall` of the release, so that it is replaced by every upgrade.
pub(super) fn plan(inputs: &UpgradeInputs<'_>) -> Result<NodeSteps, StepError> {
    let (before, after) = (NodeParts::of(inputs.before.release)?, NodeParts::of(inputs.after.release)?);
    let node = Node { inputs, made: MadeNode::of(&inputs.before)?, before, after };
    node.refuse_unfit()?;
    let runtime = node.runtime_configuration();
    if node.is_same() {
        let agent = Some(node.agent("replace the agent"));
        return Ok(NodeSteps { steps: runtime.into_iter().collect(), agent, closing: Vec::new(), change: None });
    }
    let mut steps = node.brought();
    let replaces_control_plane = node.replaces_control_plane()?;
    let mut closing = Vec::new();
    if replaces_control_plane {
        steps.extend(node.control_plane()?);
        let title = "remove the snapshot of etcd";
        closing.push(step("remove-etcd-snapshot", title, 0, Action::RemoveEtcdSnapshot(RemoveEtcdSnapshot {})));
    }
    steps.extend(node.registry());
    steps.extend(runtime);
    steps.push(node.agent("replace containerd, the kubelet and the agent"));
    steps.push(step("node-ready", "wait for the node", 15, Action::NodeReady(ready(&node.after))));
    let change = Some(node.change(replaces_control_plane));
    Ok(NodeSteps { steps, agent: None, closing, change })
}

/// What the site's steps last made of its node.
struct MadeNode<'a> {
    runtime: &'a RuntimeConfiguration,
    kubeadm: &'a KubeadmConfiguration,
    agent: &'a Agent,
}

impl<'a> MadeNode<'a> {
    fn of(installed: &Installed<'a>) -> Result<Self, StepError> {
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

fn ready(parts: &NodeParts<'_>) -> NodeReady {
    NodeReady { kubernetes: parts.kubernetes.clone() }
}

/// The first two numbers of a version such as `v1.36.3` or `3.7.3-0`.
fn minor(version: &str) -> Option<(&str, &str)> {
    let mut numbers = version.trim_start_matches('v').split('.');
    Some((numbers.next()?, numbers.next()?))
}

impl Node<'_> {
    fn is_same(&self) -> bool {
        self.before.id == self.after.id && self.before.node_images() == self.after.node_images()
    }

    /// Only what can go back on the same data changes: versions of one minor version.
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
        if let Some(reference) = self.after.renamed(&self.before).first() {
            return unfit(format!("{reference} is another image in the new release, under the same name"));
        }
        if self.replaces_control_plane()? && !self.after.has_program(ETCDCTL) {
            return unfit(format!("the node pack lacks {ETCDCTL}, which saves etcd's data before it changes"));
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

    /// What the later node pack needs, beside what runs.
    fn brought(&self) -> Vec<PlannedStep<Action>> {
        let files = NodeFiles { pack: self.after.id.clone(), files: self.after.files.clone() };
        let again = NodeReadyAgain { ready: ready(&self.before) };
        let mut steps =
            vec![step("node-ready-again", "note that the node was ready", 0, Action::NodeReadyAgain(again))];
        if self.before.id != self.after.id {
            steps.push(step("node-files", "place the node's programs", 1, Action::NodeFiles(files)));
        }
        let images = self.after.node_images();
        if self.before.node_images().images != images.images {
            steps.push(step("node-images", "import the control plane's images", 8, Action::NodeImages(images)));
        }
        steps
    }

    /// etcd's data is saved; then it is replaced with the API server, then what asks them, and kubeadm's objects.
    fn control_plane(&self) -> Result<Vec<PlannedStep<Action>>, StepError> {
        let (pack, configuration) = (&self.after.id, self.configuration()?);
        let snapshot = EtcdSnapshot { pack: pack.clone() };
        let known = Action::KubeadmConfiguration(self.made.kubeadm.clone());
        let kubeadm = Action::KubeadmConfiguration(configuration.clone());
        let mut steps = vec![
            step("etcd-snapshot", "save etcd's data", 2, Action::EtcdSnapshot(snapshot)),
            supersede(step("kubeadm-configuration", "configure the cluster", 0, kubeadm), &known),
        ];
        for (name, title, parts) in STATIC_PODS {
            let pods = StaticPods { parts: parts.to_vec(), pack: pack.clone(), configuration: configuration.clone() };
            steps.push(step(format!("static-pods/{name}"), title, 30, Action::StaticPods(pods)));
        }
        let kubelet = KubeletConfiguration { pack: pack.clone(), configuration: configuration.clone() };
        steps.push(step("kubelet-configuration", "configure the kubelet", 0, Action::KubeletConfiguration(kubelet)));
        for (phase, title) in [
            (Phase::UploadConfiguration, "store the configuration in the cluster"),
            (Phase::Proxy, "replace kube-proxy"),
        ] {
            let objects = |pack: &landfall_host::pack::PackId, configuration: &KubeadmConfiguration| {
                Action::KubeadmObjects(KubeadmObjects {
                    pack: pack.clone(),
                    configuration: configuration.clone(),
                    phase,
                })
            };
            let (known, later) = (objects(&self.before.id, self.made.kubeadm), objects(pack, &configuration));
            steps.push(supersede(step(format!("objects/{}", phase.id()), title, 5, later), &known));
        }
        Ok(steps)
    }

    fn registry(&self) -> Option<PlannedStep<Action>> {
        let (known, later) = (registry(&self.before), registry(&self.after));
        let planned = step("registry", "replace the registry", 8, Action::Registry(later.clone()));
        (known != later).then(|| supersede(planned, &Action::Registry(known)))
    }

    /// containerd's configuration, if the mirrors of upstream hosts, the programs or the sandbox image change.
    fn runtime_configuration(&self) -> Option<PlannedStep<Action>> {
        let later = RuntimeConfiguration {
            pack: self.after.id.clone(),
            pause: self.after.reference(NodeImage::Pause).to_owned(),
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
            let other = other.node_images().images;
            let changed = one.node_images().images.into_iter().filter(|image| !other.contains(image));
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
