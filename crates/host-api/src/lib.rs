//! The host's API for the console, on the node's address. It returns what `landfall … --json` prints, signs answers
//! about the license for software, and accepts few requests. A one-use token is checked, a backup or a drill begins,
//! media are examined, a bundle arrives, or a support bundle is collected. A change (upgrade, rollback, restore) is
//! planned, begun by the digest of its plan, or undone. An attacker who takes over the console's pod can do no more
//! than that.

mod allowance;
mod answer;
mod changes;
mod desk;
mod host;
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
