//! Check of everything that is staged: every blob of the installed and the kept release against its signed values, and
//! every journal. Changes nothing.

use std::collections::{BTreeMap, HashSet};

use landfall_bundle_spec::Sha256;
use landfall_media::counters::Totals;
use landfall_media::progress::Event;
use landfall_media::store::ContentStore;
use landfall_media::verify::verify_store_beyond;
use schemars::JsonSchema;
use serde::Serialize;

use super::{OperationError, Operations, Result, Trust, TrustedRelease};

/// Result of a successful check of a site.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SiteVerification {
    /// Name and version of the release.
    pub release: String,
    /// Name and version of the rollback target; absent if the site keeps only one release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<String>,
    /// Number of blobs of both releases.
    pub blobs: usize,
    /// Size of these blobs in bytes.
    pub bytes: u64,
    /// Bytes that were read.
    pub store: Totals,
}

impl Operations {
    /// Reads every staged blob of this site and compares it with the signed value. The error lists all missing or
    /// damaged files of the installed release or, if that is complete, of the kept one. A damaged old journal is not an
    /// error: a note names it.
    pub fn verify_site(&self) -> Result<SiteVerification> {
        let history = self.history()?;
        let Some(past) = history.deciding() else {
            self.check_not_missing()?;
            return Err(OperationError::NothingStaged);
        };
        for damaged in self.damaged_journals()? {
            self.progress.event(Event::Note(damaged.note()));
        }
        let pins = past.pins().ok_or(OperationError::NothingStaged)?;
        let release = self.release_of(pins)?;
        let mut read = BTreeMap::new();
        self.verify_staged(&release, "checking what is staged", &mut read)?;
        let earlier = history.kept_releases().into_iter().find(|kept| kept.bundle != pins.bundle);
        let rollback = earlier.map(|kept| -> Result<String> {
            let release = TrustedRelease::read(&self.head_file(kept.bundle), &Trust::from_pinned(&kept.trust))?;
            self.verify_staged(&release, "checking the release before", &mut read)?;
            Ok(release.name())
        });
        Ok(SiteVerification {
            rollback: rollback.transpose()?,
            release: release.name(),
            blobs: read.len(),
            bytes: read.values().sum(),
            store: self.io.store.totals(),
        })
    }

    /// Reads the blobs of a release that were not read yet, and adds them with their sizes.
    fn verify_staged(&self, release: &TrustedRelease, phase: &str, read: &mut BTreeMap<Sha256, u64>) -> Result<()> {
        let store = ContentStore::with_counters(self.paths.registry(), self.io.store.clone());
        let payload = release.payload();
        let known: HashSet<_> = read.keys().copied().collect();
        verify_store_beyond(&known, &payload, &store, phase, &*self.progress)
            .map_err(|source| OperationError::Staged { store: self.paths.registry(), source: Box::new(source) })?;
        read.extend(payload.blobs().iter().map(|blob| (blob.sha256, blob.size)));
        Ok(())
    }
}
