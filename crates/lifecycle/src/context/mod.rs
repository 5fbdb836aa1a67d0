//! Context of steps: the parts of the place on which an operation acts, and its releases. Component steps and node
//! steps have contexts of their own, with only the parts that they need.

mod parts;

use std::sync::Arc;

use landfall_engine::step::{Durable, StepError};
use landfall_media::progress::Progress;
use landfall_site::place::{ClusterAccess, ContentAccess, Data, HostAccess, Hosts, Medium, Peer, Releases, Secrets};

pub use parts::{ComponentContext, NodeContext};

/// Object of steps: all parts of a place, one operation, and its releases.
#[derive(Clone)]
pub struct Site {
    /// Access to the cluster.
    pub cluster: ClusterAccess,
    /// Content of the releases.
    pub content: ContentAccess,
    /// Secrets of the site.
    pub secrets: Secrets,
    /// Data of the site.
    pub data: Data,
    /// Peer of the console's pods.
    pub peer: Peer,
    /// Hosts of the site.
    pub hosts: Hosts,
    /// Releases of the operation.
    pub releases: Releases,
    /// Media with the operation's release.
    pub medium: Medium,
    /// Receiver of progress.
    pub progress: Arc<dyn Progress>,
    /// Extent of an undo.
    pub undo: UndoScope,
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
    /// Creates the context of an operation on one host, which has every part of the place.
    pub fn on_host(
        host: HostAccess,
        releases: Releases,
        medium: Medium,
        progress: Arc<dyn Progress>,
        undo: UndoScope,
    ) -> Self {
        let paths = &host.paths;
        Self {
            cluster: ClusterAccess::of_host(paths),
            content: ContentAccess::of_host(paths, medium.io.store.clone()),
            secrets: Secrets { paths: paths.clone() },
            data: Data { paths: paths.clone() },
            peer: Peer { paths: paths.clone(), node: host.node.clone() },
            hosts: Hosts::of_one(host),
            releases,
            medium,
            progress,
            undo,
        }
    }

    /// Returns the same site with the release that was installed when the operation began.
    pub fn as_it_was(&self) -> Result<Self, StepError> {
        Ok(Self { releases: self.releases.as_they_were()?, ..self.clone() })
    }
}

impl Durable for Site {
    fn sync(&mut self) -> Result<(), StepError> {
        self.hosts.all().iter().try_for_each(HostAccess::sync)
    }
}
