//! What an administrator does with a site beside operations: the cluster's own kubectl, and the pods of a component.

use std::process::Command;
use std::time::Duration;

use landfall_agent::settings::AgentSettings;
use landfall_cluster::{Cluster, Inventory, Listener, ObjectName};
use landfall_engine::step::StepError;

use super::Operations;
use super::error::{OperationError, Result};
use crate::configuration::nearest;

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Operations {
    /// The kubectl of this site's Kubernetes as a command, with the administrator's rights; its cache goes where the next
    /// boot forgets it.
    pub fn kubectl(&self) -> Result<Command> {
        let (kubeconfig, settings) = (self.paths.admin_kubeconfig(), self.paths.agent_settings());
        for file in [&settings, &kubeconfig] {
            if !file.exists() {
                return Err(OperationError::NoCluster { missing: file.clone() });
            }
        }
        let program = self.paths.node_programs(&AgentSettings::read(&self.paths)?.pack).join("kubectl");
        if !program.exists() {
            return Err(OperationError::NoCluster { missing: program });
        }
        let mut kubectl = Command::new(program);
        kubectl.env("KUBECONFIG", kubeconfig).env("KUBECACHEDIR", self.paths.run().join("kubectl"));
        Ok(kubectl)
    }

    /// The pods of a component, by the list of its objects that the cluster keeps.
    pub fn component_pods(&self, component: &str) -> Result<Vec<Pod>> {
        let (cluster, inventory) = self.component(component)?;
        let pods = cluster.pods_of_component(&inventory).map_err(StepError::from)?;
        Ok(pods.into_iter().map(Pod::of).collect())
    }

    /// Follows the logs of a component's pods, those that start meanwhile among them, until the listener breaks. `since`
    /// limits what is read of earlier logs.
    pub fn follow_logs(&self, component: &str, since: Option<Duration>, listener: &Listener) -> Result<()> {
        let (cluster, inventory) = self.component(component)?;
        Ok(cluster.follow_logs(&inventory, since, listener).map_err(StepError::from)?)
    }

    /// The cluster, and the list of a component's objects in it.
    fn component(&self, component: &str) -> Result<(Cluster, Inventory)> {
        let kubeconfig = self.paths.admin_kubeconfig();
        if !kubeconfig.exists() {
            return Err(OperationError::NoCluster { missing: kubeconfig });
        }
        component_of(Cluster::connect(&kubeconfig).map_err(StepError::from)?, component)
    }
}

/// The same, of a cluster that was connected.
pub(super) fn component_of(cluster: Cluster, component: &str) -> Result<(Cluster, Inventory)> {
    let mut inventories = Inventory::all(&cluster).map_err(StepError::from)?;
    if let Some(found) = inventories.iter().position(|inventory| inventory.owner.component == component) {
        return Ok((cluster, inventories.swap_remove(found)));
    }
    Err(unknown(component, inventories.into_iter().map(|inventory| inventory.owner.component).collect()))
}

impl Pod {
    fn of(name: ObjectName) -> Self {
        Self { namespace: name.namespace.unwrap_or_default(), name: name.name }
    }
}

/// The error about a name that no component has.
fn unknown(component: &str, mut known: Vec<String>) -> OperationError {
    known.sort();
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let nearest = nearest(component, &names).map(str::to_owned);
    OperationError::UnknownComponent { component: component.to_owned(), nearest, known }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landfall_error_codes::{Coded, codes};
    use landfall_host::pack;
    use landfall_host::paths::SitePaths;
    use landfall_media::counters::IoCounters;
    use landfall_media::durable;
    use landfall_media::progress::Silent;

    use super::*;

    #[test]
    fn a_name_that_no_component_has_is_answered_with_the_nearest() {
        let known = || ["valkey", "postgres", "assistant"].map(str::to_owned).to_vec();
        let error = unknown("postgress", known());
        assert_eq!(error.to_string(), "the release has no component postgress: did you mean postgres?");
        assert_eq!(error.code(), codes::UNKNOWN_COMPONENT);
        let error = unknown("x", known());
        assert_eq!(error.to_string(), "the release has no component x: it has assistant, postgres, valkey");
    }

    #[test]
    fn the_sites_own_kubectl_is_found_without_its_version_being_known() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let operations = Operations { paths: paths.clone(), progress: Arc::new(Silent), io: IoCounters::default() };
        let write = |path: &std::path::Path, bytes: &[u8]| {
            durable::create_folder(path.parent().unwrap()).unwrap();
            durable::write_file(path, bytes, 0o755).unwrap();
        };
        let missing = || operations.kubectl().unwrap_err().to_string();
        assert!(missing().ends_with("agent.json is missing"), "{}", missing());
        write(&paths.agent_settings(), &landfall_agent::settings::sample([192, 0, 2, 1].into()).to_bytes());
        assert!(missing().ends_with("admin.conf is missing"), "{}", missing());
        write(&paths.admin_kubeconfig(), b"");
        assert!(missing().ends_with("v1.36.3-0123456789ab/bin/kubectl is missing"), "{}", missing());
        let error = operations.component_pods("postgres");
        assert!(error.is_err(), "an empty kubeconfig leads nowhere");
        write(&paths.node_programs(&pack::sample()).join("kubectl"), b"");
        let kubectl = operations.kubectl().unwrap();
        assert_eq!(kubectl.get_program(), paths.node_programs(&pack::sample()).join("kubectl"));
        let variable = kubectl.get_envs().find(|(name, _)| *name == "KUBECONFIG").unwrap().1;
        assert_eq!(variable, Some(paths.admin_kubeconfig().as_os_str()));
    }
}
