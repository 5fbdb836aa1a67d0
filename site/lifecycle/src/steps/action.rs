//! Every kind of step in a plan. Each variant holds all the parameters of its step, which are defined beside the step's
//! code in `steps/`, so that a journal's plan can be executed without deciding anything.

use serde::{Deserialize, Serialize};

use crate::steps::again::Again;
use crate::steps::agent::Agent;
use crate::steps::artifact_files::ArtifactFiles;
use crate::steps::aside::Aside;
use crate::steps::back_up::BackUp;
use crate::steps::backup_schedule::BackupSchedule;
use crate::steps::begin_logs::BeginLogs;
use crate::steps::begin_use::BeginUse;
use crate::steps::canary::Canary;
use crate::steps::check_restored::CheckRestored;
use crate::steps::cluster_secrets::ClusterSecrets;
use crate::steps::collect::Collect;
use crate::steps::component::Component;
use crate::steps::component_ready::ComponentReady;
use crate::steps::console_secrets::ConsoleSecrets;
use crate::steps::control_plane_ready::ControlPlaneReady;
use crate::steps::etcd_snapshot::{EtcdSnapshot, RemoveEtcdSnapshot};
use crate::steps::help_files::HelpFiles;
use crate::steps::host_api::HostApi;
use crate::steps::host_tuning::HostTuning;
use crate::steps::identity::Identity;
use crate::steps::keep_copy::KeepCopy;
use crate::steps::kept_volumes::KeptVolumes;
use crate::steps::kubeadm_configuration::KubeadmConfiguration;
use crate::steps::kubeadm_objects::KubeadmObjects;
use crate::steps::kubeadm_phase::KubeadmPhase;
use crate::steps::kubelet_configuration::KubeletConfiguration;
use crate::steps::license_key::LicenseKey;
use crate::steps::load::Load;
use crate::steps::mark::AdvanceMark;
use crate::steps::mount::Mount;
use crate::steps::namespace::Namespace;
use crate::steps::node_files::NodeFiles;
use crate::steps::node_images::NodeImages;
use crate::steps::node_ready::NodeReady;
use crate::steps::prove::Prove;
use crate::steps::ready_again::ReadyAgain;
use crate::steps::registry::Registry;
use crate::steps::registry_links::RegistryLinks;
use crate::steps::remove_aside::RemoveAside;
use crate::steps::replace::Replace;
use crate::steps::retire::Retire;
use crate::steps::runtime_configuration::RuntimeConfiguration;
use crate::steps::secret::Secret;
use crate::steps::set_aside::SetAside;
use crate::steps::site_secret::SiteSecret;
use crate::steps::soak::Soak;
use crate::steps::stage::Stage;
use crate::steps::stage_release::StageRelease;
use crate::steps::start::Start;
use crate::steps::static_pods::StaticPods;
use crate::steps::stop::Stop;
use crate::steps::storage::Storage;
use crate::steps::supersede::Supersede;
use crate::steps::webhooks::{ResumeWebhooks, SuspendWebhooks};
use landfall_cluster::Edits;
use landfall_host::hosts_entry::HostsEntry;
use landfall_host::service_route::ServiceRoute;

