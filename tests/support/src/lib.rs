//! Parts that tests of several crates share: servers on loopback in place of a model hub and of package indexes,
//! programs that can run as soon as they are written, a comparison of documents, and a notation of definitions.

pub mod definition;
pub mod differences;
pub mod hub_server;
mod loopback;
pub mod package_server;
pub mod runnable;
