//! Takes a snapshot of etcd's data before the node changes. If an undo fails, a person can restore the cluster from it.
//! It is removed after the commit and at the end of an undo.

use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::etcd_tools::EtcdTools;
use crate::site::Site;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::pack::PackId;
use landfall_host::paths::SitePaths;

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

impl Step<Site> for EtcdSnapshot {
    fn observe(&self, _site: &mut Site) -> Result<ObservedState, StepError> {
        Ok(ObservedState::Partial("an existing snapshot may be of another upgrade".to_owned()))
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        remove(&site.paths)?;
        site.cluster()?;
        let snapshot = site.paths.etcd_snapshot();
        let tools = EtcdTools::of_pack(&site.paths, &self.pack);
        site.run(&tools.save(&snapshot))?;
        site.run(&tools.status(&snapshot))?;
        durable::set_mode(&snapshot, 0o600)?;
        site.sync_filesystem(&snapshot)?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        remove(&site.paths)
    }
}

/// Parameters of the step after the commit: none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveEtcdSnapshot {}

impl Step<Site> for RemoveEtcdSnapshot {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        Ok(if site.paths.etcd_snapshot().exists() { ObservedState::Absent } else { ObservedState::Done })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        remove(&site.paths)?;
        Ok(Value::Null)
    }

    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        // A step after the commit is never undone.
        Ok(())
    }
}
