//! The context of all steps: where things lie on the host, what is installed, and how foreign programs are run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall_engine::NodeIdentity;
use landfall_engine::step::StepError;
use landfall_host::command::{CommandRunner, HostCommand};
use landfall_host::paths::SitePaths;
use landfall_media::Payload;
use landfall_media::counters::IoCounters;
use landfall_media::progress::Progress;
use landfall_release_document::ReleaseDocument;

/// What steps act on: one host, one release, one operation.
pub struct Site {
    /// Where things lie on the host.
    pub paths: SitePaths,
    /// First 12 hexadecimal digits of the bundle's id, which name the release's folder.
    pub bundle: String,
    /// The release of the operation.
    pub release: Arc<ReleaseDocument>,
    /// The small documents of the verified head, by name: rendered objects, schema and the like.
    pub documents: Arc<BTreeMap<String, Vec<u8>>>,
    /// How this host is known in its cluster.
    pub node: NodeIdentity,
    /// Where progress goes.
    pub progress: Arc<dyn Progress>,
    /// Runs programs of the host and of the node pack.
    pub commands: Arc<dyn CommandRunner>,
    /// The verified head, which says what is staged.
    pub payload: Payload,
    /// Where the bundle lies, for staging.
    pub media: PathBuf,
    /// Bytes that staging moved.
    pub io: IoCounters,
    /// During an uninstall: volumes and generated secrets stay.
    pub keep_data: bool,
    /// During an uninstall: the cluster itself goes, so that its objects need not be taken back one by one.
    pub cluster_goes: bool,
}

impl Site {
    /// Runs a program and returns what it wrote to standard output. A program that fails is an error that names it, its
    /// arguments and the end of what it wrote to standard error.
    pub fn run(&self, command: &HostCommand) -> Result<Vec<u8>, StepError> {
        command.checked(self.commands.run(command, None))
    }

    /// The cluster, connected anew: between two steps the API server and its certificates may have been replaced. After
    /// a power cut the operation goes on while the node is still coming up, so its API server is waited for.
    pub fn cluster(&self) -> Result<landfall_cluster::Cluster, StepError> {
        let cluster = landfall_cluster::Cluster::connect(&self.paths.admin_kubeconfig())?;
        cluster.wait_serving(crate::steps::wait::CONTROL_PLANE_LIMIT)?;
        Ok(cluster)
    }

    /// Flushes the filesystem that holds `path`: what foreign programs wrote there survives a power cut afterwards.
    pub fn sync_filesystem(&self, path: &Path) -> Result<(), StepError> {
        Ok(landfall_media::durable::sync_filesystem(path)?)
    }
}
