//! The plan of an installation: a pure function of the release, the facts of the host and the site's configuration. All
//! differences between sites are decided here and recorded in the plan; steps decide nothing.

use std::collections::{BTreeMap, BTreeSet};

use landfall_documents::operation::Operation;
use landfall_error_codes::codes;
use landfall_release_document::{ArtifactKind, NodeImage, ReleaseDocument, SignatureEntry};

use landfall_agent::settings::AgentSettings;
use landfall_engine::plan::{Plan, PlannedStep};
use landfall_engine::step::StepError;
use landfall_host::facts::Facts;
use landfall_host::facts::host::LIMITS;
use landfall_host::hosts_entry::HostsEntry;
use landfall_host::node::NodeIdentity;
use landfall_host::service_route::ServiceRoute;

use super::components::{ComponentInputs, component_steps};
use super::computed::computed_values;
use super::network::{Networks, node_identity};
use super::site_steps::{backup_schedule, help_files, host_api, step};
use crate::steps::action::Action;
use crate::steps::agent::Agent;
use crate::steps::artifact_files::ArtifactFiles;
use crate::steps::cluster_secrets::ClusterSecrets;
use crate::steps::host_tuning::HostTuning;
use crate::steps::identity::Identity;
use crate::steps::kept_volumes::{AdoptedVolume, KeptVolumes};
use crate::steps::kubeadm_configuration::{API_NAME, KubeadmConfiguration};
use crate::steps::kubeadm_phase::control_plane_ready::ControlPlaneReady;
use crate::steps::kubeadm_phase::{KubeadmPhase, Phase};
use crate::steps::node_files::NodeFiles;
use crate::steps::node_images::NodeImages;
use crate::steps::registry::Registry;
use crate::steps::registry_links::RegistryLinks;
use crate::steps::runtime_configuration::RuntimeConfiguration;
use crate::steps::stage::Stage;
use crate::steps::storage::Storage;
use landfall_site::configuration::{ResolvedValues, SiteConfiguration, resolve_values};
use landfall_site::content::reference::Reference;
use landfall_site::content::{KubernetesSources, NodeParts, artifact_folder, placed_files, registry_links};
use landfall_site::place::CONTROL_PLANE_LIMIT;
use landfall_site::site_secrets::SecretNumbers;

/// Bytes per second of staging on the reference machine, for predictions.
pub(super) const STAGING_RATE: u64 = 60 << 20;
const REGISTRY_SECONDS: u64 = 180;

/// Kernel settings that Kubernetes needs, including those that the kubelet would set. Set here, they are recorded and
/// can be undone.
const SETTINGS: [(&str, &str); 6] = [
    ("kernel.panic", "10"),
    ("kernel.panic_on_oops", "1"),
    ("net.bridge.bridge-nf-call-ip6tables", "1"),
    ("net.bridge.bridge-nf-call-iptables", "1"),
    ("net.ipv4.ip_forward", "1"),
    ("vm.overcommit_memory", "1"),
];

/// Inputs of an installation's plan.
#[derive(Debug, Clone, Copy)]
pub struct InstallInputs<'a> {
    /// The release, from the verified head.
    pub release: &'a ReleaseDocument,
    /// Small documents of the head, by name.
    pub documents: &'a BTreeMap<String, Vec<u8>>,
    /// Facts of the host.
    pub facts: &'a Facts,
    /// The site's configuration.
    pub configuration: &'a SiteConfiguration,
    /// Figures of models that were fitted to the host.
    pub fitted: &'a ResolvedValues,
    /// Numbers of the values that the site gives for secrets.
    pub secrets: &'a SecretNumbers,
    /// Volumes of an earlier installation that are used again.
    pub adopted: &'a [AdoptedVolume],
}

/// A planned installation.
#[derive(Debug, Clone, PartialEq)]
pub struct InstallPlan {
    /// The steps.
    pub plan: Plan<Action>,
    /// Future name and address of the host in its cluster.
    pub node: NodeIdentity,
}

