//! What install, resume and uninstall share: a pure plan, a journal that is written before every act, an engine that
//! decides nothing, and one file per step.

mod causes;
pub mod cluster;
pub mod configuration;
pub mod engine;
pub mod facts;
pub mod journal;
#[cfg(test)]
pub(crate) mod mounted;
pub mod netlink;
pub mod node;
pub mod operations;
pub mod plan;
pub mod preflight;
pub mod site;
pub mod step;
pub mod steps;
