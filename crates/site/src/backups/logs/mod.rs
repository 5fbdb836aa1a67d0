//! Log backups: data written between two backups, so that any point in time can be restored.
//!
//! Log backups of a stream are chained by random words, their links: each names its own link and the one that it
//! follows. A full backup names the link that its log backups follow. A lost log backup or a gap in the log ends the
//! chain, regardless of time labels.

mod chain;
mod record;
mod save;

pub use chain::{Chain, LogIndex, points_in_time};
pub use record::{IdleLog, LogRecords, WholeLink};
pub use save::SavingLogs;
pub use save::{LogOutcome, SavedLog};

use landfall_release_document::ReleaseDocument;

use super::manifest::SavedStream;
use crate::configuration::BackupSettings;

/// Returns true if a release declares a log and the site requires points in time.
pub fn has_logs(release: &ReleaseDocument, settings: &BackupSettings) -> bool {
    let rules = release.components.iter().flat_map(|component| &component.backup);
    settings.has_points_in_time() && rules.into_iter().any(|rule| rule.log.is_some())
}

/// Fact that names the link of a log backup.
pub(crate) const LINK: &str = "link";

/// Fact that names the link of the previous log backup.
pub(crate) const AFTER: &str = "after";

/// Fact that names the stream of the log.
pub(crate) const STREAM: &str = "stream";
