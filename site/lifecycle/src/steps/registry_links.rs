//! Lists images and artifacts in the registry, under repositories that begin with the upstream's host. Links are
//! written last, so every listed image is complete.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::Coded;
use landfall_media::MediaError;
use landfall_media::store::{ContentStore, RepositoryLink};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::site::Site;
use landfall_engine::step::{Observed, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryLinks {
    /// One link per image and artifact.
    pub links: Vec<PlannedLink>,
}

/// One manifest under one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedLink {
    /// Upstream's host and path.
    pub repository: String,
    /// Tag, if the reference has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The manifest.
    pub manifest: Sha256,
    /// Configuration and layers.
    pub blobs: Vec<Sha256>,
}

impl RegistryLinks {
    /// Returns the links in the store's form.
    pub fn links(&self) -> Vec<RepositoryLink> {
        let link = |link: &PlannedLink| RepositoryLink {
            repository: link.repository.clone(),
            manifest: link.manifest,
            tag: link.tag.clone(),
            blobs: link.blobs.clone(),
        };
        self.links.iter().map(link).collect()
    }
}

impl Step<Site> for RegistryLinks {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        let store = ContentStore::at(site.paths.registry());
        let links = self.links();
        Ok(match links.iter().filter(|link| store.is_linked(link)).count() {
            0 if !links.is_empty() => Observed::Absent,
            all if all == links.len() => Observed::Done,
            some => Observed::Partial(format!("{some} of {} images are linked", links.len())),
        })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let store = ContentStore::at(site.paths.registry());
        let failed =
            |error: MediaError| StepError::new(error.code(), "cannot link an image in the registry").because(error);
        store.link_repositories(&self.links()).map_err(failed)?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        landfall_host::mounts::remove_tree(&site.paths.registry().join("docker/registry/v2/repositories"))
    }
}
