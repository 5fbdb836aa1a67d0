//! The contents of this host's cluster, for a comparison with another time or another site.

use super::Operations;
use super::error::Result;
use landfall_cluster::snapshot::Snapshot;
use landfall_cluster::{Cluster, snapshot};
use landfall_engine::step::StepError;

impl Operations {
    /// Everything in the cluster, reduced to the part that does not differ by chance. Changes nothing.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let taken = Cluster::connect(&self.paths.admin_kubeconfig()).and_then(|cluster| snapshot::take(&cluster));
        Ok(taken.map_err(StepError::from)?)
    }
}
