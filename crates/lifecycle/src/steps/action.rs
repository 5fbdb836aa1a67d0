//! Every kind of step in a plan. Each variant holds all parameters of its step, so a journal's plan is executed without
//! further decisions. The parameters are defined beside the step's code in `steps/`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::steps::again::RunAgain;
use crate::steps::agent::Agent;
use crate::steps::artifact_files::ArtifactFiles;
use crate::steps::aside::AsideData;
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
use crate::steps::kubeadm_phase::control_plane_ready::ControlPlaneReady;
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
use landfall_engine::plan::StepId;
use landfall_host::hosts_entry::HostsEntry;
use landfall_host::service_route::ServiceRoute;

/// Last action of each step of a site.
pub type LastActions = BTreeMap<StepId, Action>;

/// One action of a plan with all its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// Copies the whole release from the media into the data folder.
    Stage(Stage),
    /// Marks the data folder and the operating system as one site.
    Identity(Identity),
    /// Loads kernel modules and sets kernel settings.
    HostTuning(HostTuning),
    /// Adds the API server's name to `/etc/hosts`.
    HostsEntry(HostsEntry),
    /// Adds a route to services that keeps their packets on the host.
    ServiceRoute(ServiceRoute),
    /// Places the node pack's programs.
    NodeFiles(NodeFiles),
    /// Writes containerd's configuration and mirrors.
    RuntimeConfiguration(RuntimeConfiguration),
    /// Installs containerd, the kubelet and the agent as services.
    Agent(Agent),
    /// Sets the timer of the daily backup.
    BackupSchedule(BackupSchedule),
    /// Imports the images that are needed before the registry runs.
    NodeImages(NodeImages),
    /// Generates secrets of the cluster itself.
    ClusterSecrets(ClusterSecrets),
    /// Writes kubeadm's configuration.
    KubeadmConfiguration(KubeadmConfiguration),
    /// Runs one of kubeadm's phases.
    KubeadmPhase(KubeadmPhase),
    /// Waits for the control plane.
    ControlPlaneReady(ControlPlaneReady),
    /// Starts the site's registry.
    Registry(Registry),
    /// Lists images in the registry.
    RegistryLinks(RegistryLinks),
    /// Places an artifact's files for pods to mount.
    ArtifactFiles(ArtifactFiles),
    /// Creates a component's namespace with its rules.
    Namespace(Namespace),
    /// Applies a Secret whose values are generated on the site.
    Secret(Secret),
    /// Applies a Secret whose value the site gave.
    SiteSecret(SiteSecret),
    /// Applies the Secrets with which the console's pods contact the host.
    ConsoleSecrets(ConsoleSecrets),
    /// Applies the key with which pods verify the site's answers about the license.
    LicenseKey(LicenseKey),
    /// Starts the host API for the console.
    HostApi(HostApi),
    /// Places manual pages, completions and the handbook on the host.
    HelpFiles(HelpFiles),
    /// Offers an artifact's files as a read-only volume.
    Mount(Mount),
    /// Creates the folder of volumes.
    Storage(Storage),
    /// Offers volumes of an earlier installation to their claims.
    KeptVolumes(KeptVolumes),
    /// Applies the objects of a component.
    Component(Component),
    /// Tries the new form of a component in one pod beside the earlier ones.
    Canary(Canary),
    /// Waits until all objects of a component are ready.
    ComponentReady(ComponentReady),
    /// Replaces an existing resource.
    Replace(Replace),
    /// Copies the missing parts of another release beside the kept ones.
    StageRelease(StageRelease),
    /// Replaces the result of the earlier release's step by that of the later one.
    Supersede(Supersede),
    /// Removes the result of the earlier release's step.
    Retire(Retire),
    /// On undo, waits until a component is ready again.
    ReadyAgain(ReadyAgain),
    /// Runs the proofs of the new release.
    Prove(Prove),
    /// Watches the new release before its commit.
    Soak(Soak),
    /// Advances the site's mark of the newest release.
    AdvanceMark(AdvanceMark),
    /// Removes content that no kept release refers to.
    Collect(Collect),
    /// Backs up the installed release's data and proves the backup.
    BackUp(BackUp),
    /// Begins new points in time after a change.
    BeginLogs(BeginLogs),
    /// Ends the pods of a workload.
    Stop(Stop),
    /// Replaces a volume's data by an empty folder.
    SetAside(SetAside),
    /// Fills a volume from a backup.
    Load(Load),
    /// Starts the pods of a workload.
    Start(Start),
    /// Checks the loaded data.
    CheckRestored(CheckRestored),
    /// Removes data that was kept for undo.
    RemoveAside(RemoveAside),
    /// Copies a volume whose data will change.
    KeepCopy(KeepCopy),
    /// Notes that data may change from now on, so undo keeps it when it restores the earlier data.
    BeginUse(BeginUse),
    /// Saves etcd's data before the node changes.
    EtcdSnapshot(EtcdSnapshot),
    /// Replaces the static pods of the control plane by those of another node pack.
    StaticPods(StaticPods),
    /// Replaces the kubelet's configuration by that of another node pack.
    KubeletConfiguration(KubeletConfiguration),
    /// Updates the objects that kubeadm keeps in the cluster.
    KubeadmObjects(KubeadmObjects),
    /// Waits until the node is ready with another node pack.
    NodeReady(NodeReady),
    /// On undo, re-runs an action of the earlier release.
    Again(RunAgain),
    /// Removes the snapshot of etcd.
    RemoveEtcdSnapshot(RemoveEtcdSnapshot),
    /// Suspends webhooks whose servers stop, so requests pass without them.
    SuspendWebhooks(SuspendWebhooks),
    /// Resumes suspended webhooks.
    ResumeWebhooks(ResumeWebhooks),
}

impl Action {
    /// Returns the data that this step keeps beside a volume until the commit, if any.
    pub(crate) fn aside_data(&self) -> Option<AsideData<'_>> {
        match self {
            Self::SetAside(step) => Some(step.aside_data()),
            Self::KeepCopy(step) => Some(step.aside_data()),
            _ => None,
        }
    }

    /// Returns true if starting pods read its result. Undo then restores that before the first pod.
    pub(super) fn is_read_by_starting_pods(&self) -> bool {
        matches!(self, Self::SiteSecret(_))
    }

    /// Returns the action as undo runs it after `later`: edits of a component stay.
    pub(super) fn on_the_way_back_from(&self, later: &Self) -> Self {
        match (self, later) {
            (Self::Component(before), Self::Component(later)) => Self::Component(before.on_the_way_back_from(later)),
            _ => self.clone(),
        }
    }

    /// Sets how a plan treats edits of a component's fields. Each plan decides this again.
    pub(crate) fn with_edits(self, edits: Edits) -> Self {
        match self {
            Self::Component(component) => Self::Component(Component { edits, ..component }),
            other => other,
        }
    }
}