/// Plans an installation.
pub fn plan_install(inputs: &InstallInputs<'_>) -> Result<InstallPlan, StepError> {
    let node = node_identity(inputs.facts, inputs.configuration)?;
    let networks = Networks::of(inputs.configuration)?;
    let parts = NodeParts::of(inputs.release)?;
    let planner = Planner { inputs, node, networks, parts };
    let mut steps = planner.host();
    steps.extend(planner.runtime());
    steps.extend(planner.control_plane()?);
    steps.extend(planner.content());
    steps.extend(planner.kept_volumes());
    let computed = computed_values(&planner.networks, inputs.fitted);
    let values = resolve_values(inputs.release, inputs.configuration, &computed).map_err(|error| {
        StepError::new(codes::SITE_VALUE, "the site's values do not fit the release").because(error)
    })?;
    steps.extend(component_steps(&ComponentInputs {
        release: inputs.release,
        documents: inputs.documents,
        values: &values,
        secrets: inputs.secrets,
        node: &planner.node.name,
    })?);
    steps.push(backup_schedule(&inputs.configuration.backups));
    steps.push(host_api());
    steps.push(help_files());
    let plan = Plan::new(Operation::Install, &inputs.release.name, &inputs.release.version, steps);
    Ok(InstallPlan { plan, node: planner.node })
}

struct Planner<'a> {
    inputs: &'a InstallInputs<'a>,
    node: NodeIdentity,
    networks: Networks,
    parts: NodeParts<'a>,
}

impl Planner<'_> {
    /// Plans staging, the site's identity and the kernel's settings.
    fn host(&self) -> Vec<PlannedStep<Action>> {
        let facts = self.inputs.facts;
        let bytes = staged_bytes(self.inputs.release);
        let mut stage = step("stage", "copy the release from the media", bytes / STAGING_RATE, Action::Stage(Stage {}));
        stage.bytes = bytes;
        let mut settings: BTreeMap<_, _> = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        for (name, least) in LIMITS {
            let current = facts.limits.get(name).copied().unwrap_or_default();
            settings.insert(name.to_owned(), current.max(least).to_string());
        }
        let tuning = HostTuning { modules: facts.modules.clone(), settings };
        vec![
            stage,
            step("identity", "mark the host and its data folder as this site", 0, Action::Identity(Identity {})),
            step("storage", "make the folder of volumes", 0, Action::Storage(Storage {})),
            step("host-tuning", "set the kernel up for Kubernetes", 1, Action::HostTuning(tuning)),
            step("hosts-entry", "add the API server's name to /etc/hosts", 0, Action::HostsEntry(self.hosts_entry())),
            step("service-route", "route service traffic locally", 0, Action::ServiceRoute(self.service_route())),
        ]
    }

    fn hosts_entry(&self) -> HostsEntry {
        HostsEntry { name: API_NAME.to_owned(), address: self.node.address }
    }

    fn service_route(&self) -> ServiceRoute {
        ServiceRoute { ranges: self.networks.services.clone(), source: self.node.address }
    }

    /// Plans the programs, containerd, the agent and the images that they need first.
    fn runtime(&self) -> Vec<PlannedStep<Action>> {
        let facts = self.inputs.facts;
        let pack = self.parts.id.clone();
        let files = NodeFiles { pack: pack.clone(), files: self.parts.files.clone() };
        let runtime = RuntimeConfiguration {
            pack: pack.clone(),
            pause: self.parts.reference(NodeImage::Pause).to_owned(),
            cgroup_driver: facts.cgroups.driver,
            lowers_oom_score: facts.lowers_oom_score,
            gpus: self.parts.has_gpu_tools(),
            drill_network: true,
            hosts: image_hosts(self.inputs.release),
        };
        let agent = Agent {
            settings: AgentSettings {
                pack: pack.clone(),
                node: self.node.clone(),
                hosts_entry: self.hosts_entry(),
                service_route: self.service_route(),
            },
        };
        vec![
            step("node-files", "place the node's programs", 1, Action::NodeFiles(files)),
            step("runtime-configuration", "configure containerd", 0, Action::RuntimeConfiguration(runtime)),
            step("agent", "start containerd and the agent", 3, Action::Agent(agent)),
            step(
                "node-images",
                "import the control plane's images",
                8,
                Action::NodeImages(NodeImages::of_pack(&self.parts)),
            ),
        ]
    }

    /// Plans kubeadm's phases, with waits between them where needed.
    fn control_plane(&self) -> Result<Vec<PlannedStep<Action>>, StepError> {
        let pack = &self.parts.id;
        let secrets = Action::ClusterSecrets(ClusterSecrets {});
        let configuration = Action::KubeadmConfiguration(self.kubeadm()?);
        let mut steps = vec![
            step("cluster-secrets", "generate the cluster's secrets", 0, secrets),
            step("kubeadm-configuration", "configure the cluster", 0, configuration),
        ];
        for phase in Phase::ALL {
            let action = Action::KubeadmPhase(KubeadmPhase { pack: pack.clone(), phase });
            steps.push(step(phase.id(), phase.title(), 1, action));
            if phase == Phase::KubeletStart {
                let wait = ControlPlaneReady { pack: pack.clone(), seconds: CONTROL_PLANE_LIMIT.as_secs() };
                steps.push(step(
                    "control-plane-ready",
                    "wait for the control plane",
                    15,
                    Action::ControlPlaneReady(wait),
                ));
            }
        }
        Ok(steps)
    }

    fn kubeadm(&self) -> Result<KubeadmConfiguration, StepError> {
        let facts = self.inputs.facts;
        let KubernetesSources { kubernetes, image_repository, etcd_repository, etcd_tag } = self.parts.sources()?;
        Ok(KubeadmConfiguration {
            kubernetes,
            image_repository,
            etcd_repository,
            etcd_tag,
            node_name: self.node.name.clone(),
            node_address: self.node.address,
            pod_ranges: self.networks.pods.clone(),
            service_ranges: self.networks.services.clone(),
            dns_address: self.networks.dns_address()?,
            cgroup_driver: facts.cgroups.driver,
            cgroup_version: facts.cgroups.version,
            nameserver: !facts.network.nameservers.is_empty(),
        })
    }

    /// Plans the volumes of an earlier installation, before any component claims one.
    fn kept_volumes(&self) -> Option<PlannedStep<Action>> {
        let volumes = self.inputs.adopted.to_vec();
        if volumes.is_empty() {
            return None;
        }
        let title = format!("offer {} kept volumes to their claims", volumes.len());
        let kept = KeptVolumes { release: self.inputs.release.name.clone(), node: self.node.name.clone(), volumes };
        Some(step("kept-volumes", &title, 1, Action::KeptVolumes(kept)))
    }

    /// Plans the registry with all images and artifacts, and the files of artifacts.
    fn content(&self) -> Vec<PlannedStep<Action>> {
        let registry = registry(&self.parts);
        let mut steps = vec![step("registry", "start the registry", 8, Action::Registry(registry))];
        steps.extend(content_steps(self.inputs.release));
        steps
    }
}

