//! Marks data folder and operating system as one site, so that an unmounted disk never looks like a fresh site.

use landfall_bundle_spec::codes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::site::Site;
use crate::step::{Observed, Step, StepError};

/// Parameters of the step: none, since the UUID is drawn by its `prepare` and thus kept in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {}

impl Identity {
    fn read(path: &std::path::Path) -> Result<Option<String>, StepError> {
        match fs_err::read_to_string(path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StepError::new(codes::NODE_FILE, "cannot read the site's UUID").because(error)),
        }
    }
}

impl Step<Site> for Identity {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        Ok(match (Self::read(&site.paths.settings_uuid())?, Self::read(&site.paths.data_uuid())?) {
            (None, None) => Observed::Absent,
            (Some(settings), Some(data)) if settings == data => Observed::Done,
            (Some(_), Some(_)) => Observed::Foreign(format!(
                "{} and {} name different sites",
                site.paths.settings_uuid().display(),
                site.paths.data_uuid().display()
            )),
            _ => Observed::Partial("the UUID is written in one of its two places".to_owned()),
        })
    }

    fn prepare(&self, _site: &mut Site) -> Result<Value, StepError> {
        Ok(serde_json::json!({ "uuid": uuid::Uuid::new_v4().to_string() }))
    }

    fn act(&self, _site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        Err(StepError::new(codes::BUG, "durable writes are not there yet"))
    }

    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        Err(StepError::new(codes::BUG, "durable writes are not there yet"))
    }
}
