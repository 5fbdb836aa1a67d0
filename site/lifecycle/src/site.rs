//! The context of all steps: the host's paths, what is installed, and how foreign programs are run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall_engine::step::{Durable, StepError};
use landfall_error_codes::codes;
use landfall_host::command::{CommandRunner, HostCommand};
use landfall_host::node::NodeIdentity;
use landfall_host::paths::SitePaths;
use landfall_media::Payload;
use landfall_media::counters::IoCounters;
use landfall_media::progress::Progress;
use landfall_release_document::ReleaseDocument;

/// What steps act on: one host, one release, one operation.
#[derive(Clone)]
pub struct Site {
    /// The paths of the host.
    pub paths: SitePaths,
    /// First 12 hexadecimal digits of the bundle's id, which name the release's folder.
    pub bundle: String,
    /// The release of the operation.
    pub release: Arc<ReleaseDocument>,
    /// The small documents of the verified head, by name: rendered objects, schema and the like.
    pub documents: Arc<BTreeMap<String, Vec<u8>>>,
    /// This host's name and address in its cluster.
    pub node: NodeIdentity,
    /// Where progress goes.
    pub progress: Arc<dyn Progress>,
    /// Runs programs of the host and of the node pack.
    pub commands: Arc<dyn CommandRunner>,
    /// The verified head, which lists what is staged.
    pub payload: Payload,
    /// Where the bundle is stored, for staging.
    pub media_path: PathBuf,
    /// Counters of the bytes that staging moved.
    pub io: IoCounters,
    /// How far an undo goes.
    pub undo: UndoScope,
    /// The releases that the site keeps when the operation begins, the installed one first.
    pub kept: Vec<SiteRelease>,
}

/// A release whose head the site stores.
#[derive(Debug, Clone)]
pub struct SiteRelease {
    /// First 12 hexadecimal digits of the bundle's id.
    pub bundle: String,
    /// Its document.
    pub release: Arc<ReleaseDocument>,
    /// The small documents of the verified head, by name.
    pub documents: Arc<BTreeMap<String, Vec<u8>>>,
    /// The verified head.
    pub payload: Payload,
}

/// How far an undo goes: chosen once for an operation, before its first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UndoScope {
    /// Whether volumes and generated secrets are kept.
    pub keep_data: bool,
    /// Whether the cluster itself is removed, so that its objects need not be deleted one by one.
    pub removing_cluster: bool,
}

impl UndoScope {
    /// Only what a step made is removed from the cluster, and no data: the scope of an operation that goes forward.
    pub const STEP: Self = Self { keep_data: true, removing_cluster: false };

    /// The whole site is removed; the node is its only one, so the cluster is removed with it.
    pub fn site(keep_data: bool) -> Self {
        Self { keep_data, removing_cluster: true }
    }
}

impl Site {
    /// The release of the operation.
    pub fn own_release(&self) -> SiteRelease {
        SiteRelease {
            bundle: self.bundle.clone(),
            release: self.release.clone(),
            documents: self.documents.clone(),
            payload: self.payload.clone(),
        }
    }

    /// The release that was installed when the operation began.
    pub fn earlier_release(&self) -> Result<&SiteRelease, StepError> {
        self.kept.first().ok_or_else(|| StepError::new(codes::BUG, "the operation keeps no earlier release"))
    }

    /// The same site, whose release is the one that was installed when the operation began.
    pub fn as_it_was(&self) -> Result<Self, StepError> {
        let SiteRelease { bundle, release, documents, payload } = self.earlier_release()?.clone();
        Ok(Self { bundle, release, documents, payload, ..self.clone() })
    }

    /// Runs a program and returns what it wrote to standard output. A program that fails is an error that names it, its
    /// arguments and the end of what it wrote to standard error.
    pub fn run(&self, command: &HostCommand) -> Result<Vec<u8>, StepError> {
        command.checked(self.commands.run(command, None))
    }

    /// The cluster, with a new connection: between two steps the API server and its certificates may have been
    /// replaced. After a power cut the operation continues while the node is still starting, so this waits for its API
    /// server.
    pub fn cluster(&self) -> Result<landfall_cluster::Cluster, StepError> {
        let cluster = landfall_cluster::Cluster::connect(&self.paths.admin_kubeconfig())?;
        cluster.wait_serving(crate::steps::wait::CONTROL_PLANE_LIMIT)?;
        Ok(cluster)
    }

    /// Flushes the filesystem that holds `path`: files that foreign programs wrote there survive a power cut
    /// afterwards.
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
