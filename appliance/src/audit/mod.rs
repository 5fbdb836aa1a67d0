//! The audit log: who did what, when, from where, and with what outcome. It is a chain of hashes, so that a change of an entry
//! shows in every later one.

mod chain;
mod entry;
mod export;
mod head;
mod record;
mod verify;
mod watch;

pub use chain::Chain;
pub use entry::{Entry, Outcome};
pub use export::{end, export, page};
pub use head::Head;
pub use record::{Author, Event, record};
pub use verify::verify;
pub use watch::Watch;

#[cfg(test)]
mod tests;
