//! A check of everything that is staged: every blob of the release against its signed values. Changes nothing.

use landfall_media::counters::Totals;
use landfall_media::store::ContentStore;
use landfall_media::verify::verify_store;
use schemars::JsonSchema;
use serde::Serialize;

use super::{OperationError, Operations, Result};

/// The result of a successful check of a site.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SiteVerification {
    /// Name and version of the release.
    pub release: String,
    /// The number of its blobs.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Counters of the bytes read.
    pub store: Totals,
}

impl Operations {
    /// Reads every blob that the release of this site has staged, and compares it with what was signed. The error lists
    /// everything that is missing or damaged.
    pub fn verify_site(&self) -> Result<SiteVerification> {
        let Some(past) = self.deciding()? else {
            self.check_not_missing()?;
            return Err(OperationError::NothingStaged);
        };
        let pins = past.pins().ok_or(OperationError::NothingStaged)?;
        let release = self.release_of(pins)?;
        let store = ContentStore::counted(self.paths.registry(), self.io.store.clone());
        let payload = release.payload();
        verify_store(&payload, &store, "checking what is staged", &*self.progress)
            .map_err(|source| OperationError::Staged { store: self.paths.registry(), source: Box::new(source) })?;
        Ok(SiteVerification {
            release: release.name(),
            blobs: payload.blobs().len(),
            bytes: payload.blob_bytes(),
            store: self.io.store.totals(),
        })
    }
}
