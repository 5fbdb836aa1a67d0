//! First step of a host pack: copies its packages from the media into a separate folder. Each chunk is verified before
//! it is written.

use std::path::PathBuf;

use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_error_codes::{CodedError, codes};
use landfall_host::paths::SitePaths;
use landfall_media::progress::Event;
use landfall_media::stage::stage;
use landfall_media::store::ContentStore;
use landfall_media::{MediaError, durable};
use landfall_release_document::HostPackage;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::HostSite;
use crate::steps::stage::find_media;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StagePackages {
    /// The packages for this host.
    pub(super) packages: Vec<HostPackage>,
}

/// Returns the path of a package's file under its own name, which package managers print.
pub(super) fn file(paths: &SitePaths, package: &HostPackage) -> PathBuf {
    paths.host_pack_files().join(&package.file)
}

/// Removes the copies of the packages.
pub(crate) fn remove_copies(paths: &SitePaths) -> Result<(), StepError> {
    durable::remove_tree(&paths.host_pack_files())?;
    Ok(durable::remove_tree(&paths.host_pack_store())?)
}

impl Step<HostSite> for StagePackages {
    fn observe(&self, site: &mut HostSite) -> Result<ObservedState, StepError> {
        let there = self.packages.iter().filter(|package| {
            let found = fs_err::metadata(file(&site.paths, package));
            found.is_ok_and(|found| found.is_file() && found.len() == package.blob.size)
        });
        let (count, all) = (there.count(), self.packages.len());
        Ok(match count {
            _ if count == all => ObservedState::Done,
            0 if !site.paths.host_pack_store().exists() => ObservedState::Absent,
            _ => ObservedState::Partial(format!("{count} of {all} packages are copied")),
        })
    }

    fn act(&self, site: &mut HostSite, _before: &Value) -> Result<Value, StepError> {
        let media = site.media.as_ref().ok_or_else(|| StepError::new(codes::BUG, "the host pack has no media"))?;
        let found = find_media(&media.path, &media.payload, media.io.media.clone())?;
        let store = ContentStore::with_counters(site.paths.host_pack_store(), media.io.store.clone());
        let failed =
            |error: MediaError| StepError::new(error.code(), "the host pack was not fully copied").because(error);
        let copied = stage(&found, &store, &*site.progress).map_err(failed)?;
        durable::create_folder(&site.paths.host_pack_files())?;
        for package in &self.packages {
            durable::hard_link(&store.path(package.blob.digest), &file(&site.paths, package))?;
        }
        site.progress.event(Event::SafeToRemove);
        Ok(json!({ "bytes": copied.bytes }))
    }

    fn undo(&self, site: &mut HostSite, _before: &Value) -> Result<(), StepError> {
        remove_copies(&site.paths)
    }
}
