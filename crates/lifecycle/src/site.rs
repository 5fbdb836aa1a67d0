//! Context of all steps: the host's paths, the release, and the way to run other programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use landfall_engine::step::{Durable, StepError};
use landfall_error_codes::codes;
use landfall_host::command::{CommandRunner, HostCommand};
use landfall_host::node::NodeIdentity;
use landfall_host::paths::SitePaths;
use landfall_media::Payload;
use landfall_media::counters::IoCounters;
use landfall_media::progress::Progress;
use landfall_release_document::ReleaseDocument;

/// Time until a starting control plane counts as failed: slow disks take minutes.
pub(crate) const CONTROL_PLANE_LIMIT: Duration = Duration::from_mins(7);

/// The object of steps: one host, one release, one operation.
#[derive(Clone)]
pub struct Site {
    /// The paths of the host.
    pub paths: SitePaths,
    /// First 12 hexadecimal digits of the bundle's ID, which name the release's folder.
    pub bundle: String,
    /// The release of the operation.
    pub release: Arc<ReleaseDocument>,
    /// Small documents of the verified head, by name: rendered objects, schema and the like.
    pub documents: Arc<BTreeMap<String, Vec<u8>>>,
    /// Name and address of this host in its cluster.
    pub node: NodeIdentity,
    /// Receiver of progress.
    pub progress: Arc<dyn Progress>,
    /// Runner of the host's and the node pack's programs.
    pub commands: Arc<dyn CommandRunner>,
    /// The verified head, which lists the staged content.
    pub payload: Payload,
    /// Path of the bundle, for staging.
    pub media_path: PathBuf,
    /// Counters of the bytes that staging moved.
    pub io: IoCounters,
    /// Extent of an undo.
    pub undo: UndoScope,
    /// Releases that the site keeps when the operation begins, the installed one first.
    pub kept: Vec<SiteRelease>,
}

/// A release whose head the site stores.
#[derive(Debug, Clone)]
pub struct SiteRelease {
    /// First 12 hexadecimal digits of the bundle's ID.
    pub bundle: String,
    /// Its document.
    pub release: Arc<ReleaseDocument>,
    /// Small documents of the verified head, by name.
    pub documents: Arc<BTreeMap<String, Vec<u8>>>,
    /// The verified head.
    pub payload: Payload,
}

/// Extent of an undo, chosen once for an operation before its first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UndoScope {
    /// True if volumes and generated secrets are kept.
    pub keep_data: bool,
    /// True if the cluster itself is removed, so its objects need not be deleted individually.
    pub removing_cluster: bool,
}

impl UndoScope {
    /// Scope of an operation that goes forward: only results of steps are removed from the cluster, and no data.
    pub const STEP: Self = Self { keep_data: true, removing_cluster: false };

    /// Returns the scope that removes the whole site. The node is its only one, so the cluster is removed as well.
    pub fn site(keep_data: bool) -> Self {
        Self { keep_data, removing_cluster: true }
    }
}

impl Site {
    /// Returns the release of the operation.
    pub fn own_release(&self) -> SiteRelease {
        SiteRelease {
            bundle: self.bundle.clone(),
            release: self.release.clone(),
            documents: self.documents.clone(),
            payload: self.payload.clone(),
        }
    }

    /// Returns the release that was installed when the operation began.
    pub fn earlier_release(&self) -> Result<&SiteRelease, StepError> {
        self.kept.first().ok_or_else(|| StepError::new(codes::BUG, "the operation keeps no earlier release"))
    }

    /// Returns the same site with the release that was installed when the operation began.
    pub fn as_it_was(&self) -> Result<Self, StepError> {
        let SiteRelease { bundle, release, documents, payload } = self.earlier_release()?.clone();
        Ok(Self { bundle, release, documents, payload, ..self.clone() })
    }

    /// Runs a program and returns its standard output. The error of a failed program names it, its arguments and the
    /// end of its standard error.
    pub fn run(&self, command: &HostCommand) -> Result<Vec<u8>, StepError> {
        command.check_output(self.commands.run(command, None))
    }

    /// Returns the cluster through a new connection, because the API server and its certificates may be replaced
    /// between two steps. Waits for the API server: after a power cut, the operation continues while the node is still
    /// starting.
    pub fn cluster(&self) -> Result<landfall_cluster::Cluster, StepError> {
        let cluster = landfall_cluster::Cluster::connect(&self.paths.admin_kubeconfig())?;
        cluster.wait_serving(CONTROL_PLANE_LIMIT)?;
        Ok(cluster)
    }

    /// Syncs the filesystem that contains `path`. Files that other programs wrote there then survive a power cut.
    pub fn sync_filesystem(&self, path: &Path) -> Result<(), StepError> {
        Ok(landfall_media::durable::sync_filesystem(path)?)
    }
}

impl Durable for Site {
    fn sync(&mut self) -> Result<(), StepError> {
        let data = self.paths.data();
        let places = [self.paths.host("/"), data];
        places.iter().filter(|place| place.exists()).try_for_each(|place| self.sync_filesystem(place))
    }
}
