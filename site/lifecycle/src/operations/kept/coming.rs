//! Whether an install brings a release to a site, or brings it back: a license judges what comes, never what returns to its own data.
//! Every release that left data or a backup passed the license's gate when it came.

use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;

use super::KeptData;
use crate::backups::{BackupFolder, BackupSummary, unusable};
use crate::operations::bundle::TrustedRelease;
use landfall_host::paths::SitePaths;

/// What an install is to the data that it finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::operations) enum Coming {
    /// The release is new here: the license must allow it.
    #[default]
    New,
    /// This version left the data or one of the backups that the install adopts.
    Back,
    /// This version left the data or one of the backups, which the install does not adopt: it would be new here once the data is gone.
    Declined,
    /// It counts as new, because the kept backups do not say what made them, for this reason.
    Unclear(String),
}

impl Coming {
    /// Of a release that adopts this data.
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

/// The backups that are kept or were adopted.
fn kept_backups(paths: &SitePaths) -> Result<Vec<BackupSummary>, StepError> {
    let Some(repository) = BackupFolder::of(paths).open()? else { return Ok(Vec::new()) };
    Ok(repository.backups().map_err(unusable)?.iter().map(BackupSummary::from).collect())
}
