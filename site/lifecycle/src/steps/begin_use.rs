//! Pods may write to copied data from here on. An undo that comes before leaves the data, which nothing has touched, and keeps no second
//! form of it; one that comes later keeps both.

use std::path::PathBuf;

use landfall_host::paths::SitePaths;
use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::site::Site;
use landfall_engine::step::{Observed, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginUse {
    /// Names of the copies, in the folder of volumes.
    pub copies: Vec<String>,
}

/// The empty file beside a copy that is there since pods may write to what was copied.
pub(super) fn note_of(paths: &SitePaths, copy: &str) -> PathBuf {
    paths.storage().join(format!("{copy}.in-use"))
}

impl Step<Site> for BeginUse {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        let is_noted = |copy: &String| note_of(&site.paths, copy).exists();
        Ok(if self.copies.iter().all(is_noted) { Observed::Done } else { Observed::Absent })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        for copy in &self.copies {
            durable::write_file(&note_of(&site.paths, copy), b"", 0o600)?;
        }
        Ok(Value::Null)
    }

    /// Who puts a copy back removes its note, once the copy has the volume's name.
    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        Ok(())
    }
}
