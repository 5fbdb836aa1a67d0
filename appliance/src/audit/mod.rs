//! Audit log: who did what, when, from where, and with what outcome. It is a chain of hashes, so that a change of an
//! entry shows in every later one. The host signs its end, so that the log cannot be rewritten.

mod export;
mod retention;
mod search;
mod signing;
mod syslog;
mod watch;

pub use crate::entries::{Author, Chain, Event, head, record};
#[cfg(test)]
pub use export::page;
pub use export::{Export, Form, export};
pub use landfall_audit::{Entry, Outcome};
pub use search::{Filter, search};
pub use signing::{CheckpointSigner, SigningFailure};
pub use syslog::message;
pub use watch::Watch;

#[cfg(test)]
mod tests;
