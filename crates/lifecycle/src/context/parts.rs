//! Contexts of steps that need only some parts of a site.

use std::sync::Arc;

use landfall_engine::step::StepError;
use landfall_media::progress::Progress;

use landfall_site::place::{ClusterAccess, ContentAccess, HostAccess, Releases, Secrets};

use super::{Site, UndoScope};

/// Context of component steps: a cluster and the content of its releases, without access to a host.
#[derive(Clone)]
pub struct ComponentContext {
    /// The cluster of the component.
    pub cluster: ClusterAccess,
    /// Content of the releases.
    pub content: ContentAccess,
    /// Releases of the operation.
    pub releases: Releases,
    /// Receiver of progress.
    pub progress: Arc<dyn Progress>,
    /// Extent of an undo.
    pub undo: UndoScope,
}

impl ComponentContext {
    /// Returns the same context with the release that was installed when the operation began.
    pub fn as_it_was(&self) -> Result<Self, StepError> {
        Ok(Self { releases: self.releases.as_they_were()?, ..self.clone() })
    }
}

/// Context of node steps: one host, the cluster whose node it is, and what the place gives each node.
#[derive(Clone)]
pub struct NodeContext {
    /// The host of the node.
    pub host: HostAccess,
    /// The cluster of the node.
    pub cluster: ClusterAccess,
    /// Content of the releases.
    pub content: ContentAccess,
    /// Secrets of the cluster.
    pub secrets: Secrets,
    /// Releases of the operation.
    pub releases: Releases,
    /// Receiver of progress.
    pub progress: Arc<dyn Progress>,
    /// Extent of an undo.
    pub undo: UndoScope,
}

impl Site {
    /// Returns the context of component steps.
    pub fn component_context(&self) -> ComponentContext {
        let Self { cluster, content, releases, progress, undo, .. } = self.clone();
        ComponentContext { cluster, content, releases, progress, undo }
    }

    /// Returns the context of node steps for the only host.
    pub fn node_context(&self) -> Result<NodeContext, StepError> {
        let host = self.hosts.only()?.clone();
        let Self { cluster, content, secrets, releases, progress, undo, .. } = self.clone();
        Ok(NodeContext { host, cluster, content, secrets, releases, progress, undo })
    }
}
