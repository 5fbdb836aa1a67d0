//! Marks the data folder and the operating system as one site, so that an unmounted disk does not look like a new site.

use landfall_error_codes::codes;
use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::NodeContext;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::files;

/// Parameters of the step: none. Its `prepare` generates the UUID, which the journal stores.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {}

impl Step<NodeContext> for Identity {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        let (settings, data) = (context.host.paths.settings_uuid(), context.host.paths.data_uuid());
        Ok(match (files::read(&settings)?, files::read(&data)?) {
            (None, None) => ObservedState::Absent,
            (Some(one), Some(other)) if one == other => ObservedState::Done,
            (Some(_), Some(_)) => {
                ObservedState::Foreign(format!("{} and {} name different sites", settings.display(), data.display()))
            }
            _ => ObservedState::Partial("the UUID is in only one of its two places".to_owned()),
        })
    }

    fn prepare(&self, _context: &mut NodeContext) -> Result<Value, StepError> {
        Ok(json!({ "uuid": uuid::Uuid::new_v4().to_string() }))
    }

    fn act(&self, context: &mut NodeContext, before: &Value) -> Result<Value, StepError> {
        let uuid = before["uuid"]
            .as_str()
            .ok_or_else(|| StepError::new(codes::BUG, "the journal's record of the identity step has no UUID"))?;
        let text = format!("{uuid}\n");
        durable::create_own_folder(&context.host.paths.settings())?;
        for path in [context.host.paths.data_uuid(), context.host.paths.settings_uuid()] {
            durable::write_file(&path, text.as_bytes(), 0o644)?;
        }
        Ok(json!({ "uuid": uuid }))
    }

    fn undo(&self, context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        durable::remove_file(&context.host.paths.settings_uuid())?;
        durable::remove_file(&context.host.paths.data_uuid())?;
        durable::remove_leftovers(&context.host.paths.settings())?;
        Ok(durable::remove_own_folder(&context.host.paths.settings())?)
    }
}
