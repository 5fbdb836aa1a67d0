//! The backup repository of a site: encrypted, deduplicated backups of streams and small documents in a folder or a
//! bucket, in the format of restic. It knows nothing of clusters, releases or journals.
//!
//! **One backup is one snapshot of restic.** `rustic_core` archives several readers at once, so no backup is spread over
//! snapshots, and plain `restic` lists, restores and prunes what is here. Three things are Landfall's own, since
//! `rustic_core` has no means for them:
//!
//! - *The place* (`store/`): a folder, or a bucket of an S3 server. Upstream's backend syncs files but not the names of files.
//!   Here a file is durable before the next one relies on it, and a snapshot is written after everything that it needs.
//! - *Sizes* (`save/trees.rs`): what is archived from a reader gets size 0 in its tree, because its size is not
//!   known beforehand. `restic restore` of Debian 12 would silently make empty files. So the trees are written once more.
//! - *The check* (`check/`): upstream's logs some findings, stops at others and panics at some. Here each damage is
//!   named, with the backups that it takes. restic's format has no list of what must exist. So a ledger (`ledger.rs`)
//!   names the snapshots and the index files, so that one that was deleted is reported.
//!
//! **Order of backups.** Each backup gets a sequence number, a tag of its snapshot: one more than the ledger's last. What is
//! newest, what is kept and what lies between two backups follow it. The time of a backup is a label of a clock that may be
//! wrong.
//!
//! **Damage.** A failed read notes its pack (`suspects.rs`), and damaged files no longer count as stored from the next backup on
//! (`mend.rs`). `repair.rs` takes what is lost from a copy.
//!
//! **Order of writes.** Data is written beside other changes (`writers.rs`). What makes it a backup is a change. Every change holds the repository's lock. It first writes the ledger without the names of index
//! files, then changes the repository, then writes the ledger in full. After a power cut the ledger names nothing that
//! was not there.

mod backup;
mod change;
mod check;
mod copy;
mod derivation;
mod error;
mod exchange;
mod folder;
mod key;
mod lacking;
mod ledger;
mod library;
mod marked_packs;
mod master;
mod mend;
mod names;
mod read;
mod repair;
mod repository;
mod reserve;
mod retention;
mod save;
mod sealed;
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
pub use check::{Damage, Part, Taken, What};
pub use derivation::Derivation;
pub use error::{BackupError, Result};
pub use key::RepositoryKey;
pub use lacking::lacking_facts;
pub use names::StreamName;
pub use read::{OpenBackup, StreamReader};
pub use repair::{Repaired, open_damaged};
pub use repository::{Backups, Repository};
pub use reserve::Reserve;
pub use retention::{BEGINS_LOG, Forgotten, Retention};
pub use save::{FailedStream, NewBackup};
pub use store::{Bucket, BucketAddress, BucketCredentials, BucketError, Place, Trouble};
