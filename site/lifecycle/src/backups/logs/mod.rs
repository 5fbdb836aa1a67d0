//! Log backups: what is written between two backups, so that any point in time comes back.
//!
//! Log backups of a stream hang together by random words, their links: each names its own, and the one that it follows. A
//! backup of all data names the link that its log backups begin after. One that is lost ends the way, and so does a gap in the
//! log, whatever the clocks said.

mod chain;
mod record;
mod save;

#[cfg(test)]
pub(crate) use chain::tests;
pub(crate) use chain::{Chain, LogIndex};
pub use chain::{PointsInTime, ProvenPoints};
pub use record::LogStatus;
pub(crate) use record::{IdleLog, LogRecords, WholeLink};
pub(crate) use save::SavingLogs;
pub use save::{LogOutcome, SavedLog};

use landfall_release_document::ReleaseDocument;

use super::manifest::SavedStream;
use crate::configuration::BackupSettings;

/// Whether a release declares a log, and the site wants points in time.
pub(crate) fn has_logs(release: &ReleaseDocument, settings: &BackupSettings) -> bool {
    let rules = release.components.iter().flat_map(|component| &component.backup);
    settings.has_points_in_time() && rules.into_iter().any(|rule| rule.log.is_some())
}

/// The fact that names the link of a log backup.
const LINK: &str = "link";

/// The fact that names the link of the log backup before it.
const AFTER: &str = "after";

/// The fact that names the stream whose log it is.
const STREAM: &str = "stream";
