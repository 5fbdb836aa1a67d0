//! Lists images and artifacts in the registry, under repositories that begin with the upstream's host. Links are
//! written last, so every listed image is complete.

use landfall_error_codes::CodedError;
use landfall_media::MediaError;
use landfall_media::store::{ContentStore, RepositoryLink};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::ComponentContext;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_site::content::PlannedLink;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryLinks {
    /// One link per image and artifact.
    pub links: Vec<PlannedLink>,
}

impl RegistryLinks {
    /// Returns the links in the store's form.
    pub fn links(&self) -> Vec<RepositoryLink> {
        self.links.iter().map(PlannedLink::in_store).collect()
    }
}

impl Step<ComponentContext> for RegistryLinks {
    fn observe(&self, context: &mut ComponentContext) -> Result<ObservedState, StepError> {
        let store = ContentStore::at(context.content.folder());
        let links = self.links();
        Ok(match links.iter().filter(|link| store.is_linked(link)).count() {
            0 if !links.is_empty() => ObservedState::Absent,
            all if all == links.len() => ObservedState::Done,
            some => ObservedState::Partial(format!("{some} of {} images are linked", links.len())),
        })
    }

    fn act(&self, context: &mut ComponentContext, _before: &Value) -> Result<Value, StepError> {
        let store = ContentStore::at(context.content.folder());
        let failed =
            |error: MediaError| StepError::new(error.code(), "cannot link an image in the registry").because(error);
        store.link_repositories(&self.links()).map_err(failed)?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut ComponentContext, _before: &Value) -> Result<(), StepError> {
        landfall_host::mounts::remove_tree(&context.content.folder().join("docker/registry/v2/repositories"))
    }
}
