//! Access to the parts of a place: its cluster, content, secrets, data, peer and hosts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use landfall_bundle_spec::Sha256;
use landfall_cluster::{Cluster, ClusterError};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::command::{CommandRunner, HostCommand};
use landfall_host::node::NodeIdentity;
use landfall_host::paths::SitePaths;
use landfall_media::counters::Counters;
use landfall_media::durable;
use landfall_media::store::ContentStore;

use crate::registry::REGISTRY;

/// Time until a starting control plane counts as failed: slow disks take minutes.
pub const CONTROL_PLANE_LIMIT: Duration = Duration::from_mins(7);

/// Access to a cluster.
#[derive(Debug, Clone)]
pub struct ClusterAccess {
    kubeconfig: PathBuf,
}

impl ClusterAccess {
    /// Returns access by the administrator's kubeconfig on a host.
    pub fn of_host(paths: &SitePaths) -> Self {
        Self { kubeconfig: paths.admin_kubeconfig() }
    }

    /// Returns the path of the kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Returns the cluster through a new connection, because the API server and its certificates may be replaced
    /// between two steps. Waits for the API server: after a power cut, the operation continues while the node is still
    /// starting.
    pub fn connect(&self) -> Result<Cluster, StepError> {
        let cluster = Cluster::connect(&self.kubeconfig)?;
        cluster.wait_serving(CONTROL_PLANE_LIMIT)?;
        Ok(cluster)
    }

    /// Returns the cluster through a new connection that never waits. Each request fails at the first fault.
    pub fn connect_impatiently(&self) -> Result<Cluster, ClusterError> {
        Ok(Cluster::connect(&self.kubeconfig)?.with_patience(Duration::ZERO))
    }
}

/// Content of the place's releases: the store of blobs, which is also the registry's storage, and artifacts' files.
#[derive(Debug, Clone)]
pub struct ContentAccess {
    paths: SitePaths,
    registry: SocketAddr,
    /// Counters of the store.
    counters: Counters,
}

impl ContentAccess {
    /// Returns the content on a host. The counters count the bytes that the counted store moves.
    pub fn of_host(paths: &SitePaths, counters: Counters) -> Self {
        Self { paths: paths.clone(), registry: REGISTRY, counters }
    }

    /// Returns the address of the registry that serves the content.
    pub fn registry(&self) -> SocketAddr {
        self.registry
    }

    /// Returns the folder of the store.
    pub fn folder(&self) -> PathBuf {
        self.paths.registry()
    }

    /// Returns the store, whose moved bytes count for the operation.
    pub fn counted_store(&self) -> ContentStore {
        ContentStore::with_counters(self.folder(), self.counters.clone())
    }

    /// Returns the file of a staged blob.
    pub fn blob(&self, digest: &Sha256) -> PathBuf {
        self.paths.blob(digest)
    }

    /// Returns the folder of artifacts' files, which are hard links into the store.
    pub fn files(&self) -> PathBuf {
        self.paths.files()
    }
}

/// Secrets of the place, as files that only root can read.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Paths of the host that has the files.
    pub paths: SitePaths,
}

impl Secrets {
    /// Returns the folder of generated secrets.
    pub fn generated(&self) -> PathBuf {
        self.paths.secrets()
    }
}

/// Data of the place: volumes and backups, and records about them.
#[derive(Debug, Clone)]
pub struct Data {
    /// Paths of the host that has the folders.
    pub paths: SitePaths,
}

impl Data {
    /// Returns the folder of volumes.
    pub fn volumes(&self) -> PathBuf {
        self.paths.storage()
    }
}

/// Peer of the console's pods: the host API, with keys and certificates by which both recognize each other.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Paths of the host that has the keys.
    pub paths: SitePaths,
    /// Name and address by which pods reach it.
    pub node: NodeIdentity,
}

impl Peer {
    /// Returns the folder of keys and certificates.
    pub fn folder(&self) -> PathBuf {
        self.paths.console()
    }
}

/// Access to a host, which is a node of the place's cluster.
#[derive(Clone)]
pub struct HostAccess {
    /// The paths of the host.
    pub paths: SitePaths,
    /// Name and address of the host in its cluster.
    pub node: NodeIdentity,
    /// Runner of the host's and the node pack's programs.
    pub commands: Arc<dyn CommandRunner>,
}

impl HostAccess {
    /// Runs a program and returns its standard output. The error of a failed program names it, its arguments and the
    /// end of its standard error.
    pub fn run(&self, command: &HostCommand) -> Result<Vec<u8>, StepError> {
        command.check_output(self.commands.run(command, None))
    }

    /// Syncs the filesystem that contains `path`. Files that other programs wrote there then survive a power cut.
    pub fn sync_filesystem(&self, path: &Path) -> Result<(), StepError> {
        Ok(durable::sync_filesystem(path)?)
    }

    /// Syncs the filesystems of the operating system and of the data folder.
    pub fn sync(&self) -> Result<(), StepError> {
        let folders = [self.paths.host("/"), self.paths.data()];
        folders.iter().filter(|folder| folder.exists()).try_for_each(|folder| self.sync_filesystem(folder))
    }
}

/// Hosts of a place.
#[derive(Clone)]
pub struct Hosts(Vec<HostAccess>);

impl Hosts {
    /// Returns the hosts of a place that has only this one.
    pub fn of_one(host: HostAccess) -> Self {
        Self(vec![host])
    }

    /// Returns the only host. Fails if the place has another number of hosts.
    pub fn only(&self) -> Result<&HostAccess, StepError> {
        let [host] = self.0.as_slice() else {
            return Err(StepError::new(codes::BUG, format!("the operation has {} hosts instead of one", self.0.len())));
        };
        Ok(host)
    }

    /// Returns all hosts.
    pub fn all(&self) -> &[HostAccess] {
        &self.0
    }
}
