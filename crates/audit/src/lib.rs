//! The audit log of a console as bytes: a hash chain, the checkpoints that the site's host signs, and their
//! verification.
//!
//! An owner of the console's database can rewrite a whole chain. A [`Checkpoint`] reveals that. The host signs the head
//! of the chain with a key that the console never has. It does so only after it has followed every entry since the last
//! signed one ([`Ledger::sign`]). Everything in this crate is a function of bytes and times: no files, no network, no
//! cluster, no clock.

mod checkpoint;
mod entry;
mod error;
mod follower;
mod head;
mod key;
mod ledger;
mod line;
mod lines;
mod verify;

pub use checkpoint::{Checkpoint, Restart};
pub use entry::{DROP, ENTRY_BYTES, Entry, Outcome, hash};
pub use error::{AuditError, Result};
pub use follower::Follower;
pub use head::{Hash, Head};
pub use key::SiteKey;
pub use ledger::{CheckpointRequest, Ledger, RestartRequest};
pub use line::{Line, SCHEMA, checkpoint_line, entry_line};
pub use lines::LINE_BYTES;
pub use verify::{LogKnowledge, Report, verify};

#[cfg(test)]
mod tests;
