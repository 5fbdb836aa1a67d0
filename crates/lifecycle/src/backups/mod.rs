//! Backups of a site: saving and restoring data by the rules of its release. [`landfall_backup`] provides the
//! repository that stores them.
//!
//! A backup describes itself: its manifest holds the rules for saving, loading and checking its streams. A later
//! release can therefore restore what an earlier one saved.

pub(crate) mod check;
pub(crate) mod cluster;
mod copies;
mod copy_place;
mod copy_records;
pub(crate) mod counts;
pub(crate) mod cut;
pub(crate) mod drill;
mod error;
mod estimate;
mod exchange;
pub(crate) mod fetch;
mod folder;
pub(crate) mod last_try;
pub(crate) mod load;
pub(crate) mod logs;
mod manifest;
mod room;
mod rule_pod;
pub(crate) mod running_try;
mod save;
mod singly;
mod site_files;
mod source;
mod summary;
mod volume;

pub use check::CheckResult;
pub use copies::BackupCopies;
pub(crate) use copies::Copies;
#[cfg(test)]
pub(crate) use copies::missing as missing_copies;
pub(crate) use copy_place::only_repository;
pub(crate) use copy_records::CopyRecords;
pub(crate) use cut::cut_of;
pub use drill::{DrillReport, DrilledStream};
pub(crate) use error::unusable;
pub(crate) use estimate::BackupEstimate;
pub(crate) use exchange::{admit_new_key, shut_out_former};
pub(crate) use folder::BackupFolder;
pub(crate) use logs::{Chain, IdleLog, LogIndex, LogRecords, SavingLogs, has_logs, points_in_time};
pub use logs::{LogOutcome, SavedLog};
pub use manifest::SavedStream;
pub(crate) use manifest::{Manifest, has_rules};
pub(crate) use room::{refuse, refuse_lacking};
pub(crate) use save::{BackupRun, NextOfBackup, OPERATION, Reason, SavedBackup};
pub(crate) use site_files::MARKS;
pub(crate) use summary::{newest_proven, summarize};
pub use volume::{LiveVolume, Stop};
pub(crate) use volume::{folder_of, new_token, stops_beside, with_others};
