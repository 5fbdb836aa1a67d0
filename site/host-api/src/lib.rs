//! The host's API for the console, on the node's address. It answers with what `landfall … --json` prints, signs answers about the
//! license for software, and takes few wishes:
//! a one-use token is checked, a backup or a drill begins, media are looked at, a bundle arrives, a support bundle is collected, a change is planned, begun by the digest of its plan, or
//! undone: an upgrade, a rollback, a restore. Whoever takes over the console's pod can do no more than that.

mod allowance;
mod answer;
mod changes;
mod desk;
mod pieces;
mod routes;
mod serve;
mod site;
mod support;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod uploads;

pub use serve::serve;
pub use site::{Question, Site, SupportBundles, Uploads};
