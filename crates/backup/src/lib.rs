//! Backup repository of a site: encrypted, deduplicated backups of streams and small documents in a folder or a bucket,
//! in the format of restic. It knows nothing of clusters, releases or journals.
//!
//! **One backup is one snapshot of restic.** `rustic_core` archives several readers at once, so no backup is spread
//! over snapshots. Plain `restic` can list, restore and prune its content. Three parts are Landfall's own, because
//! `rustic_core` lacks them:
//!
//! - *The place* (`store/`): a folder, or a bucket of an S3 server. Upstream's backend syncs files but not the names of
//!   files. Here a file is durable before another one relies on it, and a snapshot is written after everything that it
//!   needs.
//! - *Sizes* (`save/trees.rs`): data archived from a reader gets size 0 in its tree, because its size is not known
//!   beforehand. `restic restore` of Debian 12 would silently create empty files. Therefore the trees are written
//!   again.
//! - *The check* (`check/`): upstream's check logs some findings, stops at others and panics at some. Here, all damage
//!   is reported, with the affected backups. restic's format has no list of required files. Therefore a ledger
//!   (`ledger.rs`) names the snapshots and the index files, so that a deleted one is reported.
//!
//! **Order of backups.** Each backup gets a sequence number, a tag of its snapshot: one more than the ledger's last. It
//! determines which backup is newest, which are kept, and which lie between two others. The time of a backup is only a
//! label, from a clock that may be wrong.
//!
//! **Damage.** A failed read records its pack (`suspects.rs`). Data in damaged files no longer counts as stored from
//! the next backup on (`mend.rs`). `repair.rs` restores lost data from a copy.
//!
//! **Order of writes.** Data is written concurrently with other changes (`writers.rs`). Turning it into a backup is a
//! change. Every change holds the repository's lock. It first writes the ledger without the names of index files, then
//! changes the repository, then writes the ledger in full. After a power cut, the ledger never names a file that did
//! not exist.

mod backup;
mod change;
mod check;
mod copy;
mod derivation;
mod digest;
mod error;
mod exchange;
mod folder;
mod key;
mod key_files;
mod lacking;
mod layout;
mod ledger;
mod library;
mod marked_packs;
mod master;
mod master_file;
mod mend;
mod names;
mod needed_logs;
mod read;
mod repair;
mod repository;
mod reserve;
mod retention;
mod save;
mod sealed;
mod snapshot;
mod store;
mod suspects;
mod verdict;
mod walk;
mod whole;
mod writers;
mod written;

#[cfg(test)]
mod tests;

pub use backup::{Backup, BackupId, BackupKind, Proof, Stream};
pub use check::{BackupLoss, Damage, DamageKind, Part};
pub use derivation::Derivation;
pub use error::{BackupError, BucketError, Result, Trouble};
pub use key::RepositoryKey;
pub use lacking::lacking_facts;
pub use names::{NameError, StreamName};
pub use needed_logs::needed_log_facts;
pub use read::{OpenBackup, StreamReader};
pub use repair::{RepairReport, open_damaged};
pub use repository::{Backups, Repository};
pub use reserve::Reserve;
pub use retention::{BEGINS_LOG, ForgetReport, Retention};
pub use save::{FailedStream, NewBackup};
pub use store::{Bucket, BucketAddress, BucketCredentials, Place};
