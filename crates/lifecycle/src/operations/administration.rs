//! Administrator's tasks outside of operations: the cluster's own kubectl, and the pods of a component.

use std::collections::BTreeSet;
use std::process::Command;

use landfall_agent::settings::AgentSettings;
use landfall_cluster::{Cluster, Inventory, Listener, LogSelection, PodContainers};
use landfall_engine::step::StepError;
use landfall_suggestion::nearest;

use super::Operations;
use super::error::{OperationError, Result};

impl Operations {
    /// Returns a command for the kubectl of this site's Kubernetes, with the administrator's rights. Its cache is in a
    /// folder that a boot empties.
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

    /// Returns the pods of a component with their containers, by the inventory in the cluster. With a container's name,
    /// returns only the pods that have it, each with that container alone.
    pub fn component_pods(&self, component: &str, container: Option<&str>) -> Result<Vec<PodContainers>> {
        let (cluster, inventory) = self.component(component)?;
        select_containers(pods(&cluster, &inventory)?, component, container)
    }

    /// Follows the logs of a component's pods, including pods that start later, until the listener breaks.
    pub fn follow_logs(&self, component: &str, selection: &LogSelection, listener: &Listener) -> Result<()> {
        let (cluster, inventory) = self.component(component)?;
        if selection.container.is_some() {
            select_containers(pods(&cluster, &inventory)?, component, selection.container.as_deref())?;
        }
        Ok(cluster.follow_logs(&inventory, selection, listener).map_err(StepError::from)?)
    }

    /// Returns the cluster, and the inventory of a component in it.
    fn component(&self, component: &str) -> Result<(Cluster, Inventory)> {
        let kubeconfig = self.paths.admin_kubeconfig();
        if !kubeconfig.exists() {
            return Err(OperationError::NoCluster { missing: kubeconfig });
        }
        component_of(Cluster::connect(&kubeconfig).map_err(StepError::from)?, component)
    }
}

/// Like [`Operations::component`], for a connected cluster.
pub(super) fn component_of(cluster: Cluster, component: &str) -> Result<(Cluster, Inventory)> {
    let mut inventories = Inventory::all(&cluster).map_err(StepError::from)?;
    if let Some(found) = inventories.iter().position(|inventory| inventory.owner.component == component) {
        return Ok((cluster, inventories.swap_remove(found)));
    }
    Err(unknown(component, inventories.into_iter().map(|inventory| inventory.owner.component).collect()))
}

fn pods(cluster: &Cluster, inventory: &Inventory) -> Result<Vec<PodContainers>> {
    Ok(cluster.containers_of_component(inventory).map_err(StepError::from)?)
}

/// Returns the pods that have a container of this name, each with it alone; all pods if no name is given.
fn select_containers(pods: Vec<PodContainers>, component: &str, container: Option<&str>) -> Result<Vec<PodContainers>> {
    let Some(wanted) = container else { return Ok(pods) };
    let known: BTreeSet<&str> = pods.iter().flat_map(|pod| &pod.containers).map(|one| one.name.as_str()).collect();
    if !known.contains(wanted) {
        return Err(OperationError::UnknownContainer {
            component: component.to_owned(),
            container: wanted.to_owned(),
            nearest: nearest(wanted, known.iter().copied()).map(str::to_owned),
            known: known.into_iter().map(str::to_owned).collect(),
        });
    }
    let only = |mut pod: PodContainers| {
        pod.containers.retain(|one| one.name == wanted);
        (!pod.containers.is_empty()).then_some(pod)
    };
    Ok(pods.into_iter().filter_map(only).collect())
}

/// Returns the inventory of a component from those of all components.
pub(super) fn known_inventory<'a>(inventories: &'a [Inventory], component: &str) -> Result<&'a Inventory> {
    let found = inventories.iter().find(|inventory| inventory.owner.component == component);
    let names = || inventories.iter().map(|inventory| inventory.owner.component.clone()).collect();
    found.ok_or_else(|| unknown(component, names()))
}

/// Returns the error for a name that no component has.
fn unknown(component: &str, mut known: Vec<String>) -> OperationError {
    known.sort();
    let nearest = nearest(component, known.iter().map(String::as_str)).map(str::to_owned);
    OperationError::UnknownComponent { component: component.to_owned(), nearest, known }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landfall_cluster::PodContainer;
    use landfall_error_codes::{CodedError, codes};
    use landfall_host::pack;
    use landfall_host::paths::SitePaths;
    use landfall_media::counters::IoCounters;
    use landfall_media::durable;
    use landfall_media::progress::SilentProgress;

    use super::*;

    #[test]
    fn unknown_component_suggests_the_nearest() {
        let known = || ["valkey", "postgres", "assistant"].map(str::to_owned).to_vec();
        let error = unknown("postgress", known());
        assert_eq!(error.to_string(), "the release has no component postgress: did you mean postgres?");
        assert_eq!(error.code(), codes::UNKNOWN_COMPONENT);
        let error = unknown("x", known());
        assert_eq!(error.to_string(), "the release has no component x: it has assistant, postgres, valkey");
    }

    #[test]
    fn wrong_container_lists_the_right_ones() {
        let pod = |name: &str, containers: &[&str]| PodContainers {
            namespace: "db".to_owned(),
            pod: name.to_owned(),
            containers: containers
                .iter()
                .map(|name| PodContainer { name: (*name).to_owned(), has_previous: false })
                .collect(),
        };
        let pods = || vec![pod("postgres-0", &["postgres", "metrics"]), pod("postgres-dump", &["dump"])];
        assert_eq!(select_containers(pods(), "postgres", None).unwrap(), pods());
        assert_eq!(select_containers(pods(), "postgres", Some("dump")).unwrap(), [pod("postgres-dump", &["dump"])]);
        assert_eq!(select_containers(pods(), "postgres", Some("metrics")).unwrap(), [pod("postgres-0", &["metrics"])]);
        for (asked, answer) in [
            ("postgress", "no pod of postgres has a container postgress: did you mean postgres?"),
            ("x", "no pod of postgres has a container x: it has dump, metrics, postgres"),
        ] {
            let error = select_containers(pods(), "postgres", Some(asked)).unwrap_err();
            assert_eq!((error.to_string().as_str(), error.code()), (answer, codes::UNKNOWN_CONTAINER));
        }
    }

    #[test]
    fn site_kubectl_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let operations =
            Operations { paths: paths.clone(), progress: Arc::new(SilentProgress), io: IoCounters::default() };
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
        let error = operations.component_pods("postgres", None).unwrap_err();
        assert_eq!(error.code(), codes::CLUSTER_KUBECONFIG, "an empty kubeconfig leads nowhere");
        write(&paths.node_programs(&pack::sample()).join("kubectl"), b"");
        let kubectl = operations.kubectl().unwrap();
        assert_eq!(kubectl.get_program(), paths.node_programs(&pack::sample()).join("kubectl"));
        let variable = kubectl.get_envs().find(|(name, _)| *name == "KUBECONFIG").unwrap().1;
        assert_eq!(variable, Some(paths.admin_kubeconfig().as_os_str()));
    }
}