/// One action of a plan with all its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// Copies the whole release from the media into the data folder.
    Stage(Stage),
    /// Marks data folder and operating system as one site.
    Identity(Identity),
    /// Kernel modules and settings.
    HostTuning(HostTuning),
    /// The API server's name.
    HostsEntry(HostsEntry),
    /// A route to services that keeps their packets on the host.
    ServiceRoute(ServiceRoute),
    /// The node pack's programs.
    NodeFiles(NodeFiles),
    /// containerd's configuration and mirrors.
    RuntimeConfiguration(RuntimeConfiguration),
    /// The agent as a service.
    Agent(Agent),
    /// The timer of each day's backup.
    BackupSchedule(BackupSchedule),
    /// Images that are needed before the registry.
    NodeImages(NodeImages),
    /// Secrets of the cluster itself.
    ClusterSecrets(ClusterSecrets),
    /// kubeadm's configuration.
    KubeadmConfiguration(KubeadmConfiguration),
    /// One of kubeadm's phases.
    KubeadmPhase(KubeadmPhase),
    /// The control plane answers.
    ControlPlaneReady(ControlPlaneReady),
    /// The site's registry.
    Registry(Registry),
    /// Images as the registry shows them.
    RegistryLinks(RegistryLinks),
    /// An artifact's files where pods can mount them.
    ArtifactFiles(ArtifactFiles),
    /// A component's namespace with its rules.
    Namespace(Namespace),
    /// A Secret whose values are generated on the site.
    Secret(Secret),
    /// A Secret whose value the site gave.
    SiteSecret(SiteSecret),
    /// The Secrets by which the console's pods may ask the host.
    ConsoleSecrets(ConsoleSecrets),
    /// The key by which pods know the site's answers about the license.
    LicenseKey(LicenseKey),
    /// The host's API for the console.
    HostApi(HostApi),
    /// Manual pages, completions and handbooks on the host.
    HelpFiles(HelpFiles),
    /// An artifact's files as a read-only volume.
    Mount(Mount),
    /// The folder of volumes.
    Storage(Storage),
    /// Volumes of an earlier installation.
    KeptVolumes(KeptVolumes),
    /// The objects of a component.
    Component(Component),
    /// The new form of a component is tried in one pod beside the earlier ones.
    Canary(Canary),
    /// All objects of a component are ready.
    ComponentReady(ComponentReady),
    /// Something that is there becomes something else.
    Replace(Replace),
    /// Copies what is missing of another release beside those that the site keeps.
    StageRelease(StageRelease),
    /// What the earlier release made becomes what the later one makes.
    Supersede(Supersede),
    /// What the earlier release made is removed.
    Retire(Retire),
    /// On the way back, a component is ready as it was.
    ReadyAgain(ReadyAgain),
    /// The proofs of the new release.
    Prove(Prove),
    /// Watches the new release before its commit.
    Soak(Soak),
    /// The site's mark of the newest release.
    AdvanceMark(AdvanceMark),
    /// Removes what no kept release refers to.
    Collect(Collect),
    /// Saves the installed release's data, and proves the backup.
    BackUp(BackUp),
    /// Begins points in time after a change.
    BeginLogs(BeginLogs),
    /// Ends the pods of a workload.
    Stop(Stop),
    /// Replaces the data of a volume by an empty folder.
    SetAside(SetAside),
    /// Fills a volume from a backup.
    Load(Load),
    /// Starts the pods of a workload.
    Start(Start),
    /// Checks what was loaded.
    CheckRestored(CheckRestored),
    /// Removes data that was kept for the way back.
    RemoveAside(RemoveAside),
    /// Copies a volume whose data will change.
    KeepCopy(KeepCopy),
    /// Notes that data may change which a copy or the data from before replaces on the way back.
    BeginUse(BeginUse),
    /// Saves etcd's data before the node changes.
    EtcdSnapshot(EtcdSnapshot),
    /// The static pods of the control plane become those of another node pack.
    StaticPods(StaticPods),
    /// The kubelet's configuration becomes that of another node pack.
    KubeletConfiguration(KubeletConfiguration),
    /// The objects that kubeadm keeps in the cluster.
    KubeadmObjects(KubeadmObjects),
    /// The node is ready with another node pack.
    NodeReady(NodeReady),
    /// On the way back, something of the earlier release is done again.
    Again(Again),
    /// Removes what was saved of etcd.
    RemoveEtcdSnapshot(RemoveEtcdSnapshot),
    /// Lets requests pass that webhooks would judge whose servers stop.
    SuspendWebhooks(SuspendWebhooks),
    /// Lets these webhooks judge again.
    ResumeWebhooks(ResumeWebhooks),
}

impl Action {
    /// What it puts beside a volume until the commit, if it does.
    pub(crate) fn aside(&self) -> Option<Aside<'_>> {
        match self {
            Self::SetAside(step) => Some(step.aside()),
            Self::KeepCopy(step) => Some(step.aside()),
            _ => None,
        }
    }

    /// Whether pods read what it makes when they start: on the way back, it is made before the first of them.
    pub(super) fn is_read_by_starting_pods(&self) -> bool {
        matches!(self, Self::SiteSecret(_))
    }

    /// As it is done on the way back from what `later` made: a component's edits stay.
    pub(super) fn on_the_way_back_from(&self, later: &Self) -> Self {
        match (self, later) {
            (Self::Component(before), Self::Component(later)) => Self::Component(before.on_the_way_back_from(later)),
            _ => self.clone(),
        }
    }

    /// What a plan does with edits of a component's fields; each plan decides that again.
    pub(crate) fn with_edits(self, edits: Edits) -> Self {
        match self {
            Self::Component(component) => Self::Component(Component { edits, ..component }),
            other => other,
        }
    }
}
