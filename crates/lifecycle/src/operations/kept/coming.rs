//! Decides whether an install brings a new release to a site or restores an earlier one. A license judges new releases,
//! not releases that return to their own data. A release that left data or a backup passed the license check when it
//! was installed.

use landfall_documents::backups::BackupSummary;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;

use landfall_host::paths::SitePaths;

use super::KeptData;
use crate::operations::bundle::TrustedRelease;
use landfall_site::backups::{BackupFolder, summarize, unusable};

/// Relation of an install to the data that it finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::operations) enum DataRelation {
    /// The release is new here, so the license must allow it.
    #[default]
    New,
    /// This version left the data or one of the backups that the install adopts.
    Back,
    /// This version left the data or one of the backups, but the install does not adopt them. Without the data, the
    /// release would be new here.
    Declined,
    /// Counts as new, because the kept backups do not show which release made them, for this reason.
    Unclear(String),
}

impl DataRelation {
    /// Determines the relation of a release that adopts this data.
    pub(super) fn of(kept: &KeptData, paths: &SitePaths, release: &TrustedRelease) -> Self {
        let identity = release.verified.identity();
        if kept.release == Some(format!("{} {}", identity.name, identity.version)) {
            return Self::Back;
        }
        match kept_backups(paths) {
            Ok(backups) => {
                let is_its =
                    |backup: &BackupSummary| (&backup.release, &backup.version) == (&identity.name, &identity.version);
                if backups.iter().any(is_its) { Self::Back } else { Self::New }
            }
            Err(error) => Self::Unclear(with_causes(&error)),
        }
    }
}

/// Returns the kept or adopted backups.
fn kept_backups(paths: &SitePaths) -> Result<Vec<BackupSummary>, StepError> {
    let Some(repository) = BackupFolder::of(paths).open()? else { return Ok(Vec::new()) };
    Ok(repository.backups().map_err(unusable)?.iter().map(summarize).collect())
}
