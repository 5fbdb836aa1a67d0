//! Removes data after the commit that was only kept for undo.

use std::path::PathBuf;

use landfall_host::mounts;
use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::begin_use::note_of;
use crate::context::Site;
use landfall_engine::step::{ObservedState, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveAside {
    /// Name of the folder in the folder of volumes.
    pub folder: String,
}

impl RemoveAside {
    fn path(&self, site: &Site) -> PathBuf {
        site.data.volumes().join(&self.folder)
    }
}

impl Step<Site> for RemoveAside {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        let is_there = self.path(site).exists() || note_of(&site.data.paths, &self.folder).exists();
        Ok(if is_there { ObservedState::Absent } else { ObservedState::Done })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        mounts::remove_tree(&self.path(site))?;
        durable::remove_file(&note_of(&site.data.paths, &self.folder))?;
        Ok(Value::Null)
    }

    /// A step after the commit is never undone.
    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        Ok(())
    }
}