/// Returns the registry of a node pack.
pub(super) fn registry(parts: &NodeParts<'_>) -> Registry {
    Registry { image: parts.reference(NodeImage::Registry).to_owned(), seconds: REGISTRY_SECONDS }
}

/// Plans the steps that depend on a staged release alone: the registry's list and the files of artifacts.
pub(crate) fn content_steps(release: &ReleaseDocument) -> Vec<PlannedStep<Action>> {
    let links = Action::RegistryLinks(RegistryLinks { links: registry_links(release) });
    let mut steps = vec![step("registry-links", "list the images in the registry", 1, links)];
    for artifact in release.artifacts.iter().filter(|artifact| artifact.kind != ArtifactKind::Node) {
        let files = ArtifactFiles {
            artifact: artifact_folder(artifact),
            files: placed_files(artifact).collect(),
            executable: artifact.is_gpu_program(),
        };
        let title = format!("place the files of {}", artifact.name);
        steps.push(step(format!("artifact-files/{}", artifact.name), &title, 0, Action::ArtifactFiles(files)));
    }
    steps
}

/// Returns the upstream hosts of a release's images.
pub(crate) fn image_hosts(release: &ReleaseDocument) -> Vec<String> {
    let hosts: BTreeSet<&str> = release.images.iter().map(|image| Reference::of(&image.reference).host).collect();
    hosts.into_iter().map(str::to_owned).collect()
}

/// Returns the bytes of all blobs of a release, each counted once.
pub fn staged_bytes(release: &ReleaseDocument) -> u64 {
    let images =
        release.images.iter().flat_map(|image| [&image.manifest, &image.config].into_iter().chain(&image.layers));
    let artifacts = release.artifacts.iter().flat_map(|artifact| {
        [&artifact.manifest, &artifact.config].into_iter().chain(artifact.files.iter().map(|file| &file.blob))
    });
    let signatures = release.signatures.iter().flat_map(SignatureEntry::descriptors);
    let all = images.chain(artifacts).chain(signatures);
    all.map(|blob| (blob.digest, blob.size)).collect::<BTreeMap<_, _>>().values().sum()
}

#[cfg(test)]
pub(crate) mod tests;
