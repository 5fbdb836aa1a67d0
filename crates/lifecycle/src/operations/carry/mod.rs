//! Round trip of a stick between a site and its vendor: outgoing and incoming files. Without a journal, because the
//! running release does not change.

mod audit_log;
mod folder;
mod incoming;
mod out;

pub use incoming::{CheckedIncoming, IncomingFiles, IncomingVerdict, RefusedFile, TakenBundle, TakenIn};
pub use out::CarriedOut;
