//! Backups of a site: saving and restoring data by the rules of its release. [`landfall_backup`] provides the
//! repository that stores them.
//!
//! A backup describes itself: its manifest holds the rules for saving, loading and checking its streams. A later
//! release can therefore restore what an earlier one saved.

pub mod check;
pub mod cluster;
mod copies;
mod copy_place;
mod copy_records;
pub mod counts;
pub(crate) mod cut;
pub mod drill;
mod error;
mod estimate;
mod exchange;
pub mod fetch;
mod folder;
pub mod last_try;
pub mod load;
pub(crate) mod logs;
mod manifest;
mod room;
mod rule_pod;
pub mod running_try;
mod save;
mod singly;
mod site_files;
mod source;
mod stop;
mod summary;
mod volume;

pub use check::CheckResult;
pub use copies::BackupCopies;
pub use copies::Copies;
pub use copies::missing as missing_copies;
pub use copy_place::only_repository;
pub use copy_records::CopyRecords;
pub use cut::cut_of;
pub use drill::{DrillReport, DrilledStream};
pub use error::unusable;
pub use estimate::BackupEstimate;
pub use exchange::{admit_new_key, shut_out_former};
pub use folder::BackupFolder;
pub use logs::{Chain, IdleLog, LogIndex, LogRecords, SavingLogs, has_logs, points_in_time};
pub use logs::{LogOutcome, SavedLog};
pub use manifest::SavedStream;
pub use manifest::{Manifest, has_rules};
pub use room::{refuse, refuse_lacking};
pub use save::{BackupRun, NextOfBackup, OPERATION, Reason, SavedBackup};
pub use site_files::MARKS;
pub use stop::Stop;
pub use summary::{newest_proven, summarize};
pub use volume::LiveVolume;
pub use volume::{folder_of, new_token, stops_beside, with_others};
