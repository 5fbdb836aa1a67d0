//! Entries of the audit log in a database: their writer, their chain of hashes, and the host's checkpoints of it.

mod chain;
mod checkpoints;
mod record;

pub use chain::{Chain, PAGE, start};
pub use checkpoints::{contains, entries_behind, is_new_key, keep, newest, stored};
pub use record::{Author, Event, head, record};
