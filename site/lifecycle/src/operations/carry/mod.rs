//! The round trip of a stick between a site and its vendor: what goes out, and what comes in. No journal: nothing of it changes what runs.

mod audit_log;
mod folder;
mod incoming;
mod out;

pub use incoming::{CheckedIncoming, Incoming, IncomingVerdict, RefusedFile, TakenBundle, TakenIn};
pub use out::CarriedOut;
