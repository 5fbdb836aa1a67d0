//! Stages a release beside the kept ones: only missing blobs are copied. Undo removes only blobs that no kept release
//! refers to.

use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stage::{self, INSTALLER_NAME, Stage};
use crate::context::Site;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_site::content::Content;

/// Parameters of the step: none. It stages the bundle to which the operation is pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRelease {}

impl Step<Site> for StageRelease {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        Stage {}.observe(site)
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        stage::copy(site, "landfall upgrade --abort")
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        let paths = &site.hosts.only()?.paths;
        // A rollback's release is already kept.
        if site.releases.kept.iter().all(|kept| kept.bundle != site.releases.own.bundle) {
            durable::remove_file(&paths.release(&site.releases.own.bundle).join(INSTALLER_NAME))?;
        }
        Content::of(&site.releases.kept).collect(&site.content, &paths.node()).map(drop)
    }
}
