//! Advances the site's mark of the newest release, as the last step before the commit of an upgrade. Undo restores it.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{CodedError, codes};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::Site;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_site::marks::{Marks, MarksError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdvanceMark {
    /// Name of the release.
    pub release: String,
    /// Its counter.
    pub counter: u64,
    /// ID of its bundle.
    pub bundle: Sha256,
}

fn marks_error(error: MarksError) -> StepError {
    StepError::new(error.code(), "the site's mark of the newest release cannot be used").because(error)
}

impl Step<Site> for AdvanceMark {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        let marks = Marks::read(&site.data.paths).map_err(marks_error)?;
        let is_advanced = marks.counters.get(&self.release).is_some_and(|mark| *mark >= self.counter);
        let is_marked = is_advanced && marks.history.contains(&self.bundle);
        Ok(if is_marked { ObservedState::Done } else { ObservedState::Absent })
    }

    fn prepare(&self, site: &mut Site) -> Result<Value, StepError> {
        Ok(json!(Marks::read(&site.data.paths).map_err(marks_error)?.mark(&self.release)))
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        Marks::advance(&site.data.paths, &self.release, self.counter, self.bundle).map_err(marks_error)?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        let mark = serde_json::from_value(before.clone()).map_err(|error| {
            StepError::new(codes::BUG, "the mark before the upgrade is not recorded").because(error)
        })?;
        Marks::restore(&site.data.paths, &self.release, &mark).map_err(marks_error)
    }
}
