//! The folder of volumes, which only root may enter. Folders of volumes within it are open to the users of their pods,
//! which reach them through mounts and not by this path.

use std::os::unix::fs::PermissionsExt;

use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::Site;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::files;

/// Mode of the folder of volumes: only root may enter.
const FOLDER_MODE: u32 = 0o700;

/// Parameters of the step: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {}

impl Step<Site> for Storage {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        let path = site.data.volumes();
        match fs_err::metadata(&path) {
            Ok(metadata) if metadata.permissions().mode() & 0o7777 == FOLDER_MODE => Ok(ObservedState::Done),
            Ok(_) => Ok(ObservedState::Partial(format!("{} is open to other users", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(ObservedState::Absent),
            Err(error) => Err(files::file_error("look at", &path, error)),
        }
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let path = site.data.volumes();
        durable::create_folder_with_mode(&path, FOLDER_MODE)?;
        durable::set_mode(&path, FOLDER_MODE)?;
        Ok(Value::Null)
    }

    /// Volumes are data. An uninstall keeps or removes a non-empty folder as a whole at its end.
    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        files::remove_folder_if_empty(&site.data.volumes())
    }
}
