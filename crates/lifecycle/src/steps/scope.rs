//! Scopes of steps: a step over a smaller context is also a step of the site, which supplies that context.

use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::hosts_entry::HostsEntry;
use landfall_host::service_route::ServiceRoute;
use serde_json::Value;

use super::agent::Agent;
use super::artifact_files::ArtifactFiles;
use super::backup_schedule::BackupSchedule;
use super::canary::Canary;
use super::cluster_secrets::ClusterSecrets;
use super::component::Component;
use super::etcd_snapshot::{EtcdSnapshot, RemoveEtcdSnapshot};
use super::help_files::HelpFiles;
use super::host_api::HostApi;
use super::host_tuning::HostTuning;
use super::identity::Identity;
use super::kubeadm_configuration::KubeadmConfiguration;
use super::kubeadm_objects::KubeadmObjects;
use super::kubeadm_phase::KubeadmPhase;
use super::kubeadm_phase::control_plane_ready::ControlPlaneReady;
use super::kubelet_configuration::KubeletConfiguration;
use super::mount::Mount;
use super::namespace::Namespace;
use super::node_files::NodeFiles;
use super::node_images::NodeImages;
use super::node_ready::NodeReady;
use super::prove::Prove;
use super::registry::Registry;
use super::registry_links::RegistryLinks;
use super::retire::Retire;
use super::runtime_configuration::RuntimeConfiguration;
use super::start::Start;
use super::static_pods::StaticPods;
use super::stop::Stop;
use super::webhooks::{ResumeWebhooks, SuspendWebhooks};
use crate::context::{ComponentContext, NodeContext, Site};

/// Implements [`Step`] over the site for steps over a smaller context.
macro_rules! supply {
    ($context:ty, |$site:ident| $supplied:expr; $($step:ty),+ $(,)?) => {$(
        impl Step<Site> for $step {
            fn observe(&self, $site: &mut Site) -> Result<ObservedState, StepError> {
                Step::<$context>::observe(self, &mut $supplied)
            }

            fn prepare(&self, $site: &mut Site) -> Result<Value, StepError> {
                Step::<$context>::prepare(self, &mut $supplied)
            }

            fn act(&self, $site: &mut Site, before: &Value) -> Result<Value, StepError> {
                Step::<$context>::act(self, &mut $supplied, before)
            }

            fn rescue(&self, $site: &mut Site, before: &Value) -> Result<(), StepError> {
                Step::<$context>::rescue(self, &mut $supplied, before)
            }

            fn undo(&self, $site: &mut Site, before: &Value) -> Result<(), StepError> {
                Step::<$context>::undo(self, &mut $supplied, before)
            }
        }
    )+};
}

supply! {
    ComponentContext, |site| site.component_context();
    ArtifactFiles, Canary, Component, Mount, Namespace, Prove, RegistryLinks, ResumeWebhooks, Retire, Start, Stop,
    SuspendWebhooks,
}

supply! {
    NodeContext, |site| site.node_context()?;
    Agent, BackupSchedule, ClusterSecrets, ControlPlaneReady, EtcdSnapshot, HelpFiles, HostApi, HostTuning, HostsEntry,
    Identity, KubeadmConfiguration, KubeadmObjects, KubeadmPhase, KubeletConfiguration, NodeFiles, NodeImages,
    NodeReady, Registry, RemoveEtcdSnapshot, RuntimeConfiguration, ServiceRoute, StaticPods,
}
