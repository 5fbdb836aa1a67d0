//! Steps, each in a module of its own: the parameters that the plan holds, with `observe`, `act` and `undo`. Other
//! modules hold shared code.

pub mod action;
pub mod again;
pub mod agent;
pub mod artifact_files;
pub(crate) mod aside;
pub mod back_up;
pub mod backup_schedule;
pub mod begin_logs;
pub mod begin_use;
pub mod canary;
pub mod check_restored;
pub mod cluster_secrets;
pub mod collect;
pub mod component;
pub mod component_ready;
pub mod console_secrets;
pub mod etcd_snapshot;
pub mod help_files;
pub mod host_api;
pub mod host_tuning;
mod hosts_entry;
pub mod identity;
pub mod keep_copy;
pub mod kept_volumes;
pub mod kubeadm_configuration;
pub mod kubeadm_objects;
pub mod kubeadm_phase;
mod kubeadm_run;
pub mod kubelet_configuration;
pub mod license_key;
pub mod load;
pub mod mark;
pub mod mount;
pub mod namespace;
pub mod node_files;
pub mod node_images;
pub mod node_ready;
pub(crate) mod objects;
pub(crate) mod pod_restarts;
pub mod prove;
pub mod ready_again;
pub mod registry;
pub mod registry_links;
pub mod remove_aside;
pub mod replace;
pub mod retire;
pub mod runtime_configuration;
mod scope;
pub mod secret;
mod service_route;
pub mod set_aside;
pub mod site_secret;
pub mod soak;
pub mod stage;
pub mod stage_release;
pub mod start;
pub mod static_pods;
pub mod stop;
pub mod storage;
pub mod supersede;
pub(crate) mod wait;
pub mod webhooks;

use self::action::Action;
use crate::context::Site;
use landfall_engine::step::Step;

/// Returns the step of a plan's action.
pub fn resolve(action: &Action) -> &dyn Step<Site> {
    match action {
        Action::Stage(step) => step,
        Action::Identity(step) => step,
        Action::HostTuning(step) => step,
        Action::HostsEntry(step) => step,
        Action::ServiceRoute(step) => step,
        Action::NodeFiles(step) => step,
        Action::RuntimeConfiguration(step) => step,
        Action::Agent(step) => step,
        Action::BackupSchedule(step) => step,
        Action::NodeImages(step) => step,
        Action::ClusterSecrets(step) => step,
        Action::KubeadmConfiguration(step) => step,
        Action::KubeadmPhase(step) => step,
        Action::ControlPlaneReady(step) => step,
        Action::Registry(step) => step,
        Action::RegistryLinks(step) => step,
        Action::ArtifactFiles(step) => step,
        Action::Namespace(step) => step,
        Action::Secret(step) => step,
        Action::SiteSecret(step) => step,
        Action::ConsoleSecrets(step) => step,
        Action::LicenseKey(step) => step,
        Action::HostApi(step) => step,
        Action::HelpFiles(step) => step,
        Action::Mount(step) => step,
        Action::Storage(step) => step,
        Action::KeptVolumes(step) => step,
        Action::Component(step) => step,
        Action::Canary(step) => step,
        Action::ComponentReady(step) => step,
        Action::Replace(step) => step,
        Action::StageRelease(step) => step,
        Action::Supersede(step) => step,
        Action::Retire(step) => step,
        Action::ReadyAgain(step) => step,
        Action::Prove(step) => step,
        Action::Soak(step) => step,
        Action::AdvanceMark(step) => step,
        Action::Collect(step) => step,
        Action::BackUp(step) => step,
        Action::BeginLogs(step) => step,
        Action::Stop(step) => step,
        Action::SetAside(step) => step,
        Action::Load(step) => step,
        Action::Start(step) => step,
        Action::CheckRestored(step) => step,
        Action::RemoveAside(step) => step,
        Action::KeepCopy(step) => step,
        Action::BeginUse(step) => step,
        Action::EtcdSnapshot(step) => step,
        Action::StaticPods(step) => step,
        Action::KubeletConfiguration(step) => step,
        Action::KubeadmObjects(step) => step,
        Action::NodeReady(step) => step,
        Action::Again(step) => step,
        Action::RemoveEtcdSnapshot(step) => step,
        Action::SuspendWebhooks(step) => step,
        Action::ResumeWebhooks(step) => step,
    }
}

#[cfg(test)]
pub(crate) mod tests;
