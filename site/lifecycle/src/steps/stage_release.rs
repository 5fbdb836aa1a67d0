//! Staging of a release beside those that the site keeps: only what is missing is copied. Its undo removes what none of
//! the kept releases refers to, and nothing else.

use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stage::{self, INSTALLER_NAME, Stage};
use crate::content::Content;
use crate::site::Site;
use landfall_engine::step::{Observed, Step, StepError};

/// Parameters of the step: none. It stages the bundle that the operation is pinned to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRelease {}

impl Step<Site> for StageRelease {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        Stage {}.observe(site)
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        stage::copy(site, "landfall upgrade --abort")
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        // A rollback's release is one of those that are kept.
        if site.kept.iter().all(|kept| kept.bundle != site.bundle) {
            durable::remove_file(&site.paths.release(&site.bundle).join(INSTALLER_NAME))?;
        }
        Content::of(&site.kept).collect(&site.paths, site.io.store.clone()).map(drop)
    }
}
