//! Notes that pods may write to changed or loaded data from here on. An earlier undo keeps no second copy, because
//! nothing was written. A later undo keeps both.

use std::path::PathBuf;

use landfall_host::paths::SitePaths;
use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::Site;
use landfall_engine::step::{ObservedState, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginUse {
    /// Names of the copied or set-aside data that undo restores, in the folder of volumes.
    #[serde(rename = "copies")]
    pub apart: Vec<String>,
}

/// Returns the path of the note: an empty file beside the data, which means that pods may write to the volume.
pub(super) fn note_of(paths: &SitePaths, apart: &str) -> PathBuf {
    paths.storage().join(format!("{apart}.in-use"))
}

/// Notes that pods may write to the volume of this data from now on. The note is on the disk on return.
pub(super) fn note_use(paths: &SitePaths, apart: &str) -> Result<(), StepError> {
    Ok(durable::write_file(&note_of(paths, apart), b"", 0o600)?)
}

impl Step<Site> for BeginUse {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        let is_noted = |apart: &String| note_of(&site.data.paths, apart).exists();
        Ok(if self.apart.iter().all(is_noted) { ObservedState::Done } else { ObservedState::Absent })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        self.apart.iter().try_for_each(|apart| note_use(&site.data.paths, apart))?;
        Ok(Value::Null)
    }

    /// Restoring the data removes its note, after the data has the volume's name.
    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        Ok(())
    }
}
