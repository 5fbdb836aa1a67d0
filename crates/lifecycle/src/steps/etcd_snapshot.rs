//! Takes a snapshot of etcd's data before the node changes. If an undo fails, a person can restore the cluster from it.
//! It is removed after the commit and at the end of an undo.

use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::NodeContext;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::pack::PackId;
use landfall_host::paths::SitePaths;
use landfall_site::etcd_tools::EtcdTools;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdSnapshot {
    /// The installed node pack, whose etcdctl and etcdutl run.
    pub pack: PackId,
}

/// Removes the snapshot and its partial file.
pub(crate) fn remove(paths: &SitePaths) -> Result<(), StepError> {
    let snapshot = paths.etcd_snapshot();
    // etcdctl writes into this file first.
    durable::remove_file(&snapshot.with_added_extension("part"))?;
    Ok(durable::remove_file(&snapshot)?)
}

impl Step<NodeContext> for EtcdSnapshot {
    fn observe(&self, _context: &mut NodeContext) -> Result<ObservedState, StepError> {
        Ok(ObservedState::Partial("an existing snapshot may be of another upgrade".to_owned()))
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        remove(&context.host.paths)?;
        context.cluster.connect()?;
        let snapshot = context.host.paths.etcd_snapshot();
        let tools = EtcdTools::of_pack(&context.host.paths, &self.pack);
        context.host.run(&tools.save(&snapshot))?;
        context.host.run(&tools.status(&snapshot))?;
        durable::set_mode(&snapshot, 0o600)?;
        context.host.sync_filesystem(&snapshot)?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        remove(&context.host.paths)
    }
}

/// Parameters of the step after the commit: none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveEtcdSnapshot {}

impl Step<NodeContext> for RemoveEtcdSnapshot {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        Ok(if context.host.paths.etcd_snapshot().exists() { ObservedState::Absent } else { ObservedState::Done })
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        remove(&context.host.paths)?;
        Ok(Value::Null)
    }

    fn undo(&self, _context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        // A step after the commit is never undone.
        Ok(())
    }
}
